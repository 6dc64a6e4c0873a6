"""The method `stylize`: strength, mixtures, colours, tiles, and what is kept for the next run."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

from models import restyle
from models.cache import ModelCache
from models.magenta import StylePredictor, StyleTransformer
from models.restyle import Magenta
from pipelines import images, stylize
from pipelines.base import STOP, Progress, Result, run
from pipelines.params import ParamError, parse
from pipelines.stylize import tiles
from pipelines.stylize.paint import Memo, grey_like
from pipelines.stylize.params import StylizeParams


@pytest.fixture(scope="module")
def toys() -> ModelCache:
    """Magenta's networks with random numbers."""

    def made(kind: Any) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            network = kind().eval()
            for layer in network.modules():
                if kind is StylePredictor and hasattr(layer, "weight"):
                    nn.init.kaiming_normal_(layer.weight)  # else all styles look alike to it
            return network

    loaders = {"magenta-style": lambda: made(StylePredictor), "magenta-transfer": lambda: made(StyleTransformer)}
    return ModelCache(loaders, torch.device("cpu"), 1 << 30)


@pytest.fixture
def make(toys: ModelCache, content: PIL.Image.Image, style: PIL.Image.Image) -> Any:
    """Settings -> result."""

    def make(state: Any = None, **changes: Any) -> Result:
        p = parse(StylizeParams, {"content": content, "styles": [style], "model": "magenta", **changes})
        *_, result = run(stylize.PIPELINE, p, toys, state)
        assert isinstance(result, Result)
        return result

    return make


def array(result: Result) -> Any:
    return np.asarray(result.picture, np.float32)


def test_strength_0_is_the_photograph_itself_and_in_between_is_in_between(make: Any, content: PIL.Image.Image) -> None:
    none, half, full = (array(make(strength=s)) for s in (0, 0.5, 1))
    assert np.array_equal(none, np.asarray(content, np.float32))
    far = np.abs(full - none).mean()
    assert far > 10 and 0.2 * far < np.abs(half - none).mean() < 0.9 * far


def test_styles_mix_by_their_weights(make: Any, style: PIL.Image.Image) -> None:
    other = style.transpose(PIL.Image.Transpose.ROTATE_90).point(lambda v: 255 - v)
    one, two = array(make(styles=[style])), array(make(styles=[other]))
    assert np.array_equal(array(make(styles=[style, other], style_weights=[1, 0])), one)
    assert np.array_equal(array(make(styles=[style, other], style_weights=[0, 3])), two)
    between = array(make(styles=[style, other]))
    assert np.abs(between - one).mean() > 0.5 and np.abs(between - two).mean() > 0.5
    with pytest.raises(ParamError, match="style_weights has 1 numbers for 2 styles"):
        make(styles=[style, other], style_weights=[1])


def test_colours_are_the_photographs_before_or_after(make: Any, content: PIL.Image.Image) -> None:
    photograph = np.asarray(content, np.float32)
    matched = array(make(colours="matched"))
    assert np.abs(matched.mean((0, 1)) - photograph.mean((0, 1))).max() < 12
    chroma = [x[..., 0] - x[..., 2] for x in (array(make(colours="content")), photograph)]
    assert np.corrcoef(chroma[0].ravel(), chroma[1].ravel())[0, 1] > 0.9
    for colours in ("matched", "content"):
        assert not np.array_equal(array(make(colours=colours)), array(make(colours=colours, colours_first=True)))


def test_a_grey_style_has_the_contents_luminance() -> None:
    style, content = torch.rand(1, 3, 40, 40), torch.rand(1, 3, 30, 50) * 0.3 + 0.2
    grey = grey_like(style, content)
    assert torch.equal(grey[:, 0], grey[:, 2]) and float(grey.mean()) == pytest.approx(float(content.mean()), abs=0.02)


def test_a_result_is_as_large_as_the_content_unless_told(make: Any) -> None:
    assert make().picture.size == (64, 48) and make(size=128).picture.size == (128, 96)
    with pytest.raises(ParamError, match="size is 20: give 64 to 2048, or 0 for as large as the content"):
        make(size=20)
    wide = PIL.Image.new("RGB", (2100, 120), (90, 30, 200))
    p = StylizeParams(content=wide, styles=[wide], model="magenta")
    side, notes = p.longest_side()
    assert side == 2048 and "2100" in notes[0]


