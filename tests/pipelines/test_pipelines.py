"""What every method keeps to, over all of PIPELINES; and what `run` adds, over a method of three lines."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Generator, Iterator
from typing import Any

import PIL.Image
import pytest
import torch
import toy_pipelines
from torch import nn

from models import registry
from models.cache import Lender, ModelCache
from pipelines import PIPELINES, record
from pipelines.base import STOP, Output, Pipeline, Progress, Result, Steps, run
from pipelines.params import Params, param, parse

NOTHING_RANDOM = {"stylize"}  # the seed is for the record
METHOD = pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)


@pytest.fixture
def toy(content: PIL.Image.Image, style: PIL.Image.Image) -> Any:
    """Settings of a method at toy size, with what the caller changes."""
    pictures = {"content": content, "styles": [style]}

    def make(pipeline: Pipeline[Any], **changes: Any) -> Any:
        known = {name: value for name, value in pictures.items() if name in pipeline.params.model_fields}
        return parse(pipeline.params, {**known, **toy_pipelines.settings(pipeline.name), **changes})

    return make


def pins(cache: ModelCache) -> int:
    return sum(row.pins for row in cache.snapshot())


def pixels(result: Result) -> list[bytes]:
    return [image.tobytes() for image in result.images]


def follow(stream: Iterator[Progress | Result]) -> tuple[list[Progress], Result]:
    *steps, result = stream
    assert isinstance(result, Result) and all(isinstance(step, Progress) for step in steps)
    return steps, result  # type: ignore[return-value]


def test_every_method_has_toy_settings() -> None:
    assert set(toy_pipelines.SETTINGS) == set(PIPELINES) and all(name == p.name for name, p in PIPELINES.items())


@METHOD
def test_steps_rise_to_the_total_and_end_in_a_result(pipeline: Pipeline[Any], toy: Any, cache: ModelCache) -> None:
    p, before = toy(pipeline), (torch.random.get_rng_state(), random.getstate())
    steps, result = follow(run(pipeline, p, cache, sha256=registry.sha256))
    assert torch.equal(before[0], torch.random.get_rng_state()) and before[1] == random.getstate()
    assert [s.step for s in steps] == list(range(1, steps[-1].total + 1)) and len({s.total for s in steps}) == 1
    shares = [s.share for s in steps if s.share is not None]
    assert shares == sorted(shares) and all(0 < share <= 1 for share in shares)
    for preview in (s.preview for s in steps if s.preview is not None):
        assert preview.ndim == 3 and preview.shape[0] == 3 and not preview.requires_grad
        assert 0 <= float(preview.min()) <= float(preview.max()) <= 1
    if hasattr(p, "size"):
        assert all(max(image.size) == p.size for image in result.images)
    kept = record.read(result.png())
    assert kept == result.record and kept.pipeline == pipeline.name and kept.steps == steps[-1].total
    assert kept.params == p.model_dump(mode="json") and kept.seed == getattr(p, "seed", None)
    assert kept.models == {name: registry.sha256(name) for name in kept.models} and kept.peak_bytes > 0
    assert kept.metrics and all(math.isfinite(number) for number in kept.metrics.values())
    assert kept.seconds.load >= 0 and kept.seconds.run > 0 and pins(cache) == 0


@METHOD
def test_same_seed_same_pixels_on_whatever_threads(pipeline: Pipeline[Any], toy: Any, cache: ModelCache) -> None:
    _, first = follow(run(pipeline, toy(pipeline, seed=1), cache))
    stream, found = run(pipeline, toy(pipeline, seed=1), cache), []

    def step() -> None:
        torch.rand(3)  # somebody else's random numbers
        found.append(next(stream))

    while not found or not isinstance(found[-1], Result):  # Gradio resumes a generator on any thread
        thread = threading.Thread(target=step)
        thread.start()
        thread.join(120)
        assert not thread.is_alive()
    assert pixels(found[-1]) == pixels(first)
    _, other = follow(run(pipeline, toy(pipeline, seed=2), cache))
    assert (pixels(other) != pixels(first)) == (pipeline.name not in NOTHING_RANDOM)


@METHOD
def test_closing_at_any_yield_gives_the_models_back(pipeline: Pipeline[Any], toy: Any, cache: ModelCache) -> None:
    stream = run(pipeline, toy(pipeline), cache)
    stream.close()
    steps, _ = follow(run(pipeline, toy(pipeline), cache))
    for taken in range(1, 1 + min(3, len(steps))):
        stream = run(pipeline, toy(pipeline), cache)
        for _ in range(taken):
            assert isinstance(next(stream), Progress)
        assert pins(cache) > 0
        stream.close()
        assert pins(cache) == 0 and list(stream) == []


@METHOD
def test_stop_gives_what_is_there(pipeline: Pipeline[Any], toy: Any, cache: ModelCache) -> None:
    stream = run(pipeline, toy(pipeline), cache)
    first = next(stream)
    result = stream.send(STOP)
    assert isinstance(first, Progress) and isinstance(result, Result) and pins(cache) == 0
    assert result.record.steps == first.step == 1 and result.record.metrics and result.images
    if first.preview is not None and not pipeline.stops:
        height, width = first.preview.shape[1:]
        assert result.picture.size == (width, height)
    if pipeline.finish:
        assert pipeline.finish(toy(pipeline), result.state).tobytes() == result.picture.tobytes()
    assert list(stream) == [] and record.read(result.png()) == result.record


@METHOD
def test_resume_continues_the_step_count(pipeline: Pipeline[Any], toy: Any, cache: ModelCache) -> None:
    if pipeline.resume is None and pipeline.repaint is not None:
        _, whole = follow(run(pipeline, toy(pipeline), cache))
        _, again = follow(run(pipeline, toy(pipeline), cache, state=whole.state))
        assert pixels(again) == pixels(whole) and pins(cache) == 0
        return
    if pipeline.resume is None:
        with pytest.raises(ValueError, match="cannot be continued"):
            next(run(pipeline, toy(pipeline), cache, state=object()))
        return
    steps, whole = follow(run(pipeline, toy(pipeline), cache))
    total = steps[-1].total
    stream = run(pipeline, toy(pipeline), cache)
    next(stream)
    stopped = stream.send(STOP)
    assert isinstance(stopped, Result)
    rest, result = follow(run(pipeline, toy(pipeline), cache, state=stopped.state))
    assert [s.step for s in rest] == list(range(2, total + 1)) and {s.total for s in rest} == {total}
    assert pixels(result) == pixels(whole), "stopped and continued is not the same as run at once"
    more, result = follow(run(pipeline, toy(pipeline, steps=2), cache, state=result.state))
    assert [(s.step, s.total) for s in more] == [(total + 1, total + 2), (total + 2, total + 2)]
    assert result.record.steps == total + 2 and pins(cache) == 0


class Plain(Params):
    """A grey picture."""

    steps: int = param(2, ge=0, le=9, label="Steps", description="Steps")
    seed: int = param(0, ge=0, le=9, label="Seed", description="Seed")
    metric: str = param("1", label="Metric", description="Number to report")


def plain(p: Plain, cache: Lender) -> Steps:
    for step in range(1, p.steps + 1):
        with cache.use("line", working=0):
            yield Progress(step, p.steps, torch.full((3, 9, 16), torch.rand(()).item()), {"loss": float(p.metric)})
    with cache.use("line", working=0):
        return Output([PIL.Image.new("RGB", (16, 9))], {"end": torch.tensor(2.0)}, ["a remark"])


PLAIN = Pipeline("plain", "Plain", Plain, plain)


@pytest.fixture
def line() -> ModelCache:
    return ModelCache({"line": lambda: nn.Linear(2, 2)}, torch.device("cpu"), 1 << 20)


def test_run_writes_remarks_numbers_and_the_models_that_were_used(line: ModelCache) -> None:
    _, result = follow(run(PLAIN, Plain(), line, sha256=lambda name: name * 2))
    assert result.record.models == {"line": "lineline"} and result.record.notes == ["a remark"]
    assert result.record.metrics == {"loss": 1.0, "end": 2.0} and PLAIN.description == "A grey picture."


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_number_that_json_cannot_hold_does_not_cost_the_record(line: ModelCache, number: str) -> None:
    _, result = follow(run(PLAIN, Plain(metric=number), line))
    assert record.read(result.png()) == result.record


def test_runs_take_turns_and_a_waiting_one_holds_nothing_up(line: ModelCache) -> None:
    one, two = run(PLAIN, Plain(), line), run(PLAIN, Plain(), line)
    assert [next(one), next(two), next(one), next(two)][-1].step == 2  # type: ignore[union-attr]
    assert isinstance(next(one), Result) and isinstance(next(two), Result)


def test_a_failing_run_gives_its_models_back_and_keeps_its_traceback(line: ModelCache) -> None:
    def fail(p: Plain, cache: Lender) -> Generator[Progress, None, Output]:
        yield from plain(p, cache)
        with cache.use("line", working=0):
            raise RuntimeError("a bug")

    stream = run(Pipeline("fails", "", Plain, fail), Plain(), line)
    with pytest.raises(RuntimeError, match=r"^a bug$"):
        list(stream)
    assert pins(line) == 0 and isinstance([*run(PLAIN, Plain(), line)][-1], Result)
