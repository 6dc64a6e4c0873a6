"""The one run protocol: whatever on the page makes something is pressed, waits for its turn, runs and ends here.

    waiting -> running -> done | stopped | failed        (ui/kit/show.py: what each state shows)

One run has the models at a time; the others wait in a fair line and are told their place. Stop names the press that it
stands beside, waiting or running, and no other. The latest press of a tab is the one that shows: an older one that
still runs is abandoned. What fails before a function's first line (a full queue, a broken stream, a server that is
away) reaches nothing but the browser, which ends the run by itself.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr
from gradio.events import Dependency

from models import device, registry
from models.cache import ModelCache, OutOfBudget
from pipelines.base import Pipeline, Progress, Result, advance, run
from pipelines.params import ParamError, Params
from ui.kit import policy
from ui.kit.i18n import in_browser
from ui.kit.line import Pace, Turns
from ui.kit.log import fields
from ui.kit.policy import Policy
from ui.kit.press import Audience, Press, Presses
from ui.kit.session import KNOWN, PRIVATE, QUICK, event_id, preview_file, visitor_of

log = logging.getLogger("atelier.runs")

SECONDS_BETWEEN_PREVIEWS = 0.25
SECONDS_BETWEEN_PLACES = 0.5  # while a run waits: also how soon Stop, or a visitor who has left, is noticed
SECONDS_A_PLACE = 0.1  # the farther back a run waits, the less often its place is told
PLACES = 64  # runs that are followed at once, waiting ones included: each holds a thread
THREADS = PLACES + 40  # of the server; forty are usual
DEAF_SECONDS = 15.0  # a run goes on to which nobody listens
STATE_BYTES = 1 << 30
SHOW_ERROR = """() => {
  const errors = [...document.querySelectorAll('.status [role="alert"]')].filter((one) => one.offsetParent);
  errors[0]?.scrollIntoView({ block: "nearest" });
}"""
RUNS: dict[str, Any] = {"concurrency_id": "runs", "concurrency_limit": PLACES, "show_progress": "hidden", **PRIVATE}


class States:
    """What the visitors' last runs have left behind, on the CPU: at most `most` bytes of it, and what was left longest
    ago is forgotten first. Its results stay."""

    def __init__(self, most: int = STATE_BYTES) -> None:
        self._most, self._lock = most, threading.Lock()
        self._kept: list[weakref.ref[Any]] = []

    @property
    def bytes(self) -> int:
        """Of all that is kept."""
        return sum(device.bytes_in(memory.state) for ref in self._kept if (memory := ref()) is not None)

    def keep(self, memory: Any) -> None:
        """Count `memory.state` in, and forget others where it is too much."""
        with self._lock:
            others = [ref for ref in self._kept if (one := ref()) is not None and one is not memory]
            self._kept = [*others, weakref.ref(memory)]
            while self._kept and self.bytes > self._most:
                if (oldest := self._kept.pop(0)()) is not None:
                    oldest.state = None


class Tally:
    """How many runs there were since the server began, and their seconds, by method and end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = Counter[tuple[str, str]]()
        self._seconds: dict[tuple[str, str], float] = {}

    @contextmanager
    def count(self, method: str, view: View, press: Press) -> Iterator[None]:
        """Count the run in the block, and log how it ended: done, stopped, refused (in a sentence), out of memory,
        failed, or abandoned."""
        end, event = "failed", event_id()
        try:
            yield
            end = "abandoned" if press.replaced else "stopped" if press.stopped else "done"
        except GeneratorExit:
            end = "abandoned"
            raise
        except KNOWN as error:
            end = "out of memory" if isinstance(error, OutOfBudget) else "refused"
            raise
        finally:
            with self._lock:
                self._runs[method, end] += 1
                self._seconds[method, end] = self._seconds.get((method, end), 0.0) + view.seconds
            told = fields(method=method, end=end, seconds=round(view.seconds, 3), event=event)
            log.info("%s %s, %.1f s", method, end, view.seconds, extra=told)

    def rows(self) -> list[tuple[tuple[str, str], tuple[int, float]]]:
        """Method and end, with the number of runs and their seconds."""
        with self._lock:
            return [(key, (count, self._seconds[key])) for key, count in self._runs.items()]


