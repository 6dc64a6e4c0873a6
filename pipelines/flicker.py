"""How much a film flickers: what changes between two frames although the thing that is seen has only moved.

Blocks of a frame are looked for in the frame before (full search); the stylised frame before is moved the same way and
compared with the stylised frame. After Lai et al. 2018, "Learning Blind Video Temporal Consistency" (arXiv:1808.00449),
equation 11, with block matching in the place of optical flow.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE, BLOCK, REACH = 256, 8, 6  # pixels: longest side at which it is measured, block, farthest that one is looked for
SAME = 0.04  # mean difference in brightness up to which a block counts as found again


def _small(x: Tensor) -> Tensor:
    """(3, H, W) -> (1, 3, H', W') with sides that are multiples of BLOCK, the longest at most SIDE."""
    factor = min(1.0, SIDE / max(x.shape[1:]))
    height, width = (max(BLOCK, round(n * factor) // BLOCK * BLOCK) for n in x.shape[1:])
    return F.interpolate(x[None].float(), (height, width), mode="bilinear", antialias=True)


@torch.no_grad()
def warped_difference(before: Tensor, now: Tensor, painted_before: Tensor, painted: Tensor) -> float:
    """Mean absolute difference, in [0, 1], of `painted` and the moved `painted_before`, where blocks were found again.

    Args:
        before, now: two frames (3, H, W) in [0, 1].
        painted_before, painted: the same two frames, stylised.

    Returns:
        0 for a film that does not flicker; nan where no block was found again (a cut).
    """
    a, b, pa, pb = map(_small, (before, now, painted_before, painted))
    height, width = b.shape[2:]
    padded, painted_padded = (F.pad(x, [REACH] * 4, mode="replicate") for x in (a, pa))
    best = torch.full((1, 1, height // BLOCK, width // BLOCK), float("inf"))
    change = torch.zeros_like(best)
    reach = sorted(range(2 * REACH + 1), key=lambda i: abs(i - REACH))  # of equals, the nearest
    for dy in reach:
        for dx in reach:
            moved = padded[:, :, dy : dy + height, dx : dx + width]
            cost = F.avg_pool2d((moved - b).abs().mean(1, keepdim=True), BLOCK)
            shown = painted_padded[:, :, dy : dy + height, dx : dx + width]
            difference = F.avg_pool2d((shown - pb).abs().mean(1, keepdim=True), BLOCK)
            better = cost < best - 1e-6
            best, change = torch.where(better, cost, best), torch.where(better, difference, change)
    found = best <= SAME
    return float(change[found].mean()) if bool(found.any()) else float("nan")
