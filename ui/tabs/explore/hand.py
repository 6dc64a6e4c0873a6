"""What Explore takes from elsewhere and hands on: clicks on its pictures, layers for Optimise, a pair, settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from pipelines import record
from pipelines.explore import PIPELINE
from pipelines.explore.draw import Grid
from pipelines.explore.params import ExploreParams
from pipelines.params import settings
from ui.kit.form import replay
from ui.kit.form.examples import RESULTS
from ui.kit.i18n import spoken, t
from ui.kit.session import PRIVATE, QUICK, file_in_cache, picture_file
from ui.kit.show import Memory, failed_status
from ui.tabs.explore.rows import classes, handing, layer_choices

if TYPE_CHECKING:
    from ui.kit.tab import Frame
    from ui.tabs.explore import Desk

EXAMPLE = RESULTS / "gatys.png"  # a result of Optimise, with its record


def wire(desk: Desk, again: Callable[[Any], None]) -> None:
    """Clicks on a picture and on a row of the table go to what they are about."""
    view, layer = desk.inputs["view"], desk.inputs["layer"]
    hand = [desk.hand, desk.as_content, desk.as_style]

    def choose(request: gr.Request, event: gr.SelectData, view: str, told: dict[str, Any] | None) -> list[Any]:
        details = (told or {}).get("details", {})
        i = which(event.index, details)
        if i is None:
            return [gr.skip()] * 6
        if view == "layers":
            return ["attention", str(details["maps"][i]["channel"]), gr.skip(), *[gr.skip()] * 3]
        name = details["layers"][i]["layer"]
        return [gr.skip(), gr.skip(), name, *handing(name, request)]

    def pick(event: gr.SelectData) -> str:
        return str(event.row_value[0])

    target = [view, desk.inputs["channel"], layer, *hand]
    desk.picture.select(choose, [view, desk.record], target, **QUICK)
    again(desk.table.select(pick, None, layer, **QUICK).then)
    wire_restore(desk)


def which(point: Sequence[int], details: dict[str, Any]) -> int | None:
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
    keep = [gr.skip()] * len(targets)

    def hand(request: gr.Request, kind: str, layer: str, model: str, content: str, style: str, now: str) -> list[Any]:
        if model not in offered:
            sentence = spoken("Optimise has no such network: choose another one here first.", request)
            return [failed_status(sentence), *keep]
        if not layer:
            return [failed_status(spoken("Look at a layer first.", request)), *keep]
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
    pictures = [desk.inputs["content"], desk.inputs["other"]]
    desk.pair.click(pair, [desk.inputs["view"], optimise.stage.memory], pictures, show_progress="hidden", **PRIVATE)


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
    return [str(style if view == "gram" else content), after]


def example() -> tuple[str, str, str]:
    """Content, style and result of Optimise's example."""
    found = record.read(EXAMPLE)
    known = replay.known_pictures()
    assert found is not None
    return known[found.params["content"]["sha256"]], known[found.params["styles"][0]["sha256"]], str(EXAMPLE)


def wire_restore(desk: Desk) -> None:
    """A picture made here gives its settings back; what it had no use for stays as it is."""
    names = list(desk.inputs)

    def restore(path: str | None, request: gr.Request, *given: Any) -> list[Any]:
        if path is None:
            return [gr.skip()] * len(names)
        otherwise = f"{Path(path).name} holds no record of Explore: drop a PNG that was downloaded here."
        told = replay.recorded(path, {"explore": PIPELINE}, otherwise, request)
        known = replay.known_pictures(*given)
        replay.say(replay.absences(told, PIPELINE, known), request)
        values = given_back(told.params, known)
        return [values.get(name, gr.skip()) for name in names]

    places = [desk.inputs[name] for name in ("content", "other")]
    inputs = list(desk.inputs.values())
    desk.restore.upload(restore, [desk.restore, *places], inputs, show_progress="hidden", **PRIVATE)


def given_back(params: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """Recorded settings as the tab's components hold them."""
    values = {s.name: replay.restored(s, params.get(s.name, s.default), known) for s in settings(ExploreParams)}
    model, named = params["model"], [name for name in params["layer"].split(",") if name]
    several = params["view"] in {"gram", "invert"}
    label = -1 if params["label"] is None else params["label"]
    attention = params["view"] == "attention"  # the other views know no classes
    known_classes = classes(model, params.get("classes", "cifar10")) if attention else [(t("most probable"), -1)]
    return values | {
        "classes": values["classes"] if attention else gr.skip(),
        "layer": gr.update(choices=layer_choices(model), value=named[0] if len(named) == 1 else ""),
        "several": gr.update(choices=layer_choices(model)[1:], value=named if several else []),
        "channel": "" if params["channel"] is None else str(params["channel"]),
        "label": gr.update(choices=known_classes, value=label),
    }
