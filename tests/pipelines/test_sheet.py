"""Sheets of many pictures are bounded, say so, and are small while they are made."""

from __future__ import annotations

from typing import Any

import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import sheet, stylize
from pipelines.base import Output, Progress
from pipelines.imagine.wall import Wall
from pipelines.params import parse
from pipelines.stylize.params import StylizeParams


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 100), st.none() | st.integers(1, 16))
def test_a_place_fits_the_sheet(width: int, height: int, count: int, columns: int | None) -> None:
    across, down = sheet.place((width, height), count, columns)
    n = columns or next(n for n in range(1, 11) if n * n >= count)
    assert n * (across + sheet.GAP) + sheet.GAP <= sheet.MOST
    assert -(-count // n) * (down + sheet.GAP) + sheet.GAP <= sheet.MOST
    assert (across, down) == (width, height) or across < width or down < height
    notes: list[str] = []
    sheet.announce(notes, (width, height), count, columns)
    assert bool(notes) == ((across, down) != (width, height))


def test_a_grid_of_large_pictures_is_bounded_and_a_small_one_stays() -> None:
    large = sheet.grid([PIL.Image.new("RGB", (2048, 1024), (9, 99, 9))] * 16)
    assert large.width == 4096 and large.height < 4096 and large.getpixel((500, 200)) == (9, 99, 9)
    small = sheet.grid([PIL.Image.new("RGB", (32, 32))] * 4)
    assert small.size == (2 * (32 * 8 + 4) + 4,) * 2  # enlarged by a whole number, as ever


class Easel:
    """Paints large pictures in no time; notes how many pixels are made into pictures."""

    def __init__(self, p: StylizeParams) -> None:
        self.p, self.content, self.tiles, self.memo = p, torch.rand(1, 3, 1024, 2048), 1, None

    def code(self, _style: PIL.Image.Image) -> Any:
        return None

    def strokes(self, _code: Any) -> Any:
        yield 1, self.content


def test_every_style_at_the_largest_size_is_a_bounded_sheet(content: PIL.Image.Image, style: PIL.Image.Image) -> None:
    p = parse(StylizeParams, {"content": content, "styles": [style], "every": True, "size": 2048})
    notes: list[str] = []
    steps = stylize.paint_every(Easel(p), notes)  # type: ignore[arg-type]
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            output = end.value
            break
        assert isinstance(event, Progress) and event.preview is not None
        assert max(event.preview.shape) <= stylize.PREVIEW  # a step cost a gigabyte before
    assert isinstance(output, Output) and output.sheet is not None and max(output.sheet.size) <= sheet.MOST
    assert {image.size for image in output.images} == {(2048, 1024)}
    assert output.notes == notes and notes[0].startswith("the sheet is at most 4096 pixels")


@pytest.mark.parametrize(("count", "variants", "most"), [(1, 1, 2048), (8, 4, 2048), (4, 1, 2048)])
def test_a_wall_of_large_pictures_is_bounded(count: int, variants: int, most: int) -> None:
    wall = Wall((2048, 2048), count, variants)
    wall.show(count - 1, variants - 1, torch.ones(3, 2048, 2048))
    preview = wall.preview()
    assert max(preview.shape) <= most and preview[:, -8, -8].tolist() == [1, 1, 1]
    tiny = Wall((64, 48), 2, 2)
    tiny.show(1, 1, torch.ones(3, 48, 64))
    assert tiny.preview().shape == (3, 2 * 52 + 4, 2 * 68 + 4)
