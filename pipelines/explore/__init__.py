"""What a network sees in a picture: Zeiler and Fergus 2013, arXiv:1311.2901, and what came after it."""

from __future__ import annotations

from collections.abc import Callable

from models import registry, weights
from models.cache import Lender
from pipelines import images, room
from pipelines.base import Pipeline, Progress, Steps
from pipelines.explore import views
from pipelines.explore.encode import Encoder, Shelf
from pipelines.explore.invert import invert
from pipelines.explore.params import ExploreParams, side

EFFICIENTNET, VGG19 = IMAGENET = ("efficientnet-lite0", "vgg19-imagenet")  # know ImageNet's classes; the better first


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
        keys += [Shelf.key(picture, p.model, side(p)) for picture in pictures]
    return all(key in shelf for key in keys)


def working_bytes(p: ExploreParams) -> int:
    """Activations of all layers at once, in bytes: linear in pixels, heavier for the wide networks."""
    return (3200 if p.model in {"vgg16-hed", "vgg19", "vgg16"} else 900) * side(p) ** 2


def looking(encoder: Encoder) -> Callable[[ExploreParams, Lender], Steps]:
    """The method, with features from `encoder`."""

    def generate(p: ExploreParams, cache: Lender) -> Steps:
        names = needed(p)
        sized, there = p.model_copy(update={"resolution": side(p)}), isinstance(encoder, Shelf) and ready(p, encoder)
        lent = cache.use(*names, working=0) if there else room.lend(cache, names, sized, working_bytes, "resolution")
        with lent as modules:
            if p.view == "invert":
                found = encoder.features(p.content, p.model, modules[0], side(p))
                return (yield from invert(p, modules[0], found))
            output = views.view_of(p, dict(zip(names, modules, strict=True)), encoder)
            assert output.sheet is not None
            yield Progress(1, 1, images.to_tensor(output.sheet)[0], dict(output.metrics))
        return output

    return generate


PIPELINE = Pipeline("explore", "Explore", ExploreParams, looking(Encoder()))
