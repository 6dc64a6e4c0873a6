"""Words of `stylemix`: English -> Chinese, and its short text for a student in both."""

from __future__ import annotations

CHINESE: dict[str, str] = {
    "Style mixing": "风格混合",
    "Style enters at": "风格进入的层",
    "The layers that take the style; the others take the mean style": "由风格控制的层；其余各层用平均风格",
    "all": "全部",
    "coarse": "粗层",
    "middle": "中层",
    "fine": "细层",
    "Variety": "多样性",
    "Distance of the styles from the mean style; 0: all the same": "各风格与平均风格的距离；0 为全部相同",
    "Style seed": "风格种子",
    "Seed of the first style": "第一个风格的种子",
    "Styles in a row": "每行风格数",
    "Width of the matrix; 0: square": "矩阵宽度；0 为方阵",
    "Codes (JSON)": "编码（JSON）",
    "Codes of the first rows and columns, from a record: contents and styles; seeds make the rest": "前几行、前几列的编码，取自某次记录：contents 与 styles；其余由种子生成",
    "Click a picture of the matrix to use its codes again.": "点击矩阵中的某张图，可再次使用它的编码。",
    "Chosen": "所选",
    "This digit, other styles": "同一数字，换风格",
    "This style, other digits": "同一风格，换数字",
    "Both, at the head of the matrix": "两者都保留，放在矩阵之首",
    "{} from row {}, style {}; reads as {} ({} sure)": "{}，第 {} 行，第 {} 种风格；读作 {}（把握 {}）",
}

HOW_TO: tuple[str | tuple[str, str], ...] = (
    (
        "One generator, two codes. The content code, a class and some noise, makes a small stack of feature maps: which digit, slanted how, how thick. The style code never touches a position: at every layer it only sets the mean and the deviation of each feature map, so it decides colours and texture and has no way to move a stroke.",
        "一个生成器，两个编码。内容编码（类别加噪声）生成一小叠特征图：是哪个数字，怎样倾斜，多粗。风格编码从不触及位置：它只在每一层设定各特征图的均值与标准差，因此决定颜色与纹理，却无法移动任何笔画。",
    ),
    r"$$\mathrm{AdaIN}(x, w) = \sigma(w)\,\frac{x - \mu(x)}{\sigma(x)} + \mu(w), \qquad w = f(z_{\mathrm{style}}),"
    r"\quad x_0 = g(z_{\mathrm{content}}, y)$$",
    (
        "Contents go down, styles go across: along a row the digit stays, along a column the look stays. It learned in a game against a judge, from MNIST digits filled and surrounded with cuts of CIFAR-10 photographs; nobody told it which part is content. Style enters at chooses the layers: coarse ones change the folds of the ground and the weight of strokes, the middle one how ink stands out, fine ones all colours and which of ink and ground is lighter. Variety draws all styles towards their mean. Click a cell to hold on to its codes; the record has all of them as JSON. A reader that was trained apart says what each picture shows.",
        "内容向下，风格向右：同一行数字不变，同一列外观不变。它在与判别器的博弈中学习，数据是以 CIFAR-10 照片碎片填充和衬底的 MNIST 数字；没有人告诉它哪部分是内容。“风格进入的层”选择层次：粗层改变底纹与笔画的轻重，中层改变笔画如何突出，细层决定全部颜色以及笔画与底孰明孰暗。多样性把所有风格拉向平均。点击一格可保留其编码；记录中有全部编码的 JSON。另行训练的阅读器说出每张图显示什么。",
    ),
    (
        "Karras, Laine and Aila, A Style-Based Generator Architecture for Generative Adversarial Networks, 2018 (arXiv 1812.04948); Huang and Belongie, Arbitrary Style Transfer with Adaptive Instance Normalization, 2017 (arXiv 1703.06868). One thing to try: let the style enter at the coarse layers alone, then at the fine ones alone, and see what each of them owns.",
        "Karras、Laine 与 Aila，《A Style-Based Generator Architecture for Generative Adversarial Networks》，2018（arXiv 1812.04948）；Huang 与 Belongie，《Arbitrary Style Transfer with Adaptive Instance Normalization》，2017（arXiv 1703.06868）。试一试：先让风格只进入粗层，再只进入细层，看看它们各自掌管什么。",
    ),
)
