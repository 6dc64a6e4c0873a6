"""What the Explore tab does: looks, of which what is encoded already is drawn at once and the rest goes through the
queue; clicks on pictures; layers for Optimise; settings from a record."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

import gradio as gr

from models import registry
from models.weights import WeightsMissing
from pipelines import record
from pipelines.base import Pipeline, Result, run
from pipelines.explore import LAYERS, PIPELINE, ExploreParams, ready
from pipelines.explore.draw import Grid
from pipelines.explore.encode import Shelf
from pipelines.params import parse, settings
from ui.kit.form import keep, links, replay
from ui.kit.form.examples import RESULTS
from ui.kit.i18n import in_words, spoken, t
from ui.kit.press import Press
from ui.kit.run import RUNS, Server, end_in_browser, follow, on_stop
from ui.kit.session import PRIVATE, QUICK, explain, file_in_cache, picture_file, visitor_of
from ui.kit.show import Memory, failed_status, running_status, waiting
from ui.tabs.explore.numbers import classes, handing, layer_choices, result_row, row

if TYPE_CHECKING:
    from ui.kit.tab import Frame
    from ui.tabs.explore import Desk

TAB = "explore"
INVERSIONS = 16  # finished ones that are remembered, so that coming back to the view costs nothing
EXAMPLE = RESULTS / "gatys.png"  # a result of Optimise, with its record
PICTURES = ("content", "other")
NOTHING: list[Any] = [gr.skip()] * len(row(True))
HIDDEN = {"layers": ("count",), "invert": ("tv_weight", "seed")}  # view -> the advanced settings it uses
VIEWS = {  # view -> the settings it shows
    "classify": (),
    "layers": ("model", "layer", "scale"),
    "gram": ("other", "model", "several"),
    "invert": ("model", "several", "steps"),
    "attention": ("model", "layer", "channel", "classes", "label"),
    "frequencies": ("other",),
}
OPTIONAL = ("model", "layer", "several", "scale", "channel", "classes", "label", "steps")
ABOUT = {
    "classify": "What the picture shows, and the 32 × 32 pixels that the small network really saw.",
    "layers": "Each small picture is one channel of a layer: bright where it fires. Shallow layers see edges and "
    "colours, deep ones parts of things.",
    "gram": "Which channels fire together, wherever they are: what Optimise calls style. With a style and a result "
    "beside it, red and blue show what the result still misses.",
    "invert": "The picture made again from one layer alone, from noise, layer by layer. "
    "Shallow layers keep the pixels, deep ones only the arrangement. Stop keeps what is there.",
    "attention": "Where a classifier looks for a class, and the patch of your picture that excites one channel most.",
    "frequencies": "How much neighbouring pixels differ, before and after style transfer: why Optimise has a "
    "smoothness weight.",
}


def used_by(view: str) -> tuple[str, ...]:
    """The inputs that a view uses."""
    sized = () if view == "classify" else ("resolution",)
    return ("content", "view", *sized, *HIDDEN.get(view, ()), *VIEWS[view])


def values_of(names: Sequence[str], inputs: Sequence[Any]) -> dict[str, Any]:
    """What the components say, as Params take it: only what the view uses, so that the record is short."""
    said = dict(zip(names, inputs, strict=True))
    used = used_by(said["view"])
    values = {name: said[name] for name in used if name != "several" and said[name] not in (None, "", -1)}
    return values | ({"layer": ",".join(said["several"])} if "several" in used and said["several"] else {})


@dataclass(frozen=True)
class Looks:
    """What the tab's events call; each gives values for `Desk.outputs`."""

    pipeline: Pipeline[Any]
    names: list[str]  # of the inputs
    shelf: Shelf
    server: Server
    inversions: OrderedDict[str, Result] = field(default_factory=OrderedDict)  # by their settings
    due: WeakSet[Press] = field(default_factory=WeakSet)  # of looks that are to be streamed

    def look(self, request: gr.Request, *inputs: Any, afresh: bool = False) -> list[Any]:
        """Draw what is there already; what is not is due, and `stream` does it. `afresh`: inversions too."""
        visitor, over = visitor_of(request), True
        press = self.server.presses.begin(visitor, TAB)
        try:
            params = parse(self.pipeline.params, values_of(self.names, inputs))
            if params.view == "invert" and not afresh and (earlier := self.inversions.get(key(params))):
                return result_row(earlier, request)
            if not ready(params, self.shelf):
                over = False  # the stream of an earlier look may take it up before this function returns
                self.due.add(press)
                status, off = spoken("waiting for its turn", request), gr.update(interactive=False)
                return row(True, status=status, numbers="", table=gr.update(visible=False), download=off)
            *_, result = run(self.pipeline, params, self.server.cache, sha256=registry.sha256)
            return result_row(cast(Result, result), request, stored=True)
        except Exception as error:  # the page's last line: every error becomes a sentence, bugs keep theirs in the log
            return failed(error, request)
        finally:
            if over:
                self.server.presses.end(visitor, TAB, press)

    def press(self, request: gr.Request, *inputs: Any) -> list[Any]:
        """Run."""
        return self.look(request, *inputs, afresh=True)

    def stream(self, request: gr.Request, *inputs: Any) -> Iterator[list[Any]]:
        """The look that is due, step by step, as long as the visitor asks for nothing else."""
        press = self.server.presses.latest(visitor_of(request), TAB)
        if press is None or press not in self.due:
            yield NOTHING
            return
        self.due.discard(press)
        try:
            params = parse(self.pipeline.params, values_of(self.names, inputs))
            yield from self._views(request, params, press)
        except Exception as error:  # the page's last line: every error becomes a sentence, bugs keep theirs in the log
            yield failed(error, request)
        finally:
            self.server.presses.end(visitor_of(request), TAB, press)

    def _views(self, request: gr.Request, params: ExploreParams, press: Press) -> Iterator[list[Any]]:
        result = None
        for view in follow(self.server, self.pipeline, params, press):
            result = view.result
            if result is not None:
                self.keep(params, result)
                yield result_row(result, request)
            elif view.progress is None:
                yield row(True, status=waiting(view, request).status)
            else:
                picture = gr.update(value=view.preview, label=t("Working")) if view.preview else gr.skip()
                yield row(True, picture=picture, status=running_status(view, request))
        if press.replaced:
            yield NOTHING
        elif result is None:  # stopped before the first step: nothing was made
            yield row(False, status=spoken("stopped", request))

    def keep(self, params: ExploreParams, result: Result) -> None:
        """Remember a finished inversion, and forget the oldest of many."""
        if params.view == "invert" and result.record.details:  # a stopped one has none
            self.inversions[key(params)] = result
            while len(self.inversions) > INVERSIONS:
                self.inversions.popitem(last=False)


