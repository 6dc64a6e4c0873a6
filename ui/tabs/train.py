"""The Train tab: experiments to begin with, the network to download, and its way into the tab of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from pipelines.base import Pipeline
from pipelines.train import NETWORKS
from pipelines.train.params import TrainParams
from ui.kit import tab
from ui.kit.form.controls import shown
from ui.kit.i18n import t
from ui.kit.run import Server
from ui.kit.session import PRIVATE, QUICK, file_in_cache
from ui.kit.show import Memory
from ui.kit.tab import Form, Frame, Stage
from ui.words import EXPERIMENTS

WIDE = {"cifar10"}  # data that a network of photographs is used with


@dataclass(frozen=True)
class TrainFrame(Frame):
    """The frame of every method, with what becomes of the network."""

    use: gr.Button


def build(pipeline: Pipeline[Any], server: Server) -> TrainFrame:
    """The frame of every method, with experiments on the left and the network's file on the right."""
    found: list[Any] = []

    def right(stage: Stage) -> None:
        del stage
        with gr.Row():
            plain: dict[str, Any] = {"interactive": False, "min_width": 120, "size": "md"}
            found.append(gr.DownloadButton(cast(str, t("Download the network")), **plain))
            found.append(gr.Button(t("Use it in the tab of its kind"), **plain))

    frame = tab.build(pipeline, server, left=experiments, right=right)

    def done(memory: Memory | None) -> list[Any]:
        result = memory.result if memory else None
        if memory is None or result is None or not isinstance(memory.params, TrainParams):
            return [gr.skip(), gr.skip()]
        path = file_in_cache(result.file, pipeline.file)
        usable = NETWORKS[memory.params.model] in FORMS
        return [gr.update(value=path, interactive=True), gr.update(interactive=usable)]

    frame.follow.after(done, [frame.stage.memory], found)
    return TrainFrame(**vars(frame), use=found[1])


FORMS = ("gan", "vae", "pixelcnn", "diffusion")  # tabs that take a network of one's own


def experiments(form: Form) -> None:
    """What to see: for each model three experiments, each a button that fills the form."""
    inputs = {s.name: c for s, c in zip(form.settings, form.inputs, strict=True)}
    with gr.Accordion(t("What to see"), open=False):
        groups = {}
        for model, offers in EXPERIMENTS.items():
            with gr.Column(visible=model == inputs["model"].value) as groups[model]:
                for text, changes in offers:
                    told = [shown(s, changes.get(s.name, s.default)) for s in form.settings]
                    told[0] = model
                    button = gr.Button(t(text), size="sm", elem_classes="experiment")
                    button.click(lambda told=told: told, None, form.inputs, **QUICK)

    def chosen(model: str) -> list[Any]:
        return [gr.update(visible=name == model) for name in groups]

    inputs["model"].change(chosen, [inputs["model"]], list(groups.values()), **QUICK)


def link(frame: TrainFrame, frames: Mapping[str, Any], tabs: gr.Tabs) -> None:
    """Wire the button that puts the network into the form of its kind."""
    forms = {
        name: {s.name: c for s, c in zip(frames[name].form.settings, frames[name].form.inputs, strict=True)}
        for name in FORMS
        if name in frames
    }
    targets = [forms[name][field] for name in forms for field in ("weights", "dataset")]

    def use(memory: Memory | None) -> list[Any]:
        result, params = (memory.result, memory.params) if memory else (None, None)
        if result is None or not isinstance(params, TrainParams) or NETWORKS[params.model] not in forms:
            return [gr.skip()] * (1 + len(targets))
        kind = NETWORKS[params.model]
        values = [file_in_cache(result.file, ".safetensors"), "cifar10" if params.data in WIDE else "mnist"]
        filled = [value if name == kind else gr.skip() for name in forms for value in values]
        return [gr.Tabs(selected=kind), *filled]

    frame.use.click(use, [frame.stage.memory], [tabs, *targets], show_progress="hidden", **PRIVATE)
