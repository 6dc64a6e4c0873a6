"""Diffusion's schedulers and network: each walk goes from pure noise to the picture, whatever the count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor, nn

from models.diffusion import (
    SCHEDULERS,
    Denoiser,
    Moment,
    Scheduler,
    denoise,
    generators_of,
    noise_of,
    pixels,
    plan,
    predict,
    sample,
)
from models.recipes.diffusion import LOG_SIGMA, SCHEDULER, Learner, configure, times
from pipelines.diffusion.draw import MOST_MOMENTS, Trail
from tests.toy_diffusion import small
from training.common import mirrored

EACH = pytest.mark.parametrize("name", SCHEDULERS)
FIXED = [name for name in SCHEDULERS if name != "ddpm"]  # those that draw no noise on the way


@pytest.fixture(scope="module")
def network() -> Denoiser:
    return small()


class Oracle(nn.Module):
    """Knows the picture and the noise: what a perfect network would say on the way between the two."""

    shape, classes = (1, 4, 4), 0

    def __init__(self, prediction: str) -> None:
        super().__init__()
        self.scheduler = {**SCHEDULER, "prediction_type": prediction, "clip_sample": False}
        self.bars = plan("ddpm", self.scheduler, 1).alphas_cumprod
        self.x0, self.noise = torch.linspace(-1, 1, 16).view(1, 1, 4, 4), noise_of(self.shape, generators_of([3]))
        self.anchor = nn.Parameter(torch.zeros(1))

    def at(self, t: int) -> Tensor:
        a = self.bars[t]
        return a.sqrt() * self.x0 + (1 - a).sqrt() * self.noise  # type: ignore[no-any-return]

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        a = self.bars[int(t[0])]
        answers = {"epsilon": self.noise, "v_prediction": a.sqrt() * self.noise - (1 - a).sqrt() * self.x0}
        return answers[self.scheduler["prediction_type"]].expand_as(x)  # type: ignore[index]


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("models.device.fast_dtype", lambda _: torch.float32)
    yield


@EACH
@pytest.mark.parametrize("steps", [1, 2, 3, 20, 61, 103, 121, 700, 999, 1000])
def test_every_plan_begins_at_pure_noise_and_has_the_steps_asked_for(name: Scheduler, steps: int) -> None:
    walk = plan(name, SCHEDULER, steps)
    found = [int(t) for t in walk.timesteps]
    assert len(found) == (2 * steps - 1 if name == "heun" else steps) and found[0] == 999 and min(found) >= 0
    assert found == sorted(found, reverse=True) and len(set(found)) == steps
    if hasattr(walk, "sigmas"):
        assert len(walk.sigmas) == len(found) + 1 and float(walk.sigmas[-1]) == 0
    with pytest.raises(ValueError, match="choose 1 to 1000"):
        plan(name, SCHEDULER, 1001)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 7, 61, 700])
@pytest.mark.parametrize("name", FIXED)
def test_with_a_perfect_network_every_level_of_noise_is_right(name: Scheduler, steps: int, prediction: str) -> None:
    oracle: Any = Oracle(prediction)
    walk = plan(name, oracle.scheduler, steps)
    sigma = float(walk.init_noise_sigma)  # Euler and Heun add noise to the picture, the others mix them
    found = list(denoise(oracle, walk, oracle.at(999) * ((sigma**2 + 1) ** 0.5 if sigma > 2 else 1), None))
    for moment in found:
        assert torch.allclose(moment.noisy, oracle.at(moment.t), atol=2e-3), moment.t
    assert torch.allclose(found[-1].x, oracle.x0, atol=2e-3)
    assert [m.step for m in found] == list(range(1, found[-1].steps + 1))


@pytest.mark.parametrize("steps", [1, 30, 61, 700])
def test_inverting_with_a_perfect_network_finds_the_noise(steps: int) -> None:
    oracle: Any = Oracle("v_prediction")
    walk = plan("ddim", oracle.scheduler, steps)
    run = list(denoise(oracle, walk, oracle.x0, None, inverse=True))
    assert torch.allclose(run[-1].x, oracle.at(999), atol=0.02)  # it begins at t = 0, where there is a little noise
    assert [m.t for m in run] == [0, *sorted(int(t) for t in walk.timesteps)[:-1]]


@pytest.mark.parametrize("name", ["ddpm", "ddim", "euler", "heun"])
def test_the_expected_picture_is_the_schedulers_own(name: Scheduler, network: Denoiser) -> None:
    walk = plan(name, {**SCHEDULER, "clip_sample": False}, 4)
    sources = generators_of([0, 1])
    x = noise_of(network.shape, sources) * walk.init_noise_sigma
    labels = torch.tensor([3, 5])
    for moment, t in zip(denoise(network, walk, x, labels, 2.0, sources), walk.timesteps, strict=True):
        other = plan(name, {**SCHEDULER, "clip_sample": False}, 4)
        output = predict(network, moment.noisy, int(t), labels, 2.0)
        if name != "heun" or int(t) == 999:  # its second half has no state of its own
            told = other.step(output, t, x).pred_original_sample
            assert torch.allclose(moment.expected, told, atol=1e-5)
        x = moment.x


@EACH
@pytest.mark.parametrize("steps", [1, 5])
def test_picture_i_is_the_same_whatever_the_count(name: Scheduler, steps: int, network: Denoiser) -> None:
    few, many = (sample(network, torch.arange(n), 7, steps, name) for n in (2, 5))
    assert few.shape == (2, 1, 28, 28) and torch.allclose(few, many[:2], atol=1e-4) and not torch.equal(few[0], few[1])
    assert float(many.min()) >= 0 and float(many.max()) <= 1
    later = sample(network, torch.tensor([1]), 8, steps, name)
    assert torch.allclose(later[0], few[1], atol=1e-4), "picture 1 of seed 7 is picture 0 of seed 8"


def test_guidance_goes_along_the_line_from_any_to_the_class(network: Denoiser) -> None:
    x, labels = noise_of(network.shape, generators_of([0, 1])), torch.tensor([2, 9])
    anything, asked, far = (predict(network, x, 500, labels, w) for w in (0.0, 1.0, 3.0))
    assert torch.allclose(far, anything + 3 * (asked - anything), atol=1e-4) and not torch.allclose(asked, anything)
    assert torch.allclose(anything, predict(network, x, 500, torch.full((2,), network.classes), 5.0), atol=1e-4)


@pytest.mark.parametrize("steps", [1, 7, 60, 61, 1000])
def test_a_trail_keeps_moments_from_all_of_the_run(steps: int) -> None:
    trail, x = Trail(steps), torch.zeros(1, 1, 2, 2)
    for i in range(steps):
        trail.add(Moment(i + 1, steps, (i + 1) / steps, steps - 1 - i, 0.5, x, x, x))
    trail.close(x)
    assert len(trail.times) == min(steps, MOST_MOMENTS) + 1 and trail.times[-2:] == [0, -1]
    gaps = {a - b for a, b in zip(trail.times, trail.times[1:-1], strict=False)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_training_sees_all_times_and_half_of_the_pictures_mirrored() -> None:
    source = torch.Generator().manual_seed(0)
    alphas = diffusers.DDPMScheduler(**SCHEDULER).alphas_cumprod
    found = times(100, source, "even", alphas)
    assert sorted(int(t) // 10 for t in found) == list(range(100)) and list(found) != sorted(found)
    pictures = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(50, 1, 1, 1)
    x = mirrored(pictures, source)
    assert 0 < int((x[:, 0, 0, 0] > 0).sum()) < 50


def test_training_with_normal_noise_looks_most_where_digits_take_their_shape() -> None:
    alphas = diffusers.DDPMScheduler(**SCHEDULER).alphas_cumprod
    found = times(2000, torch.Generator().manual_seed(0), "normal", alphas)
    log_sigma = ((1 - alphas) / alphas).sqrt().log()[found]
    assert int(found.min()) >= 0 and int(found.max()) < 1000
    assert abs(float(log_sigma.median()) - LOG_SIGMA[0]) < 0.3 and (found > 900).double().mean() < 0.05


def test_a_time_that_rounds_up_to_the_end_is_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.full((n,), 1 - 2**-24))
    alphas = diffusers.DDPMScheduler(**SCHEDULER).alphas_cumprod
    assert int(times(64, torch.Generator(), "even", alphas).max()) == 999


def test_a_rate_that_falls_at_last_is_the_highest_before() -> None:
    learner = Learner(torch.zeros(0), configure(1, 28, 10, (16, 32)), fall=0.5)
    assert [learner.course(done) for done in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1.0, 1.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32)])
def test_what_is_trained_fits_into_ten_megabytes(channels: int, side: int) -> None:
    network = Denoiser(**configure(channels, side, 10))
    assert sum(p.numel() for p in network.parameters()) * 2 < 10.5e6 and network.shape == (channels, side, side)
    with torch.no_grad():
        output = network(torch.zeros(2, channels, side, side), torch.tensor([0, 999]), torch.tensor([0, 10]))
    assert output.shape == (2, channels, side, side) and pixels(output).shape == output.shape
