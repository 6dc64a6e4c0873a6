"""A contact sheet: pictures side by side with what made them and what it cost, in one PNG for a talk; and a zip."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import PIL.Image
from PIL import ImageDraw, ImageFont
from PIL.Image import Resampling

from pipelines.sheet import GROUND

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


def wrapped(text: str, font: Any, width: int) -> list[str]:
    """`text` in lines no wider than `width` pixels."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def fitted(picture: PIL.Image.Image, width: int, height: int) -> PIL.Image.Image:
    """`picture` as large as fits in the place: small ones grow by whole numbers, pixels kept as squares."""
    scale = min(width / picture.width, height / picture.height)
    how = Resampling.LANCZOS if scale < 2 else Resampling.NEAREST
    scale = math.floor(scale) if scale >= 2 else scale
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), how)


@dataclass(frozen=True)
class Layout:
    """Where things go on a sheet, in pixels."""

    columns: int
    width: int  # of a picture's place
    height: int
    below: int  # what is written under a picture takes this much
    left: int
    top: int

    def at(self, i: int) -> tuple[int, int]:
        """Upper left corner of cell `i`."""
        row, column = divmod(i, self.columns)
        return self.left + column * (self.width + GAP), self.top + row * (self.height + self.below + GAP)


def sheet(
    cells: Sequence[Cell],
    columns: int | None = None,
    heads: tuple[Sequence[str], Sequence[str]] | None = None,
    legend: Sequence[str] = (),
) -> PIL.Image.Image:
    """Lay cells out row by row.

    Args:
        cells: at least one.
        columns: cells in a row; None: up to four.
        heads: labels over the columns and beside the rows of an X/Y grid; cells are then its rows from the top.
        legend: remarks at the foot.

    Returns:
        One picture, mode RGB.
    """
    columns = columns or min(4, len(cells))
    title, text = ImageFont.load_default(TITLE), ImageFont.load_default(TEXT)
    made = [c.picture for c in cells if c.picture is not None]
    width = min(MOST, max([WIDE, *(p.width for p in made)]))
    height = max([round(p.height * width / p.width) for p in made] or [width * 3 // 4])
    notes = [[part for line in (*c.lines, c.warning) for part in wrapped(line, text, width)] for c in cells]
    below = TITLE + 12 + max(len(n) for n in notes) * LINE
    left = GAP + (round(max(title.getlength(y) for y in heads[1])) + GAP if heads else 0)
    layout = Layout(columns, width, height, below, left, GAP + (TITLE + 12 if heads else 0))
    across = left + columns * (width + GAP)
    foot = [line for remark in legend for line in wrapped(remark, text, across - 2 * GAP)]
    end = layout.at(columns * math.ceil(len(cells) / columns))[1]
    page = PIL.Image.new("RGB", (across, end + len(foot) * LINE + (GAP if foot else 0)), GROUND)
    draw = ImageDraw.Draw(page)
    for i, (cell, lines) in enumerate(zip(cells, notes, strict=True)):
        put(page, draw, layout, i, cell, lines)
    for k, label in enumerate(heads[0] if heads else ()):
        draw.text((layout.at(k)[0], GAP), label, INK, title)
    for k, label in enumerate(heads[1] if heads else ()):
        draw.text((GAP, layout.at(k * columns)[1] + height // 2), label, INK, title)
    for k, line in enumerate(foot):
        draw.text((GAP, end + k * LINE), line, QUIET, text)
    return page


def put(page: PIL.Image.Image, draw: Any, layout: Layout, i: int, cell: Cell, lines: Sequence[str]) -> None:
    """Draw cell `i`: its picture, or an empty place, with title and lines under it."""
    x, y = layout.at(i)
    if cell.picture is None:
        draw.rectangle((x, y, x + layout.width - 1, y + layout.height - 1), fill=EMPTY)
    else:
        page.paste(fitted(cell.picture, layout.width, layout.height), (x, y))
    under = y + layout.height + 8
    draw.text((x, under), cell.title, INK, ImageFont.load_default(TITLE))
    for k, line in enumerate(lines):
        colour = WARN if cell.warning and line in cell.warning else QUIET
        draw.text((x, under + TITLE + 6 + k * LINE), line, colour, ImageFont.load_default(TEXT))


def bundle(pictures: Mapping[str, bytes], table: Any) -> bytes:
    """A zip of `pictures` (file name -> PNG with its record inside) and `table` as compare.json."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # PNG is packed already
            for name, data in pictures.items():
                archive.writestr(name, data)
            archive.writestr("compare.json", json.dumps(table, indent=2))
        return file.getvalue()