@dataclass(frozen=True)
class Server:
    """What all visitors share."""

    cache: ModelCache
    turns: Turns = field(default_factory=Turns)
    presses: Presses = field(default_factory=Presses)
    states: States = field(default_factory=States)
    pace: Pace = field(default_factory=Pace)
    audience: Audience = field(default_factory=Audience)
    tally: Tally = field(default_factory=Tally)

    @contextmanager
    def press(self, request: gr.Request | None, tab: str, token: str = "") -> Iterator[Press]:
        """A press of that tab, from its begin to its end."""
        press = self.presses.begin(visitor := visitor_of(request), tab, token)
        try:
            yield press
        finally:
            self.presses.end(visitor, tab, press)


@dataclass
class View:
    """What the page shows of a run at one moment. `ahead`: runs that come before it, while it waits."""

    progress: Progress | None = None
    preview: str | None = None  # path
    seconds: float = 0.0
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    result: Result | None = None
    frames: list[str] = field(default_factory=list)  # paths of the previews shown
    ahead: int = 0
    seconds_ahead: float | None = None

    @property
    def left(self) -> float | None:
        """Seconds still to go, from the share of the work done; None while it is too early to say."""
        if self.progress is None or self.progress.step < 2 or not self.progress.share:
            return None
        return self.seconds * (1 - self.progress.share) / self.progress.share


def follow(
    server: Server, pipeline: Pipeline[Any], params: Params, press: Press, state: Any = None, view: View | None = None
) -> Iterator[View]:
    """Wait for the turn, run a method and yield views, at most four a second; the last one has the Result.

    A run that continues from `state` adds to the curves and frames of `view`. There is no Result when the press was
    stopped before the first step, or replaced. Closing this generator abandons the run and gives its models back. A run
    that has its turn and that nobody has listened to for DEAF_SECONDS is stopped, as by Stop.

    Raises:
        Busy, ParamError, ImageError, WeightsMissing, WeightsError, OutOfBudget: one sentence each.
    """
    view = view or View()
    with server.tally.count(pipeline.name, view, press):
        yield from _follow(server, pipeline, params, press, state, view)


def _follow(
    server: Server, pipeline: Pipeline[Any], params: Params, press: Press, state: Any, view: View
) -> Iterator[View]:
    """`follow`, uncounted."""
    seconds = admit(params, policy.current())
    with server.turns.take(press.visitor, server.pace.forecast(pipeline, params)) as ticket:
        told = 0.0
        while not press.over and not ticket.wait(SECONDS_BETWEEN_PLACES):
            view.ahead, view.seconds_ahead = ticket.ahead, ticket.seconds_ahead
            if time.monotonic() - told >= view.ahead * SECONDS_A_PLACE:
                told = time.monotonic()
                yield view
        view.ahead = 0
        stream = run(pipeline, params, server.cache, state, registry.sha256)
        start, shown, since, cut = time.perf_counter(), 0.0, time.monotonic(), False
        try:
            event: Progress | Result | None = None if press.over else next(stream, None)
            while event is not None and not press.replaced:
                view.seconds = time.perf_counter() - start
                if isinstance(event, Result):
                    view.result = limited(event, seconds) if cut else event
                    if state is None and not press.stopped:
                        server.pace.learn(pipeline, params, event.record.seconds.run)
                    yield view
                    return
                view.progress, ticket.seconds_left = event, view.left
                if event.step <= 1 or view.seconds - shown >= SECONDS_BETWEEN_PREVIEWS:
                    shown = view.seconds
                    note(view, event)
                    yield view
                if view.seconds > seconds and not press.stopped:
                    press.stopped = cut = True
                if press.streams and server.audience.silence(press.streams, since) > DEAF_SECONDS:
                    press.stopped = True
                event = advance(stream, press.stopped)
        finally:
            stream.close()


def admit(params: Params, allowed: Policy) -> float:
    """The seconds that a run may work: a training is what has minutes. Raises ParamError where a run is larger, longer,
    or of more steps, than the policy allows."""
    trains = hasattr(params, "minutes")
    if trains and not allowed.train_minutes:
        raise ParamError("Training is switched off on this server: run Atelier on a machine of your own.")
    most_of = {"minutes": allowed.train_minutes} if trains else {"size": allowed.pixels, "steps": allowed.steps}
    for name, most in most_of.items():
        value = getattr(params, name, None)
        if value is not None and value > most:
            raise ParamError(f"{name} is {value:g}, and this server allows at most {most:g}: choose less.")
    return 60 * allowed.train_minutes if trains else allowed.seconds


