"""Where batches come from: digits drawn by code, a data set that lies on this machine, or pictures of one's own."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipelines import dataset
from pipelines.base import Progress
from pipelines.params import ParamError
from pipelines.train import album, drawn
from pipelines.train.params import Data, TrainParams

GREY = {"vae", "pixelcnn"}  # networks of 28x28 pixels in grey alone
SIDE = 32  # pixels of one's own pictures, for the others
HELD, SHARE = 1000, 10  # pictures that nothing learns from, at most; of one's own, one in so many
HELD_SEED = 2**40  # no run's own: seeds end before it


@dataclass(frozen=True)
class Source:
    """Batches without end, and pictures that no batch holds.

    judge: the classifier, in the registry, that can read the pictures; "" where there is none. shape: channels, height,
    width. pictures, labels: the training set in RAM; None: digits are drawn. details: for the record.
    """

    judge: str
    shape: tuple[int, int, int]
    held: tuple[Tensor, Tensor]  # (at most HELD, C, H, W) in [0, 1], and classes
    pictures: Tensor | None = None
    labels: Tensor | None = None
    classes: tuple[str, ...] = drawn.CLASSES
    details: dict[str, object] = field(default_factory=dict)

    def batch(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures (count, C, H, W) in [0, 1], photographs mirrored half of the time, and their classes (count,)."""
        if self.pictures is None or self.labels is None:
            return drawn.batch(count, random)
        chosen = torch.randint(len(self.pictures), (count,), generator=random).to(self.labels.device)
        x = self.pictures[chosen].float() / 255
        if self.shape[0] == 3:
            mirrored = torch.rand(count, generator=random).to(x.device) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
        return x, self.labels[chosen]


def open_source(name: Data) -> Source:
    """The data of that name. Raises WeightsMissing with one sentence where it is not on this machine."""
    if name == "drawn":
        held = drawn.batch(HELD, torch.Generator().manual_seed(HELD_SEED))
        return Source("digits", (1, drawn.SIDE, drawn.SIDE), held)
    kind = dataset.SETS[name]
    (x, y), (test, truth) = dataset.both(kind)
    few = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:HELD]
    return Source(kind.judge, kind.shape, (test[few].float() / 255, truth[few]), x, y, kind.classes)


def open_album(p: TrainParams) -> Generator[Progress, str | None, Source]:
    """Pictures of one's own, read as the network takes them. Raises ParamError, ImageError with one sentence."""
    grey = p.model in GREY
    found = yield from album.read(p.pictures, drawn.SIDE if grey else SIDE, grey)
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
        found.details,
    )
