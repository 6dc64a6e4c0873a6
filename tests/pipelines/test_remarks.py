"""Runs say where a picture is transparent, or so even that strokes show more than they should."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image
import pytest
from PIL import ImageDraw

import cli
from models.cache import ModelCache
from pipelines import PIPELINES, images, record
from pipelines.base import Result, run
from pipelines.images import load
from pipelines.params import parse
from pipelines.replay import EXAMPLES
from ui.kit.i18n import in_words
from ui.kit.show import cost_status

CHINESE = gr.Request(headers={"accept-language": "zh-CN"})


def encode(image: PIL.Image.Image, format: str = "PNG") -> bytes:
    with io.BytesIO() as file:
        image.save(file, format)
        return file.getvalue()


def product(side: int = 200) -> PIL.Image.Image:
    """A red ball on white."""
    image = PIL.Image.new("RGB", (side, side * 3 // 4), "white")
    ImageDraw.Draw(image).ellipse((side // 3, side // 4, side * 2 // 3, side * 7 // 12), fill=(200, 60, 40))
    return image


def result(cache: ModelCache, method: str, **values: Any) -> Result:
    *_, last = run(PIPELINES[method], parse(PIPELINES[method].params, values), cache)
    assert isinstance(last, Result)
    return last


def test_what_was_transparent_is_known_and_nothing_of_it_is_kept() -> None:
    clear = product().convert("RGBA")
    clear.putalpha(PIL.Image.linear_gradient("L").resize(clear.size))
    image = load(encode(clear))
    assert images.was_transparent(image) and image.mode == "RGB" and image.info == {}
    assert images.was_transparent(load(image))  # a method is given what Compare has read
    assert images.digest(load(image)) == images.digest(image)
    for other in (product(), product().convert("RGBA"), product().convert("L")):
        assert not images.was_transparent(load(encode(other)))
    assert not images.was_transparent(load(encode(product(), "JPEG"))) and not images.was_transparent("x")


def test_a_run_says_that_transparency_counts_as_white(cache: ModelCache, content: PIL.Image.Image) -> None:
    clear = product(96).convert("RGBA")
    clear.putpixel((0, 0), (0, 0, 0, 0))
    given = {"content": content, "styles": [content, clear], "size": 64, "steps": 1}
    made = result(cache, "gatys", **given)
    assert made.record.notes == ["styles is transparent in places, which count as white"]
    assert in_words(made.record.notes[0], CHINESE).endswith("有透明部分，按白色处理")
    assert result(cache, "gatys", **{**given, "styles": [content]}).record.notes == []


@pytest.mark.parametrize("method", ["gatys", "stylize"])
def test_a_run_says_that_an_even_ground_shows_strokes(method: str, cache: ModelCache, style: PIL.Image.Image) -> None:
    quick = {"steps": 1} if method == "gatys" else {}
    made = result(cache, method, content=product(), styles=[style], size=64, **quick)
    (note,) = made.record.notes
    assert "% of the content is an even ground" in note and "均匀的底色" in in_words(note, CHINESE)


def test_only_even_grounds_are_even() -> None:
    noise = np.random.default_rng(0).normal(0, 3, (300, 400, 3))
    y, x = np.mgrid[:300, :400]
    sky = np.stack([90 + x / 5, 120 + y / 4, 230 - y / 5], -1) + noise
    photographs = [PIL.Image.fromarray(sky.clip(0, 255).astype(np.uint8))]
    photographs += [load(path) for path in sorted(Path(EXAMPLES / "content").glob("*.jpg"))]
    assert all(images.even_share(photograph) < 0.1 for photograph in photographs)
    screenshot = PIL.Image.new("RGB", (640, 400), (32, 33, 36))
    ImageDraw.Draw(screenshot).text((20, 20), "some words " * 8, fill="white")
    for picture in (product(), load(encode(product(800), "JPEG")), screenshot, PIL.Image.new("RGB", (9, 9))):
        assert images.even_share(picture) > 0.5


@pytest.mark.parametrize("method", ["gatys", "stylize"])
def test_page_record_and_command_line_say_it(
    method: str, cache: ModelCache, style: PIL.Image.Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = {"steps": 1} if method == "gatys" else {}
    places = {name: tmp_path / f"{name}.png" for name in ("content", "styles", "out")}
    product().save(places["content"])
    style.save(places["styles"])
    given: dict[str, Any] = {**places, "size": 64, **quick}
    assert cli.main([method, *(str(part) for name, value in given.items() for part in (f"--{name}", value))]) == 0
    assert "of the content is an even ground" in capsys.readouterr().err
    kept = record.read(places["out"])
    assert kept is not None and "of the content is an even ground" in kept.notes[0]
    made = result(cache, method, content=product(), styles=[style], size=64, **quick)
    assert "of the content is an even ground" in cost_status(made, None) and "均匀的底色" in cost_status(made, CHINESE)
