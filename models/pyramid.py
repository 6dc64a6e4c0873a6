"""Adam at several scales at once: strokes and areas move together, where plain Adam moves pixels one by one."""

from __future__ import annotations

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
        short = min(image.shape[-2:])
        counts = [level for level in range(LEVELS) if level == 0 or short >> level >= SMALLEST]
        self.moves = [torch.zeros_like(self._summed(image.detach(), level)) for level in counts]
        groups = [{"params": [move], "lr": rate * SLOWER**level} for level, move in enumerate(self.moves)]
        self.adam = torch.optim.Adam(groups, betas=betas)

    @staticmethod
    def _summed(x: Tensor, level: int) -> Tensor:
        """(1, 3, H, W) -> (1, 3, ceil(H / 2^level), ceil(W / 2^level)), sums over the pixels of each cell."""
        return F.avg_pool2d(x, 2**level, ceil_mode=True, divisor_override=1) if level else x.clone()

    @torch.no_grad()
    def step(self) -> None:
        """Move the picture along its gradient, at every scale."""
        assert self.image.grad is not None
        for level, move in enumerate(self.moves):
            move.grad = self._summed(self.image.grad, level)
        self.adam.step()
        height, width = self.image.shape[-2:]
        for level, move in enumerate(self.moves):
            self.image += F.interpolate(move, (height, width), mode="bilinear") if level else move
            move.zero_()

    def carry(self, old: PyramidAdam) -> None:
        """Take over the moments of another picture's run, interpolated to this one's size."""
        for move, before in zip(self.moves, old.moves, strict=False):
            state = old.adam.state.get(before)
            if state:
                moments = {name: _sized(state[name], move) for name in ("exp_avg", "exp_avg_sq")}
                self.adam.state[move] = {"step": state["step"].clone(), **moments}


def _sized(x: Tensor, like: Tensor) -> Tensor:
    """(1, 3, H, W) at the size of another."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", antialias=True)
