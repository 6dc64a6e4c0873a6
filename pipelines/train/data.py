"""Where batches come from: digits drawn by code, a data set that lies on this machine, or pictures of one's own."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from models.recipes.stylemix import coloured
from pipelines import dataset
from pipelines.base import Progress
from pipelines.params import ParamError
from pipelines.train import album, drawn
from pipelines.train.params import LARGER, TrainParams

GREY = {"vae", "pixelcnn"}  # networks of 28x28 pixels in grey alone
SIDE = 32  # pixels of pictures in colour, where no other side is asked for
HELD, SHARE = 1000, 10  # pictures that nothing learns from, at most; of one's own, one in so many
HELD_SEED = 2**40  # no run's own: seeds end before it


@dataclass(frozen=True)
class Source:
    """Batches without end, and pictures that no batch holds.

    judge: the classifier, in the registry, that can read the pictures; "" where there is none. shape: channels, height,
    width. pictures, labels: the training set in RAM; None: digits are drawn. textured: each digit is filled with one
    texture, on a ground of another. details: for the record.
    """

    judge: str
    shape: tuple[int, int, int]
    held: tuple[Tensor, Tensor]  # (at most HELD, C, H, W) in [0, 1], and classes
    pictures: Tensor | None = None
    labels: Tensor | None = None
    classes: tuple[str, ...] = drawn.CLASSES
    textured: bool = False
    details: dict[str, object] = field(default_factory=dict)

    def batch(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures (count, C, H, W) in [0, 1], photographs mirrored half of the time, and their classes (count,)."""
        if self.pictures is None or self.labels is None:
            x, labels = drawn.batch(count, random)
            return self.put_on(x, random), labels
        chosen = torch.randint(len(self.pictures), (count,), generator=random).to(self.labels.device)
        x = self.pictures[chosen].float() / 255
        if self.shape[0] == 3 and not self.textured:
            mirrored = torch.rand(count, generator=random).to(x.device) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
        return self.put_on(x, random), self.labels[chosen]

    def put_on(self, digits: Tensor, random: torch.Generator) -> Tensor:
        """The pictures of (N, 1, 28, 28) that a batch holds; any others as they are."""
        return coloured(digits, drawn.textures, random) if self.textured else digits


def open_source(p: TrainParams) -> Source:
    """The data that is asked for; for style mixing what is grey in colours. Raises WeightsMissing with one sentence
    where it is not on this machine."""
    random = torch.Generator().manual_seed(HELD_SEED)
    if p.data == "drawn":
        source = Source("digits", (1, drawn.SIDE, drawn.SIDE), drawn.batch(HELD, random))
    else:
        kind = dataset.SETS[p.data]
        (x, y), (test, truth) = dataset.both(kind)
        few = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:HELD]
        source = Source(kind.judge, kind.shape, (test[few].float() / 255, truth[few]), x, y, kind.classes)
    if p.model != "stylemix" or source.shape[0] != 1:
        return source
    held, judge = coloured(source.held[0], drawn.textures, random), "stylemix-reader" if source.judge else ""
    return replace(source, judge=judge, shape=(3, SIDE, SIDE), held=(held, source.held[1]), textured=True)


def open_album(p: TrainParams) -> Generator[Progress, str | None, Source]:
    """Pictures of one's own, read as the network takes them. Raises ParamError, ImageError with one sentence."""
    grey = p.model in GREY
    side = drawn.SIDE if grey else int(p.side) if p.model in LARGER else SIDE
    found = yield from album.read(p.pictures, side, grey)
    if p.model == "cnn" and len(found.classes) < 2:
        raise ParamError("model is cnn, which tells classes apart, and pictures has one: make a folder for each class.")
    order = torch.randperm(len(found.labels), generator=torch.Generator().manual_seed(0))
    count = min(HELD, len(order) // SHARE)
    held, rest = order[:count], order[count:]
    colours, height, width = found.pictures.shape[1:]
    return Source(
        "",
        (colours, height, width),
        (found.pictures[held].float() / 255, found.labels[held]),
        found.pictures[rest],
        found.labels[rest],
        found.classes,
        details=found.details,
    )
