"""Drawing 16 digits with a PixelCNN: a whole pass of the network for each of 784 pixels, or partial results kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from benchmarks.common import table
from models import registry
from models.pixelcnn import Drawing, PixelCNN, beginning, draw, noise_for

COUNT = 16
Draw = Callable[[PixelCNN, Tensor, Tensor], Iterator[Drawing]]


@dataclass(frozen=True)
class Times:
    """Both ways from the same noise, in one run of one process."""

    naive: float  # seconds
    cached: float
    same: float  # share of pixels that are the same

    @property
    def ratio(self) -> float:
        """How many times faster."""
        return self.naive / self.cached


def measure(quick: bool = False) -> Times:
    """Draw with the bundled weights; quick: with a toy network, where the numbers mean nothing."""
    if quick:
        torch.manual_seed(0)
        return compare(PixelCNN(width=4, layers=1, reach=2, hidden=4, side=8).eval(), 2)
    with registry.open_cache().use("pixelcnn-mnist") as (module,):
        return compare(cast(PixelCNN, module), COUNT)


@torch.no_grad()
def draw_naively(
    module: PixelCNN,
    labels: Tensor,
    noise: Tensor,
    temperature: float = 1.0,
    start: Tensor | None = None,
    known: int = 0,
) -> Iterator[Drawing]:
    """As `models.pixelcnn.draw`, by one pass of the whole network for each pixel."""
    x, chance = beginning(module, labels, temperature, start, known)
    for i in range(known, module.side):
        for j in range(module.side):
            chance[:, 0, i, j] = (module(x, labels)[:, 0, i, j] / temperature).sigmoid()
            x[:, 0, i, j] = noise[:, i, j] < chance[:, 0, i, j]
            yield Drawing(i * module.side + j + 1, x, chance)


def compare(network: PixelCNN, count: int) -> Times:
    """Time both ways on `count` pictures; one drawing first, so that neither pays for the start."""
    labels, noise = torch.arange(count) % 10, noise_for(network, count, 0)
    timed(draw, network, labels, noise)
    cached, x = timed(draw, network, labels, noise)
    naive, other = timed(draw_naively, network, labels, noise)
    return Times(naive, cached, float((x == other).float().mean()))


def timed(function: Draw, network: PixelCNN, labels: Tensor, noise: Tensor) -> tuple[float, Tensor]:
    """Seconds of a drawing, and the drawing."""
    start = time.perf_counter()
    *_, last = function(network, labels, noise)
    return time.perf_counter() - start, last.x


def report(times: Times) -> str:
    """A markdown table."""
    row = (f"{times.naive:.2f}", f"{times.cached:.2f}", f"{times.ratio:.0f}", f"{100 * times.same:.4g} %")
    return table((f"whole passes, s ({COUNT} digits)", "kept results, s", "times faster", "pixels the same"), [row])
