"""How a run ends that does not simply finish: stopped before there is a picture, or out of memory; and its peak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models import device
from models.cache import Lender, ModelCache, OutOfBudget
from pipelines.base import Output, Pipeline, Progress, Result, Steps, advance, run
from pipelines.compare import engine
from pipelines.compare.plan import Entry
from pipelines.images import to_image
from pipelines.params import Params

GREY = torch.full((3, 8, 8), 0.5)
MB = 1 << 20


def method(generate: Callable[[Any, Lender], Steps]) -> Pipeline[Any]:
    return Pipeline("toy", "Toy", Params, generate)


def previews(*shown: Tensor | None) -> Pipeline[Any]:
    """A method with these previews, one a step."""

    def generate(_p: Params, _cache: Lender) -> Steps:
        for step, preview in enumerate(shown, 1):
            yield Progress(step, len(shown), preview, {"loss": float(step)})
        return Output([to_image(GREY)])

    return method(generate)


def test_stop_before_there_is_a_preview_ends_without_a_result(cache: ModelCache) -> None:
    stream = run(previews(None, GREY), Params(), cache)
    assert isinstance(next(stream), Progress) and advance(stream, stop=True) is None and list(stream) == []


def test_stop_keeps_the_last_preview_that_there_was(cache: ModelCache) -> None:
    stream = run(previews(GREY, None, None), Params(), cache)
    next(stream), next(stream)
    result = advance(stream, stop=True)
    assert isinstance(result, Result) and result.record.notes == ["stopped after step 1 of 3"]
    assert result.record.steps == 1 and result.record.metrics == {"loss": 1.0}
    *_, whole = run(previews(GREY, None, None), Params(), cache)
    assert isinstance(whole, Result) and whole.record.steps == 3


def test_a_comparison_is_stopped_before_there_is_a_preview(cache: ModelCache) -> None:
    cards = [engine.Card(Entry("toy", previews(None, None, GREY), {}), Params())]
    stream = engine.perform(cards, cache.borrower())
    next(stream)
    with pytest.raises(StopIteration):
        while True:
            stream.send("stop")
    assert cards[0].state == "waiting" and not cards[0].sentence


FAILURES: list[Exception] = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda error: f"{type(error).__name__}-{str(error)[:3]}")
def test_out_of_memory_is_a_sentence_for_whoever_runs_it(failure: Exception, cache: ModelCache) -> None:
    def generate(_p: Params, lender: Lender) -> Steps:
        with lender.use("vgg-lite"):
            yield Progress(1, 2, GREY)
            raise failure

    stream = run(method(generate), Params(), cache)
    next(stream)
    with pytest.raises(OutOfBudget, match=r"^The device ran out of memory: choose a smaller size\.$"):
        next(stream)
    assert sum(row.pins for row in cache.snapshot()) == 0
    assert isinstance([*run(previews(GREY), Params(), cache)][-1], Result)


def test_other_errors_stay_what_they_are(cache: ModelCache) -> None:
    def generate(_p: Params, _cache: Lender) -> Steps:
        yield Progress(1, 2)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(run(method(generate), Params(), cache))
    assert not device.out_of_memory(OutOfBudget("cpu ran out of memory: 5 MiB needed"))


def test_a_run_inside_another_and_one_beside_it_leave_its_peak_alone(
    cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = {"now": 100, "peak": 100}

    def hold(size: int) -> None:
        marks["now"], marks["peak"] = size, max(marks["peak"], size)

    monkeypatch.setattr(device, "reset_peak", lambda _: marks.update(peak=marks["now"]))
    monkeypatch.setattr(device, "peak_bytes", lambda _: marks["peak"])

    def inner(_p: Params, _cache: Lender) -> Steps:
        hold(300)
        hold(100)
        yield Progress(1, 1, GREY)
        return Output([to_image(GREY)])

    def outer(_p: Params, _cache: Lender) -> Steps:
        hold(900)
        hold(100)
        *_, result = run(method(inner), Params(), cache)
        assert isinstance(result, Result) and result.record.peak_bytes == 300
        yield Progress(1, 1, GREY)
        return Output([to_image(GREY)])

    stream = run(method(outer), Params(), cache)
    next(stream)
    hold(5000)  # somebody's look, between two steps
    hold(100)
    *_, result = run(method(inner), Params(), cache)
    assert isinstance(result, Result) and result.record.peak_bytes == 300
    *_, result = stream
    assert isinstance(result, Result) and result.record.peak_bytes == 900