def key(params: ExploreParams) -> str:
    """What an inversion is remembered by."""
    return str(params.model_dump(mode="json"))


def failed(error: Exception, request: gr.Request | None) -> list[Any]:
    """One sentence in the reader's language; the picture before stays."""
    status = failed_status(in_words(explain(error), request))
    return row(False, cure=isinstance(error, WeightsMissing), status=status)


def wire(desk: Desk, looks: Looks) -> None:
    """Connect the tab's components: what looks again, and what is offered for another network or view."""
    inputs = desk.inputs
    view, model, layer = inputs["view"], inputs["model"], inputs["layer"]
    order = ["view", *(name for name in inputs if name != "view")]
    places = {one: [order.index(name) for name in used_by(one)] for one in VIEWS}
    stale, stamp, picture = (desk.parts[name] for name in ("stale", "record", "picture"))
    fit = keep.Fit(TAB, [inputs[name] for name in order], stale, stamp, picture, places, [order.index("layer")])
    fit.wire()

    def again(event: Callable[..., Any], function: Callable[..., Any] = looks.look) -> None:
        fit.on(event, "begin")
        drawing = event(function, list(inputs.values()), desk.outputs, **QUICK)
        stream = drawing.success(looks.stream, list(inputs.values()), desk.outputs, **RUNS)
        for part in (drawing, stream):
            end_in_browser(desk.controls, part)
        fit.on(stream.then, "end")

    again(desk.controls.run.click, looks.press)
    on_stop(looks.server, desk.controls)
    events = {"input": ("layer", "several", "scale", "label"), "submit": ("channel", "resolution"),
              "release": ("steps", "count"), "change": ("content", "other")}  # fmt: skip
    acting = [getattr(inputs[name], event) for event, names in events.items() for name in names]
    again(partial(gr.on, [*acting, view.change], trigger_mode="multiple"))
    listed = [layer, inputs["several"], inputs["label"]]
    again(model.input(offer, [model, inputs["classes"]], [*listed, desk.parts["hand"]], **QUICK).then)
    again(inputs["classes"].input(offer_classes, [model, inputs["classes"]], [inputs["label"]], **QUICK).then)
    wire_views(desk)
    wire_clicks(desk)
    again(desk.parts["table"].select(pick, None, layer, **QUICK).then)
    wire_restore(desk)


