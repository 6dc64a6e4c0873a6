"""What the Explore tab does: Run, and what is not encoded yet, go through the queue; the rest is drawn at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from models import registry
from models.cache import ModelCache
from pipelines.base import Pipeline, Result, run
from pipelines.explore import ready
from pipelines.explore_encode import Shelf
from pipelines.explore_views import COLUMNS, MAP_GAP
from pipelines.params import parse
from ui.explore_numbers import numbers
from ui.i18n import spoken, t
from ui.session import GPU, KNOWN, PRIVATE, QUICK, Stops, explain, file_in_cache, follow, visitor_of
from ui.show import cost_status, failed_status, running_status

if TYPE_CHECKING:
    from ui.explore import Desk
    from ui.tab import Frame

INVERT_SCALE = 2  # five pictures at once, live: at half the resolution
HIDDEN = {"layers": ("count",), "invert": ("tv_weight", "seed")}  # view -> the advanced settings it uses
KEEP = [gr.skip()] * 3
ABOUT = {
    "classify": "What the picture shows, and the 32 × 32 pixels that the small network really saw.",
    "layers": "Each small picture is one channel of a layer: bright where it fires. Shallow layers see edges and "
    "colours, deep ones parts of things.",
    "gram": "Which channels fire together, wherever they are: what Optimise calls style. With a result as the second "
    "picture, red and blue show what it still misses.",
    "invert": "The picture made again from one layer alone, from noise, layer by layer, at half the resolution. "
    "Shallow layers keep the pixels, deep ones only the arrangement. Press Run.",
    "attention": "Where a classifier looks for a class, and the patch of your picture that excites one channel most.",
    "frequencies": "How much neighbouring pixels differ. Put a result of style transfer as the second picture to see "
    "why Optimise has a smoothness weight.",
}
SHOWN = {  # view -> the settings it shows
    "classify": (),
    "layers": ("layer", "scale"),
    "gram": (),
    "invert": ("steps",),
    "attention": ("layer", "channel", "label"),
    "frequencies": (),
}


def values_of(names: list[str], given: tuple[Any, ...]) -> dict[str, Any]:
    """What the components say, as Params take it: only what the view uses, so that the record is short."""
    said = dict(zip(names, given, strict=True))
    view = said["view"]
    kept = {
        name: said[name]
        for name in ("content", "view", "model", *HIDDEN.get(view, ()), *SHOWN[view])
        if said[name] not in (None, "", -1)
    }
    if view in {"gram", "frequencies"} and said["other"]:
        kept["other"] = said["other"]
    resolution = int(said["resolution"]) // (INVERT_SCALE if view == "invert" else 1)
    return kept | {"resolution": resolution}


def row(result: Result, request: gr.Request | None) -> list[Any]:
    """A finished look, for `Desk.outputs`."""
    told = result.record
    view, details = told.params["view"], told.details
    path = file_in_cache(result.png(), ".png")
    known = [line["layer"] for line in details.get("table", [])] or details.get("patch", {}).get("layers", [])
    layer = details.get("layer") or details.get("patch", {}).get("layer")
    heads = [spoken(name, request) for name in ("layer", "shape", "minimum", "maximum", "mean")]
    lines = [
        [r["layer"], " × ".join(map(str, r["shape"])), *(f"{r[k]:.4g}" for k in ("minimum", "maximum", "mean"))]
        for r in details.get("table", [])
    ]
    filled = gr.update(value={"headers": heads, "data": lines}, visible=True)
    return [
        gr.update(value=path, label=t("Result")),
        numbers(view, details, request) if details else "",
        cost_status(result, request),
        filled if lines else gr.update(visible=False),
        gr.update(choices=[(t("usual"), ""), *((name, name) for name in known)], value=layer) if known else gr.skip(),
        gr.update(value=path, interactive=True),
        told.model_dump(mode="json"),
        *buttons(running=False),
    ]


def buttons(running: bool) -> list[Any]:
    """Run and Stop."""
    return [gr.update(interactive=not running), gr.update(interactive=running)]


def short(status: str, running: bool, picture: Any = None) -> list[Any]:
    """A row that changes the status, the buttons and perhaps the picture."""
    shown = gr.update(value=picture, label=t("Working")) if picture else gr.skip()
    return [shown, gr.skip(), status, *[gr.skip()] * 4, *buttons(running)]


def wire(desk: Desk, pipeline: Pipeline[Any], shelf: Shelf, cache: ModelCache, stops: Stops) -> None:
    """Run and what is not on the shelf go through the page's queue; everything else is drawn at once."""
    names, inputs = list(desk.inputs), list(desk.inputs.values())

    def stream(request: gr.Request, *given: Any) -> Iterator[list[Any]]:
        values = values_of(names, given)
        yield short(spoken("starting", request), running=True)
        try:
            for view in follow(pipeline, values, cache, stops, visitor_of(request)):
                if view.result is not None:
                    yield row(view.result, request)
                else:
                    yield short(running_status(view, request), True, view.preview)
        except Exception as error:  # the page's last line: every error becomes a sentence, bugs keep theirs in the log
            yield short(failed_status(explain(error)), running=False)

    def look(request: gr.Request, missing: float, *given: Any) -> list[Any]:
        values = values_of(names, given)
        try:
            params = parse(pipeline.params, values)
            if params.view == "invert":
                return [*short("", running=False), missing]
            if not ready(params, shelf):
                return [*short(spoken("starting", request), running=False), missing + 1]
            *_, result = run(pipeline, params, cache, sha256=registry.sha256)
            return [*row(cast(Result, result), request), missing]
        except KNOWN as error:
            return [*short(failed_status(str(error)), running=False), missing]

    def ask(request: gr.Request) -> None:
        stops.ask(visitor_of(request))

    looks: dict[str, Any] = {"fn": look, "inputs": [desk.missing, *inputs], "outputs": [*desk.outputs, desk.missing]}
    desk.run.click(stream, inputs, desk.outputs, show_progress="hidden", **GPU, **PRIVATE)
    desk.missing.change(stream, inputs, desk.outputs, show_progress="hidden", **GPU, **PRIVATE)
    desk.stop.click(ask, None, None, **QUICK)
    for name in ("layer", "scale", "channel", "label"):
        event = desk.inputs[name].submit if name == "channel" else desk.inputs[name].input
        event(**looks, **QUICK)
    for name in ("content", "other"):
        desk.inputs[name].change(**looks, **QUICK)
    usual = gr.update(choices=[(t("usual"), "")], value="")
    desk.inputs["model"].input(lambda: usual, None, desk.inputs["layer"], **QUICK).then(**looks, **QUICK)
    wire_views(desk, looks)


