"""How each network learns: one step of every model, for the Train tab and for the scripts of training/ alike.

A recipe is given batches and says what they cost. It knows neither where pictures come from nor how long it will go on:
learning rates follow the share of the work that is done, so that a budget can be steps or minutes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

Losses = dict[str, Tensor]


class Recipe:
    """A network that learns by one loss and one optimiser, with averaged weights beside it.

    network: the averaged weights, which are what is shown and kept. config: its constructor arguments.
    """

    classes = 10
    asked = True  # whether each picture of the sheet that `samples` fills is of a class that was asked for
    held = 1000  # pictures that `held_out` is quick enough for
    clip = math.inf  # longest gradient

    def __init__(self, model: nn.Module, config: dict[str, Any], optimizer: torch.optim.Optimizer, decay: float):
        """Args: what learns, its constructor arguments, its optimiser at the highest rate, and how much the average
        keeps of itself in a step."""
        self.model, self.config, self.optimizer, self.average = model, config, optimizer, average(model, decay)

    @property
    def network(self) -> Any:
        return self.average.module.eval()

    @property
    def columns(self) -> int:
        """Pictures in a row of the sheet: one a class, where a row of them is neither short nor long."""
        return self.classes if 5 <= self.classes <= 20 else 10

    def row_by_row(self, rows: int) -> tuple[Tensor, list[int]]:
        """Of a sheet of `rows`, the classes, in turn, and which picture of its class each is, from 0."""
        count = self.columns * rows
        return torch.arange(count) % self.classes, [i // self.classes for i in range(count)]

    @property
    def where(self) -> torch.device:
        """The device it learns on."""
        return next(self.model.parameters()).device

    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds: whatever has `state_dict` and `load_state_dict`, by name."""
        return {"model": self.model, "average": self.average, "optimizer": self.optimizer}

    def course(self, done: float) -> float:
        """Share of the highest rate when `done` of the work, in [0, 1], is done."""
        return (1 + math.cos(math.pi * done)) / 2

    def losses(self, x: Tensor, labels: Tensor, done: float, random: torch.Generator) -> tuple[Tensor, Losses]:
        """What is made small, and its parts by name, of one batch."""
        raise NotImplementedError

    def step(self, pictures: Tensor, labels: Tensor, done: float, random: torch.Generator) -> Losses:
        """Learn from one batch.

        Args:
            pictures: (N, C, H, W) in [0, 1], on the device.
            labels: (N,) classes, on the device.
            done: share of the work that is done, in [0, 1].
            random: on the CPU; nothing else decides what is drawn by chance.

        Returns:
            Each loss, 0-d, and the gradient's length.
        """
        self.model.train()
        pace(self.optimizer, self.course(done))
        with drawn_from(random, self.where):
            total, parts = self.losses(pictures, labels, done, random)
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        parts["gradient"] = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.update_average(done)
        return {name: value.detach() for name, value in parts.items()}

    def update_average(self, done: float) -> None:
        """Let the averaged weights follow a step."""
        del done
        self.average.update_parameters(self.model)

    def held_out(self, pictures: Tensor, labels: Tensor) -> dict[str, float]:
        """What the network makes of (N, C, H, W) in [0, 1] that it never learned from."""
        raise NotImplementedError

    def samples(self, seed: int) -> Iterator[Tensor]:
        """A sheet of the network's pictures (N, C, H, W) in [0, 1], `columns` in a row, as it fills up."""
        raise NotImplementedError

    def finish(self, pictures: Tensor, labels: Tensor) -> None:
        """Make the network ready for use, from some thousand pictures (N, C, H, W) in [0, 1] and their classes."""


def average(model: nn.Module, decay: float) -> Any:
    """An exponential moving average of `model`, buffers included (`.module` is the averaged network).

    It forgets its first steps sooner, since they know less: after n it keeps at most (1 + n) / (10 + n) of itself.
    """
    from torch.optim.swa_utils import AveragedModel

    @torch.no_grad()
    def follow(slow: Any, fast: Any, count: Any) -> None:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        if slow[0].is_floating_point():
            torch._foreach_lerp_(slow, fast, 1 - keep)
        else:
            torch._foreach_copy_(slow, fast)

    return AveragedModel(model, multi_avg_fn=follow, use_buffers=True)


def pace(optimizer: torch.optim.Optimizer, share: float) -> int:
    """Set the rates to a share of the highest; returns how many steps were taken before. A group's "warm" is the number
    of first steps in which its rate rises. Both stand in the optimiser's own state, and so in every checkpoint."""
    for group in optimizer.param_groups:
        group.setdefault("highest", group["lr"])
        group["taken"] = group.get("taken", 0) + 1
        group["lr"] = group["highest"] * share * min(1.0, group["taken"] / group.get("warm", 1))
    return cast(int, optimizer.param_groups[0]["taken"]) - 1


def one_cycle(done: float, rise: float) -> tuple[float, float]:
    """Share of the highest rate, and the first moment's decay, of one cycle (Smith and Topin 2017, arXiv:1708.07120):
    from 1/25 up during the share `rise`, then down to nothing; the decay mirrors it between 0.95 and 0.85."""

    def between(a: float, b: float, share: float) -> float:
        return b + (a - b) * (1 + math.cos(math.pi * share)) / 2

    if done < rise:
        return between(1 / 25, 1.0, done / rise), between(0.95, 0.85, done / rise)
    share = (done - rise) / (1 - rise)
    return between(1.0, 4e-6, share), between(0.85, 0.95, share)


@contextmanager
def drawn_from(random: torch.Generator, where: torch.device) -> Iterator[None]:
    """What the body draws from torch's own generators comes from `random`, and they are left as they were."""
    with torch.random.fork_rng([where.index or 0] if where.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(2**62, (), generator=random)))
        yield


def black_or_white(x: Tensor, random: torch.Generator) -> Tensor:
    """(N, C, H, W) of 0 and 1: white with the probability that `x` in [0, 1] says."""
    return (torch.rand(x.shape, generator=random).to(x) < x).float()


def shades(pictures: Tensor) -> Tensor:
    """Logit of each place being white, (C, H, W), over (N, C, H, W) in [0, 1]: what an untrained network shall say."""
    return torch.logit(pictures.mean(0) * 0.998 + 0.001)
