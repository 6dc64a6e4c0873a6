"""The Train tab: experiments to begin with, the network to download, and its way into the tab of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gradio as gr

from models.own import KINDS
from pipelines.base import Pipeline
from pipelines.train import NETWORKS, Work
from pipelines.train.data import GREY
from pipelines.train.params import TrainParams
from ui.kit import tab
from ui.kit.form.controls import shown
from ui.kit.i18n import t
from ui.kit.run import Server
from ui.kit.session import PRIVATE, QUICK, file_in_cache, picture_file
from ui.kit.show import Memory
from ui.kit.tab import Form, Frame, Stage
from ui.words import EXPERIMENTS

EXAMPLE = "Example: a GAN with the default settings, 1,900 steps: three minutes of two idle cores"


@dataclass(frozen=True)
class TrainFrame(Frame):
    """The frame of every method, with what becomes of the network."""

    use: gr.Button


def build(pipeline: Pipeline[Any], server: Server) -> TrainFrame:
    """The frame of every method, with experiments on the left and the network's file on the right."""
    found: list[Any] = []

    def right(stage: Stage) -> None:
        moment = gr.Slider(
            0, 1, 1, step=1, label=t("Moment"), info=t("Drag through the run"), buttons=[], visible=False
        )
        moment.input(frame_at, [stage.memory, moment], [stage.live], trigger_mode="always_last", **QUICK)
        found.append(moment)
        with gr.Row(elem_classes="made"):
            plain: dict[str, Any] = {"interactive": False, "min_width": 180, "size": "md"}
            found.append(gr.DownloadButton(cast(str, t("Download the network")), **plain))
            found.append(gr.Button(t("Use it in its tab"), **plain))

    frame = tab.build(pipeline, server, left=experiments, right=right)
    if frame.stage.live.value:
        frame.stage.live.label = t(EXAMPLE)
    frame.stage.folds[0].open = True  # the losses are half of what there is to see

    def done(memory: Memory | None) -> list[Any]:
        if memory is None or memory.result is None or not isinstance(memory.params, TrainParams):
            return [gr.skip(), gr.skip(), gr.skip()]
        path, last = network_file(memory, memory.params.model), len(memory.frames)
        usable = NETWORKS[memory.params.model] in FORMS
        strip = gr.update(visible=last > 1, maximum=last, value=last)
        return [strip, gr.update(value=path, interactive=True), gr.update(interactive=usable)]

    frame.follow.after(done, [frame.stage.memory], found)
    return TrainFrame(**vars(frame), use=found[2])


def network_file(memory: Memory, model: str) -> str:
    """The network of the run in memory as a file, called by what it is and how long it learned:
    `gan-3-min.safetensors`."""
    result = memory.result
    assert result is not None
    seconds = memory.state.seconds if isinstance(memory.state, Work) else result.record.seconds.run
    time = f"{seconds:.0f}-s" if seconds < 60 else f"{seconds / 60:.0f}-min"
    return file_in_cache(result.file, ".safetensors", f"{model}-{time}")


def frame_at(memory: Memory | None, place: float) -> Any:
    """The picture as it was at a moment of the run; at the last one the result."""
    if memory is None or memory.result is None:
        return gr.skip()
    paths = memory.frames[max(0, int(place)) :][:1]
    return paths[0] if paths and Path(paths[0]).exists() else picture_file(memory.result.picture)


FORMS = tuple(KINDS)  # tabs that take a network of one's own


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
    known = {name: next(s.choices for s in frames[name].form.settings if s.name == "dataset") for name in forms}

    def use(memory: Memory | None) -> list[Any]:
        params = memory.params if memory and memory.result else None
        if memory is None or not isinstance(params, TrainParams) or NETWORKS[params.model] not in forms:
            return [gr.skip()] * (1 + len(targets))
        kind = NETWORKS[params.model]
        colour = params.model not in GREY if params.pictures else params.data == "cifar10"
        data = "cifar10" if colour and "cifar10" in known[kind] else "mnist"
        values = [network_file(memory, params.model), data]
        filled = [value if name == kind else gr.skip() for name in forms for value in values]
        return [gr.Tabs(selected=kind), *filled]

    frame.use.click(use, [frame.stage.memory], [tabs, *targets], show_progress="hidden", **PRIVATE)