def limited(result: Result, seconds: float) -> Result:
    """The result of a run that the server stopped, with a note that says so."""
    told = f"Stopped here: a run may work for {seconds:g} s on this server."
    return replace(result, record=result.record.model_copy(update={"notes": [*result.record.notes, told]}))


def note(view: View, event: Progress) -> None:
    """Add the step's numbers and picture to the view; this is where they leave the device."""
    for name, value in event.metrics.items():
        view.curves.setdefault(name, []).append((event.step, float(value)))
    if event.preview is not None:
        view.preview = preview_file(event.preview)
        view.frames.append(view.preview)


@dataclass(frozen=True)
class Controls:
    """Run and Stop of a tab, the line that tells the state, and the press that they stand for."""

    tab: str
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    token: gr.Textbox

    @property
    def buttons(self) -> list[gr.Button]:
        """In the order of `pressable`."""
        return [self.run, self.stop]


def controls_of(tab: str, run_button: gr.Button, stop: gr.Button, status: gr.HTML) -> Controls:
    """The controls of a tab; call it inside the tab's layout."""
    return Controls(tab, run_button, stop, status, gr.Textbox(visible="hidden", show_label=False))


def pressable(running: bool) -> list[Any]:
    """Values for Run and Stop."""
    return [gr.update(interactive=not running), gr.update(interactive=running)]


def on_press(
    controls: Controls,
    events: Sequence[Callable[..., Any]],
    function: Callable[..., Iterator[list[Any]]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
) -> Any:
    """Wire buttons that start a run: `function(request, token, *inputs)` yields values for `outputs`, Run and Stop.

    Returns the event after which the run is over, for `.then`.
    """
    begun = gr.on(
        list(events), None, None, [controls.token, controls.status, *controls.buttons], js=waiting_script(), **QUICK
    )
    ended = begun.then(function, [controls.token, *inputs], [*outputs, *controls.buttons], **RUNS)
    end_in_browser(controls, ended)
    ended.then(None, None, None, js=SHOW_ERROR, **QUICK)
    return ended


def on_change(
    controls: Controls,
    events: Sequence[Callable[..., Any]] | Dependency,
    function: Callable[..., Iterator[list[Any]]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
) -> Any:
    """Wire settings that act at once, like `on_press` but without a token: a later change replaces an earlier one.

    events: of components, or one event that has to be over first.
    """
    if isinstance(events, Dependency):
        ended: Any = events.then(function, list(inputs), [*outputs, *controls.buttons], **RUNS)
    else:
        given = [list(events), function, list(inputs), [*outputs, *controls.buttons]]
        ended = gr.on(*given, trigger_mode="multiple", **RUNS)
    end_in_browser(controls, ended)
    return ended


def on_stop(server: Server, controls: Controls) -> None:
    """Wire Stop."""

    def stop(request: gr.Request, token: str) -> None:
        server.presses.stop(visitor_of(request), controls.tab, token)

    controls.stop.click(stop, [controls.token], None, **QUICK)


def end_in_browser(controls: Controls, event: Any) -> None:
    """Whatever kept the function from its first line, or cut its stream: Run can be pressed again."""
    event.failure(None, None, [controls.status, *controls.buttons], js=broken_script(), **QUICK)


def waiting_script() -> str:
    """JavaScript for (token, status, Run, Stop) that says at once that a run waits and can be stopped.

    The browser does it alone: a server's answer could arrive after that of a run that ended quickly, and cover it.
    """
    # crypto.randomUUID is only there on https and localhost.
    token = "Array.from(crypto.getRandomValues(new Uint32Array(4))).join('-')"
    return f"() => [{token}, {in_browser('waiting for its turn')}, {in_script(False)}, {in_script(True)}]"


def broken_script() -> str:
    """JavaScript for (status, Run, Stop) after a run that the server did not, or could not, bring to its end."""
    sentence = in_browser("The server did not take or finish this run. Your settings are still here: press Run again.")
    span = f'`<span class="failed" role="alert">${{{sentence}}}</span>`'
    return f"() => [{span}, {in_script(True)}, {in_script(False)}]"


def in_script(interactive: bool) -> str:
    """A button's update, as the page's own code writes it."""
    return json.dumps({"__type__": "update", "interactive": interactive})
