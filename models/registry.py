"""Every model the page can use: its weights, and how it is built from them. The one list; nothing registers itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from models import device, vgg, weights
from models.cache import ModelCache, default_device
from models.weights import Weights


@dataclass(frozen=True)
class ModelCard:
    """A model by name: what it is called on the page, its weights file, and the builder that turns it into a module."""

    name: str
    title: str
    weights: Weights
    build: Callable[[Path], nn.Module]

    def load(self) -> nn.Module:
        """Build the module. Raises WeightsMissing where the file is not here, WeightsError where it is wrong."""
        return self.build(weights.locate(self.weights))


def _vgg_lite(path: Path) -> nn.Module:
    config, tensors = weights.read(path)
    module = vgg.vgg_lite(**config)
    module.load_state_dict(tensors, strict=True)
    return module


def _torchvision(name: str) -> Callable[[Path], nn.Module]:
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
    sha256="a76d8114d5d193421fb8ce162e93c6a912905d935a511fca734222bf090f41ed",
    bytes=7640432,
    licence="Apache-2.0",
    source="training/features.py, Tiny ImageNet",
    quality="Tiny ImageNet top-1 38.2 % (validation, n = 10,000)",
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
CARDS = (
    ModelCard("vgg-lite", "VGG-lite", VGG_LITE, _vgg_lite),
    ModelCard("vgg19", "VGG-19", VGG19, _torchvision("vgg19")),
    ModelCard("vgg16", "VGG-16", VGG16, _torchvision("vgg16")),
    ModelCard("squeezenet", "SqueezeNet 1.1", SQUEEZENET, _torchvision("squeezenet1_1")),
)
MODELS = {card.name: card for card in CARDS}


def loaders() -> dict[str, Callable[[], nn.Module]]:
    """What the cache loads from: model name -> builder."""
    return {card.name: card.load for card in CARDS}


def sha256(name: str) -> str:
    """Digest of the weights file that model `name` is built from on this machine."""
    return weights.digest(weights.locate(MODELS[name].weights))


def open_cache() -> ModelCache:
    """The cache over every model; `ATELIER_RAM_GB` (default 8) and `ATELIER_VRAM_GB` (default: all there is) bound it.

    Raises ValueError with one sentence when one of them, or ATELIER_DEVICE, cannot be used.
    """
    vram = _gigabytes("ATELIER_VRAM_GB", None)
    return ModelCache(loaders(), default_device(), _gigabytes("ATELIER_RAM_GB", 8.0) or 0, vram)


def _gigabytes(variable: str, default: float | None) -> int | None:
    text = os.environ.get(variable) or default
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise ValueError(f"{variable} is {text!r}: give a number of gigabytes above 0.")
    return int(number * 2**30)


def warm(cache: ModelCache) -> None:
    """Load the bundled feature network and run it once, so that the first visitor does not wait for either."""
    with cache.use(VGG_LITE.name, working=0) as (module,), torch.no_grad(), device.autocast(cache.device):
        module(torch.zeros(1, 3, 64, 64, device=cache.device), ["conv5_1"])
