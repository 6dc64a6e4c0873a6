"""Every model the page can use, and how it is built; nothing registers itself.

What each weights file is, where it comes from and its sha256 stand in cards.json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models import (
    classifier,
    device,
    diffusion,
    gan,
    hed,
    imagenet,
    judge,
    magenta,
    pixelcnn,
    stylemix,
    stylizer,
    vae,
    vgg,
    weights,
)
from models.cache import ModelCache, default_device
from models.weights import Place, Weights

FILE = Path(__file__).with_name("cards.json")
Builder = Callable[[Path], nn.Module]


@dataclass(frozen=True)
class ModelCard:
    """A model by name: what it is called on the page, its weights file, and the builder that turns it into a module."""

    name: str
    title: str
    weights: Weights
    build: Builder

    def load(self) -> nn.Module:
        """Build the module. Raises WeightsMissing where the file is not here, WeightsError where it is wrong."""
        return self.build(weights.locate(self.weights))


def described(kind: Callable[..., nn.Module]) -> Builder:
    """A builder for files that describe themselves: `kind(**config)` of the header, then every tensor, strictly."""

    def build(path: Path) -> nn.Module:
        config, tensors = weights.read(path)
        module = kind(**config)
        module.load_state_dict(tensors, strict=True)
        return module

    return build


def cards(builders: Mapping[str, Builder]) -> tuple[ModelCard, ...]:
    """The models of `builders`, which says how each is built from the file that cards.json describes, in that order.

    A model that is another one's file under its own name says so with "as".
    """
    rows: dict[str, dict[str, Any]] = json.loads(FILE.read_text("utf-8"))

    def weights_of(name: str) -> Weights:
        row = rows[name]
        return replace(weights_of(row["as"]), name=name) if "as" in row else _weights(name, row)

    return tuple(ModelCard(name, rows[name]["title"], weights_of(name), build) for name, build in builders.items())


def _weights(name: str, row: Mapping[str, Any]) -> Weights:
    twin = _weights(name, row["twin"]) if "twin" in row else None
    known = {key: value for key, value in row.items() if key not in ("title", "urls", "twin")}
    return Weights(name=name, urls=tuple(row.get("urls", ())), twin=twin, **known)


HUB = "hub:"
CARDS: tuple[ModelCard, ...] = cards(
    {
        "vgg-lite": described(vgg.vgg_lite),
        "vgg19": vgg.torchvision_network("vgg19"),
        "vgg16": vgg.torchvision_network("vgg16"),
        "vgg16-hed": hed.build,
        "squeezenet": vgg.torchvision_network("squeezenet1_1"),
        "lpips": vgg.lpips_squeeze,
        "magenta-style": magenta.load_predictor,
        "magenta-transfer": magenta.load_transformer,
        "stylizer": described(stylizer.Stylizer),
        "gan-mnist": described(gan.generator),
        "gan-mnist-mlp": described(gan.generator),
        "gan-cifar10": described(gan.generator),
        "stylemix": described(stylemix.StyleMixer),
        "stylemix-reader": described(stylemix.Reader),
        "vae-mnist": described(vae.VAE),
        "vae-map-mnist": described(vae.VAE),
        "pixelcnn-mnist": described(pixelcnn.PixelCNN),
        "diffusion-mnist": described(diffusion.Denoiser),
        "diffusion-cifar10": described(diffusion.Denoiser),
        "digits": described(judge.DigitClassifier),
        "cifar10": described(classifier.Classifier),
        "efficientnet-lite0": imagenet.efficientnet_lite0,
        "vgg19-imagenet": imagenet.vgg19,
    }
)
MODELS = {card.name: card for card in CARDS}


class Loaders(Mapping[str, Callable[[], nn.Module]]):
    """What the cache loads from: model name -> builder. Names that start with `hub:` are parts of diffusers pipelines
    (models/hub/): any of them is known, without being in the list."""

    def __getitem__(self, name: str) -> Callable[[], nn.Module]:
        if name.startswith(HUB):
            from models import hub  # diffusers is only imported where such a model is asked for

            return lambda: hub.load_part(name)
        return MODELS[name].load

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name.startswith(HUB) or name in MODELS)

    def __iter__(self) -> Iterator[str]:
        return iter(MODELS)

    def __len__(self) -> int:
        return len(MODELS)


def sha256(name: str) -> str:
    """Digest of the weights file that model `name` is built from on this machine."""
    if name.startswith(HUB):
        from models import hub

        return hub.sha256(name)
    return weights.digest(weights.locate(MODELS[name].weights))


def place(name: str) -> Place | None:
    """Where the file lies that model `name` is built from on this machine; None for what is not here, and for parts of
    hub pipelines, whose names say it."""
    return weights.whereabouts(MODELS[name].weights) if name in MODELS else None


def check_bundled() -> None:
    """Read every weights file that comes with the repository. Raises WeightsMissing, WeightsError for one not whole."""
    for card in CARDS:
        if not card.weights.urls and not card.weights.packaged:
            weights.locate(card.weights)


def open_cache() -> ModelCache:
    """The cache over every model; `ATELIER_RAM_GB` (default 8) and `ATELIER_VRAM_GB` (default: all there is) bound it.

    Raises ValueError with one sentence when one of them, or ATELIER_DEVICE, cannot be used.
    """
    vram = _gigabytes("ATELIER_VRAM_GB", None)
    return ModelCache(Loaders(), default_device(), _gigabytes("ATELIER_RAM_GB", 8.0) or 0, vram)


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
    with cache.use("vgg-lite", working=0) as (module,), torch.no_grad(), device.autocast(cache.device):
        module(torch.zeros(1, 3, 64, 64, device=cache.device), ["conv5_1"])
