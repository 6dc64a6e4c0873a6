"""The style mixer: what each code can do, the matrix, codes out and in, and the proof that the two do not mix."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from PIL import ImageStat

from models.cache import ModelCache
from models.gan import draw
from models.recipes.stylemix import Discriminator
from models.stylemix import LAYERS, StyleMixer
from pipelines.base import Result, run
from pipelines.params import ParamError, parse
from pipelines.stylemix import PIPELINE, StylemixParams, codes, columns, inner
from ui.tabs.stylemix import chosen, clicked, reused


def made(cache: ModelCache, **settings: Any) -> Result:
    *_, result = run(PIPELINE, parse(StylemixParams, settings), cache)
    assert isinstance(result, Result)
    return result


def pixels(result: Result) -> list[bytes]:
    return [image.tobytes() for image in result.images]


@pytest.fixture(scope="module")
def small() -> StyleMixer:
    torch.manual_seed(0)
    return StyleMixer(noise=4, style=6, widths=(8, 8, 6, 6), hidden=8).eval()


@torch.no_grad()
def test_a_picture_does_not_depend_on_the_others_in_its_batch(small: StyleMixer) -> None:
    z, w = torch.randn(20, 4), small.styles(torch.randn(20, 6))[:, None].expand(-1, LAYERS, -1)
    labels = torch.arange(20) % 10
    x = draw(small, z, labels, w)
    assert x.shape == (20, 3, 32, 32) and 0 <= float(x.min()) <= float(x.max()) <= 1
    assert torch.equal(draw(small, z[:3], labels[:3], w[:3]), x[:3])


@torch.no_grad()
def test_style_sets_channels_and_never_positions(small: StyleMixer) -> None:
    """A style that enters at one layer scales and shifts its whole channels: what is flat before stays flat."""
    layer = small.layers[2]
    x = torch.randn(1, 8, 8, 8)
    one, two = (torch.nn.functional.instance_norm(layer(x, torch.randn(1, 8))) for _ in range(2))
    # Leaky ReLU aside, both are the same pattern up to sign and scale: their rank order per channel agrees or reverses.
    order = [y.flatten(2).argsort(2) for y in (one, two)]
    agree = (order[0] == order[1]).float().mean(2) + (order[0] == order[1].flip(2)).float().mean(2)
    assert float(agree.min()) > 0.9


@torch.no_grad()
def test_layers_choose_where_the_style_enters(small: StyleMixer) -> None:
    z = torch.randn(2, 6)
    for layers, expected in (("all", 5), ("coarse", 2), ("middle", 1), ("fine", 2)):
        w = inner(small, StylemixParams(layers=layers), z)  # type: ignore[arg-type]
        moved = (w != small.neutral).any(2)
        assert moved.sum(1).tolist() == [expected] * 2
    assert torch.equal(inner(small, StylemixParams(variety=0), z), small.neutral.expand(2, LAYERS, -1))


def test_the_discriminator_is_told_when_all_pictures_look_alike() -> None:
    torch.manual_seed(0)
    judge, x = Discriminator((4, 6, 8)).eval(), torch.rand(6, 3, 32, 32)
    score, logits, style = judge(x)
    assert score.shape == (6,) and logits.shape == (6, 10) and style.shape == (6, 32)
    assert judge(x[:1].expand(6, -1, -1, -1))[0][0] != score[0]


@pytest.mark.parametrize(("count", "asked", "expected"), [(16, 0, 4), (17, 0, 5), (3, 8, 3), (32, 32, 32), (1, 0, 1)])
def test_the_matrix_is_square_unless_told(count: int, asked: int, expected: int) -> None:
    assert columns(StylemixParams(count=count, columns=asked)) == expected


def test_codes_of_seeds_stay_when_the_matrix_grows() -> None:
    small, large = (codes(StylemixParams(count=count, seed=5), 4, 6) for count in (4, 9))
    assert torch.equal(large.noise[:2], small.noise) and torch.equal(large.styles[:2], small.styles)
    assert small.classes == [5, 6] and codes(StylemixParams(label=7), 4, 6).classes == [7] * 4
    shifted = codes(StylemixParams(count=4, seed=5, style_seed=1), 4, 6)
    assert torch.equal(shifted.styles[0], small.styles[1]) and torch.equal(shifted.noise, small.noise)


def test_given_codes_come_first_and_seeds_make_the_rest() -> None:
    other = codes(StylemixParams(seed=50), 4, 6).told()
    text = json.dumps({"contents": other["contents"][2:3], "styles": other["styles"][3:4]})
    plain, found = codes(StylemixParams(), 4, 6), codes(StylemixParams(latents=text), 4, 6)
    assert found.told()["contents"][0] == other["contents"][2] and found.told()["styles"][0] == other["styles"][3]
    assert torch.equal(found.noise[1:], plain.noise[1:]) and torch.equal(found.styles[1:], plain.styles[1:])


@pytest.mark.parametrize(
    ("latents", "said"),
    [
        ("{", "cannot be read"),
        ("[1]", "cannot be read"),
        ('{"styles": [[1, 2]]}', "6 numbers"),
        ('{"contents": [{"class": 3}]}', "cannot be read"),
        ('{"contents": [{"class": 12, "noise": [0, 0, 0, 0]}]}', "the class 12: give a number from 0 to 9"),
        ('{"contents": [{"class": 3, "noise": [0, 0, 0, NaN]}]}', "cannot be read"),
        (json.dumps({"styles": [[0] * 6] * 5}), "5 styles, but the matrix has room for 4"),
    ],
)
def test_codes_that_cannot_be_used_say_why(latents: str, said: str) -> None:
    with pytest.raises(ParamError, match=said):
        codes(StylemixParams(latents=latents), 4, 6)


def test_codes_out_are_codes_in(cache: ModelCache) -> None:
    first = made(cache, count=4, seed=3)
    latents = first.record.details["latents"]
    again = made(cache, count=4, seed=99, latents=json.dumps(latents))
    assert pixels(again) == pixels(first) and again.record.details["latents"] == latents


def test_over_a_row_of_styles_the_digit_stays_and_over_a_column_it_changes(cache: ModelCache) -> None:
    result = made(cache, count=96, columns=32, seed=1)
    rows = [[c["read"] for c in result.record.details["pictures"][i : i + 32]] for i in (0, 32, 64)]
    asked = [c["class"] for c in result.record.details["pictures"][::32]]
    assert asked == [1, 2, 3]
    for digit, row in zip(asked, rows, strict=True):
        assert row.count(digit) >= 29, f"the styles turn {digit} into {row}"
    changed = [len({row[i] for row in rows}) for i in range(32)]
    assert sum(n == 3 for n in changed) >= 27, "the digit does not change down the columns"


def test_styles_differ_in_colour_and_contents_do_not(cache: ModelCache) -> None:
    result = made(cache, count=64, seed=2)
    means = [ImageStat.Stat(image).mean for image in result.images]
    colours = torch.tensor(means).view(8, 8, 3)  # (content, style, colour)
    across, down = colours.var(1).mean(), colours.var(0).mean()
    assert across > 3 * down, "colours come from the style"


def test_variety_zero_is_one_style(cache: ModelCache) -> None:
    result = made(cache, count=4, variety=0)
    assert len(set(pixels(result))) == 2  # one a content


def test_a_clicked_cell_lends_its_codes_to_the_next_matrix(cache: ModelCache) -> None:
    first = made(cache, count=6, columns=3, seed=4, style_seed=9)
    assert first.sheet is not None
    width, height = first.sheet.size
    number = clicked(first, (0.9 * width, 0.9 * height))
    assert number == 5 and clicked(first, (2 * width, 5)) is None
    for kept in (("content", "style"), ("content",), ("style",)):
        latents, seed, style_seed = reused(chosen(first, number), kept)
        again = made(cache, count=6, columns=3, seed=seed, style_seed=style_seed, latents=latents)
        same = [picture == pixels(first)[5] for picture in pixels(again)]
        assert same == [len(kept) == 2, *[False] * 5], "what was kept stands first, and nothing else comes back"
        heads, before = again.record.details["latents"], first.record.details["latents"]
        assert (heads["contents"][0] == before["contents"][1]) == ("content" in kept)
        assert (heads["styles"][0] == before["styles"][2]) == ("style" in kept)
