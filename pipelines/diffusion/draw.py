"""What `diffusion` shows: rows of pictures with symbols beside them, moments of a run, a chart.

Pictures hold symbols, names and numbers alone: sentences stand in notes, which the page translates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import PIL.Image
import torch
from PIL import ImageDraw
from PIL.Image import Resampling
from torch import Tensor

from models.diffusion import Moment, pixels
from pipelines.sheet import ACCENT, GAP, GROUND, INK, MUTED, font, grid, lay, pictures_of

LEGEND = "rows: the noisy picture x_t, and below it the picture that the network expects"
WIDE = 1010  # pixels: about how wide a table of pictures is
BESIDE, ABOVE = 118, 24  # pixels for a name beside a row, for one above a column
EXPECTED = "E[x_0 | x_t]"  # what the network expects of the picture at x_t
MOST_MOMENTS = 60  # of a run that are kept, evenly spread
MOST_PIXELS = 1 << 18  # of the pictures of one moment that are kept
CELL = 120  # pixels: small pictures are enlarged up to this
MOMENTS = 10  # of a strip
BETWEEN = 16  # pixels between the noisy pictures and the expected ones


def table(
    rows: Sequence[Sequence[PIL.Image.Image]], names: Sequence[str], heads: Sequence[str] = (), wide: int = WIDE
) -> PIL.Image.Image:
    """Rows of pictures of one size, each row with its name on the left, and names above the columns.

    Args:
        rows: may be of unequal length. names: one a row. heads: none, or one a column.
        wide: about how wide it shall be in pixels; small pictures are enlarged by whole numbers, large ones shrunk.
    """
    columns = max(len(row) for row in rows)
    width, height = rows[0][0].size
    room = (wide - BESIDE) / columns - GAP
    scale = max(1, int(min(room, CELL) / width)) if room >= width else room / width
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    how = Resampling.NEAREST if scale >= 1 else Resampling.LANCZOS
    sized = [[picture.resize((width, height), how) for picture in row] for row in rows]
    sheet, corners = lay(sized, start=(BESIDE, ABOVE if heads else GAP))
    pen = ImageDraw.Draw(sheet)
    longest = max(corners, key=len)
    for (x, _), head in zip(longest, heads, strict=False):
        pen.text((x + width / 2, ABOVE / 2), head, MUTED, font(12), anchor="mm")
    for ((_, y), *_), name in zip(corners, names, strict=True):
        pen.text((BESIDE - 10, y + height / 2), name, INK, font(14), anchor="rm")
    return sheet


def side_by_side(noisy: Tensor, expected: Tensor) -> PIL.Image.Image:
    """All pictures of a moment, two of (N, C, H, W) in [0, 1]: x_t on the left, the expected x0 on the right."""
    return lay([[grid(pictures_of(x), side=420) for x in (noisy, expected)]], BETWEEN, (0, 0), edge=0)[0]


def first(x: Tensor) -> Tensor:
    """The first pictures of (N, C, H, W), as many as can be kept and drawn at once."""
    return x[: max(1, MOST_PIXELS // (x.shape[-1] * x.shape[-2]))]


@dataclass
class Trail:
    """Moments of a run: the noisy pictures x_t and the pictures x0 that the network expects at each.

    steps: how many moments the run has. times: training step of each that is kept. noisy, expected: uint8
    (N, C, H, W) each.
    """

    steps: int
    count: int = 0  # of the moments so far
    times: list[int] = field(default_factory=list)
    noisy: list[Tensor] = field(default_factory=list)
    expected: list[Tensor] = field(default_factory=list)

    def add(self, moment: Moment) -> None:
        """Keep a moment if it is one of the evenly spread ones."""
        if not moment.whole:
            return
        before, self.count = self.count, self.count + 1
        kept = min(self.steps, MOST_MOMENTS)
        if before * kept // self.steps != self.count * kept // self.steps:
            self._keep(moment.t, moment.noisy, moment.expected)

    def close(self, x: Tensor) -> None:
        """The picture at the end, (N, C, H, W) in [-1, 1]."""
        self._keep(-1, x, x)

    def _keep(self, t: int, noisy: Tensor, expected: Tensor) -> None:
        self.times.append(t)
        for kept, x in ((self.noisy, noisy), (self.expected, expected)):
            kept.append((pixels(first(x)) * 255).round().to(torch.uint8))

    def pair(self, moment: int) -> PIL.Image.Image:
        """All pictures of a moment, `side_by_side`."""
        return side_by_side(*(kept[moment].float() / 255 for kept in (self.noisy, self.expected)))

    def rows(self, which: int, columns: int) -> tuple[list[list[PIL.Image.Image]], list[str]]:
        """Picture `which` at evenly spread moments: a row of x_t, a row of x0, and their times."""
        count = min(columns, len(self.times))
        spread = [round(i * (len(self.times) - 1) / max(1, count - 1)) for i in range(count)]
        chosen = [[kept[i][which : which + 1] for i in spread] for kept in (self.noisy, self.expected)]
        rows = [pictures_of(torch.cat(row).float() / 255) for row in chosen]
        return rows, [f"t = {self.times[i]}" if self.times[i] >= 0 else "x_0" for i in spread]


def strip_of(trail: Trail, pictures: int = 1) -> PIL.Image.Image:
    """The way of the first pictures: for each a row of x_t and a row of what the network expects."""
    rows: list[list[PIL.Image.Image]] = []
    heads: list[str] = []
    for which in range(min(pictures, len(trail.noisy[0]))):
        more, heads = trail.rows(which, MOMENTS)
        rows += more
    return table(rows, ["x_t", EXPECTED] * (len(rows) // 2), heads)


def preview_of(moment: Moment) -> PIL.Image.Image:
    """A moment while a run goes on, `side_by_side`."""
    return side_by_side(*(pixels(first(x)) for x in (moment.noisy, moment.expected)))


def chart(points: Sequence[tuple[int, float]], title: str) -> PIL.Image.Image:
    """A curve over a logarithmic axis of steps, both numbers written at every point.

    Args:
        points: (steps, value) in order; values above 0.
    """
    width, height, left, right, top, bottom = WIDE, 300, 60, 40, 48, 46
    sheet = PIL.Image.new("RGB", (width, height), GROUND)
    pen, small = ImageDraw.Draw(sheet), font(13)
    pen.text((left, 14), title, INK, font(16))
    far = math.log(max(2, points[-1][0]))
    low, high = min(math.log(v) for _, v in points), max(math.log(v) for _, v in points)
    span = max(high - low, 0.1)

    def place(steps: int, value: float) -> tuple[float, float]:
        x = left + (width - left - right) * math.log(steps) / far
        return x, top + 14 + (height - top - bottom - 28) * (high - math.log(value)) / span

    base = height - bottom
    pen.line([(left - 12, base), (width - right + 12, base)], MUTED)
    places = [place(*point) for point in points]
    if len(places) > 1:
        pen.line(places, ACCENT, 3, joint="curve")
    for (steps, value), (x, y) in zip(points, places, strict=True):
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), ACCENT)
        pen.text((x, y - 9), f"{value:.3g}", INK, small, anchor="mb")
        pen.text((x, base + 6), str(steps), MUTED, small, anchor="mt")
    return sheet
