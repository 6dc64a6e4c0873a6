"""Imagine on real diffusers pipelines at toy size: the whole path from a folder's name to a picture."""

from __future__ import annotations

import threading
from typing import Any

import PIL.Image
import pytest
import torch
import toy_pipelines
from imagining import make, pins, pixels, start

from models import registry
from models.cache import ModelCache
from models.hub import assembly
from pipelines import images, record
from pipelines.base import STOP, Result, run
from pipelines.imagine import PIPELINE
from pipelines.params import ParamError, parse

EVERY = pytest.mark.parametrize("toy", ["sd", "sdxl", "zimage"])
UNETS = pytest.mark.parametrize("toy", ["sd", "sdxl"])


def contents(cache: ModelCache) -> dict[str, list[torch.Tensor]]:
    """Every number of every model in the cache."""
    found = {}
    for row in cache.snapshot():
        with cache.use(row.name, working=0) as (module,):
            found[row.name] = [tensor.clone() for tensor in (*module.parameters(), *module.buffers())]
    return found


@EVERY
def test_switching_between_words_and_pictures_loads_nothing_twice(
    cache: ModelCache, toy: str, content: PIL.Image.Image
) -> None:
    make(cache, toy)
    loads = cache.stats.loads
    _, result = make(cache, toy, content=content, strength=0.7)
    assert cache.stats.loads == loads and result.images[0].size == (64, 48)
    assert "Img2Img" in result.record.details["pictures"][0]["pipeline"] and pins(cache) == 0


@pytest.mark.parametrize("toy", ["sd", "zimage"])
def test_strength_keeps_the_content_or_forgets_it(cache: ModelCache, toy: str, content: PIL.Image.Image) -> None:
    by_strength = [make(cache, toy, content=content, strength=s, steps=10)[1] for s in (0.1, 0.6, 1.0)]
    assert len({pixels(result)[0] for result in by_strength}) == 3
    assert [r.record.steps for r in by_strength] == sorted(r.record.steps for r in by_strength)
    with pytest.raises(ParamError, match="choose 5 steps or more"):
        make(cache, toy, content=content, strength=0.2, steps=3)


@EVERY
def test_the_third_of_four_can_be_made_again_alone(cache: ModelCache, toy: str) -> None:
    steps, four = make(cache, toy, count=4, seed=8)
    _, alone = make(cache, toy, seed=10)
    assert len(set(pixels(four))) == 4 and pixels(four)[2] == pixels(alone)[0]
    assert [told["seed"] for told in four.record.details["pictures"]] == [8, 9, 10, 11]
    assert four.sheet is not None and steps[-1].preview is not None
    assert four.sheet.size == steps[-1].preview.shape[:0:-1], "the wall does not jump when the run ends"


@pytest.mark.parametrize("toy", ["sdxl", "zimage"])
def test_prompt_negative_prompt_and_guidance_change_the_picture(cache: ModelCache, toy: str) -> None:
    plain = {"prompt": "a cat", "guidance": 4.0}
    changes: list[dict[str, Any]] = [{}, {"prompt": "a dog in the rain"}, {"negative": "fog"}, {"guidance": 9.0}]
    assert len({pixels(make(cache, toy, **{**plain, **change})[1])[0] for change in changes}) == 4
    _, unheard = make(cache, toy, prompt="a cat", negative="fog", guidance=0.0)
    assert any("negative prompt has no effect" in note for note in unheard.record.notes)


@pytest.mark.parametrize("toy", ["sd", "zimage"])
def test_each_step_shows_a_picture_and_none_runs_the_decoder(
    cache: ModelCache, toy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import AutoencoderKL

    decoded = []
    real = AutoencoderKL.decode
    monkeypatch.setattr(AutoencoderKL, "decode", lambda self, *a, **k: decoded.append(1) or real(self, *a, **k))
    steps, _ = make(cache, toy, count=2, steps=4)
    assert len(decoded) == 2 and len({step.preview.numpy().tobytes() for step in steps if step.preview is not None}) > 6
    assert all({"change", "noise level"} <= set(step.metrics) for step in steps)


def test_a_matrix_fitted_to_the_decoder_shows_the_colours_of_a_picture() -> None:
    from diffusers import AutoencoderKL

    from models.hub import assembly

    class Plain(torch.nn.Module):
        """An autoencoder whose latents are the mean colours, mixed: the fit has to undo the mixing."""

        def __init__(self) -> None:
            super().__init__()
            self.config, self.dtype = AutoencoderKL().config, torch.float32
            self.mix = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))

        def encode(self, x: torch.Tensor, return_dict: bool) -> tuple[torch.Tensor]:
            assert not return_dict
            return (torch.einsum("lc,nchw->nlhw", self.mix, torch.nn.functional.avg_pool2d(x, 8)),)

    vae = Plain()
    matrix = assembly.colours_of_latents(vae, torch.device("cpu"))
    picture = torch.rand(1, 3, 32, 32)
    latents = vae.encode(picture * 2 - 1, return_dict=False)[0][0] * vae.config.scaling_factor
    small = torch.nn.functional.avg_pool2d(picture, 8)[0]
    assert torch.allclose(assembly.latent_preview(latents, matrix, 4, 4), small, atol=1e-3)


@pytest.mark.parametrize("toy", ["sdxl"])
def test_stop_ends_within_a_step_and_closing_ends_the_thread(cache: ModelCache, toy: str) -> None:
    stream = start(cache, toy, steps=50, count=4)
    for _ in range(5):
        next(stream)
    assert pins(cache) > 0 and any(thread.name == "lockstep" for thread in threading.enumerate())
    result = stream.send(STOP)
    assert isinstance(result, Result) and result.record.steps == 5 and pins(cache) == 0
    assert not any(thread.name == "lockstep" for thread in threading.enumerate())


