"""PixelCNN: what each pixel may see, drawing with a memory, and what it says of a digit."""

from __future__ import annotations

import math
from typing import Any

import PIL.Image
import pytest
import torch
from PIL import ImageDraw

from benchmarks import pixelcnn as benchmark
from benchmarks.pixelcnn import draw_naively
from models import pixelcnn
from models.cache import ModelCache
from models.pixelcnn import Drawing, PixelCNN, draw, noise_for, sample
from pipelines.base import Progress, Result, run
from pipelines.images import ImageError
from pipelines.params import ParamError, parse
from pipelines.pixelcnn import PIPELINE, PixelcnnParams, heat

SIDE = 10


@pytest.fixture(scope="module")
def network() -> PixelCNN:
    generator = torch.Generator().manual_seed(0)
    made = PixelCNN(width=6, layers=3, reach=3, hidden=8, side=SIDE).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.4
    return made


def seven() -> PIL.Image.Image:
    image = PIL.Image.new("RGB", (90, 120), "white")
    ImageDraw.Draw(image).line([(25, 25), (65, 25), (40, 95)], "black", 9, joint="curve")
    return image


def result(cache: ModelCache, **values: Any) -> Result:
    *_, last = run(PIPELINE, parse(PixelcnnParams, values), cache)
    assert isinstance(last, Result)
    return last


@pytest.mark.parametrize("place", [(0, 0), (0, 4), (3, 0), (5, 5), (4, SIDE - 1), (SIDE - 1, SIDE - 1)])
def test_changing_a_pixel_changes_nothing_before_it_nor_itself(network: PixelCNN, place: tuple[int, int]) -> None:
    x = (torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) < 0.5).float()
    other = x.clone()
    other[0, 0, place[0], place[1]] = 1 - other[0, 0, place[0], place[1]]
    label = torch.tensor([3])
    moved = (network(x, label) != network(other, label)).flatten()
    here = place[0] * SIDE + place[1]
    assert not moved[: here + 1].any()
    assert here + 1 == SIDE**2 or moved[here + 1 :].any()


def test_the_last_pixel_sees_all_within_reach_there_is_no_blind_spot(network: PixelCNN) -> None:
    x = torch.zeros(1, 1, SIDE, SIDE, requires_grad=True)
    network(x, torch.tensor([0]))[0, 0, 5, 5].backward()
    assert x.grad is not None
    seen = x.grad[0, 0] != 0
    assert seen[3:5, 3:8].all() and seen[5, :5].all() and not seen[5, 5:].any() and not seen[6:].any()


@pytest.mark.parametrize("known", [0, 4])
def test_drawing_with_a_memory_makes_the_same_pictures(network: PixelCNN, known: int) -> None:
    labels, noise = torch.arange(5), noise_for(network, 5, 3)
    given = (noise_for(network, 5, 9) < 0.3).float()[:, None] if known else None
    last: list[Drawing] = []
    for function in (draw, draw_naively):
        *_, end = function(network, labels, noise, 0.8, given, known)
        last.append(end)
    assert torch.equal(last[0].x, last[1].x)
    torch.testing.assert_close(last[0].chance, last[1].chance)
    assert 0.05 < last[0].x.mean() < 0.95 and (given is None or torch.equal(last[0].x[:, :, :4], given[:, :, :4]))


def test_rows_that_are_known_are_not_drawn_and_the_rest_is_as_if_they_were(network: PixelCNN) -> None:
    labels, noise, known = torch.arange(5), noise_for(network, 5, 3), 4
    given = (noise_for(network, 5, 9) < 0.3).float()[:, None]
    told = noise.clone()  # noise that gives the known rows, pixel by pixel
    told[:, :known] = 1 - given[:, 0, :known]
    drawings = [d.pixels for d in draw(network, labels, noise, 0.8, given, known)]
    assert drawings == list(range(known * SIDE + 1, SIDE**2 + 1))
    *_, all_drawn = draw(network, labels, told, 0.8)
    *_, rest_drawn = draw(network, labels, noise, 0.8, given, known)
    assert torch.equal(all_drawn.x, rest_drawn.x)
    assert torch.equal(all_drawn.chance[:, :, known:], rest_drawn.chance[:, :, known:])
    torch.testing.assert_close(all_drawn.chance, rest_drawn.chance)


