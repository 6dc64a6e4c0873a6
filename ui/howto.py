"""Short texts for a student, a method each: (English, Chinese) pairs, and equations that need no translation."""

from __future__ import annotations

HOW_TO: dict[str, tuple[str | tuple[str, str], ...]] = {
    "gatys": (
        (
            "A network trained to recognise things sees a picture as layers of features: early layers see edges and colours, deep ones see parts and arrangement. Nothing is trained here. The pixels themselves are changed, step by step, until the deep features match the photograph and the statistics of all layers match the style.",
            "识别物体的网络把图片看成一层层特征：浅层看到边缘与颜色，深层看到部件与布局。这里不训练任何网络，而是一步步改变像素本身，直到深层特征与照片一致、各层统计量与风格一致。",
        ),
        r"$$\mathcal{L}(x) = \alpha \sum_{l} \frac{\lVert F^l(x) - F^l(c) \rVert^2}{\lVert F^l(c) \rVert^2}"
        r" + \beta \sum_l w_l \frac{\lVert G^l(x) - G^l(s) \rVert^2}{\lVert G^l(s) \rVert^2} + \gamma\,\mathrm{TV}(x),"
        r"\qquad G^l_{ij} = \frac{1}{HW} \sum_{p} F^l_{ip} F^l_{jp}$$",
        (
            "The Gram matrix G counts which features occur together, wherever they are: it forgets the arrangement and keeps the texture. By default mean and covariance of the same features are compared, as a Wasserstein-2 distance; Advanced has the Gram matrices themselves. Strength moves the balance from the photograph to the style over four powers of ten. Size of strokes shows the style picture larger or smaller to the network. Large pictures start small, where broad strokes are cheap, and grow by the square root of two until they have the size you asked for.",
            "格拉姆矩阵 G 统计哪些特征同时出现，而不管位置：它忘掉布局，留下纹理。默认比较的是同样特征的均值与协方差（Wasserstein-2 距离）；高级设置里可改用格拉姆矩阵本身。强度在四个数量级上调节照片与风格的平衡；笔触大小决定网络看到的风格图有多大。大图从小图开始，那里画大笔触很便宜，然后每次放大根号二倍，直到所要的尺寸。",
        ),
        (
            "Gatys, Ecker and Bethge, A Neural Algorithm of Artistic Style, 2015 (arXiv 1508.06576). One thing to try: in Advanced, use conv1_1 alone as style layer, then conv4_1 alone, and compare what of the style is left.",
            "Gatys、Ecker 与 Bethge，《A Neural Algorithm of Artistic Style》，2015（arXiv 1508.06576）。试一试：在高级设置里只用 conv1_1 作风格层，再只用 conv4_1，看看风格还剩下什么。",
        ),
    ),
}
