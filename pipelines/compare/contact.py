"""A contact sheet: pictures side by side with what made them and what it cost, in one PNG for a talk; and a zip."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import PIL.Image
from PIL import ImageDraw
from PIL.Image import Resampling

from pipelines.sheet import GROUND, chinese_font, font, lay

INK, QUIET, WARN, EMPTY = (43, 39, 36), (107, 100, 93), (163, 32, 32), (234, 230, 224)
WIDE = 320  # pixels of a picture's place, at least
MOST = 512
GAP, TITLE, TEXT = 20, 19, 14  # pixels: between pictures, and of letters
LINE = TEXT + 5


@dataclass(frozen=True)
class Cell:
    """One place on the sheet: a picture, or why there is none; `lines` are its numbers."""

    title: str
    picture: PIL.Image.Image | None
    lines: tuple[str, ...] = ()
    warning: str = ""


def letters(size: int, text: str) -> Any:
    """The font for a text, `size` in pixels: Pillow's own, or one of this machine where it has Chinese in it."""
    return (chinese_font(size) if max(text, default="") > "\u2e80" else None) or font(size)


def write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, ink: tuple[int, int, int], size: int) -> None:
    """Write a line at (x, y), its letters on the same ground whichever font has them."""
    chosen, usual = letters(size, text), font(size)
    rise = 0 if chosen is usual else chosen.getmetrics()[0] - usual.getmetrics()[0]  # type: ignore[union-attr]
    draw.text((at[0], at[1] - rise), text, ink, chosen)


def wrap(text: str, font: Any, width: int) -> list[str]:
    """`text` in lines no wider than `width` pixels."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def fit(picture: PIL.Image.Image, width: int, height: int) -> PIL.Image.Image:
    """`picture` as large as fits in the place: small ones grow by whole numbers, pixels kept as squares."""
    scale = min(width / picture.width, height / picture.height)
    how = Resampling.LANCZOS if scale < 2 else Resampling.NEAREST
    scale = math.floor(scale) if scale >= 2 else scale
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), how)


def sheet(
    cells: Sequence[Cell],
    columns: int | None = None,
    heads: tuple[Sequence[str], Sequence[str]] | None = None,
    legend: Sequence[str] = (),
    given: Sequence[Cell] = (),
) -> PIL.Image.Image:
    """Lay cells out row by row.

    Args:
        cells: at least one.
        columns: cells in a row; None: up to four.
        heads: labels over the columns and beside the rows of an X/Y grid; cells are then its rows from the top.
        legend: remarks at the foot.
        given: what went in, small, above all.

    Returns:
        One picture, mode RGB.
    """
    columns = columns or min(4, len(cells))
    written = "".join([*(c.title + "".join(c.lines) for c in cells), *legend, *chain(*(heads or ()))])
    title, text = letters(TITLE, written), letters(TEXT, written)
    pictures = [c.picture for c in cells if c.picture is not None]
    width = min(MOST, max([WIDE, *(p.width for p in pictures)]))
    height = max([round(p.height * width / p.width) for p in pictures] or [width * 3 // 4])
    notes = [[part for line in (*c.lines, c.warning) for part in wrap(line, text, width)] for c in cells]
    tall = height + TITLE + 12 + max(map(len, notes)) * LINE
    panels = [panel(c, lines, (width, height), tall) for c, lines in zip(cells, notes, strict=True)]
    left = GAP + (round(max(title.getlength(y) for y in heads[1])) + GAP if heads else 0)
    across = left + columns * (width + GAP)
    foot = [line for remark in legend for line in wrap(remark, text, across - left - GAP)]
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    if foot:
        rows.append([PIL.Image.new("RGB", (1, len(foot) * LINE), GROUND)])
    room, half = TITLE + 12 if heads else 0, (width // 2, height // 2)
    above = [[panel(c, (), half, half[1] + TITLE + 12) for c in given]] if given else []
    below = [room if above else 0, *[0] * (len(above) + len(rows) - 1)]
    page, corners = lay([*above, *rows], GAP, (left, GAP + (0 if above else room)), below, width=across)
    draw, corners = ImageDraw.Draw(page), corners[len(above) :]
    for (x, y), label in zip(corners[0], heads[0] if heads else (), strict=False):
        write(draw, (x, y - TITLE - 12), label, INK, TITLE)
    for ((_, y), *_), label in zip(corners, heads[1] if heads else (), strict=False):
        write(draw, (GAP, y + height // 2), label, INK, TITLE)
    for k, line in enumerate(foot):
        write(draw, (left, corners[-1][0][1] + k * LINE), line, QUIET, TEXT)
    return page


def placed(picture: PIL.Image.Image | None, width: int, height: int) -> PIL.Image.Image:
    """A place of that size with a picture in its upper left corner, or empty."""
    place = PIL.Image.new("RGB", (width, height), EMPTY if picture is None else GROUND)
    if picture is not None:
        place.paste(fit(picture, width, height))
    return place


def panel(cell: Cell, lines: Sequence[str], place: tuple[int, int], tall: int) -> PIL.Image.Image:
    """A picture, or its empty place, of at most that width and height, with the title and `lines` under it; all of it
    is `tall` pixels high."""
    paper = PIL.Image.new("RGB", (place[0], tall), GROUND)
    paper.paste(placed(cell.picture, *place))
    draw = ImageDraw.Draw(paper)
    write(draw, (0, place[1] + 8), cell.title, INK, TITLE)
    for k, line in enumerate(lines):
        colour = WARN if cell.warning and line in cell.warning else QUIET
        write(draw, (0, place[1] + TITLE + 14 + k * LINE), line, colour, TEXT)
    return paper


def bundle(pictures: Mapping[str, bytes], table: Any) -> bytes:
    """A zip of `pictures` (file name -> PNG with its record inside) and `table` as compare.json."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # PNG is packed already
            for name, data in pictures.items():
                archive.writestr(name, data)
            archive.writestr("compare.json", json.dumps(table, indent=2))
        return file.getvalue()
