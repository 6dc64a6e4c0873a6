"""Words of `gan`: English -> Chinese, and its short text for a student in both."""

from __future__ import annotations

CHINESE: dict[str, str] = {
    "GAN": "生成对抗网络",
    "Truncation": "截断",
    "Noise times this: less is more typical, and more alike": "噪声乘以此数：越小越典型，也越相似",
    "Interpolation": "插值",
    "Frames of a walk from these seeds to others; 0: no walk": "从这些种子走到另一些种子的帧数；0 为不走",
    "Convolutional, or the dense one of the classic tutorials": "卷积网络，或经典教程里的全连接网络",
    "Second seed": "终点种子",
    "Where the walk ends; none: the seeds after these": "插值走到哪里；留空则为其后的种子",
    "Nearest training picture": "最近的训练图片",
    "Put beside each picture the training picture closest to it; needs ATELIER_DATA": "在每张图旁放上与它最接近的训练图片；需要 ATELIER_DATA",
    "conv": "卷积",
    "mlp": "全连接",
    "read as asked": "读作所求类别的比例",
    "Click a picture of the result to look closer.": "点击结果中的某张图，可细看。",
    "{} of {} read as asked. Click one to look closer.": "{} / {} 读作所求类别。点击一张可细看。",
    "Look closer": "细看",
    "More from this seed": "从此种子继续生成",
    "Walk from here": "从这里出发插值",
    "asked for {}, reads as {} ({} sure)": "要求 {}，读作 {}（把握 {}）",
    "beside it the nearest of {} training pictures: {}, {} away": "旁边是 {} 张训练图片中最近的一张：{}，距离 {}",
}

HOW_TO: tuple[str | tuple[str, str], ...] = (
    (
        "Two networks play against each other. The generator G turns noise z and a class y into a picture; the discriminator D looks at pictures, real and made, and says which is which. Each learns from the other's last move, until D can only guess. No picture is ever compared with a target: the judge itself is learned.",
        "两个网络互相博弈。生成器 G 把噪声 z 和类别 y 变成图片；判别器 D 看真图和假图，判断哪张是哪种。双方都从对方的上一步学习，直到 D 只能靠猜。从不把图片与某个目标逐一比较：评判标准本身也是学出来的。",
    ),
    r"$$\min_G \max_D \; \mathbb{E}_{x,y}\big[\log D(x, y)\big] + \mathbb{E}_{z,y}\big[\log\big(1 - D(G(z, y), y)\big)\big],"
    r"\qquad z \sim \mathcal{N}(0, I)$$",
    (
        "The convolutional network here was trained with the hinge form of this game, spectral normalisation that keeps D from running away, and averaged weights; the dense one is what the classic tutorials build. Truncation shrinks the noise towards its middle: pictures get more typical and more alike. Interpolation walks along the sphere from one noise to another; every picture on the way should be a good one. For the photographs of CIFAR-10, D looks at the pictures through VGG-lite as well (Sauer et al. 2021), which knows edges and objects from the start, so that G learns from fewer pictures. A classifier that never took part in the game says what each picture reads as.",
        "这里的卷积网络用该博弈的 hinge 形式训练，用谱归一化防止 D 一家独大，并对权重取滑动平均；全连接网络则是经典教程里的那种。截断把噪声向中心收缩：图片更典型，也更相似。插值沿球面从一个噪声走到另一个，途中每张图都应当是好图。对 CIFAR-10 的照片，D 还透过 VGG-lite 看图（Sauer 等，2021），它一开始就认得边缘和物体，G 因此只需更少的图片就能学会。一个从未参与博弈的分类器说出每张图读作什么。",
    ),
    (
        "Goodfellow et al., Generative Adversarial Nets, 2014 (arXiv 1406.2661); Miyato and Koyama, cGANs with Projection Discriminator, 2018 (arXiv 1802.05637). One thing to try: count 1, one class, Interpolation 40, and watch what of the handwriting moves while the digit stays.",
        "Goodfellow 等，《Generative Adversarial Nets》，2014（arXiv 1406.2661）；Miyato 与 Koyama，《cGANs with Projection Discriminator》，2018（arXiv 1802.05637）。试一试：数量设为 1，选一个类别，插值设为 40，看看数字不变时笔迹的哪些方面在变化。",
    ),
)
