"""The views of diffusion: each makes pictures and shows them on the way, keeps its seed, and takes the hub's models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw
import pytest
import torch

from models import registry
from models.cache import ModelCache
from models.diffusion import SCHEDULERS
from models.weights import WeightsMissing
from pipelines.base import Result, run
from pipelines.diffusion import PIPELINE, VIEWS
from pipelines.diffusion.draw import Trail
from pipelines.diffusion.params import DiffusionParams
from pipelines.images import ImageError
from pipelines.params import ParamError, parse
from tests.toy_diffusion import bytes_of, cache_of, made, small

EACH = pytest.mark.parametrize("name", SCHEDULERS)


@pytest.fixture(scope="module")
def cache() -> ModelCache:
    return cache_of(small())


@EACH
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_same_seed_same_pixels(name: str, eta: float, cache: ModelCache) -> None:
    one, two = (made(cache, scheduler=name, eta=eta, seed=4) for _ in range(2))
    assert bytes_of(one) == bytes_of(two) != bytes_of(made(cache, scheduler=name, eta=eta, seed=5))


def test_eta_adds_noise_to_ddim_alone(cache: ModelCache) -> None:
    none, some = (bytes_of(made(cache, scheduler="ddim", eta=eta)) for eta in (0.0, 1.0))
    assert none != some
    assert bytes_of(made(cache, scheduler="euler", eta=0.0)) == bytes_of(made(cache, scheduler="euler", eta=1.0))


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_makes_pictures_and_shows_them_on_the_way(view: str, cache: ModelCache) -> None:
    p = parse(DiffusionParams, {"view": view, "steps": 3, "count": 3, "measured": 50})
    *steps, result = run(PIPELINE, p, cache)
    assert isinstance(result, Result)
    assert [*dict.fromkeys(s.step for s in steps)] == list(range(1, steps[-1].total + 1))  # type: ignore[union-attr]
    assert all(s.preview is not None and s.metrics for s in steps)  # type: ignore[union-attr]
    counts = {"pictures": 3, "strip": 3, "schedulers": 18, "forward": 3, "invert": 3, "interpolate": 3, "quality": 24}
    assert len(result.images) == counts[view] and all(image.size == (28, 28) for image in result.images)
    assert result.sheet is not None and result.sheet.width > 84
    kept = {"pictures", "strip", "invert", "interpolate"}
    assert isinstance(result.state, Trail) == (view in kept)
    if view in kept:
        assert result.state.times[-1] == -1 and result.state.pair(0).width > 2 * 28


def test_the_same_noise_goes_through_all_schedulers(cache: ModelCache) -> None:
    result = made(cache, view="schedulers", steps=30, count=1, guidance=1.0)
    first = [torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).float() for image in result.images]
    apart = {n: float((x - first[1]).abs().mean()) for n, x in zip(SCHEDULERS, first, strict=True)}
    assert max(apart[n] for n in ("euler", "heun")) < apart["ddpm"], "one path for all that add no noise"
    assert result.record.details["schedulers"]["heun"]["calls"] == 59


def test_the_numbers_of_steps_that_are_measured_end_with_the_one_asked_for(cache: ModelCache) -> None:
    result = made(cache, view="quality", steps=4, measured=50)
    assert [row["steps"] for row in result.record.details["quality"]] == [1, 2, 3, 4]
    assert "50 pictures" in result.record.notes[0]


def drawing() -> PIL.Image.Image:
    """A dark stroke on white paper."""
    picture = PIL.Image.new("RGB", (120, 90), "white")
    PIL.ImageDraw.Draw(picture).line([(40, 20), (60, 70), (75, 25)], "black", 8)
    return picture


def test_a_picture_of_ones_own_is_noised_inverted_and_walked_from(cache: ModelCache, content: PIL.Image.Image) -> None:
    for view in ("forward", "invert", "interpolate"):
        given, own = (made(cache, view=view, picture=picture) for picture in (drawing(), None))
        assert bytes_of(given) != bytes_of(own)
    first = made(cache, view="invert", picture=drawing()).images[0]
    assert first.getpixel((0, 0)) < (30, 30, 30) and max(first.getdata()) > (200, 200, 200), "made white on black"
    assert len(made(cache, view="forward", picture=content, count=4).images) == 4, "noise takes any picture"
    with pytest.raises(ImageError, match="draw one digit"):
        made(cache, view="invert", picture=content)


@pytest.mark.parametrize("view", VIEWS)
def test_photographs_have_every_view_and_take_any_picture(view: str, content: PIL.Image.Image) -> None:
    cache = cache_of(small(3, 32))
    result = made(cache, dataset="cifar10", view=view, count=3, measured=50, picture=content)
    assert all(image.size == (32, 32) for image in result.images)
    pixels = torch.frombuffer(bytearray(result.images[0].tobytes()), dtype=torch.uint8).view(-1, 3)
    assert not torch.equal(pixels[:, 0], pixels[:, 1]), "in colour"
    given = made(cache, dataset="cifar10", view=view, count=3, measured=50, picture=drawing())
    assert (bytes_of(given) == bytes_of(result)) == (view in {"pictures", "strip", "schedulers", "quality"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1001}, "1 to 1000"),
        ({"count": 0}, "count is 0"),
        ({"label": 12}, "0 to 9"),
        ({"view": "interpolate", "count": 1}, "at least 2"),
        ({"model": "owner/none", "label": 3}, "knows no classes"),
    ],
)
def test_what_cannot_be_made_says_what_to_do(values: dict[str, Any], message: str, cache: ModelCache) -> None:
    with pytest.raises(ParamError, match=message):
        made(cache, **values)


def test_more_steps_than_the_network_was_trained_with_are_refused() -> None:
    short = ModelCache(
        {"diffusion-mnist": lambda: small(num_train_timesteps=50), "digits": registry.MODELS["digits"].load},
        torch.device("cpu"),
        1 << 30,
    )
    with pytest.raises(ParamError, match="steps is 51, but diffusion-mnist was trained with 50: choose 1 to 50"):
        made(short, steps=51)


def hub_pipeline(folder: Path, scheduler: str = "DDPMScheduler", **config: Any) -> Any:
    """A real diffusers pipeline of random weights in a folder."""
    import diffusers

    torch.manual_seed(1)
    unet = diffusers.UNet2DModel(
        **{
            "sample_size": 16,
            "block_out_channels": (8, 8),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
            "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
            "norm_num_groups": 4,
            **config,
        }
    )
    pipe = diffusers.DDPMPipeline(unet, getattr(diffusers, scheduler)())
    pipe.save_pretrained(folder, safe_serialization=True)
    return pipe


def test_a_pipeline_of_the_hub_makes_what_diffusers_makes(
    tmp_path: Path, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    import diffusers

    monkeypatch.setattr("models.device.fast_dtype", lambda _: torch.float32)
    pipe = hub_pipeline(tmp_path)
    ours = made(cache, model=str(tmp_path), scheduler="ddim", steps=5, seed=11, count=1)
    spaced = diffusers.DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    theirs = diffusers.DDIMPipeline(pipe.unet, spaced)
    theirs.set_progress_bar_config(disable=True)
    expected = theirs(generator=torch.Generator().manual_seed(11), num_inference_steps=5, output_type="np").images[0]
    found = torch.frombuffer(bytearray(ours.images[0].tobytes()), dtype=torch.uint8).view(16, 16, 3) / 255
    assert torch.allclose(found, torch.from_numpy(expected), atol=0.01)
    assert list(ours.record.models) == [f"hub:{tmp_path}#unet"]
    for view in ("strip", "schedulers"):
        assert made(cache, model=str(tmp_path), view=view, count=1).images[0].size == (16, 16)
    with pytest.raises(ParamError, match="No classifier here knows"):
        made(cache, model=str(tmp_path), view="quality")


@pytest.mark.parametrize(
    ("scheduler", "config", "message"),
    [
        ("ScoreSdeVeScheduler", {}, "was trained for ScoreSdeVeScheduler"),
        ("DDPMScheduler", {"out_channels": 6}, "3 channels in and 6 out"),
        ("DDPMScheduler", {"num_class_embeds": 4}, "unconditional"),
    ],
)
def test_a_pipeline_of_another_kind_is_refused(
    scheduler: str, config: dict[str, Any], message: str, tmp_path: Path, cache: ModelCache
) -> None:
    hub_pipeline(tmp_path, scheduler, **config)
    with pytest.raises(ParamError, match=message):
        made(cache, model=str(tmp_path))


def test_a_model_that_is_not_here_is_not_fetched_unasked(
    cache: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissing) as error:
        made(cache, model="google/ddpm-cifar10-32")
    assert "google/ddpm-cifar10-32" in str(error.value) and "\n" not in str(error.value)
