"""The Explore tab: one picture, six ways to look at it. What its buttons do is in ui/explore_events.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import gradio as gr

from models.cache import ModelCache
from models.classifier import CIFAR10
from pipelines.base import Pipeline
from pipelines.explore import looking
from pipelines.explore_encode import Shelf
from pipelines.params import settings
from ui import api, controls, explore_events, tab
from ui.examples import CONTENT, RESULTS, STYLE
from ui.i18n import t
from ui.session import Stops
from ui.words import HOW_TO

ADVANCED = ("resolution", "count", "tv_weight", "seed")
FIRST = "cat"  # example: a class that the small classifier knows


@dataclass(frozen=True)
class Desk:
    """The tab's components."""

    inputs: dict[str, Any]  # by the setting's name
    about: gr.Markdown
    picture: gr.Image
    numbers: gr.HTML
    status: gr.HTML
    table: gr.Dataframe
    hand: gr.Row
    as_content: gr.Button
    as_style: gr.Button
    download: gr.DownloadButton
    record: gr.JSON
    run: gr.Button
    stop: gr.Button
    missing: gr.Number  # counts the looks that found nothing on the shelf; a State's change is not told without a queue

    @property
    def outputs(self) -> list[Any]:
        """What a look updates, in the order of `row`."""
        shown = [self.picture, self.numbers, self.status, self.table, self.inputs["layer"]]
        return [*shown, self.download, self.record, self.run, self.stop]


def build(pipeline: Pipeline[Any], cache: ModelCache, stops: Stops, tabs: gr.Tabs) -> Desk:  # noqa: ARG001
    """Lay out the tab and wire its events and its endpoint."""
    shelf = Shelf()
    stored = replace(pipeline, generate=looking(shelf))
    desk = lay_out(pipeline)
    explore_events.wire(desk, stored, shelf, cache, stops)
    api.build(stored, cache, stops, settings(pipeline.params))
    return desk


def lay_out(pipeline: Pipeline[Any]) -> Desk:
    """Pictures and network on the left; on the right the views, their settings, what they show."""
    found = {s.name: s for s in settings(pipeline.params)}
    inputs: dict[str, Any] = {}
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=4, min_width=320):
            with gr.Row():
                for name, files in (("content", CONTENT), ("other", STYLE)):
                    with gr.Column(min_width=220):
                        first = next((str(f) for f in files if name == "content" and f.stem == FIRST), None)
                        inputs[name] = controls.page_component(found[name], first)
                        tab.strip(inputs[name], found[name], [str(file) for file in files])
            with gr.Row(elem_classes="main-settings"):
                inputs["model"] = controls.page_component(found["model"])
            with gr.Accordion(t("Advanced"), open=False):
                inputs |= {name: controls.page_component(found[name]) for name in ADVANCED}
            with gr.Row(elem_classes="actions"):
                run_button = gr.Button(t("Run"), variant="primary", size="lg", elem_classes="run", scale=3)
                stop = gr.Button(t("Stop"), size="lg", scale=1, interactive=False)
        with gr.Column(scale=8, min_width=320):
            asked = found["view"]
            views = [(t(view), view) for view in asked.choices]
            inputs["view"] = gr.Radio(
                views, value="classify", label=t("View"), info=t(asked.description), elem_classes="segments"
            )
            about = gr.Markdown(t(explore_events.ABOUT["classify"]), container=False)
            with gr.Row():
                inputs |= view_settings(found)
            desk = stage(inputs, about, run_button, stop)
    with gr.Accordion(t("How it works"), open=False):
        for part in HOW_TO[pipeline.name]:
            gr.Markdown(part if isinstance(part, str) else t(part[0]), latex_delimiters=tab.LATEX, container=False)
    return desk


def view_settings(found: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that only some views have; the first view shows none."""
    classes: list[Any] = [(t("most probable"), -1), *((t(name), i) for i, name in enumerate(CIFAR10))]
    said: dict[str, Any] = {
        name: {"label": t(found[name].label), "info": t(found[name].description), "min_width": 160}
        for name in ("layer", "channel", "label", "steps")
    }
    made = {
        "layer": gr.Dropdown([(t("usual"), "")], value="", **said["layer"]),
        "scale": controls.page_component(found["scale"]),
        "channel": gr.Textbox("", placeholder=t("most active"), max_lines=1, **said["channel"]),
        "label": gr.Dropdown(classes, value=-1, **said["label"]),
        "steps": gr.Slider(10, 300, 60, step=10, buttons=[], **said["steps"]),
    }
    for component in made.values():
        component.visible = False
    return made


def stage(inputs: dict[str, Any], about: gr.Markdown, run_button: gr.Button, stop: gr.Button) -> Desk:
    """What a look shows, and what can be done with it."""
    example = RESULTS / "explore.png"
    picture = gr.Image(
        str(example) if example.exists() else None,
        label=t("Example result") if example.exists() else t("Result"),
        format="png",
        type="filepath",
        interactive=False,
        elem_classes="picture",
        buttons=["fullscreen"],
    )
    status = gr.HTML("", elem_classes="status", padding=False)
    figures = gr.HTML("", padding=False)
    with gr.Row(visible=False) as hand:
        as_content = gr.Button(t("Use as content layer in Optimise"))
        as_style = gr.Button(t("Use as style layer in Optimise"))
    rows = gr.Dataframe(label=t("Every layer, with its numbers"), interactive=False, visible=False, buttons=[])
    with gr.Row():
        download = gr.DownloadButton(cast(str, t("Download PNG")), interactive=False, min_width=120)
    with gr.Accordion(t("Record (JSON)"), open=False):
        record = gr.JSON(show_label=False)
    return Desk(
        inputs=inputs,
        about=about,
        picture=picture,
        numbers=figures,
        status=status,
        table=rows,
        hand=hand,
        as_content=as_content,
        as_style=as_style,
        download=download,
        record=record,
        run=run_button,
        stop=stop,
        missing=gr.Number(0, visible="hidden", show_label=False),
    )
