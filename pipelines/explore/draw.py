"""Numbers as pictures: colour scales, sheets of several panels, bars.

Captions are symbols, names and numbers alone; what they mean is the page's business, in the reader's language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache

import PIL.Image
import torch
import torch.nn.functional as F
from PIL import ImageDraw
from torch import Tensor

from pipelines import images
from pipelines.explore.probes import Box
from pipelines.sheet import ACCENT, GROUND, INK, MUTED, font, lay

GAP, LEADING = 10, 6  # pixels between panels, and between a panel's caption and what is below
# Sixteen stops of viridis (Smith and van der Walt 2015, CC0): even in brightness, readable by the colour-blind.
_VIRIDIS = (
    "440154 481a6c 472f7d 414487 39568c 31688e 2a788e 23888e 1f988b 22a884 35b779 54c568 7ad151 a5db36 d2e21b fde725"
)
_DIVERGING = "2166ac 67a9cf d1e5f0 f7f7f7 fddbc7 ef8a62 b2182b"  # ColorBrewer's RdBu, reversed: 0 is white
Cell = tuple[PIL.Image.Image, str]


@dataclass(frozen=True)
class Grid:
    """Where the panels of a sheet are, so that a click can be understood.

    width, height: of a panel, in pixels. top: where the first row begins. skip: panels before the first that counts.
    each: panels that belong together. gap, size: as `sheet` has them.
    """

    width: int
    height: int
    columns: int
    top: int = 0
    skip: int = 0
    each: int = 1
    gap: int = GAP
    size: int = 13

    def record(self) -> dict[str, int]:
        """As JSON."""
        return asdict(self)

    @property
    def pitch(self) -> int:
        """From one row to the next, in pixels."""
        return self.height + self.size + LEADING + self.gap

    def at(self, x: float, y: float) -> int:
        """Which panel, or group of them, is at (x, y) of the sheet; below 0: none. It may be past the last one."""
        column, across = divmod(x - self.gap, self.width + self.gap)
        row, down = divmod(y - self.gap - self.top, self.pitch)
        if not 0 <= column < self.columns or row < 0 or across >= self.width or down >= self.height:
            return -1
        place = int(row) * self.columns + int(column) - self.skip
        return place // self.each if place >= 0 else -1


@cache
def _stops(text: str) -> Tensor:
    return torch.tensor([[int(stop[i : i + 2], 16) / 255 for i in (0, 2, 4)] for stop in text.split()])


def _coloured(x: Tensor, text: str) -> Tensor:
    stops = _stops(text)
    place = x.float().nan_to_num().clamp(0, 1) * (len(stops) - 1)
    low = place.long().clamp(max=len(stops) - 2)
    mixed = torch.lerp(stops[low], stops[low + 1], (place - low)[..., None])
    return mixed.movedim(-1, -3)


def heat(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """(..., H, W) to viridis (..., 3, H, W) in [0, 1]; `low` (default: the smallest) is dark, `high` bright."""
    low = float(x.min()) if low is None else low
    high = float(x.max()) if high is None else high
    return _coloured((x - low) / max(high - low, 1e-12), _VIRIDIS)


def signed(x: Tensor, most: float | None = None) -> Tensor:
    """(..., H, W) to (..., 3, H, W) in [0, 1]: below zero blue, zero white, above red; `most` is the end of both."""
    most = float(x.abs().max()) if most is None else most
    return _coloured(0.5 + 0.5 * x / max(most, 1e-12), _DIVERGING)


def panel(x: Tensor, width: int, height: int, smooth: bool = False) -> PIL.Image.Image:
    """(3, H, W) in [0, 1] as a picture of that size: squares where it grows, averaged where it shrinks."""
    shrinks = x.shape[-1] > width or x.shape[-2] > height
    mode = "area" if shrinks and not smooth else "bilinear" if smooth else "nearest"
    return images.to_image(F.interpolate(x[None].float(), (height, width), mode=mode))


def sheet(rows: Sequence[Sequence[Cell]], gap: int = GAP, size: int = 13) -> PIL.Image.Image:
    """Captioned panels row by row, each row aligned at its top.

    Args:
        rows: of (picture, caption); a caption may be empty.
        gap: pixels between two panels.
        size: of the captions, in pixels.
    """
    pictures = [[picture for picture, _ in row] for row in rows]
    captions = [[text for _, text in row] for row in rows]
    below = [(size + LEADING) * any(row) for row in captions]
    return lay(pictures, gap, below=below, captions=captions, size=size)[0]


def over(picture: PIL.Image.Image, x: Tensor, share: float = 0.55) -> PIL.Image.Image:
    """A map (H, W), not negative, as heat laid over a picture: weak places stay clear."""
    x = x / x.max().clamp(min=1e-12)
    shape = (picture.height, picture.width)
    grown = F.interpolate(x[None, None].float(), shape, mode="bicubic").clamp(0, 1)[0, 0]
    pixels = images.to_tensor(picture)[0]
    weight = share * (0.35 + 0.65 * grown)
    return images.to_image(pixels * (1 - weight) + heat(grown, 0, 1) * weight)


def frame(picture: PIL.Image.Image, box: Box) -> PIL.Image.Image:
    """A copy with a frame around `box`."""
    copy = picture.copy()
    pen = ImageDraw.Draw(copy)
    left, top, right, bottom = box
    for grow, colour in ((2, (255, 255, 255)), (1, ACCENT), (0, ACCENT)):
        pen.rectangle((left - grow, top - grow, right - 1 + grow, bottom - 1 + grow), outline=colour)
    return copy


def bars(rows: Sequence[tuple[str, float]], width: int, height: int, title: str) -> PIL.Image.Image:
    """Names with shares in [0, 1] as horizontal bars."""
    paper = PIL.Image.new("RGB", (width, height), GROUND)
    pen = ImageDraw.Draw(paper)
    pen.text((0, 0), title, MUTED, font(13))
    step = (height - 24) / max(1, len(rows))
    for i, (name, share) in enumerate(rows):
        top = 24 + i * step
        pen.text((0, top), name, INK, font(14))
        pen.text((width - 46, top), f"{100 * share:4.1f} %", INK, font(14))
        pen.rectangle((0, top + 20, max(1, round((width - 1) * share)), top + 26), ACCENT if i == 0 else MUTED)
    return paper
