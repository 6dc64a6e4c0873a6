"""What is drawn into pictures needs no translation: symbols, numbers, and names that are the same in every language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import PIL.Image
import pytest
from PIL import ImageDraw, ImageFont

from models import diffusion, imagenet, registry
from models.cache import ModelCache
from models.classifier import CIFAR10
from pipelines import METHODS, PIPELINES, metrics
from pipelines.base import Result, run
from pipelines.compare import engine, plan
from pipelines.compare.engine import Card
from pipelines.explore import LAYERS
from pipelines.params import parse, settings

# A data set's own names of its classes are among these: the numbers beside the picture have them translated.
NAMES = {
    *METHODS, *registry.MODELS, *diffusion.SCHEDULERS, *metrics.MEASURES, *CIFAR10, *LAYERS["vgg-lite"], "cifar10",
    *imagenet.classes(),
    *(choice for p in METHODS.values() for s in settings(p.params) for choice in (s.name, *s.choices)),
    "MS-SSIM", "CIELAB", "LPIPS", "Sobel", "Frechet", "log", "read", "asked", "max", "plus",
}  # fmt: skip
KNOWN = {word for name in NAMES for word in re.findall(r"[A-Za-z]{3,}", name)}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every text that is written into a picture."""
    found: list[str] = []
    write = ImageDraw.ImageDraw.text

    def text(self: Any, xy: Any, text: str, *rest: Any, **more: Any) -> None:
        found.append(text)
        write(self, xy, text, *rest, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    yield found
    assert any(found), "nothing was written"
    foreign = {word for line in found for word in re.findall(r"[A-Za-z]{3,}", line)} - KNOWN
    assert not foreign, sorted(foreign)
    font = ImageFont.load_default(20)
    box = font.getmask("\u4e2d").getbbox(), bytes(font.getmask("\u4e2d"))  # a glyph that the font lacks
    lacking = {c for line in found for c in line if (font.getmask(c).getbbox(), bytes(font.getmask(c))) == box}
    assert not lacking, sorted(lacking)


@pytest.mark.parametrize("view", ["strip", "schedulers", "quality", "forward", "invert"])
def test_tables_of_diffusion(view: str, cache: ModelCache, drawn: list[str]) -> None:
    given = {"view": view, "steps": 2, "count": 2, "measured": 50}
    *_, result = run(METHODS["diffusion"], parse(METHODS["diffusion"].params, given), cache)
    assert isinstance(result, Result) and result.record.notes, "nothing says what the rows are"
    assert drawn


@pytest.mark.parametrize("view", ["classify", "layers", "gram", "attention", "frequencies", "invert"])
def test_sheets_of_explore(
    view: str, cache: ModelCache, content: PIL.Image.Image, style: PIL.Image.Image, drawn: list[str]
) -> None:
    other = {"other": style} if view in {"gram", "frequencies"} else {}
    given = {"content": content, "view": view, "resolution": 64, "count": 4, "steps": 1, **other}
    list(run(PIPELINES["explore"], parse(PIPELINES["explore"].params, given), cache))
    assert drawn


def test_the_contact_sheet(
    cache: ModelCache, content: PIL.Image.Image, style: PIL.Image.Image, drawn: list[str]
) -> None:
    pictures = {"content": content, "styles": [style], "size": 64}
    *_, result = run(METHODS["gatys"], parse(METHODS["gatys"].params, {**pictures, "steps": 1}), cache)
    assert isinstance(result, Result)
    entries, heads = plan.grid(plan.entries("gatys", METHODS, pictures), "strength=0.2,0.8", "steps=1,2")
    cards = [Card(entry) for entry in entries]
    cards[0].state, cards[0].result, cards[0].scores = "done", result, dict.fromkeys(metrics.MEASURES, 0.5)
    cards[1].state, cards[1].result = "stopped", result
    cards[2].fail(engine.ParamError("A sentence in English that nobody translates."))
    engine.sheet(cards, heads)
    engine.sheet([*cards, Card(plan.entries("gan", METHODS, {})[0])], None)
    assert "structure = MS-SSIM -> 1" in drawn and "style = W2, vgg-lite -> 0" in drawn