@EVERY
def test_a_lora_changes_this_run_and_leaves_no_trace(cache: ModelCache, toy: str) -> None:
    _, plain = make(cache, toy)
    before = contents(cache)
    path = toy_pipelines.folder(toy) / "lora.safetensors"
    made = [make(cache, toy, lora=str(path), lora_weight=weight)[1] for weight in (0.0, 0.5, 1.5)]
    assert pixels(made[0]) == pixels(plain) and len({pixels(result)[0] for result in made}) == 3
    assert pixels(make(cache, toy)[1]) == pixels(plain)
    after = contents(cache)
    assert all(torch.equal(a, b) for name in before for a, b in zip(before[name], after[name], strict=True))
    assert made[1].record.details["lora"]["sha256"]


@UNETS
def test_style_pictures_go_in_through_an_ip_adapter_and_leave_no_trace(
    cache: ModelCache, toy: str, style: PIL.Image.Image, content: PIL.Image.Image
) -> None:
    adapter = str(toy_pipelines.folder(toy) / "ip_adapter")
    _, plain = make(cache, toy)
    styled = [make(cache, toy, styles=[s], adapter=adapter, style_strength=1.0)[1] for s in (style, content)]
    assert len({pixels(plain)[0], *(pixels(result)[0] for result in styled)}) == 3
    assert len(make(cache, toy, styles=[style, content], adapter=adapter)[1].images) == 1
    assert pixels(make(cache, toy)[1]) == pixels(plain)
    assert any("image_encoder" in name for name in styled[0].record.models)
    with pytest.raises(ParamError, match="No IP-Adapter is known"):
        make(cache, toy, styles=[style])


def test_the_safety_checker_is_on_and_its_verdict_is_told(cache: ModelCache) -> None:
    _, passed = make(cache, "checked")
    assert passed.record.details["pictures"][0]["flagged"] is False
    assert "looked at by the model's own safety checker" in passed.record.notes
    name = next(row.name for row in cache.snapshot() if "safety_checker" in row.name)
    with cache.use(name, working=0) as (checker,):
        threshold = checker.concept_embeds_weights
        kept = threshold.data
        threshold.data = torch.full_like(kept, -9)  # as if every picture were close to what it looks for
        try:
            _, blocked = make(cache, "checked")
            _, unasked = make(cache, "checked", safety=False)
        finally:
            threshold.data = kept
    assert blocked.record.details["pictures"][0]["flagged"] is True and blocked.record.metrics["blocked"] == 1
    assert blocked.images[0].getextrema() == ((0, 0),) * 3 and any("blocked" in note for note in blocked.record.notes)
    assert unasked.images[0].getextrema() != ((0, 0),) * 3 and pixels(unasked) == pixels(passed)


@UNETS
def test_half_precision_of_older_cards_keeps_the_decoder_exact(
    toy: str, content: PIL.Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "dtype_for", lambda _device: torch.float16)
    cache = ModelCache(registry.Loaders(), torch.device("cpu"), 1 << 30)
    for settings in ({}, {"content": content}):
        _, result = make(cache, toy, **settings)
        assert result.images[0].getextrema() != ((0, 0),) * 3
    names = {row.name.partition("#")[2] for row in cache.snapshot()}
    assert {"vae@float32", "unet@float16"} <= names


def test_the_same_noise_goes_through_two_schedulers_or_two_models(cache: ModelCache) -> None:
    _, twice = make(cache, "sd", scheduler="euler", also="euler", count=2)
    assert pixels(twice)[0] == pixels(twice)[1] and pixels(twice)[2] == pixels(twice)[3] != pixels(twice)[0]
    _, two = make(cache, "sd", scheduler="euler", also="ddim")
    assert pixels(two)[0] == pixels(twice)[0] != pixels(two)[1]
    assert [told["scheduler"] for told in two.record.details["pictures"]] == ["EulerDiscreteScheduler", "DDIMScheduler"]
    _, models = make(cache, "sd", also=str(toy_pipelines.folder("sdxl")))
    assert {told["pipeline"] for told in models.record.details["pictures"]} == {
        "StableDiffusionPipeline",
        "StableDiffusionXLPipeline",
    }
    assert models.picture.width > 2 * 64


def test_a_scheduler_that_does_not_fit_is_refused_with_those_that_do(cache: ModelCache) -> None:
    with pytest.raises(ParamError, match="made for FlowMatchEulerDiscreteScheduler: choose own"):
        make(cache, "zimage", scheduler="ddim")
    assert pins(cache) == 0


@pytest.mark.parametrize(("shape", "size"), [("landscape", (100, 75)), ("portrait", (75, 100)), ("square", (100, 100))])
def test_the_picture_has_the_size_asked_for_to_the_pixel(cache: ModelCache, shape: str, size: tuple[int, int]) -> None:
    toy = "sd" if shape == "landscape" else "zimage"
    assert make(cache, toy, shape=shape, size=100, steps=1)[1].images[0].size == size


def test_a_record_makes_the_same_picture_again(cache: ModelCache, content: PIL.Image.Image) -> None:
    _, first = make(cache, "sd", content=content, count=2, scheduler="euler-a", seed=4)
    kept = record.read(first.png(1))
    assert kept is not None and kept.params["content"] == images.describe(content)
    *_, again = run(PIPELINE, parse(PIPELINE.params, {**kept.params, "content": content}), cache)
    assert isinstance(again, Result) and pixels(again) == pixels(first)
    assert all(name.startswith(f"hub:{kept.params['model']}#") and len(d) == 64 for name, d in kept.models.items())
