"""Films in the method `stylize`: what the norms see of a frame is smoothed over time, so that it does not flicker."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.stylize import tiles
from pipelines.stylize.paint import Easel

CUT = 0.2  # mean difference of two frames in brightness from which on a new scene begins


@torch.no_grad()
def film(easel: Easel, pictures: Iterator[Tensor]) -> Generator[Tensor, None, None]:
    """Paint frame after frame.

    An instance norm sees the whole frame, so something that enters on the left changes the colours on the right. Here
    it sees an average: `steady` of what it saw before, the rest of this frame. A cut starts afresh.

    Args:
        easel: settings, network, and the first frame as content.
        pictures: frames (3, H, W) in [0, 1], all of one size.

    Yields:
        Frames (3, H, W) in [0, 1].
    """
    strength, steady = easel.p.strength, easel.p.steady
    code = torch.lerp(easel.own(), easel.mixture(), strength)
    codes = [code, easel.own()] if strength < 1 else [code]
    seen: list[Tensor] = []
    before: Tensor | None = None
    for picture in pictures:
        x = picture.to(easel.content)[None]
        now = [easel.brush.statistics(x, c) for c in codes]
        small = F.adaptive_avg_pool2d(x, 16)
        cut = before is None or float((small - before).abs().mean()) > CUT
        seen = now if cut else [torch.lerp(n, s, steady) for n, s in zip(now, seen, strict=True)]
        before = small
        y, *plain = (_paint(easel, x, c, s) for c, s in zip(codes, seen, strict=True))
        if plain:
            y = (y + (1 - strength) * (x - plain[0])).clamp(0, 1)
        yield replace(easel, content=x).recoloured(y)[0]


def _paint(easel: Easel, x: Tensor, code: Tensor, seen: Tensor) -> Tensor:
    """One frame (1, 3, H, W), in tiles where it is large."""
    *_, y = tiles.paint(x, lambda part: easel.brush.paint(part, code, seen))
    return y
