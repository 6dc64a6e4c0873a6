"""Style transfer by optimisation, with the bundled network at toy size."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from models.cache import ModelCache
from pipelines import gatys
from pipelines.base import STOP, Progress, Result, run
from pipelines.gatys import PIPELINE, GatysParams, balance, layer_weights
from pipelines.gatys.painter import blank, stages
from pipelines.params import ParamError, parse

Paint = Callable[..., tuple[list[Progress], Result]]
Settings = Callable[..., GatysParams]


@pytest.fixture
def toy(content: PIL.Image.Image, style: PIL.Image.Image) -> Settings:
    toy = {"content": content, "styles": [style], "size": 64, "steps": 3}
    return lambda **changes: parse(GatysParams, {**toy, **changes})


@pytest.fixture
def paint(toy: Settings, cache: ModelCache) -> Paint:
    def paint(**changes: Any) -> tuple[list[Progress], Result]:
        *steps, result = run(PIPELINE, toy(**changes), cache)
        assert isinstance(result, Result)
        return steps, result  # type: ignore[return-value]

    return paint


def array(image: PIL.Image.Image) -> Any:
    return np.asarray(image, dtype=np.float64)


def test_layer_weights_are_read_and_checked(cache: ModelCache) -> None:
    with cache.use("vgg-lite", working=0) as (network,):

        def read(text: str) -> dict[str, float]:
            return layer_weights(text, network)  # type: ignore[arg-type]

        assert read(" conv1_1:2, conv3_1 ,,conv4_2:.5") == {"conv1_1": 2, "conv3_1": 1, "conv4_2": 0.5}
        assert read("") == {}
        for text, sentence in {
            "conv9_1": r"^There is no layer conv9_1 in this network: choose from conv1_1, .*, conv5_2\.$",
            "pool1": "There is no layer pool1",
            "conv1_1:much": r"^The weight of conv1_1 is 'much': give a number, such as conv1_1:0\.5\.$",
            "conv1_1:0": r"^The weight of conv1_1 is 0: give a number above 0\.$",
            "conv1_1:-2": "above 0",
            "conv1_1:nan": "above 0",
            "conv1_1:inf": "above 0",
        }.items():
            with pytest.raises(ParamError, match=sentence):
                read(text)


def test_a_bad_layer_is_a_plain_sentence(paint: Paint) -> None:
    for changes in ({"style_layers": "conv7_1"}, {"content_layers": "fire2"}, {"style_layers": "conv1_1:x"}):
        with pytest.raises(ParamError):
            paint(**changes)


@pytest.mark.parametrize("weights", [[1], [1, 1, 1], [0], [0, 0], [-1, -1], [2, -1]])
def test_style_weights_must_fit_the_styles(paint: Paint, style: PIL.Image.Image, weights: list[float]) -> None:
    with pytest.raises(ParamError, match="style_weights"):
        paint(styles=[style, style.rotate(90)], style_weights=weights)


def test_strength_moves_the_balance_from_content_to_style(toy: Settings) -> None:
    assert balance(toy(strength=0.5, tv_weight=1)) == (0.5, 0.5, 1.0)
    sweep = [balance(toy(strength=s)) for s in (0, 0.25, 0.5, 0.75, 1)]
    assert all(a[0] > b[0] and a[1] < b[1] for a, b in pairwise(sweep))
    assert all(content + style == pytest.approx(1) for content, style, _ in sweep)
    assert balance(toy(strength=0.5, content_weight=4, style_weight=6, tv_weight=0)) == (2, 3, 0)


@given(size=st.integers(64, 2048), steps=st.integers(1, 5000), smallest=st.integers(64, 2048))
@limits(deadline=None, max_examples=300)
def test_stages_sum_to_the_steps_and_grow_to_the_size(size: int, steps: int, smallest: int) -> None:
    found = stages(size, steps, min(smallest, size))
    sides, counts = zip(*found, strict=True)
    assert sum(counts) == steps and min(counts) >= 1 and sides[-1] == size
    assert sides[0] >= min(smallest, size) and list(sides) == sorted(set(sides))
    assert all(b / a == pytest.approx(math.sqrt(2), rel=0.02) for a, b in pairwise(sides))
    if steps > 100:
        assert counts[0] >= counts[-1] and sides[0] < max(1.5 * min(smallest, size), 65)


CHOICES: list[dict[str, Any]] = [
    {"start": "noise"},
    {"start": "blend", "noise": 0.3},
    {"start": "style"},
    {"optimizer": "lbfgs"},
    {"optimizer": "lbfgs", "loss": "gram"},
    {"loss": "gram"},
    {"colours": "content"},
    {"colours": "matched"},
    {"pooling": "average"},
    {"style_layers": "conv1_1:3,conv2_2"},
    {"content_layers": "conv3_1"},
    {"style_scale": 0.25},
    {"style_scale": 2.5},
    {"sharpen": 1.5},
    {"contrast": 1.4},
    {"average": 0},
    {"rate": 0.2},
    {"tv_weight": 1000},
    {"style_weight": 0},
    {"content_weight": 20},
]


@pytest.fixture(scope="module")
def default_pixels(content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache) -> bytes:
    p = parse(GatysParams, {"content": content, "styles": [style], "size": 64, "steps": 3})
    *_, result = run(PIPELINE, p, cache)
    assert isinstance(result, Result)
    return result.images[0].tobytes()


@pytest.mark.parametrize("changes", CHOICES, ids=lambda c: " ".join(f"{k}={v}" for k, v in c.items()))
def test_every_choice_runs_and_shows(paint: Paint, changes: dict[str, Any], default_pixels: bytes) -> None:
    steps, result = paint(**changes)
    assert result.images[0].size == (64, 48) and result.images[0].tobytes() != default_pixels
    assert all(math.isfinite(float(value)) for s in steps for value in s.metrics.values())
    assert set(steps[-1].metrics) == {"loss", "content", "style", "variation"} and result.record.notes == []


def test_coarse_to_fine_ends_at_the_size_asked_for(paint: Paint) -> None:
    steps, result = paint(size=91, smallest=64, steps=4, optimizer="adam")
    sides = [max(s.preview.shape) for s in steps if s.preview is not None]
    assert sides == [64, 64, 91, 91] and result.images[0].size == (91, 68)
    assert steps[-1].share == pytest.approx(1) and float(steps[-1].metrics["loss"]) < float(steps[0].metrics["loss"])


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_loss_decreases(paint: Paint, optimizer: str) -> None:
    steps, _ = paint(steps=16, start="noise", optimizer=optimizer, rate=0.03)
    losses = [float(s.metrics["loss"]) for s in steps]
    assert losses[-1] < 0.8 * losses[0]


def test_strength_0_stays_nearer_the_content_than_strength_1(paint: Paint, content: PIL.Image.Image) -> None:
    near, far = (paint(strength=s, steps=6)[1].images[0] for s in (0, 1))
    assert np.square(array(near) - array(content)).mean() < 0.5 * np.square(array(far) - array(content)).mean()


def test_styles_are_mixed_by_their_weights(paint: Paint, style: PIL.Image.Image) -> None:
    other = PIL.Image.effect_noise((56, 56), 90).convert("RGB")
    alone = paint()[1].images[0]
    first = paint(styles=[style, other], style_weights=[5, 0])[1].images[0]
    both = paint(styles=[style, other], style_weights=[3, 1])[1].images[0]
    assert np.abs(array(first) - array(alone)).max() <= 1
    assert np.abs(array(both) - array(alone)).max() > 3
    assert paint(styles=[style, other])[1].images[0].tobytes() != both.tobytes()


def test_settings_changed_after_the_run_equal_those_chosen_before(paint: Paint, toy: Settings) -> None:
    after = paint()[1]
    for changes in ({"colours": "content"}, {"colours": "matched", "sharpen": 1.0}, {"contrast": 1.5}):
        assert set(changes) <= set(PIPELINE.after)
        assert gatys.finish(toy(**changes), after.state).tobytes() == paint(**changes)[1].images[0].tobytes()


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("stop", [False, True], ids=["to the end", "stopped"])
def test_a_fallback_is_in_the_record(toy: Settings, cache: ModelCache, poison: float, stop: bool) -> None:
    stream = run(PIPELINE, toy(optimizer="lbfgs", steps=5), cache)
    next(stream)
    event = next(stream)
    assert isinstance(event, Progress)
    event.state.canvas.image.data.fill_(poison)
    next(stream)
    event = next(stream)
    result = stream.send(STOP) if stop else [*stream][-1]
    assert isinstance(result, Result) and result.images[0].getextrema() != ((0, 0),) * 3
    stopped = ["stopped after step 4 of 5"] if stop else []
    assert [note.partition(" at")[0] for note in result.record.notes] == ["L-BFGS diverged", *stopped]


def test_a_stopped_run_is_sharpened_and_given_contrast_too(toy: Settings, cache: ModelCache) -> None:
    p = toy(sharpen=1.5, contrast=1.5, steps=5)
    stream = run(PIPELINE, p, cache)
    next(stream)
    next(stream)
    result = stream.send(STOP)
    assert isinstance(result, Result)
    assert result.images[0].tobytes() == gatys.finish(p, result.state).tobytes()


def test_noise_depends_on_the_seed_alone() -> None:
    flat, colours = torch.full((1, 3, 64, 64), 0.5), torch.rand(3, 20, 20)
    noise = [blank(flat, "noise", colours, 0.5, seed) for seed in (1, 1, 2)]
    assert torch.equal(noise[0], noise[1]) and not torch.equal(noise[1], noise[2])
    assert torch.equal(blank(flat, "content", colours, 0.5, 1), flat)
    torch.testing.assert_close(blank(flat, "blend", colours, 0.25, 1), 0.75 * flat + 0.25 * noise[0])
    styled = blank(flat, "style", colours, 0.5, 1)
    torch.testing.assert_close(styled.mean((0, 2, 3)), colours.mean((1, 2)), rtol=0, atol=0.02)


STRIP = PIL.Image.effect_noise((320, 32), 60).convert("RGB")


def test_a_long_picture_is_painted_where_the_result_is_large_enough(paint: Paint) -> None:
    _, result = paint(content=STRIP, size=160, smallest=64, steps=4)  # 160x16 in the end, 64x6 at the smallest size
    assert result.images[0].size == (160, 16)


def test_a_long_style_is_used(paint: Paint) -> None:
    assert paint(styles=[STRIP])[1].images[0].size == (64, 48)


def test_a_long_picture_at_too_small_a_size_is_a_plain_sentence(paint: Paint) -> None:
    with pytest.raises(ParamError, match="size"):
        paint(content=STRIP, size=64)  # 64x6: too little for the network


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_adding_steps_to_a_finished_run_keeps_the_optimisers_state(
    paint: Paint, toy: Settings, cache: ModelCache, optimizer: str
) -> None:
    _, half = paint(steps=2, optimizer=optimizer)
    *_, more = run(PIPELINE, toy(steps=2, optimizer=optimizer), cache, state=half.state)
    _, whole = paint(steps=4, optimizer=optimizer)
    assert isinstance(more, Result) and more.images[0].tobytes() == whole.images[0].tobytes()
