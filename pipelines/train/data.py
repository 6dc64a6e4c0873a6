"""Where batches come from: digits drawn by code, or a data set that lies on this machine."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines import dataset
from pipelines.dataset import DATASETS, FASHION, DataSet
from pipelines.train import drawn
from pipelines.train.params import Data

SETS: dict[Data, DataSet] = {"mnist": DATASETS["mnist"], "fashion": FASHION, "cifar10": DATASETS["cifar10"]}
HELD = 1000  # pictures that nothing learns from
HELD_SEED = 2**40  # no run's own: seeds end before it


@dataclass(frozen=True)
class Source:
    """Batches without end, and pictures that no batch holds.

    judge: the classifier, in the registry, that can read the pictures; "" where there is none. shape: channels, height,
    width. pictures, labels: the training set in RAM; None: digits are drawn.
    """

    judge: str
    shape: tuple[int, int, int]
    held: tuple[Tensor, Tensor]  # (HELD, C, H, W) in [0, 1], and classes
    pictures: Tensor | None = None
    labels: Tensor | None = None

    def batch(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures (count, C, H, W) in [0, 1], photographs mirrored half of the time, and their classes (count,)."""
        if self.pictures is None or self.labels is None:
            return drawn.batch(count, random)
        chosen = torch.randint(len(self.pictures), (count,), generator=random)
        x = self.pictures[chosen].float() / 255
        if self.shape[0] == 3:
            mirrored = torch.rand(count, generator=random) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
        return x, self.labels[chosen]


def open_source(name: Data) -> Source:
    """The data of that name. Raises ParamError with one sentence where it is not on this machine."""
    if name == "drawn":
        held = drawn.batch(HELD, torch.Generator().manual_seed(HELD_SEED))
        return Source("digits", (1, drawn.SIDE, drawn.SIDE), held)
    kind, place = SETS[name], dataset.folder()
    (x, y), (test, truth) = (dataset.pictures(kind, place, split) for split in ("train", "test"))
    few = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:HELD]
    return Source(kind.judge, kind.shape, (test[few].float() / 255, truth[few]), x, y)
