"""Many pictures as one, on the ground of the page: row by row, or as a grid with pixels kept as squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import accumulate

import PIL.Image
from PIL import ImageDraw, ImageFont
from PIL.Image import Resampling
from torch import Tensor

from pipelines import images

GROUND, INK, MUTED, ACCENT = (246, 244, 240), (40, 38, 35), (120, 115, 108), (180, 83, 42)
SIDE = 640  # pixels: small pictures are enlarged by a whole number until the grid is about this wide
MOST = 4096  # pixels: no grid is wider or higher, pictures on it are made smaller; 50 MB as RGB
CHINESE = (  # fonts that have its letters, as Linux, macOS and Windows call them
    *("NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf"),
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "msyh.ttc", "simsun.ttc"),
)
GAP = 4  # pixels of ground between two pictures


Corner = tuple[int, int]  # x, y in pixels


@cache
def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own font, which needs no file; `size` in pixels."""
    return ImageFont.load_default(size)


@cache
def chinese_font(size: int) -> ImageFont.FreeTypeFont | None:
    """A font of this machine that has Chinese letters; None: there is none. `size` in pixels."""
    for name in CHINESE:
        with suppress(OSError):
            return ImageFont.truetype(name, size)
    return None


def lay(
    rows: Sequence[Sequence[PIL.Image.Image]],
    gap: int = GAP,
    start: Corner | None = None,
    below: Sequence[int] | None = None,
    width: int = 0,
    edge: int | None = None,
    captions: Sequence[Sequence[str]] | None = None,
    size: int = 13,
) -> tuple[PIL.Image.Image, list[list[Corner]]]:
    """Pictures row by row, each row aligned at its top: the sheet, and the upper left corner of every picture.

    Args:
        rows: at least one, of at least one picture each; of any sizes, mode RGB.
        gap: pixels of ground between two pictures and between two rows.
        start: corner of the first picture; None: `gap` from both edges.
        below: of each row, pixels under its pictures that are left for words; None: none.
        width: of the sheet at least, in pixels.
        edge: pixels of ground on the right and at the foot; None: `gap`.
        captions: a line under each picture, which `below` has room for; `size` of its letters in pixels.
    """
    left, y = start or (gap, gap)
    edge = gap if edge is None else edge
    corners: list[list[Corner]] = []
    for row, words in zip(rows, below or [0] * len(rows), strict=True):
        corners.append([(x, y) for x in accumulate((p.width + gap for p in row[:-1]), initial=left)])
        y += max(p.height for p in row) + words + gap
    across = max(places[-1][0] + row[-1].width for row, places in zip(rows, corners, strict=True)) + edge
    sheet = PIL.Image.new("RGB", (max(width, across), y - gap + edge), GROUND)
    pen = ImageDraw.Draw(sheet)
    for row, places, texts in zip(rows, corners, captions or [[""] * len(row) for row in rows], strict=True):
        for picture, (x, y), text in zip(row, places, texts, strict=True):
            sheet.paste(picture, (x, y))  # over the end of a long caption on its left
            pen.text((x, y + picture.height + 2), text, INK, font(size))
    return sheet, corners


def place(
    size: tuple[int, int], count: int, columns: int | None = None, gap: int = GAP, most: int = MOST
) -> tuple[int, int]:
    """Width and height that each of `count` pictures of `size` has on a grid at most `most` pixels wide and high."""
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    shares = ((most - gap) / n - gap for n in (columns, rows))
    scale = min(1.0, *(room / side for room, side in zip(shares, size, strict=True)))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def announce(notes: list[str], size: tuple[int, int], count: int, columns: int | None = None) -> None:
    """Add a remark to `notes` where pictures of `size` are smaller on their grid than one by one."""
    width, height = place(size, count, columns)
    if (width, height) != size:
        notes.append(
            f"the sheet is at most {MOST} pixels wide and high: on it each picture is {width}x{height}, "
            f"one by one {size[0]}x{size[1]}"
        )


def grid(
    pictures: Sequence[PIL.Image.Image], columns: int | None = None, gap: int = GAP, side: int = SIDE
) -> PIL.Image.Image:
    """Lay `pictures` (all of one size) out row by row.

    Args:
        pictures: at least one, mode RGB.
        columns: pictures in a row; None: as square as can be.
        gap: pixels of ground between two.
        side: about how wide the grid shall be in pixels: small pictures are enlarged, by a whole number.

    Returns:
        One picture, mode RGB, at most MOST pixels wide and high.
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    scale = max(1, side // (columns * (pictures[0].width + gap)))
    size = (pictures[0].width * scale, pictures[0].height * scale)
    width, height = place(size, len(pictures), columns, gap)
    how = Resampling.NEAREST if (width, height) == size else Resampling.LANCZOS
    sized = [picture.resize((width, height), how) for picture in pictures]
    rows = [sized[i : i + columns] for i in range(0, len(sized), columns)]
    return lay(rows, gap, width=columns * (width + gap) + gap)[0]


def pictures_of(x: Tensor) -> list[PIL.Image.Image]:
    """(N, 1 or 3, H, W) in [0, 1] as N pictures, mode RGB."""
    return [images.to_image(one.expand(3, -1, -1)) for one in x.detach().float().clamp(0, 1).cpu()]


def preview_map(x: Tensor, side: int) -> Tensor:
    """(side * side, 1, H, W) in [0, 1] as one picture (3, H', W'), without gaps."""
    lines = x.view(side, side, *x.shape[2:]).permute(0, 2, 1, 3).flatten(0, 1).flatten(1)
    return lines.expand(3, -1, -1)


def preview(x: Tensor, columns: int | None = None, side: int = SIDE) -> Tensor:
    """(N, 1 or 3, H, W) in [0, 1] as the grid's (3, H', W') in [0, 1], for `Progress.preview`."""
    return images.to_tensor(grid(pictures_of(x), columns, side=side))[0]