def wire_views(desk: Desk, looks: dict[str, Any]) -> None:
    """Changing the view shows its settings; clicks on a map and on a row of the table go to what they are about."""
    optional = [name for name in desk.inputs if any(name in shown for shown in SHOWN.values())]
    shown = [desk.about, desk.hand, *(desk.inputs[name] for name in optional)]

    def turn(request: gr.Request, view: str) -> list[Any]:
        visible = [gr.update(visible=name in SHOWN[view]) for name in optional]
        return [spoken(ABOUT[view], request), gr.update(visible=view == "layers"), *visible]

    desk.inputs["view"].change(turn, desk.inputs["view"], shown, **QUICK)
    desk.inputs["view"].change(**looks, **QUICK)

    def choose(event: gr.SelectData, view: str, record: dict[str, Any] | None) -> list[Any]:
        details = (record or {}).get("details", {})
        i = which_map(event.index, details) if view == "layers" and "sheet" in details else -1
        return ["attention", str(details["maps"][i]["channel"])] if i >= 0 else [gr.skip(), gr.skip()]

    def pick(event: gr.SelectData) -> str:
        return str(event.row_value[0])

    target = [desk.inputs["view"], desk.inputs["channel"]]
    desk.picture.select(choose, [desk.inputs["view"], desk.record], target, **QUICK)
    desk.table.select(pick, None, desk.inputs["layer"], **QUICK).then(**looks, **QUICK)


def which_map(point: Sequence[int], details: dict[str, Any]) -> int:
    """Place of the feature map at (x, y) of the sheet of `layers` in its list of maps; -1: none is there."""
    count = len(details["maps"])
    columns, rows = min(COLUMNS, count), -(-count // COLUMNS)
    across, down = ((side - MAP_GAP) / n for side, n in zip(details["sheet"], (columns, rows), strict=True))
    column, line = int((point[0] - MAP_GAP) / across), int((point[1] - MAP_GAP) / down)
    i = line * COLUMNS + column
    return i if 0 <= column < columns and 0 <= i < count else -1


def link(desk: Desk, optimise: Frame) -> None:
    """Use in Optimise: the layer that is looked at becomes a content or style layer there, in the same network."""
    there = dict(zip((s.name for s in optimise.form.settings), optimise.form.inputs, strict=True))
    offered = {value for _, value in there["model"].choices}
    targets = [there["content_layers"], there["style_layers"], there["model"]]

    def hand(request: gr.Request, kind: str, layer: str, model: str, content: str, style: str, now: str) -> list[Any]:
        if model not in offered:
            return [
                failed_status(spoken("Optimise has no such network: choose another one here first.", request)),
                *KEEP,
            ]
        if not layer:
            return [failed_status(spoken("Look at a layer first.", request)), *KEEP]
        if model != now:  # the layers that were named there are another network's
            content, style = "", ""
        if kind == "content":
            said = spoken("{} is now the content layer in Optimise.", request).format(layer)
            return [said, layer, style, model]
        names = [name.strip() for name in style.split(",") if name.strip()]
        names = [n for n in names if n != layer] if layer in names else [*names, layer]
        said = spoken("The style layers in Optimise are now: {}.", request).format(", ".join(names) or "–")
        return [said, content, ", ".join(names), model]

    for kind, button in (("content", desk.as_content), ("style", desk.as_style)):

        def press(request: gr.Request, *given: str, kind: str = kind) -> list[Any]:
            return hand(request, kind, *given)

        given = [desk.inputs["layer"], desk.inputs["model"], *targets]
        button.click(press, given, [desk.status, *targets], **QUICK)
