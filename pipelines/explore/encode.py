"""Encode once, look many times: the features that a network has of a picture, and the shelf where they are kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import PIL.Image
import torch
from torch import Tensor, nn

from models import classifier
from models.classifier import Classifier
from models.imagenet import EfficientNetLite0, ImageNet
from models.vgg import Features
from pipelines import images
from pipelines.explore import probes
from pipelines.params import ParamError

Halves = ImageNet | EfficientNetLite0  # networks of ImageNet's classes, in two halves: `look` and `read`
Kept = TypeVar("Kept", "Encoding", "Judgement")
POOLING = "average"  # as Optimise looks by default
SHELF_BYTES = 512 << 20
SHELF_SECONDS = 1800.0


@dataclass(frozen=True)
class Encoding:
    """A picture and every layer of one network over it, on the CPU.

    pixels: (1, 3, H, W) in [0, 1] as the network saw them. features: layer -> (1, C, H', W'), shallow to deep.
    fields: which pixels an activation of a layer sees. style, content: the layers that Optimise uses by itself.
    table: a row of statistics a layer.
    """

    model: str
    pixels: Tensor
    features: dict[str, Tensor]
    fields: dict[str, probes.Field]
    style: tuple[str, ...]
    content: str
    table: list[dict[str, Any]]

    @property
    def bytes(self) -> int:
        """Memory that the tensors take."""
        return sum(t.nbytes for t in (self.pixels, *self.features.values()))


@dataclass(frozen=True)
class Judgement:
    """What a classifier made of a picture.

    square: the middle of the picture, which is what it looked at. pixels: (1, 3, H, W) in [0, 1], as it saw them.
    probabilities: (classes,). maps: layer -> (1, C, H', W'), from which `rest` goes on to logits.
    sure: whether the best class is to be believed; of ImageNet's thousand, among which three are the same cat, the best
    five together.
    """

    model: str
    square: PIL.Image.Image
    pixels: Tensor
    classes: tuple[str, ...]
    probabilities: Tensor
    maps: dict[str, Tensor]
    sure: bool

    @property
    def bytes(self) -> int:
        """Memory that the tensors and the picture take."""
        tensors = (self.pixels, self.probabilities, *self.maps.values())
        return sum(t.nbytes for t in tensors) + 3 * self.square.width * self.square.height

    def best(self, count: int = 5) -> list[dict[str, Any]]:
        """The most probable classes: label, class, probability."""
        values, labels = self.probabilities.topk(min(count, len(self.classes)))
        return [
            {"label": label, "class": self.classes[label], "probability": value}
            for label, value in zip(labels.tolist(), values.tolist(), strict=True)
        ]


def activations(module: nn.Module, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """`layers` of either kind of network over (N, 3, H, W) in [0, 1]."""
    if isinstance(module, Classifier):
        features = module.activations(x)
        return {name: features[name] for name in layers}
    return cast("dict[str, Tensor]", module(x, layers, POOLING))


def middle(picture: PIL.Image.Image, side: int | None = None) -> PIL.Image.Image:
    """The largest square in the middle of a picture, resized to `side` pixels if given."""
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    box = (left, top, left + short, top + short)
    return picture.crop(box) if side is None else picture.resize((side, side), PIL.Image.Resampling.LANCZOS, box)


def layer_names(text: str, known: Iterable[str], usual: Sequence[str]) -> list[str]:
    """Layers as a person types them, by comma; none: the usual ones.

    Raises:
        ParamError: for one that is not known, or that this picture is too small for.
    """
    names = [part.strip() for part in text.split(",") if part.strip()] or list(usual)
    for name in names:
        if name not in (offers := list(known)):
            raise ParamError(f"There is no layer {name} here: choose from {', '.join(offers)}.")
    return list(dict.fromkeys(names))


@torch.no_grad()
def encode(picture: PIL.Image.Image, model: str, module: nn.Module, resolution: int) -> Encoding:
    """Every layer of `module` (the network named `model`) over a picture of mode RGB.

    The CIFAR-10 classifier sees the picture's middle at 32x32, the others all of it, `resolution` pixels long; a
    picture too narrow for the deepest layers is encoded as deep as it goes. In float32, so that numbers are exact.
    """
    network = cast("Features | Classifier", module)
    small = isinstance(network, Classifier)
    x = images.to_tensor(middle(picture, classifier.SIDE) if small else picture, None if small else resolution)
    layers = network.layers
    if isinstance(network, Features):
        layers = tuple(name for name in layers if network.smallest([name]) <= min(x.shape[-2:]))
    features = activations(module, x.to(network.mean.device), layers)
    kept = {name: features[name].float().cpu() for name in layers}
    fields = {name: probes.field_of(network.steps.items(), name) for name in layers}
    table = [{"layer": name, "shape": list(a.shape[1:]), **probes.statistics(a)} for name, a in kept.items()]
    style = tuple(s for s in (network.style if isinstance(network, Features) else layers) if s in layers)
    content = next((c for c in getattr(network, "content", ("conv2_2",)) if c in layers), layers[-1])
    return Encoding(model, x, kept, fields, style, content, table)


@torch.no_grad()
def judge(picture: PIL.Image.Image, model: str, module: nn.Module) -> Judgement:
    """Class probabilities of a picture's middle, and the maps that Grad-CAM starts from."""
    network = cast("Classifier | Halves", module)
    side = classifier.SIDE if isinstance(network, Classifier) else network.SIDE
    x = images.to_tensor(middle(picture, side)).to(network.mean.device)
    if isinstance(network, Classifier):
        logits, maps = network.judge(x).float(), network.activations(x)
        probabilities = (logits / network.temperature).softmax(1)[0].cpu()
        sure = float(probabilities.max()) >= classifier.SURE and float(logits.max()) >= network.floor
    else:
        maps = {network.layer: network.look(x)}
        probabilities = network.read(maps[network.layer]).float().softmax(1)[0].cpu()
        sure = float(probabilities.topk(min(5, len(probabilities))).values.sum()) >= classifier.SURE
    kept = {name: a.float().cpu() for name, a in maps.items()}
    square = middle(picture)
    if square.width > 512:
        square = square.resize((512, 512), PIL.Image.Resampling.LANCZOS)
    return Judgement(model, square, x.cpu(), network.classes, probabilities, kept, sure)


