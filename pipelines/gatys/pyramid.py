"""Adam and L-BFGS at several scales at once: strokes and areas move together, where pixels alone move one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 6  # scales: every pixel, every second one, ...
SLOWER = 0.8  # rate of a scale, as a share of the next finer one's
SMALLEST = 4  # pixels: no scale has a shorter side


class PyramidAdam:
    """Adam (Kingma and Ba 2014, arXiv:1412.6980) on a Laplacian pyramid whose sum is the picture.

    Adam does not see the values of what it moves, so the pyramid is never built: each scale gets the gradient summed
    over its pixels, and what Adam makes of it is laid over the picture.

    Args:
        image: (1, 3, H, W) leaf, whose `grad` is read by `step`.
        rate: learning rate of the finest scale, in brightness.
        betas: decays of Adam's moments.
    """

    def __init__(self, image: Tensor, rate: float, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        self.image = image
        self.moves = _zeros(image)
        groups = [{"params": [move], "lr": rate * SLOWER**level} for level, move in enumerate(self.moves)]
        self.adam = torch.optim.Adam(groups, betas=betas)

    @torch.no_grad()
    def step(self) -> None:
        """Move the picture along its gradient, at every scale."""
        assert self.image.grad is not None
        for level, move in enumerate(self.moves):
            move.grad = _summed(self.image.grad, level)
        self.adam.step()
        self.image += _laid_over(self.moves)
        for move in self.moves:
            move.zero_()

    def carry(self, old: PyramidAdam) -> None:
        """Take over the moments of another picture's run, interpolated to this one's size."""
        for move, before in zip(self.moves, old.moves, strict=False):
            state = old.adam.state.get(before)
            if state:
                moments = {name: _sized(state[name], move) for name in ("exp_avg", "exp_avg_sq")}
                self.adam.state[move] = {"step": state["step"].clone(), **moments}


class PyramidLBFGS:
    """L-BFGS (Liu and Nocedal 1989) on the scales of a pyramid whose sum is what the picture has moved by.

    Args:
        image: (1, 3, H, W) leaf, which `step` moves.
        history: steps that the curvature is told from.
    """

    def __init__(self, image: Tensor, history: int = 10) -> None:
        self.image = image
        self.moves = [move.requires_grad_() for move in _zeros(image)]
        self.lbfgs = torch.optim.LBFGS(
            self.moves, lr=1.0, max_iter=1, history_size=history, tolerance_grad=0, tolerance_change=0
        )

    def step(self, closure: Callable[[], Tensor]) -> None:
        """Evaluate once and move. `closure` leaves the gradient in `image.grad` and returns the loss, a 0-d tensor."""
        with torch.no_grad():
            start = self.image - _laid_over(self.moves)

        def evaluate() -> Tensor:
            loss = closure()
            assert self.image.grad is not None
            for move, grad in zip(
                self.moves, torch.autograd.grad(_laid_over(self.moves), self.moves, self.image.grad), strict=True
            ):
                move.grad = grad
            return loss

        take = cast(Callable[[Callable[[], Tensor]], Tensor], self.lbfgs.step)  # torch leaves it untyped
        take(evaluate)
        with torch.no_grad():
            self.image.copy_(start + _laid_over(self.moves))


def _zeros(image: Tensor) -> list[Tensor]:
    """The scales of a picture (1, 3, H, W), fine to coarse, of zeros."""
    short = min(image.shape[-2:])
    levels = [level for level in range(LEVELS) if level == 0 or short >> level >= SMALLEST]
    return [torch.zeros_like(_summed(image.detach(), level)) for level in levels]


def _summed(x: Tensor, level: int) -> Tensor:
    """(1, 3, H, W) -> (1, 3, ceil(H / 2^level), ceil(W / 2^level)), sums over the pixels of each cell."""
    return F.avg_pool2d(x, 2**level, ceil_mode=True, divisor_override=1) if level else x.clone()


def _laid_over(moves: list[Tensor]) -> Tensor:
    """The sum of all scales at the size of the finest: (1, 3, H, W)."""
    finest = moves[0]
    return finest + sum(F.interpolate(move, finest.shape[-2:], mode="bilinear") for move in moves[1:])


def _sized(x: Tensor, like: Tensor) -> Tensor:
    """(1, 3, H, W) at the size of another."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", antialias=True)
