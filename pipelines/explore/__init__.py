"""What a network sees in a picture: Zeiler and Fergus 2013, arXiv:1311.2901, and what came after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from models import registry, weights
from models.cache import Lender
from pipelines import cost, images
from pipelines.base import Pipeline, Progress, Steps
from pipelines.explore import views
from pipelines.explore.encode import Shelf
from pipelines.explore.invert import invert
from pipelines.params import MOST_SEED, Image, Params, Seed, param

EFFICIENTNET, VGG19 = IMAGENET = ("efficientnet-lite0", "vgg19-imagenet")  # know ImageNet's classes; the better first
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

    @property
    def side(self) -> int:
        """Longest side at which the network sees the pictures, in pixels: five at once, live, are seen smaller."""
        return self.resolution or (128 if self.view == "invert" else 256)


def imagenet() -> str | None:
    """The classifier of ImageNet's thousand classes that is on this machine; None: there is none."""
    return next((name for name in IMAGENET if weights.present(registry.MODELS[name].weights)), None)


def judge(p: ExploreParams) -> str:
    """The classifier that attention asks."""
    if p.model == "vgg19":
        return VGG19
    return (imagenet() or EFFICIENTNET) if p.classes == "imagenet" else "cifar10"


def needed(p: ExploreParams) -> tuple[str, ...]:
    """The models that a view looks through, its classifier last."""
    if p.view == "classify":
        return tuple(filter(None, ("cifar10", imagenet())))
    if p.view == "attention":
        return tuple(dict.fromkeys((p.model, judge(p))))
    return () if p.view == "frequencies" else (p.model,)


def ready(p: ExploreParams, shelf: Shelf) -> bool:
    """Whether all that a view reads is on the shelf, so that it can be drawn without running a network."""
    names, pictures = set(needed(p)), [p.content]
    if p.view in {"frequencies", "invert"}:
        return p.view == "frequencies"
    if p.view == "gram" and p.other:
        pictures.append(p.other)
    judges = {n for n in names if n in {"cifar10", *IMAGENET} and p.view in {"classify", "attention"}}
    keys = [Shelf.key(p.content, name, 0) for name in judges]
    if p.view != "classify":
        keys += [Shelf.key(picture, p.model, p.side) for picture in pictures]
    return all(key in shelf for key in keys)


def working_bytes(p: ExploreParams) -> int:
    """Activations of all layers at once, in bytes: linear in pixels, heavier for the wide networks."""
    return (3200 if p.model in {"vgg16-hed", "vgg19", "vgg16"} else 900) * p.side**2


def looking(shelf: Shelf) -> Callable[[ExploreParams, Lender], Steps]:
    """The method, with features from `shelf`."""

    def generate(p: ExploreParams, cache: Lender) -> Steps:
        names = needed(p)
        sized, there = p.model_copy(update={"resolution": p.side}), ready(p, shelf)
        lent = cache.use(*names, working=0) if there else cost.lend(cache, names, sized, working_bytes, "resolution")
        with lent as modules:
            if p.view == "invert":
                encoded = shelf.features(p.content, p.model, modules[0], p.side)
                return (yield from invert(p, modules[0], encoded))
            output = views.view_of(p, dict(zip(names, modules, strict=True)), shelf)
            assert output.sheet is not None
            yield Progress(1, 1, images.to_tensor(output.sheet)[0], dict(output.metrics))
        return output

    return generate


PIPELINE = Pipeline("explore", "Explore", ExploreParams, looking(Shelf(0)))
