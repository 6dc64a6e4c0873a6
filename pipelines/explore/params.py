"""The settings of Explore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pipelines.params import MOST_SEED, Image, ParamError, Params, Seed, param

View = Literal["classify", "layers", "gram", "invert", "attention", "frequencies"]
Network = Literal["vgg-lite", "vgg16-hed", "vgg19", "vgg16", "squeezenet", "cifar10"]


def _blocks(*depths: int) -> tuple[str, ...]:
    return tuple(f"conv{block}_{i}" for block, depth in enumerate(depths, 1) for i in range(1, depth + 1))


# What can be looked at before anything is loaded; a test compares it with the networks.
LAYERS: dict[str, tuple[str, ...]] = {
    "vgg-lite": _blocks(2, 2, 4, 4, 2),
    "vgg16-hed": _blocks(2, 2, 3, 3, 3),
    "vgg19": _blocks(2, 2, 4, 4, 4),
    "vgg16": _blocks(2, 2, 3, 3, 3),
    "squeezenet": ("conv1", *(f"fire{i}" for i in range(2, 10))),
    "cifar10": ("whiten", *_blocks(2, 2, 2)),
}


class ExploreParams(Params):
    """See what a network sees: classes, feature maps, Gram matrices, inverted layers, attention, frequencies.

    Every style method here stands on these features.
    """

    content: Image = param(label="Content", description="The picture to look into")
    view: View = param("classify", label="View", description="What to look at")
    other: Image | None = param(
        None, label="Second picture", description="What gram and frequencies compare with: a result with its style"
    )
    model: Network = param("vgg-lite", label="Network", description="Whose features are shown")
    layer: str = param(
        "",
        label="Layer",
        description="Such as conv3_1; gram and invert show several side by side (conv1_1,conv3_1); none: the usual",
    )
    channel: int | None = param(
        None, ge=0, le=2047, label="Channel", description="Whose strongest patch attention shows; none: the most active"
    )
    label: int | None = param(
        None, ge=0, le=999, label="Class", description="Which class attention asks about; none: the most probable"
    )
    classes: Literal["cifar10", "imagenet"] = param(
        "cifar10", label="Classes", description="Whose classes attention asks about; VGG-19 brings ImageNet's itself"
    )
    scale: Literal["map", "layer"] = param(
        "map", label="Colour scale", description="Each map from its own minimum to maximum, or all by the layer's"
    )
    count: int = param(64, ge=1, le=256, label="Count", description="How many feature maps, the most active first")
    steps: int = param(60, ge=1, le=2000, label="Steps", description="Optimiser steps of invert")
    resolution: int | None = param(
        None,
        ge=32,
        le=768,
        label="Resolution",
        description="Longest side at which the network sees it, in pixels; none: 256, and 128 for invert",
    )
    tv_weight: float = param(
        5.0, ge=0, le=1000, label="Smoothness", description="Multiplies total variation", advanced=True
    )
    seed: Seed = param(
        0, ge=-1, le=MOST_SEED, label="Seed", description="Start of the random numbers; -1 draws one", advanced=True
    )


def side(p: ExploreParams) -> int:
    """Longest side at which the network sees the pictures, in pixels: five at once, live, are seen smaller."""
    return p.resolution or (128 if p.view == "invert" else 256)


def chosen_layers(text: str, known: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Layers as a person types them, by comma; none: the usual ones.

    Raises:
        ParamError: for one that is not known, or that this picture is too small for.
    """
    names = [part.strip() for part in text.split(",") if part.strip()] or list(usual)
    for name in names:
        if name not in known:
            raise ParamError(f"There is no layer {name} here: choose from {', '.join(known)}.")
    return list(dict.fromkeys(names))