def test_a_completion_has_the_steps_of_what_is_left_and_tells_how_far_it_is(cache: ModelCache) -> None:
    p = parse(PixelcnnParams, {"view": "complete", "digit": seven(), "keep": 20, "count": 1})
    *steps, _ = run(PIPELINE, p, cache)
    left = 8 * 28 // 7
    assert [(s.step, s.total, s.share) for s in steps if isinstance(s, Progress)] == [
        (step, left, step / left) for step in range(1, left + 1)
    ]


def test_probabilities_of_all_pictures_add_up_to_one() -> None:
    torch.manual_seed(0)
    tiny = PixelCNN(width=4, layers=1, reach=2, hidden=4, side=3).eval().requires_grad_(False)
    every = torch.tensor([[(n >> bit) & 1 for bit in range(9)] for n in range(512)]).float().view(512, 1, 3, 3)
    costs = pixelcnn.surprise(tiny, every, torch.full((512,), 2)).sum((1, 2, 3))
    assert float((-costs).exp().sum()) == pytest.approx(1, abs=1e-4)


def test_the_class_matters_and_a_picture_does_not_depend_on_how_many(network: PixelCNN) -> None:
    few, many = sample(network, torch.tensor([1, 2]), 0), sample(network, torch.tensor([1, 2, 3, 4]), 0)
    assert torch.equal(few, many[:2]) and not torch.equal(few, sample(network, torch.tensor([8, 9]), 0))


def test_nats_of_a_class_are_those_of_all_classes_at_once(network: PixelCNN) -> None:
    x = (noise_for(network, 4, 0) < 0.5).float()[:, None]
    all_of_them = pixelcnn.nats_of_classes(network, x)
    assert torch.allclose(all_of_them[:, 6], pixelcnn.nats(network, x, torch.full((4,), 6), 0), atol=1e-4)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"count": 0}, "count is 0.*1 to 100"),
        ({"label": 12}, "label is 12.*0 to 9"),
        ({"view": "complete"}, "digit is missing: draw one digit"),
    ],
)
def test_wrong_settings_say_what_to_do(values: dict[str, Any], words: str, cache: ModelCache) -> None:
    with pytest.raises(ParamError, match=words):
        result(cache, **values)


def test_a_colour_photograph_says_what_to_do(cache: ModelCache, content: PIL.Image.Image) -> None:
    with pytest.raises(ImageError, match="draw one digit"):
        result(cache, view="surprise", digit=content)


def test_endings_keep_the_top_that_was_given(cache: ModelCache) -> None:
    made = result(cache, view="complete", digit=seven(), keep=10, count=3)
    tops = {image.crop((0, 0, 28, 10)).tobytes() for image in made.images}
    assert len(tops) == 1 and len({image.tobytes() for image in made.images}) == 3
    chances = made.record.details["class_chances"]
    assert sum(chances) == pytest.approx(1, abs=1e-2) and len(made.record.details["classes"]) == 3


def test_a_digit_is_judged_pixel_by_pixel(cache: ModelCache) -> None:
    made = result(cache, view="surprise", digit=seven())
    told, numbers = made.record.details, made.record.metrics
    assert len(made.images) == 3 and told["class"] == told["nats_of_classes"].index(min(told["nats_of_classes"]))
    found = -torch.tensor(told["nats_of_classes"])
    assert numbers["nats"] == pytest.approx(math.log(10) - float(torch.logsumexp(found, 0)), abs=0.01)


def test_grey_shows_chances_and_no_others(cache: ModelCache) -> None:
    drawn, grey = (result(cache, count=1, label=3, shade=shade).images[0] for shade in (False, True))
    assert len(drawn.getcolors() or []) == 2 and len(grey.getcolors() or []) > 20


def test_heat_goes_from_dark_to_bright() -> None:
    colours = heat(torch.tensor([0.0, 2.0, 99.0]).view(3, 1, 1, 1))
    assert colours.shape == (3, 3, 1, 1) and (colours.sum((1, 2, 3)).diff() > 0).all()


def test_the_benchmark_runs_and_both_ways_agree() -> None:
    times = benchmark.measure(quick=True)
    assert times.same == 1 and times.naive > 0 and times.cached > 0 and "times faster" in benchmark.report(times)
