"""Compare's engine: each method as if alone, one failure is one card, stopping and going on, budgets, predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from clock import CLOCK, TABLE, TIME, Clock

from models import registry
from models.cache import ModelCache
from pipelines.base import STOP, Output, Result, Steps, run
from pipelines.compare import engine, plan
from pipelines.compare.engine import Card
from pipelines.compare.estimate import predict


@pytest.fixture(autouse=True)
def _nothing_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.compare.estimate.folder", lambda: tmp_path)


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.perf_counter", lambda: TIME.now)


Cards = Callable[..., list[Card]]


@pytest.fixture
def cards(content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache) -> Cards:
    def make(methods: str, **changes: Any) -> list[Card]:
        shared = {"content": content, "styles": [style], "size": 64, "seed": 3, **changes}
        return engine.prepare(plan.entries(methods, TABLE, shared), cache)

    return make


def test_each_method_makes_what_it_makes_alone(cards: Cards, cache: ModelCache) -> None:
    found = cards("gatys:lbfgs:steps=2,gatys:adam:steps=3:start=noise,clock:steps=1")
    list(engine.perform(found, cache.borrower()))
    assert [card.entry.name.split(":")[0] for card in found] == ["clock", "gatys", "gatys"], "not cheapest first"
    for card in found:
        assert card.state == "done" and card.params is not None and card.result is not None
        *_, alone = run(card.entry.pipeline, card.params, cache, sha256=registry.sha256)
        assert isinstance(alone, Result)
        assert [i.tobytes() for i in alone.images] == [i.tobytes() for i in card.result.images]
        for name in ("params", "seed", "models", "steps", "metrics", "notes"):
            assert getattr(alone.record, name) == getattr(card.result.record, name), name
    assert set(found[1].scores) >= {"structure", "style", "colour"} and found[0].scores == {}


def test_what_fails_says_why_and_the_others_go_on(
    cards: Cards, cache: ModelCache, caplog: pytest.LogCaptureFixture
) -> None:
    found = cards("gatys:model=vgg19,gatys:steps=0,clock:fault=memory,clock:fault=bug,clock")
    output = finish(engine.perform(found, cache.borrower()))
    said = {card.entry.name: card.sentence for card in found}
    assert "vgg19" in said["gatys:model=vgg19"] and "not on this machine" in said["gatys:model=vgg19"]
    assert "steps is 0" in said["gatys:steps=0"] and "smaller size" in said["clock:fault=memory"]
    assert "Reference" in said["clock:fault=bug"] and "secret" not in said["clock:fault=bug"]
    assert "a secret of the server" in caplog.text
    assert [card.state for card in found].count("failed") == 4 and said["clock"] == ""
    assert sum(row.pins for row in cache.snapshot()) == 0 and len(output.images) == 1


def finish(steps: Steps, sent: str | None = None) -> Output:
    """What it came to."""
    with pytest.raises(StopIteration) as end:
        while True:
            steps.send(sent)
    output: Output = end.value.value
    return output


def test_stopped_it_keeps_what_is_there_and_goes_on_later(cards: Cards, cache: ModelCache) -> None:
    found = cards("clock:steps=5,clock:steps=9,clock:steps=20")
    stream = engine.perform(found, cache.borrower())
    while found[1].progress is None:
        next(stream)
    assert len(finish(stream, STOP).images) == 2
    assert [card.state for card in found] == ["done", "stopped", "waiting"]
    first, half = found[0].result, found[1].result
    assert half is not None and half.record.steps == 1 and "stopped" in half.record.notes[0]
    found[1].state, found[1].result = "waiting", None
    list(engine.perform(found, cache.borrower()))
    assert found[0].result is first and found[2].state == "done"


def test_closing_gives_the_models_back(cards: Cards, cache: ModelCache) -> None:
    stream = engine.perform(cards("gatys:adam:steps=9"), cache.borrower())
    next(stream)
    assert sum(row.pins for row in cache.snapshot()) == 1
    stream.close()
    assert sum(row.pins for row in cache.snapshot()) == 0


@pytest.mark.usefixtures("clocked")
def test_with_the_same_budget_each_gets_the_steps_that_fit(cards: Cards, cache: ModelCache) -> None:
    found = cards("clock,clock:size=64,clock:size=96", size=32)
    list(engine.perform(found, cache.borrower(), seconds=1.0))
    spent = [card.result.record.seconds.run for card in found if card.result]
    assert all(0.75 <= seconds <= 1.1 for seconds in spent), spent
    steps = [card.result.record.steps for card in found if card.result]
    assert steps == sorted(steps, reverse=True) and steps[0] > 3 * steps[2]


@pytest.mark.usefixtures("clocked")
def test_predictions_are_within_a_quarter_after_the_first_run(cards: Cards, cache: ModelCache) -> None:
    first = cards("clock", size=256)
    assert not first[0].prediction.measured
    list(engine.perform(first, cache.borrower()))
    for size, steps in ((256, 4), (256, 50), (512, 4), (192, 30)):
        p = Clock(size=size, steps=steps)
        told = predict(CLOCK, p, cache)
        *_, result = run(CLOCK, p, cache)
        assert isinstance(result, Result) and told.measured and told.bytes
        assert told.seconds == pytest.approx(result.record.seconds.run, rel=0.25), (size, steps)


def test_what_will_not_fit_or_is_not_here_is_said_before(
    cards: Cards, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(engine.perform(cards("clock"), cache.borrower()))
    with monkeypatch.context() as patch:
        patch.setattr("models.device.free_bytes", lambda _: -(1 << 40))
        assert "choose a smaller size" in predict(CLOCK, Clock(), cache).trouble
    found = cards("gatys:model=vgg19,gatys")
    assert found[1].prediction.missing and "575 MB" in found[1].prediction.trouble and not found[0].prediction.trouble


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"clock": [{"a": 1}]}'])
def test_a_broken_file_of_costs_is_begun_anew(text: str, tmp_path: Path, cache: ModelCache) -> None:
    (tmp_path / "costs.json").write_text(text)
    assert not predict(CLOCK, Clock(), cache).measured
