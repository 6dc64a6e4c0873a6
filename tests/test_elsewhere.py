"""Methods that run elsewhere, and a line with several slots: what scale/ needs of the page, without Ray."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

import app
from models import registry
from pipelines import METHODS
from pipelines.base import STOP, Lost, Pipeline, Progress, Result, Run, advance, run
from pipelines.params import Params, parse
from ui.kit.line import Turns
from ui.kit.press import Press
from ui.kit.run import Server, follow
from ui.kit.session import explain
from ui.server import StartError


class Other:
    """Another process, here: it makes a step a second time when it is stopped, as one that is on its way."""

    slots = 2

    def __init__(self) -> None:
        self.cache, self.stopped, self.closed = registry.open_cache(), False, False

    def takes(self, pipeline: Pipeline[Any]) -> bool:
        return METHODS.get(pipeline.name) is pipeline

    def run(self, pipeline: Pipeline[Any], params: Params, state: Any) -> Run:
        try:
            sent = yield Progress(1, 3)
            self.stopped = sent == STOP
            yield from run(pipeline, params, self.cache, state)
        finally:
            self.closed = True


@pytest.fixture
def other() -> Other:
    return Other()


def test_a_method_runs_elsewhere_and_stop_and_leaving_reach_it(other: Other) -> None:
    here, gan = registry.open_cache(), METHODS["gan"]
    here.elsewhere = other
    params = parse(gan.params, {"count": 1, "seed": 5})
    stream = run(gan, params, here)
    assert isinstance(next(stream), Progress) and advance(stream, stop=True) is not None and other.stopped
    *_, view = follow(Server(here), gan, params, Press())
    assert view.result is not None and here.snapshot() == [] and other.cache.snapshot()
    left = run(gan, params, here)
    next(left)
    other.closed = False
    left.close()
    assert other.closed


def test_a_comparison_is_made_here_of_what_was_made_elsewhere(other: Other) -> None:
    from pipelines import compare

    here = registry.open_cache()
    here.elsewhere = other
    method = compare.method(METHODS)
    params = parse(method.params, {"methods": "gan,vae", "count": 1})
    *_, result = run(method, params, here)
    assert isinstance(result, Result) and len(result.records) == 2 and other.cache.snapshot()


def test_what_is_lost_is_said() -> None:
    assert explain(Lost("What worked on this run was lost: run it again.")).endswith("run it again.")


def test_a_line_with_two_slots() -> None:
    turns = Turns(slots=2)
    with ExitStack() as stack:
        tickets = [stack.enter_context(turns.take(forecast=seconds)) for seconds in (4.0, 4.0, 2.0, 6.0)]
        assert [ticket.wait(0) for ticket in tickets] == [True, True, False, False]
        assert [ticket.ahead for ticket in tickets] == [0, 0, 1, 2]
        assert tickets[2].seconds_ahead == 4.0 and tickets[3].seconds_ahead == 5.0
        with turns.take("quick", 0.1) as quick:
            assert quick.ahead == 1 and tickets[0].wait(0) and tickets[1].wait(0), "who has a slot keeps it"


def test_without_replicas_the_page_says_what_to_start() -> None:
    with pytest.raises(StartError, match=r"scale\.serve|requirements-ray"):
        app.open_models("ray")
