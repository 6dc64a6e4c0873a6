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
from PIL import ImageDraw
from PIL.Image import Resampling

from pipelines.sheet import GROUND, font, lay

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
    title, text = font(TITLE), font(TEXT)
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
    page, corners = lay(rows, GAP, (left, GAP + (TITLE + 12 if heads else 0)), width=across)
    draw = ImageDraw.Draw(page)
    for (x, _), label in zip(corners[0], heads[0] if heads else (), strict=False):
        draw.text((x, GAP), label, INK, title)
    for ((_, y), *_), label in zip(corners, heads[1] if heads else (), strict=False):
        draw.text((GAP, y + height // 2), label, INK, title)
    for k, line in enumerate(foot):
        draw.text((left, corners[-1][0][1] + k * LINE), line, QUIET, text)
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
    draw.text((0, place[1] + 8), cell.title, INK, font(TITLE))
    for k, line in enumerate(lines):
        colour = WARN if cell.warning and line in cell.warning else QUIET
        draw.text((0, place[1] + TITLE + 14 + k * LINE), line, colour, font(TEXT))
    return paper


def bundle(pictures: Mapping[str, bytes], table: Any) -> bytes:
    """A zip of `pictures` (file name -> PNG with its record inside) and `table` as compare.json."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # PNG is packed already
            for name, data in pictures.items():
                archive.writestr(name, data)
            archive.writestr("compare.json", json.dumps(table, indent=2))
        return file.getvalue()
