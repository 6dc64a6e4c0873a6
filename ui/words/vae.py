"""Words of `vae`: English -> Chinese, and its short text for a student in both; and of the board and digits that the
PixelCNN's tab has too."""

from __future__ import annotations

CHINESE: dict[str, str] = {
    "VAE": "变分自编码器",
    "Show": "显示",
    "New digits, your digit and what comes back, a walk between two, or the whole map": "新数字、你的数字及其重建、两个数字之间的渐变，或整张地图",
    "Code": "编码",
    "40 numbers for quality, or 2 that can be drawn as a map": "40 个数，质量更好；或 2 个数，可画成地图",
    "Temperature": "温度",
    "Spread of the codes: less is more typical, and more alike": "编码的散布：越小越典型，也越相似",
    "Your digit": "你的数字",
    "Drawn or uploaded: one digit in black and white": "手绘或上传：一个黑白数字",
    "Second digit": "第二个数字",
    "Where a walk ends; none: at a new digit": "渐变走到哪里；留空则走向一个新数字",
    "samples": "新数字",
    "digit": "你的数字",
    "walk": "渐变",
    "manifold": "地图",
    "large": "40 个数",
    "map": "图",
    "distance": "距离",
    "reconstruction": "重建",
    "kl": "KL 散度",
    "nats": "奈特",
    "Draw a digit here": "在此手绘一个数字",
    "Wipe": "擦掉",
    "The map of all digits that two numbers can say will be here: press to draw it.": "由两个数表示的所有数字的地图将显示在这里：点击即可绘制。",
    "The map is being drawn: nine hundred digits.": "正在绘制地图：九百个数字。",
    "The map could not be drawn: press to try again.": "地图未能绘制：点击重试。",
    "KL by dimension, in nats": "各维度的 KL（奈特）",
    "reconstruction {} + KL {} = {} nats": "重建 {} + KL {} = {} 奈特",
    "which Gaussian of the prior: {} nats": "选先验中哪个高斯：{} 奈特",
    "Click or drag on the map, or use the arrow keys: the digit at that code is drawn. Dots are test digits.": "在地图上点击或拖动，或用方向键：画出该编码处的数字。圆点是测试集中的数字。",
}

HOW_TO: tuple[str | tuple[str, str], ...] = (
    (
        "An encoder looks at a digit and says where in a small space of codes it may lie: a Gaussian q, not a point. A decoder draws what lies at a code. Both are trained together to give digits back, while q is kept close to a prior p(z), so that a code drawn from the prior is drawn as a digit too.",
        "编码器看一个数字，说出它可能位于一个小编码空间的何处：是一个高斯分布 q，而不是一个点。解码器画出某个编码处的样子。两者一起训练，既要还原数字，又让 q 靠近先验 p(z)，于是从先验抽取的编码也能画成数字。",
    ),
    r"$$\log p(x) \ge \mathbb{E}_{q(z|x)}\,[\log p(x|z)] - \mathrm{KL}(q(z|x)\,\Vert\,p(z))$$",
    (
        "The two terms are told in nats for a digit of yours: reconstruction, what is lost on the way back, and KL, how much the code says; a dimension with no KL says nothing. The model knows no classes. When you ask for one, codes are drawn from a mixture of Gaussians that was fitted to the codes of that class's training digits. With 40 numbers the prior itself is a learned mixture; with 2 it is the plain normal distribution, and the whole space fits on the map.",
        "对你的数字，两项都以奈特给出：重建是回程中丢失的，KL 是编码说了多少；KL 为零的维度什么也没说。模型不知道类别：要求某类时，编码取自一个高斯混合，它拟合了该类训练数字的编码。40 个数时先验本身是学来的高斯混合；2 个数时是普通正态分布，整个空间可放进一张地图。",
    ),
    (
        "Kingma and Welling, Auto-Encoding Variational Bayes, 2013 (arXiv 1312.6114). One thing to try: draw a 4 that is almost a 9, press Run, and see where it lands between the two colours on the map.",
        "Kingma 与 Welling，《Auto-Encoding Variational Bayes》，2013（arXiv 1312.6114）。试一试：画一个几乎像 9 的 4，按运行，看它落在地图上两种颜色之间的何处。",
    ),
)
