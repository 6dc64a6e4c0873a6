"""What the Explore tab does: what is not encoded yet, and inversions, go through the queue; the rest is drawn now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from models import registry
from models.cache import ModelCache
from models.weights import WeightsMissing
from pipelines.base import Pipeline, Result, run
from pipelines.explore import ready
from pipelines.explore_encode import Shelf
from pipelines.explore_params import ExploreParams
from pipelines.params import parse
from ui.explore_rows import ABOUT, OPTIONAL, SHOWN, USABLE, Shown, begun, classes, layer_choices, result_row, values_of
from ui.i18n import in_words, spoken, t
from ui.session import GPU, PRIVATE, QUICK, Stops, explain, follow, visitor_of
from ui.show import failed_status, running_status

if TYPE_CHECKING:
    from ui.explore import Desk

VISITORS, INVERSIONS = 1024, 16  # how many are remembered


class Turns:
    """Which look of a visitor is the latest: an older one that still runs must not paint over it."""

    def __init__(self) -> None:
        self._latest: OrderedDict[str, int] = OrderedDict()
        self._lock, self._count = threading.Lock(), 0

    def take(self, visitor: str) -> int:
        """The number of a new look, larger than all before."""
        with self._lock:
            self._count += 1
            self._latest[visitor] = self._count
            self._latest.move_to_end(visitor)
            if len(self._latest) > VISITORS:
                self._latest.popitem(last=False)
            return self._count

    def holds(self, visitor: str, turn: int) -> bool:
        """Whether no newer look was asked for."""
        return self._latest.get(visitor, turn) == turn


@dataclass
class Inversions:
    """Finished inversions by their settings, so that coming back to the view costs nothing."""

    kept: OrderedDict[str, Result] = field(default_factory=OrderedDict)

    def keep(self, result: Result) -> None:
        """Remember a result that was not stopped, and forget the oldest of many."""
        if result.record.details:
            self.kept[str(result.record.params)] = result
            while len(self.kept) > INVERSIONS:
                self.kept.popitem(last=False)

    def find(self, params: ExploreParams) -> Result | None:
        """The result of these settings, if it is still there."""
        return self.kept.get(str(params.model_dump(mode="json")))


@dataclass(frozen=True)
class Looks:
    """What the tab's events call; each gives values for `Desk.outputs`."""

    pipeline: Pipeline[Any]
    names: list[str]  # of the inputs
    shelf: Shelf
    cache: ModelCache
    stops: Stops
    turns: Turns = field(default_factory=Turns)
    inversions: Inversions = field(default_factory=Inversions)

    def look(self, request: gr.Request, *given: Any) -> list[Any]:
        """Draw what is there already; what is not gets a turn, whose stream does it."""
        return self._look(request, given, afresh=False)

    def press(self, request: gr.Request, *given: Any) -> list[Any]:
        """Run: as `look`, but an inversion is made again."""
        return self._look(request, given, afresh=True)

    def stop(self, request: gr.Request) -> None:
        """Keep what is there after the step in flight."""
        self.stops.ask(visitor_of(request))

    def _look(self, request: gr.Request, given: tuple[Any, ...], afresh: bool) -> list[Any]:
        visitor = visitor_of(request)
        self.stops.take(visitor)
        turn = self.turns.take(visitor)
        try:
            params = parse(self.pipeline.params, values_of(self.names, given))
            before = self.inversions.find(params) if params.view == "invert" and not afresh else None
            if before:
                return [*result_row(before, request), gr.skip()]
            if not ready(params, self.shelf):
                return [*begun(spoken("waiting for its turn", request)), turn]
            *_, result = run(self.pipeline, params, self.cache, sha256=registry.sha256)
            return [*result_row(cast(Result, result), request, stored=True), gr.skip()]
        except Exception as error:  # the page's last line, as in `stream`
            return [*failed(error, request), gr.skip()]

    def stream(self, request: gr.Request, turn: float, *given: Any) -> Iterator[list[Any]]:
        """The look of that turn, step by step, as long as the visitor asks for nothing else."""
        visitor = visitor_of(request)
        nothing = [gr.skip()] * len(Shown().row(running=True))
        if not self.turns.holds(visitor, int(turn)):
            yield nothing
            return
        done = False
        try:
            for view in follow(self.pipeline, values_of(self.names, given), self.cache, self.stops, visitor):
                if not self.turns.holds(visitor, int(turn)):
                    yield nothing
                    return
                done = view.result is not None
                if view.result is not None:
                    if view.result.record.params["view"] == "invert":
                        self.inversions.keep(view.result)
                    yield result_row(view.result, request)
                else:
                    picture = gr.update(value=view.preview, label=t("Working")) if view.preview else gr.skip()
                    yield Shown(picture, status=running_status(view, request)).row(running=True)
            if not done:  # stopped before the first step: nothing was made
                yield Shown(status=spoken("stopped", request)).row(running=False)
        except Exception as error:  # the page's last line: every error becomes a sentence, bugs keep theirs in the log
            yield failed(error, request)


def failed(error: Exception, request: gr.Request | None) -> list[Any]:
    """One sentence in the reader's language; the picture before stays."""
    status = failed_status(in_words(explain(error), request))
    return Shown(status=status, cure=isinstance(error, WeightsMissing)).row(running=False)


def wire(desk: Desk, looks: Looks) -> dict[str, Any]:
    """Connect the tab's components; returns how an event looks again."""
    inputs = list(desk.inputs.values())
    again: dict[str, Any] = {"fn": looks.look, "inputs": inputs, "outputs": [*desk.outputs, desk.turn], **QUICK}
    desk.run.click(**{**again, "fn": looks.press})
    desk.turn.change(looks.stream, [desk.turn, *inputs], desk.outputs, show_progress="hidden", **GPU, **PRIVATE)
    desk.stop.click(looks.stop, None, None, **QUICK)
    for name in ("layer", "several", "scale", "label"):
        desk.inputs[name].input(**again)
    desk.inputs["channel"].submit(**again)
    for name in ("steps", "count", "resolution"):
        desk.inputs[name].release(**again)
    for name in ("content", "other"):
        desk.inputs[name].change(**again)
    listed = [desk.inputs[name] for name in ("layer", "several", "label")]
    desk.inputs["model"].input(offer, desk.inputs["model"], [*listed, desk.hand], **QUICK).then(**again)
    wire_views(desk, again)
    return again


def offer(model: str) -> list[Any]:
    """Another network: its layers, and no class of the one before."""
    found = layer_choices(model)
    known = classes(model) if model != "vgg19" else [(t("most probable"), -1)]  # ImageNet's come with its network
    return [
        gr.update(choices=found, value=""),
        gr.update(choices=found[1:], value=[]),
        gr.update(choices=known, value=-1),
        gr.update(visible=False),
    ]


def wire_views(desk: Desk, again: dict[str, Any]) -> None:
    """Changing the view shows its settings, and looks."""
    shown = [desk.about, desk.hand, desk.second, desk.pair, desk.training, *(desk.inputs[name] for name in OPTIONAL)]

    def turn(request: gr.Request, view: str, layer: str) -> list[Any]:
        two = "other" in SHOWN[view]
        hand = view in USABLE and bool(layer)
        parts = [gr.update(visible=on) for on in (hand, two, two, view == "classify")]
        return [spoken(ABOUT[view], request), *parts, *(gr.update(visible=name in SHOWN[view]) for name in OPTIONAL)]

    desk.inputs["view"].change(turn, [desk.inputs["view"], desk.inputs["layer"]], shown, **QUICK)
    desk.inputs["view"].change(**again)
