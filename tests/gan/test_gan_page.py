"""The GAN's tab: which picture a click means, the film of a walk, and one visit in Chromium."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from page import PATIENCE, Open, download, number
from playwright.sync_api import expect

from models.cache import ModelCache
from pipelines.base import Result, run
from pipelines.gan import PIPELINE, GanParams, columns
from pipelines.params import parse, settings
from ui.kit.form import controls
from ui.kit.show import Memory
from ui.tabs import gan as ui


def make(cache: ModelCache, **given: Any) -> Result:
    *_, result = run(PIPELINE, parse(GanParams, given), cache)
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize("given", [{"count": 7}, {"count": 20}, {"count": 5, "label": 3}])
def test_a_click_means_the_picture_under_it(cache: ModelCache, given: dict[str, Any]) -> None:
    result = make(cache, **given)
    assert result.sheet is not None
    across = columns(GanParams(**given))
    side = result.sheet.width / across
    for i, image in enumerate(result.images):
        place = [(i % across + 0.5) * side, (i // across + 0.5) * side]
        assert ui.clicked(result, place) == i
        found = result.sheet.getpixel((round(place[0]), round(place[1])))
        assert found in {image.getpixel((x, y)) for x in range(12, 17) for y in range(12, 17)}
    assert ui.clicked(result, [side * across + 5, 5]) is None
    assert ui.clicked(result, [5, result.sheet.height + side]) is None


def test_a_click_on_a_walk_means_nothing_and_its_film_goes_there_and_back(cache: ModelCache) -> None:
    walk = make(cache, count=2, interpolate=5)
    assert ui.clicked(walk, [10, 10]) is None
    path = ui.film_of(walk)
    assert path is not None
    with PIL.Image.open(path) as film:
        assert film.n_frames == 2 * 5 - 2 and film.format == "WEBP"  # type: ignore[attr-defined]
    assert ui.film_of(make(cache, count=2)) is None


def test_hint_counts_what_reads_as_asked(cache: ModelCache) -> None:
    result = make(cache, count=10)
    right = round(10 * result.record.metrics["read as asked"])
    assert ui.hinted(Memory(GanParams(), result=result), None).startswith(f"{right} of 10 read as asked")
    assert (
        ui.hinted(None, None) == "" == ui.hinted(Memory(GanParams(), result=make(cache, count=1, interpolate=2)), None)
    )


def test_chips_hold_a_recorded_class() -> None:
    label = next(s for s in settings(GanParams) if s.name == "label")
    assert controls.shown(label, None) == controls.ANY and controls.shown(label, 7) == "7"
    assert controls.values([label], ["7"]) == {"label": "7"} and controls.values([label], [controls.ANY]) == {}


def test_a_visitor_chooses_a_class_looks_closer_and_walks(visit: Open, tmp_path: Path) -> None:
    page = visit("GAN")
    panel = page.locator(".closer:visible")
    page.locator(".chips:visible label", has_text="7").click()  # presses Run itself
    expect(panel).to_contain_text("16 read as asked", timeout=PATIENCE)
    expect(panel).to_contain_text(re.compile(r"^\s*\d+ of"))
    page.locator(".picture:visible img").first.click(position={"x": 250, "y": 250})
    expect(panel).to_contain_text("asked for 7", timeout=PATIENCE)
    expect(panel).not_to_contain_text("training pictures")  # there are none on this machine
    page.get_by_role("button", name="Walk from here").click()
    expect(page.locator(".picture:visible img").first).to_have_attribute("src", re.compile("webp$"), timeout=PATIENCE)
    expect(number(page, "Interpolation")).to_have_value("40")
    _, found = download(page, tmp_path)
    assert (found.params["label"], found.params["count"], found.params["interpolate"]) == (7, 1, 40)
