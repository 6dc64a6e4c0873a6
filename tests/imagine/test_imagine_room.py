"""Imagine where memory is short or the model is not here: offloaded, streamed, refused with advice; then well again."""

from __future__ import annotations

from typing import Any

import PIL.Image
import pytest
import torch
import toy_pipelines
from imagining import make, pins, pixels, start

from models import hub, registry
from models.cache import ModelCache, OutOfBudget
from models.hub import assembly
from models.weights import WeightsError, WeightsMissing
from pipelines.imagine import PIPELINE
from pipelines.imagine import plan as planning
from pipelines.imagine.plan import plans
from pipelines.params import ParamError, parse


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"model": "nobody/nothing"}, WeightsMissing, "nobody/nothing is not on this machine, and the network is"),
        ({"model": "no such folder"}, WeightsError, "neither a folder nor OWNER/NAME"),
        ({"model": ""}, WeightsError, "neither a folder"),
        ({"lora": "nobody/nothing"}, WeightsMissing, "nobody/nothing is not on this machine"),
        ({"lora": "style.safetensors"}, WeightsError, "is not on this machine"),
        ({"lora": __file__}, WeightsError, "no safetensors file"),
        ({"also": "nobody/else"}, WeightsMissing, "nobody/else"),
    ],
)
def test_what_is_not_here_is_said_in_one_line(
    cache: ModelCache, settings: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        make(cache, "sd", **settings)
    assert "\n" not in str(caught.value) and pins(cache) == 0


def test_a_folder_without_a_pipeline_and_a_pipeline_without_pictures_are_refused(
    cache: ModelCache, tmp_path: Any
) -> None:
    with pytest.raises(WeightsError, match=r"holds no model_index\.json"):
        make(cache, model=str(tmp_path))
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableAudioPipeline", "vae": ["diffusers", "X"]}')
    with pytest.raises(ParamError, match="makes no pictures from words"):
        make(cache, model=str(tmp_path))


def tight(vram: int, ram: int = 1 << 30) -> ModelCache:
    """A cache of its own, with a small device."""
    return ModelCache(registry.Loaders(), torch.device("cpu"), ram, vram)


def part_bytes(toy: str) -> dict[str, int]:
    top, dtype = str(toy_pipelines.folder(toy)), assembly.dtype_for(torch.device("cpu"))
    return {part: hub.parameter_bytes(top, part, dtype) for part in ("text_encoder", "unet", "vae")}


def test_too_large_a_picture_is_refused_before_it_starts_with_the_size_that_fits() -> None:
    cache = tight(700 << 20)  # float32 where the processor has no bfloat16
    with pytest.raises(OutOfBudget, match=r"2048x2048 pixels need \d+ MiB .* choose (\d+) pixels or less") as caught:
        make(cache, size=2048)
    assert cache.stats.loads == 0
    fits = int(str(caught.value).split("choose ")[1].split()[0])
    assert 64 <= fits < 2048
    from pipelines.imagine.plan import check_room

    values = {"model": str(toy_pipelines.folder("sd")), "steps": 2}
    (plan,) = plans(parse(PIPELINE.params, {**values, "size": fits}))
    check_room(plan, cache)
    (plan,) = plans(parse(PIPELINE.params, {**values, "size": fits + 64}))
    with pytest.raises(OutOfBudget):
        check_room(plan, cache)


def test_a_machine_without_the_memory_refuses_with_the_size_that_fits(
    cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.device.available_bytes", lambda: 1 << 30)
    loads = cache.stats.loads
    said = (
        r"^A size of 2048 needs about \d+\.\d GB of memory, and 1\.1 GB can be had: choose a size of at most (\d+)\.$"
    )
    with pytest.raises(OutOfBudget, match=said) as caught:
        make(cache, size=2048)
    fits = int(str(caught.value).rpartition(" ")[2].rstrip("."))
    assert 64 <= fits < 2048 and cache.stats.loads == loads
    (plan,) = plans(parse(PIPELINE.params, {"model": str(toy_pipelines.folder("sd")), "steps": 2, "size": fits}))
    planning.check_room(plan, cache)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Activations and layers count nothing, so that room is a matter of the parts' own sizes."""
    monkeypatch.setattr("models.hub.offers.working_bytes", lambda *_: 0)
    monkeypatch.setattr(planning, "LAYER", 0)


@pytest.mark.usefixtures("light")
def test_parts_take_turns_where_they_do_not_fit_together(cache: ModelCache, content: PIL.Image.Image) -> None:
    sizes = part_bytes("sd")
    small = tight(max(sizes.values()) + min(sizes.values()) // 2)
    _, wide = make(cache, content=content, count=2)
    _, narrow = make(small, content=content, count=2)
    assert small.stats.offloads >= 4 and small.stats.loads == 3 and pixels(narrow) == pixels(wide)
    assert sum(row.resident for row in small.snapshot()) < 3 and pins(small) == 0


@pytest.mark.usefixtures("light")
def test_parts_are_loaded_again_where_even_ram_holds_only_one(cache: ModelCache) -> None:
    sizes = part_bytes("sd")
    small = tight(1 << 30, ram=max(sizes.values()) + min(sizes.values()) // 2)
    _, wide = make(cache, count=2)
    _, narrow = make(small, count=2)
    assert small.stats.drops >= 3 and pixels(narrow) == pixels(wide) and pins(small) == 0


@pytest.mark.usefixtures("light")
@pytest.mark.parametrize("added", [{}, {"lora": "lora.safetensors"}])
def test_a_part_that_does_not_fit_alone_is_streamed_and_says_so(cache: ModelCache, added: dict[str, str]) -> None:
    sizes = part_bytes("sd")
    small = tight(sizes["unet"] - 1)
    added = {name: str(toy_pipelines.folder("sd") / file) for name, file in added.items()}
    _, wide = make(cache, **added)
    _, narrow = make(small, **added)
    assert any("unet did not fit on the device and was streamed" in note for note in narrow.record.notes)
    assert pixels(narrow) == pixels(wide) == pixels(make(small, **added)[1]) and pins(small) == 0
    assert not any(row.resident for row in small.snapshot() if "#unet" in row.name)


def test_out_of_memory_is_one_sentence_and_the_next_run_succeeds(
    cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import UNet2DConditionModel

    _, before = make(cache)
    calls, real = [], UNet2DConditionModel.forward

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("no more")
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(UNet2DConditionModel, "forward", forward)
        with pytest.raises(OutOfBudget, match="ran out of memory at 128 pixels: choose 64 or less"):
            make(cache, size=128)
    assert pins(cache) == 0 and pixels(make(cache)[1]) == pixels(before)


def test_a_run_that_is_left_and_one_beside_it_do_not_disturb_each_other(cache: ModelCache) -> None:
    lora = str(toy_pipelines.folder("sd") / "lora.safetensors")
    _, plain = make(cache)
    changed, beside = start(cache, lora=lora), start(cache)
    seen = [next(changed), next(beside), next(changed), next(beside)]
    assert len(seen) == 4
    changed.close()
    *_, result = beside
    assert pixels(result) == pixels(plain) and pins(cache) == 0
