"""Words of `pixelcnn`: English -> Chinese, and its short text for a student in both."""

from __future__ import annotations

CHINESE: dict[str, str] = {
    "PixelCNN": "自回归 PixelCNN",
    "New digits, endings for the top of yours, or what surprises in yours": "新数字、为你的数字的上半部续写，或你的数字中令人意外之处",
    "Divides each logit: less is more typical, and more alike": "除每个对数几率：越小越典型，也越相似",
    "Rows kept": "保留行数",
    "Of your digit's 28, from the top, to complete": "续写时从上方保留你的数字 28 行中的几行",
    "Grey": "灰度",
    "Show how likely white was at each pixel, not what was drawn": "显示每个像素为白的概率，而不是画出的结果",
    "complete": "续写",
    "surprise": "意外图",
    "nats of the class": "该类的奈特",
    "highest": "最大值",
    "The drawing, pixel by pixel": "逐像素绘制过程",
    "reads as {}, {} sure": "读作 {}，把握 {}",
    "{} nats in all; the most surprising pixel costs {}": "总计 {} 奈特；最意外的像素为 {}",
    "what the top may be": "上半部可能是",
}

HOW_TO: tuple[str | tuple[str, str], ...] = (
    (
        "A picture is drawn in reading order. For each pixel a network says how likely it is to be white, given all pixels before it, and a coin is thrown. Convolutions that reach only up and to the left see to it that nothing later is used: a vertical stack knows all rows above, a horizontal stack the pixels to the left, and gates decide what passes.",
        "图片按阅读顺序绘制。网络对每个像素说出在它之前所有像素已知时它为白的概率，然后掷一次硬币。只向上、向左看的卷积保证不会用到后面的像素：垂直堆栈知道上方所有行，水平堆栈知道左边的像素，门控决定什么通过。",
    ),
    r"$$p(x \mid y) = \prod_{i=1}^{784} p(x_i \mid x_1, \dots, x_{i-1}, y),\qquad"
    r" -\log p(x) = \sum_i -\log p(x_i \mid x_{<i})$$",
    (
        "So every picture has an exact probability, told in nats, and each pixel its share: the map of surprise is bright where the network expected something else. Given the top of a digit it draws endings; without a class, classes are drawn by how well each explains what is given. This is the black-and-white variant: greys are made black or white by chance, as in the published numbers.",
        "于是每张图片都有精确的概率，以奈特计，每个像素各占一份：网络没料到的地方，意外图就亮。给出数字的上半部，它会续写；不选类别时，按各类对已知部分的解释程度抽取类别。这里是黑白版本：灰度按概率变为黑或白，与文献中的数字一致。",
    ),
    (
        "Van den Oord et al., Conditional Image Generation with PixelCNN Decoders, 2016 (arXiv 1606.05328). One thing to try: draw a 7, keep 8 rows, and count how many endings are 7s, 9s and 3s.",
        "van den Oord 等，《Conditional Image Generation with PixelCNN Decoders》，2016（arXiv 1606.05328）。试一试：画一个 7，保留 8 行，数一数续写出多少个 7、9 和 3。",
    ),
)
