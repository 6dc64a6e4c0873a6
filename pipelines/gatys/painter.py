"""Optimise the pixels of one picture, coarse to fine, with a state that can be stopped and continued.

The recipe is that of crowsonkb/style-transfer-pytorch: sizes grow by sqrt(2), Adam's moments are carried up with the
picture, and what is shown is an average of the last iterates. Both optimisers work at six scales at once
(pipelines/gatys/pyramid.py).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from models.moments import match_statistics
from pipelines.gatys.pyramid import PyramidAdam, PyramidLBFGS

log = logging.getLogger(__name__)
Optimizer = Literal["lbfgs", "adam"]
Start = Literal["content", "noise", "blend", "style"]
Evaluate = Callable[[Tensor], tuple[Tensor, dict[str, Tensor]]]
LBFGS_SCALE = 1e4  # of the loss: the first step is min(1, 1/|gradient|) long, too short for losses of about 1
STALL = 20  # steps in a row in which L-BFGS found nothing better
BLOW_UP = 8.0  # L-BFGS takes no line search: a loss this many times the best so far has left the valley


def stages(size: int, steps: int, smallest: int = 512) -> list[tuple[int, int]]:
    """Sizes (longest side, pixels) and steps of a coarse-to-fine run.

    Sizes end at `size` and shrink by sqrt(2) down to `smallest`; steps are shared in inverse proportion to the side, so
    that most are spent where they are cheap. Their sum is `steps`; sizes that would get no step are left out.
    """
    sides = [size]
    while round(sides[0] / math.sqrt(2)) >= smallest:
        sides.insert(0, round(sides[0] / math.sqrt(2)))
    sides = sides[-steps:]
    total = sum(1 / side for side in sides)
    counts = [max(1, round(steps / side / total)) for side in sides]
    counts[0] += steps - sum(counts)
    if counts[0] < 1:
        return stages(size, steps, sides[1])
    return list(zip(sides, counts, strict=True))


def blank(content: Tensor, start: Start, style: Tensor, ratio: float, seed: int) -> Tensor:
    """The first picture.

    Args:
        content: (1, 3, H, W) in [0, 1].
        start: the content, noise, a blend with `ratio` of noise, or noise with the mean and covariance of
            the colours of `style`, (3, H', W').
        seed: of the noise, which is drawn on the CPU, so that it is the same on every device.
    """
    if start == "content":
        return content
    noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(seed)).to(content)
    if start == "style":
        return match_statistics(noise[0], style)[None]
    return torch.lerp(content, noise, 1.0 if start == "noise" else ratio)


@dataclass
class Canvas:
    """A picture being painted.

    image: (1, 3, H, W) float32 leaf, unclamped. plan: stages still to do. notes: remarks for the record.
    """

    image: Tensor
    plan: list[tuple[int, int]]
    optimizer: Optimizer
    rate: float
    decay: float = 0.9
    step: int = 0
    notes: list[str] = field(default_factory=list)
    _engine: PyramidLBFGS | PyramidAdam | None = None
    _average: Tensor | None = None
    _weight: float = 0.0
    _best: tuple[float, Tensor | None] = (math.inf, None)
    _stalled: int = 0

    def resize(self, height: int, width: int) -> None:
        """Go on at another size: the average and Adam's moments are interpolated, L-BFGS starts its history anew."""
        if self.image.shape[-2:] == (height, width) and self._engine is not None:
            return
        old = self._engine
        sized = F.interpolate(self.picture(), (height, width), mode="bicubic", antialias=True)
        self.image = sized.clamp(0, 1).contiguous()
        self._average, self._weight, self._best, self._stalled = None, 0.0, (math.inf, None), 0
        self._engine = self._new_engine()
        if isinstance(old, PyramidAdam) and isinstance(self._engine, PyramidAdam):
            self._engine.carry(old)

    def _new_engine(self) -> PyramidLBFGS | PyramidAdam:
        self.image = self.image.detach().requires_grad_()
        if self.optimizer == "adam":
            return PyramidAdam(self.image, self.rate)
        return PyramidLBFGS(self.image)

    def advance(self, evaluate: Evaluate) -> dict[str, Tensor]:
        """Take one step; returns the parts of the loss before it, as 0-d tensors."""
        assert self._engine is not None  # resize comes first
        parts: dict[str, Tensor] = {}

        @torch.enable_grad()
        def closure() -> Tensor:
            self.image.grad = None
            loss, found = evaluate(self.image)
            scaled = loss * LBFGS_SCALE if self.optimizer == "lbfgs" else loss  # Adam does not see the scale
            scaled.backward()  # type: ignore[no-untyped-call]
            parts.update(found)
            return scaled.detach()

        if isinstance(self._engine, PyramidLBFGS):
            before = self.image.detach().clone()
            self._engine.step(closure)
            self._guard(float(parts["loss"]), before)
        else:
            closure()
            self._engine.step()
            with torch.no_grad():
                self.image.clamp_(0, 1)
        self._accumulate()
        self.step += 1
        return parts

    def _guard(self, loss: float, before: Tensor) -> None:
        """Fall back to Adam from the best picture so far when L-BFGS diverges or stands still."""
        self._stalled += 1
        if loss < self._best[0]:
            self._best, self._stalled = (loss, before), 0
        sound = math.isfinite(loss) and loss < BLOW_UP * self._best[0] and bool(self.image.isfinite().all())
        if sound and self._stalled < STALL:
            return
        what = "stood still" if sound else "diverged"
        note = f"L-BFGS {what} at step {self.step + 1} (loss {loss:.3g}): Adam went on from the best picture so far"
        log.warning(note)
        self.notes.append(note)
        best = self._best[1]
        self.image = before if best is None else best
        self.optimizer = "adam"
        self._average, self._weight = None, 0.0
        self._engine = self._new_engine()

    def _accumulate(self) -> None:
        now = self.image.detach()
        self._average = (
            (1 - self.decay) * now if self._average is None else torch.lerp(self._average, now, 1 - self.decay)
        )
        self._weight = 1 - (1 - self._weight) * self.decay

    def picture(self) -> Tensor:
        """(1, 3, H, W): the bias-corrected exponential average of the iterates, detached, not clamped."""
        if self._average is None:
            return self.image.detach()
        return self._average / self._weight
