"""The run protocol below the page: who has the models, what Stop stops, and which press of a tab shows."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from models.cache import ModelCache
from pipelines import METHODS
from pipelines.params import Params, parse
from ui.kit import run
from ui.kit.line import Ticket, Turns
from ui.kit.press import Press, Presses
from ui.kit.run import Server, States, follow
from ui.kit.session import Busy, file_in_cache, sweep
from ui.kit.show import Memory
from ui.tabs import models


def test_a_visitors_turns_go_first_come_first_served_and_say_how_long() -> None:
    turns = Turns()
    with ExitStack() as stack:
        first, second, third = (stack.enter_context(turns.take(forecast=seconds)) for seconds in (9.0, 2.0, None))
        assert first.wait(0) and not second.wait(0.01) and [t.ahead for t in (first, second, third)] == [0, 1, 2]
        first.seconds_left = 4.5
        assert (second.seconds_ahead, third.seconds_ahead) == (4.5, 6.5)
        last = stack.enter_context(turns.take())
        assert last.seconds_ahead is None, "nobody knows what the third takes"


def test_one_visitors_many_runs_delay_anothers_one_by_one() -> None:
    turns = Turns()
    with ExitStack() as stack:
        many = [stack.enter_context(turns.take("greedy", 2.0)) for _ in range(49)]
        one = stack.enter_context(turns.take("other", 2.0))
        assert one.ahead == 2  # the run that has the models, and one more
        late = stack.enter_context(turns.take("greedy", 2.0))
        assert late.ahead == 50 and many[0].ahead == 0


def test_a_short_run_is_not_behind_long_ones_and_a_long_one_is_not_put_off_for_ever() -> None:
    turns, line = Turns(), dict[str, tuple[ExitStack, Ticket]]()

    def join(name: str, seconds: float) -> None:
        stack = ExitStack()
        line[name] = (stack, stack.enter_context(turns.take(name, seconds)))

    def serve() -> str:
        first = next(name for name, (_, ticket) in line.items() if ticket.ahead == 0)
        line.pop(first)[0].close()
        return first

    for name in ("running", "long", "another"):
        join(name, 30.0)
    join("short", 1.0)
    assert [serve(), serve()] == ["running", "short"]
    served = []
    for i in range(100):  # somebody new comes with a short run again and again
        join(f"short {i}", 1.0)
        served.append(serve())
    assert served.index("long") < served.index("another") < 65
    while line:
        serve()


def test_a_pace_is_known_after_a_methods_first_run(cache: ModelCache) -> None:
    server, gan = Server(cache), METHODS["gan"]
    assert server.pace.forecast(gan, params()) is None
    *_, last = follow(server, gan, params(), Press())
    seconds = server.pace.forecast(gan, params())
    assert seconds == pytest.approx(last.result.record.seconds.run)
    assert server.pace.forecast(gan, params(count=4)) == pytest.approx(
        seconds * gan.work(params(count=4)) / gan.work(params())
    )


def test_a_place_is_given_up_and_the_next_one_is_woken() -> None:
    turns, woken = Turns(), threading.Event()

    def wait() -> None:
        with turns.take() as ticket:
            assert ticket.wait(10)
            woken.set()

    with turns.take() as ticket:
        assert ticket.wait(0)
        thread = threading.Thread(target=wait)
        thread.start()
        assert not woken.wait(0.1)
    assert woken.wait(5)
    thread.join(5)


def test_a_full_line_is_a_sentence() -> None:
    turns = Turns(most=1)
    with (
        turns.take(forecast=7),
        turns.take(),
        pytest.raises(Busy, match=r"1 runs .* try again in about 12 s"),
        turns.take(),
    ):
        pass


def test_stop_names_one_press_even_before_it_begins() -> None:
    presses = Presses()
    presses.stop("v", "gan", "b")
    one, other = presses.begin("v", "gatys", "a"), presses.begin("v", "gan", "b")
    assert other.stopped and not one.stopped
    assert not presses.begin("v", "gan", "c").stopped, "a later press is not stopped"


def test_stop_without_a_press_does_not_stop_what_comes_next() -> None:
    presses = Presses()
    presses.stop("v", "explore", "")
    assert not presses.begin("v", "explore").stopped


def test_stop_stops_what_a_setting_began_but_only_in_its_tab() -> None:
    presses = Presses()
    quiet, elsewhere = presses.begin("v", "stylize"), presses.begin("v", "gan")
    presses.stop("v", "stylize", "")
    assert quiet.stopped and not elsewhere.stopped


def test_a_later_press_replaces_an_earlier_one_of_the_same_tab_and_visitor() -> None:
    presses = Presses()
    first, other = presses.begin("v", "gatys", "1"), presses.begin("w", "gatys", "2")
    second = presses.begin("v", "gatys", "3")
    assert first.replaced and not other.replaced and not second.replaced
    presses.end("v", "gatys", first)
    assert presses.latest("v", "gatys") is second
    presses.end("v", "gatys", second)
    assert presses.latest("v", "gatys") is None


def params(**changes: Any) -> Any:
    return parse(METHODS["gan"].params, {"count": 2, **changes})


def test_a_waiting_run_is_stopped_within_a_second_and_gives_its_place_up(cache: ModelCache) -> None:
    server, press = Server(cache), Press()
    with server.turns.take() as busy:
        assert busy.wait(0)
        busy.seconds_left = 7.0
        views = follow(server, METHODS["gan"], params(), press)
        view = next(views)
        assert (view.ahead, view.seconds_ahead, view.progress) == (1, 7.0, None)
        press.stopped = True
        start = time.monotonic()
        assert [view for view in views if view.result] == [] and time.monotonic() - start < 1
        assert server.turns.ahead(busy) == 0
        with server.turns.take() as nxt:
            assert nxt.ahead == 1


def test_a_run_goes_through_and_its_models_come_back(cache: ModelCache) -> None:
    *_, last = follow(Server(cache), METHODS["gan"], params(), Press())
    assert last.result is not None and not any(row.pins for row in cache.snapshot())


def test_a_replaced_run_is_abandoned(cache: ModelCache) -> None:
    server, press = Server(cache), Press()
    views = follow(server, METHODS["diffusion"], parse(METHODS["diffusion"].params, {"count": 1, "steps": 50}), press)
    assert next(views).progress is not None
    press.replaced = True
    assert [view for view in views if view.result] == [] and not any(row.pins for row in cache.snapshot())
    with server.turns.take() as ticket:
        assert ticket.wait(0)


def test_a_run_that_nobody_listens_to_is_stopped(cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "DEAF_SECONDS", 0.2)
    server = Server(cache)
    long = parse(METHODS["diffusion"].params, {"count": 1, "steps": 100})
    *_, last = follow(server, METHODS["diffusion"], long, Press(streams=["event", "session"]))
    assert last.result is not None and last.result.record.steps < 100
    with server.audience.reading("session"):
        *_, last = follow(server, METHODS["diffusion"], long, Press(streams=["event", "session"]))
    assert last.result is not None and last.result.record.steps == 100


def test_what_visitors_leave_behind_is_bounded() -> None:
    states = States(most=1000)
    memories = [Memory(Params(), state=[torch.zeros(100)]) for _ in range(3)]  # 400 bytes each
    for memory in memories:
        states.keep(memory)
        states.keep(memory)
    assert [memory.state is None for memory in memories] == [True, False, False] and states.bytes == 800
    del memory, memories[1]
    assert states.bytes == 400
    large = Memory(Params(), state=torch.zeros(1000))
    states.keep(large)
    assert large.state is None and states.bytes == 0


def test_what_visitors_left_behind_is_in_the_books(cache: ModelCache) -> None:
    server, memory = Server(cache), Memory(Params(), state=torch.zeros(1000))
    server.states.keep(memory)
    books = models.state(cache, server.states.bytes)
    assert books["state_bytes"] == 4000 < books["state_budget"]
    assert "0.0 MB" in models.table(cache, None, server.states.bytes)


def test_files_go_when_they_are_old_and_folders_when_they_are_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    old, example = Path(file_in_cache(b"x", ".png")), Path(file_in_cache(b"y", ".png"))
    assert sweep(60, set()) == set() and old.is_file()
    assert sweep(-1, {str(example)}) == {str(old)}
    assert sweep(-1, {str(example)}) == set()
    assert sorted(tmp_path.iterdir()) == [example.parent] and example.is_file()
