"""What the Explore tab does: what is not encoded yet, and inversions, go through the queue; the rest is drawn now."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from models import registry
from models.weights import WeightsMissing
from pipelines.base import Pipeline, Result, run
from pipelines.explore import ready
from pipelines.explore.encode import Shelf
from pipelines.explore.params import ExploreParams
from pipelines.params import parse
from ui.kit.i18n import in_words, spoken, t
from ui.kit.run import RUNS, Controls, Server, end_in_browser, follow, on_stop
from ui.kit.session import QUICK, explain, visitor_of
from ui.kit.show import failed_status, running_status, waiting
from ui.tabs.explore.rows import (
    ABOUT,
    OPTIONAL,
    SHOWN,
    USABLE,
    Shown,
    begun,
    classes,
    layer_choices,
    result_row,
    values_of,
)

if TYPE_CHECKING:
    from ui.tabs.explore import Desk

TAB = "explore"
INVERSIONS = 16  # how many are remembered


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
    server: Server
    inversions: Inversions = field(default_factory=Inversions)

    def look(self, request: gr.Request, *given: Any) -> list[Any]:
        """Draw what is there already; what is not is due, and `stream` does it."""
        return self._look(request, given, afresh=False)

    def press(self, request: gr.Request, *given: Any) -> list[Any]:
        """Run: as `look`, but an inversion is made again."""
        return self._look(request, given, afresh=True)

    def _look(self, request: gr.Request, given: tuple[Any, ...], afresh: bool) -> list[Any]:
        visitor, due = visitor_of(request), False
        press = self.server.presses.begin(visitor, TAB)
        try:
            params = parse(self.pipeline.params, values_of(self.names, given))
            before = self.inversions.find(params) if params.view == "invert" and not afresh else None
            if before:
                return [*result_row(before, request), due]
            if due := not ready(params, self.shelf):
                return [*begun(spoken("waiting for its turn", request)), due]
            *_, result = run(self.pipeline, params, self.server.cache, sha256=registry.sha256)
            return [*result_row(cast(Result, result), request, stored=True), due]
        except Exception as error:  # the page's last line: every error becomes a sentence, bugs keep theirs in the log
            return [*failed(error, request), due]
        finally:
            if not due:
                self.server.presses.end(visitor, TAB, press)

    def stream(self, request: gr.Request, due: bool, *given: Any) -> Iterator[list[Any]]:
        """The look that is due, step by step, as long as the visitor asks for nothing else."""
        nothing = [gr.skip()] * len(Shown().row(running=True))
        press = self.server.presses.latest(visitor_of(request), TAB)
        if not due or press is None:
            yield nothing
            return
        result = None
        try:
            params = parse(self.pipeline.params, values_of(self.names, given))
            for view in follow(self.server, self.pipeline, params, press):
                result = view.result
                if result is not None:
                    if result.record.params["view"] == "invert":
                        self.inversions.keep(result)
                    yield result_row(result, request)
                elif view.progress is None:
                    yield Shown(status=waiting(view, request).status).row(running=True)
                else:
                    picture = gr.update(value=view.preview, label=t("Working")) if view.preview else gr.skip()
                    yield Shown(picture, status=running_status(view, request)).row(running=True)
            if press.replaced:
                yield nothing
            elif result is None:  # stopped before the first step: nothing was made
                yield Shown(status=spoken("stopped", request)).row(running=False)
        except Exception as error:  # the page's last line: every error becomes a sentence, bugs keep theirs in the log
            yield failed(error, request)
        finally:
            self.server.presses.end(visitor_of(request), TAB, press)


def failed(error: Exception, request: gr.Request | None) -> list[Any]:
    """One sentence in the reader's language; the picture before stays."""
    status = failed_status(in_words(explain(error), request))
    return Shown(status=status, cure=isinstance(error, WeightsMissing)).row(running=False)


class Again:
    """How an event of the tab looks again: what is there is drawn at once, what is not goes through the queue."""

    def __init__(self, desk: Desk, looks: Looks) -> None:
        self.desk, self.looks = desk, looks
        self.controls = Controls(TAB, desk.run, desk.stop, desk.status, desk.token)

    def __call__(self, event: Any, afresh: bool = False) -> None:
        """Look again at `event`; `afresh`: an inversion is made again."""
        desk, inputs = self.desk, list(self.desk.inputs.values())
        function = self.looks.press if afresh else self.looks.look
        drawn = event(function, inputs, [*desk.outputs, desk.due], **QUICK)
        streamed = drawn.success(self.looks.stream, [desk.due, *inputs], desk.outputs, **RUNS)
        for part in (drawn, streamed):
            end_in_browser(self.controls, part)


def wire(desk: Desk, looks: Looks) -> Again:
    """Connect the tab's components; returns how an event looks again."""
    again = Again(desk, looks)
    again(desk.run.click, afresh=True)
    on_stop(looks.server, again.controls)
    for name in ("layer", "several", "scale", "label"):
        again(desk.inputs[name].input)
    for name in ("channel", "resolution"):
        again(desk.inputs[name].submit)
    for name in ("steps", "count"):
        again(desk.inputs[name].release)
    for name in ("content", "other"):
        again(desk.inputs[name].change)
    listed = [desk.inputs[name] for name in ("layer", "several", "label")]
    classifier = [desk.inputs["model"], desk.inputs["classes"]]
    again(desk.inputs["model"].input(offer, classifier, [*listed, desk.hand], **QUICK).then)
    again(desk.inputs["classes"].input(offer_classes, classifier, [desk.inputs["label"]], **QUICK).then)
    wire_views(desk, again)
    return again


def offer(model: str, of: str) -> list[Any]:
    """Another network: its layers, and no class of the one before."""
    found = layer_choices(model)
    return [
        gr.update(choices=found, value=""),
        gr.update(choices=found[1:], value=[]),
        offer_classes(model, of),
        gr.update(visible=False),
    ]


def offer_classes(model: str, of: str) -> Any:
    """Another classifier: its classes, the most probable one chosen."""
    small = model != "vgg19" and of == "cifar10"
    known = classes(model, of) if small else [(t("most probable"), -1)]  # ImageNet's come with the look at its network
    return gr.update(choices=known, value=-1)


def wire_views(desk: Desk, again: Again) -> None:
    """Changing the view shows its settings, and looks."""
    shown = [desk.about, desk.hand, desk.second, desk.pair, desk.training, *(desk.inputs[name] for name in OPTIONAL)]

    def turn(request: gr.Request, view: str, layer: str) -> list[Any]:
        two = "other" in SHOWN[view]
        hand = view in USABLE and bool(layer)
        parts = [gr.update(visible=on) for on in (hand, two, two, view == "classify")]
        return [spoken(ABOUT[view], request), *parts, *(gr.update(visible=name in SHOWN[view]) for name in OPTIONAL)]

    desk.inputs["view"].change(turn, [desk.inputs["view"], desk.inputs["layer"]], shown, **QUICK)
    again(desk.inputs["view"].change)