def pick(event: gr.SelectData) -> str:
    """The layer whose row was clicked."""
    return str(event.row_value[0])


def offer(model: str, of: str) -> list[Any]:
    """Another network: its layers, and no class of the one before."""
    return [*lists(model, offered_classes(model, of)).values(), gr.update(visible=False)]


def offer_classes(model: str, of: str) -> Any:
    """Another classifier: its classes, the most probable one chosen."""
    return gr.update(choices=offered_classes(model, of), value=-1)


def offered_classes(model: str, of: str) -> list[tuple[Any, int]]:
    """The classes that are known before a look; ImageNet's come with the look at its network."""
    return classes(model, of) if model != "vgg19" and of == "cifar10" else [(t("most probable"), -1)]


def lists(
    model: str, labels: list[tuple[Any, int]], layer: Any = "", several: Any = (), label: Any = -1
) -> dict[str, Any]:
    """What goes with a network and its classes, with what is chosen of it where it is there."""
    layers = layer_choices(model)
    own, known = [value for _, value in layers], [value for _, value in labels]
    return {
        "layer": gr.update(choices=layers, value=layer if layer in own else ""),
        "several": gr.update(choices=layers[1:], value=[name for name in several or () if name in own]),
        "label": gr.update(choices=labels, value=label if label in known else -1),
    }


def keep_settings(desk: Desk) -> None:
    """Have the browser keep the settings, and the pictures beside them."""
    kept = {name: component for name, component in desk.inputs.items() if name not in PICTURES}
    keep.settings(TAB, kept, partial(refill, list(kept)))
    keep.settings(f"{TAB}-pictures", {name: desk.inputs[name] for name in PICTURES})


def refill(names: Sequence[str], kept: Any) -> list[Any]:
    """What a browser kept, as the components of these names hold it."""
    if not isinstance(kept, dict) or kept.get("model") not in LAYERS:
        return [gr.skip()] * len(names)
    chosen = (kept.get(name) for name in ("layer", "several", "label"))
    values = kept | lists(kept["model"], offered_classes(kept["model"], kept.get("classes", "")), *chosen)
    return [values.get(name, gr.skip()) for name in names]


def wire_views(desk: Desk) -> None:
    """Changing the view shows its settings."""
    outputs = [*(desk.parts[name] for name in ("about", "hand", "second", "pair", "training"))]
    outputs += [desk.inputs[name] for name in OPTIONAL]

    def turn(request: gr.Request, view: str, layer: str) -> list[Any]:
        two = "other" in VIEWS[view]
        hand = "layer" in VIEWS[view] and bool(layer)  # where several are shown a click chooses one
        parts = [hand, two, two, view == "classify", *(name in VIEWS[view] for name in OPTIONAL)]
        return [spoken(ABOUT[view], request), *(gr.update(visible=on) for on in parts)]

    desk.inputs["view"].change(turn, [desk.inputs["view"], desk.inputs["layer"]], outputs, **QUICK)


def wire_clicks(desk: Desk) -> None:
    """A click on a map looks at its channel, one on a layer's picture offers that layer to Optimise."""

    def choose(request: gr.Request, event: gr.SelectData, view: str, look: dict[str, Any] | None) -> list[Any]:
        details = (look or {}).get("details", {})
        i = place_of(event.index, details)
        if i is None:
            return [gr.skip()] * 6
        if view == "layers":
            return ["attention", str(details["maps"][i]["channel"]), *[gr.skip()] * 4]
        name = details["layers"][i]["layer"]
        return [gr.skip(), gr.skip(), name, *handing(name, request).values()]

    outputs = [desk.inputs[name] for name in ("view", "channel", "layer")]
    outputs += [desk.parts[name] for name in ("hand", "as_content", "as_style")]
    desk.parts["picture"].select(choose, [desk.inputs["view"], desk.parts["record"]], outputs, **QUICK)


def place_of(point: Sequence[int], details: dict[str, Any]) -> int | None:
    """What lies at (x, y) of a view's sheet: its place in the view's list of maps or layers; None: nothing there."""
    if "grid" not in details:
        return None
    i = Grid(**details["grid"]).at(*point)
    return i if 0 <= i < len(details.get("maps") or details["layers"]) else None