@pytest.mark.parametrize("size", [(8, 8), (9, 31), (17, 8)])
def test_tiny_photographs_are_painted(make: Any, size: tuple[int, int]) -> None:
    tiny = PIL.Image.effect_noise(size, 90).convert("RGB")
    assert make(content=tiny).picture.size == size


def test_a_run_after_another_encodes_nothing_twice(make: Any, monkeypatch: Any) -> None:
    state = make(strength=0.5).state
    assert isinstance(state, Memo)
    encoded = []
    encode = Magenta.encode
    monkeypatch.setattr(Magenta, "encode", lambda self, *given: encoded.append(1) or encode(self, *given))
    again = make(state, strength=0.7)
    assert len(encoded) == 1  # the result itself, for its distance to the style
    assert again.record.steps == 1 and np.array_equal(array(again), array(make(strength=0.7)))
    make(state, style_scale=0.5)
    assert len(state.codes) >= 3


def test_every_style_is_a_sheet_of_pictures_one_by_one(make: Any, toys: ModelCache, content: Any, style: Any) -> None:
    result = make(every=True)
    count = 1 + len(list(stylize.EXAMPLES.glob("*.jpg")))
    assert len(result.images) == count == result.record.steps and result.sheet is not None
    assert {image.size for image in result.images} == {(64, 48)} and len({i.tobytes() for i in result.images}) == count
    p = parse(StylizeParams, {"content": content, "styles": [style], "model": "magenta", "every": True})
    stream = run(stylize.PIPELINE, p, toys)
    first = next(stream)
    stopped = stream.send(STOP)
    assert isinstance(first, Progress) and isinstance(stopped, Result) and stopped.picture.size == result.sheet.size


@pytest.mark.parametrize("length", [100, 1024, 1025, 1033, 1500, 2000, 2047, 2048])
def test_tiles_cover_a_side_on_the_networks_grid(length: int) -> None:
    spans = tiles.spans(length)
    assert spans[0][0] == 0 and spans[-1][1] == length and all(first % tiles.GRID == 0 for first, _ in spans)
    assert all(a[1] - b[0] >= tiles.OVERLAP for a, b in itertools.pairwise(spans))
    weight = torch.zeros(length)
    for first, last in spans:
        weight[first:last] += tiles.feather(first, last, length)
    assert weight.min() > 0.4


@torch.no_grad()
def test_tiles_that_share_statistics_leave_no_seam() -> None:
    torch.manual_seed(0)
    brush = Magenta(StylePredictor().eval(), StyleTransformer().eval())
    y, x = torch.meshgrid(torch.linspace(0, 1, 176), torch.linspace(0, 1, 232), indexing="ij")
    picture = torch.stack([x, y, (9 * x).sin().abs()])[None]
    code = torch.randn(1, 100) * 0.5
    seen = brush.statistics(picture, code)
    whole = brush.paint(picture, code, seen)
    torch.testing.assert_close(whole, brush.paint(picture, code), rtol=0, atol=1e-4)  # its own statistics
    *_, tiled = tiles.paint(picture, lambda part: brush.paint(part, code, seen), whole=160, tile=160)
    assert len(tiles.boxes(176, 232, 160, 160)) > 1 and float((tiled - whole).abs().max()) < 2 / 255
    *_, alone = tiles.paint(picture, lambda part: brush.paint(part, code), whole=160, tile=160)
    assert float((alone - whole).abs().max()) > 10 / 255  # what sharing them is for


def test_a_brush_pads_what_magenta_is_shown() -> None:
    style = torch.rand(1, 3, 90, 120)
    for scale, squares in ((0.25, 1), (1.0, 1), (1.5, 4), (2.5, 9)):
        assert restyle.squares(style, scale).shape == (squares, 3, 256, 256)


def test_the_preview_of_a_large_picture_shows_the_photograph_until_it_is_painted() -> None:
    x = torch.rand(1, 3, 64, 1200)
    first = next(iter(tiles.paint(x, lambda part: 1 - part)))
    assert torch.equal(first[..., 800:], x[..., 800:]) and not torch.equal(first[..., :300], x[..., :300])
    assert images.to_image(first).size == (1200, 64)