class Shelf:
    """Keeps what was encoded, by the picture's pixels: at most `budget` bytes, what was used longest ago leaves first,
    and what nobody used for `seconds` leaves too. Safe to use from many threads."""

    def __init__(self, budget: int = SHELF_BYTES, seconds: float = SHELF_SECONDS) -> None:
        self.budget, self.seconds = budget, seconds
        self._places: dict[Hashable, tuple[Encoding | Judgement, float]] = {}  # with when it was last used
        self._lock = threading.Lock()

    def features(self, picture: PIL.Image.Image, model: str, module: nn.Module, resolution: int) -> Encoding:
        """As `encode`, from the shelf where it is there."""
        return self._kept(self.key(picture, model, resolution), lambda: encode(picture, model, module, resolution))

    def judgement(self, picture: PIL.Image.Image, model: str, module: nn.Module) -> Judgement:
        """As `judge`, from the shelf where it is there."""
        return self._kept(self.key(picture, model, 0), lambda: judge(picture, model, module))

    @staticmethod
    def key(picture: PIL.Image.Image, model: str, resolution: int) -> Hashable:
        """Under which features (`resolution` 0: a judgement) are kept."""
        return images.digest(picture), model, resolution

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            self._tidy()
            return key in self._places

    @property
    def bytes(self) -> int:
        """Memory in use."""
        return sum(item.bytes for item, _ in list(self._places.values()))

    def _kept(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        with self._lock:
            self._tidy()
            item = cast("Kept | None", self._places.pop(key, (None, 0.0))[0])
        item = item or make()  # not under the lock: it takes as long as the network does
        with self._lock:
            if item.bytes <= self.budget:
                self._places[key] = item, time.monotonic()  # at the end: used last
                self._tidy()
        return item

    def _tidy(self) -> None:
        old = time.monotonic() - self.seconds
        self._places = {key: place for key, place in self._places.items() if place[1] >= old}
        while self.bytes > self.budget:
            del self._places[next(iter(self._places))]