def link(desk: Desk, optimise: Frame) -> None:
    """Use in Optimise: the layer that is looked at becomes a content or style layer there, in the same network."""
    there = dict(zip((s.name for s in optimise.form.settings), optimise.form.inputs, strict=True))
    offered = {value for _, value in there["model"].choices}
    targets = [there["content_layers"], there["style_layers"], there["model"]]

    def hand(kind: str, request: gr.Request, layer: str, model: str, content: str, style: str, now: str) -> list[Any]:
        trouble = "" if layer else "Look at a layer first."
        trouble = trouble if model in offered else "Optimise has no such network: choose another one here first."
        if trouble:
            return [failed_status(spoken(trouble, request)), *[gr.skip()] * len(targets)]
        if model != now:  # the layers that were named there are another network's
            content, style = "", ""
        if kind == "content":
            return [spoken("{} is now the content layer in Optimise.", request).format(layer), layer, style, model]
        names = [name.strip() for name in style.split(",") if name.strip()]
        names = [n for n in names if n != layer] if layer in names else [*names, layer]
        said = spoken("The style layers in Optimise are now: {}.", request).format(", ".join(names) or "–")
        return [said, content, ", ".join(names), model]

    for kind in ("content", "style"):

        def press(request: gr.Request, *inputs: str, kind: str = kind) -> list[Any]:
            return hand(kind, request, *inputs)

        inputs = [desk.inputs["layer"], desk.inputs["model"], *targets]
        desk.parts[f"as_{kind}"].click(press, inputs, [desk.controls.status, *targets], **QUICK)
    inputs = [desk.inputs["view"], optimise.stage.memory]
    pictures = [desk.inputs["content"], desk.inputs["other"]]
    desk.parts["pair"].click(pair, inputs, pictures, show_progress="hidden", **PRIVATE)


def pair(request: gr.Request, view: str, memory: Memory | None) -> list[str]:
    """Before and after: the last run of Optimise, or its example; for `gram` the style instead of the content."""
    if memory is not None and memory.result is not None:
        params: Any = memory.params
        content, style = (picture_file(picture) for picture in (params.content, params.styles[0]))
        after = file_in_cache(memory.result.png(), ".png")
    else:
        said = spoken("Optimise has made nothing yet: this is its example.", request)
        gr.Info(said, title=spoken("Optimise", request))
        content, style, after = example()
    return [style if view == "gram" else content, after]


def example() -> tuple[str, str, str]:
    """Content, style and result of Optimise's example."""
    origin, paths = record.read(EXAMPLE), replay.known_pictures()
    assert origin is not None
    content, style = origin.params["content"], origin.params["styles"][0]
    return paths[content["sha256"]], paths[style["sha256"]], str(EXAMPLE)


def wire_restore(desk: Desk) -> None:
    """A picture made here gives its settings back; what it had no use for stays as it is."""
    names = list(desk.inputs)

    def restore(path: str | None, request: gr.Request, *inputs: Any) -> list[Any]:
        if path is None:
            return [gr.skip()] * len(names)
        otherwise = f"{Path(path).name} holds no record of Explore: drop a PNG that was downloaded here."
        origin = replay.recorded(path, {TAB: PIPELINE}, otherwise, request)
        paths = replay.known_pictures(*inputs)
        replay.say(replay.absences(origin, PIPELINE, paths), request)
        values = of_record(origin.params, paths)
        return [values.get(name, gr.skip()) for name in names]

    inputs = [desk.parts["restore"], desk.inputs["content"], desk.inputs["other"]]
    desk.parts["restore"].upload(restore, inputs, list(desk.inputs.values()), show_progress="hidden", **PRIVATE)


def of_link(names: Sequence[str], query: Mapping[str, str]) -> list[Any]:
    """The settings of a link as the components of these names hold them; pictures stay. Raises ParamError."""
    values = of_record(links.parsed(PIPELINE, query).model_dump(mode="json"), {})
    return [gr.skip() if name in PICTURES else values.get(name, gr.skip()) for name in names]


def of_record(params: dict[str, Any], paths: dict[str, str]) -> dict[str, Any]:
    """Recorded settings as the tab's components hold them."""
    values = {s.name: replay.restored(s, params.get(s.name, s.default), paths) for s in settings(ExploreParams)}
    names = [name for name in params["layer"].split(",") if name]
    several = names if "several" in VIEWS[params["view"]] else []
    attention = params["view"] == "attention"  # the other views know no classes
    labels = classes(params["model"], values["classes"]) if attention else offered_classes("", "")
    one = names[0] if len(names) == 1 else ""
    return {
        **values,
        **lists(params["model"], labels, one, several, params["label"]),
        "classes": values["classes"] if attention else gr.skip(),
        "channel": "" if params["channel"] is None else str(params["channel"]),
    }
