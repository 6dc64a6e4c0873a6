"""Diffusion with few steps of a fast solver against its own 250: feature Frechet distance of the same noise.

    python -m benchmarks.diffusion [--n 500] [--scheduler dpm++] [--steps 20] [--long 250]

The distance depends on the number of pictures: two of them compare at the same n only. The judge is that of
`make table`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch

from benchmarks import common
from benchmarks.table import make
from models import registry
from models.diffusion import GUIDANCE, SCHEDULERS, Scheduler, sample
from models.judge import DigitClassifier, Quality, measure

FEW, MANY = 20, 250  # steps
N = 500  # pictures: what two cores make in a few minutes


@dataclass(frozen=True)
class Run:
    """Pictures of one number of steps."""

    scheduler: Scheduler
    steps: int
    found: Quality
    rate: float  # pictures a second

    def apart(self, other: Run) -> float:
        """How much larger the distance is than that of `other`; 0.1 is 10 %."""
        return self.found.distance / other.found.distance - 1


def compare(n: int = N, few: int = FEW, many: int = MANY, fast: Scheduler = "dpm++", quick: bool = False) -> list[Run]:
    """Both runs of the bundled network, few steps first; quick: toy sizes, where the numbers mean nothing."""
    if quick:
        n, few, many = 10, 1, 2
    network = registry.MODELS["diffusion-mnist"].load().eval().requires_grad_(False)
    judge = cast(DigitClassifier, registry.MODELS["digits"].load().eval().requires_grad_(False))
    labels = torch.arange(n) % 10
    runs = []
    for steps in (few, many):
        draw = partial(sample, steps=steps, scheduler=fast, guidance=GUIDANCE)
        pictures, rate = make(network, draw, labels, 0, f"{fast}, {steps} steps")
        runs.append(Run(fast, steps, measure(judge, pictures, labels), rate))
    return runs


def report(runs: Sequence[Run]) -> str:
    """A markdown table."""
    long = runs[-1]
    rows = [
        (
            f"{run.scheduler}, {run.steps} steps",
            f"{run.found.distance:.3f}",
            f"{run.apart(long):+.1%}",
            f"{run.found.read_as_asked or 0:.1%}",
            f"{run.rate:.3g}",
            f"{run.found.pictures:,}",
        )
        for run in runs
    ]
    head = ("solver", "distance ↓", f"against {long.steps} steps", "read as asked ↑", "pictures/s ↑", "n")
    return common.table(head, rows)


def main() -> None:
    """Print the machine and the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diffusion", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--n", type=int, default=N, help=f"pictures of each (default {N})")
    parser.add_argument("--scheduler", choices=SCHEDULERS, default="dpm++")
    parser.add_argument("--steps", type=int, default=FEW, help=f"of the short run (default {FEW})")
    parser.add_argument("--long", type=int, default=MANY, help=f"steps of the long run (default {MANY})")
    flags = parser.parse_args()
    if flags.n < 10 or min(flags.steps, flags.long) < 1 or max(flags.steps, flags.long) > 1000:
        parser.error("give --n of 10 or more, and 1 to 1000 steps.")
    print(f"{common.machine()}\n\n{report(compare(flags.n, flags.steps, flags.long, flags.scheduler))}")


if __name__ == "__main__":
    main()
