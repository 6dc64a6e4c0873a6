"""The Imagine tab: the prompt first, models to choose from with what each needs, and fetching them."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import gradio as gr

from models import weights
from models.hub import offers, open_folders
from pipelines.base import Pipeline
from ui.kit import hub, tab
from ui.kit.i18n import spoken, t
from ui.kit.run import Server
from ui.kit.session import QUICK
from ui.kit.tab import Form, Frame, Stage
from ui.tabs.imagine import fetch as imagine_fetch

PROMPTS = {  # short name -> what is written into the prompt; the models read English
    "Lighthouse": "a lighthouse on a cliff at dusk, watercolour, soft light",
    "Paper city": "a city made of folded paper, seen from above, studio light",
    "Still life": "a still life with pears and a blue jug, oil on canvas, thick strokes",
    "Night train": "a night train crossing a snowy valley, linocut, two colours",
}


def build(pipeline: Pipeline[Any], server: Server) -> Frame:
    """The frame of every method, with the prompt and the models first."""
    follow: list[Any] = []
    frame = tab.build(pipeline, server, left=lambda form: follow.append(left(form)), right=right)
    follow[0](frame.stage.wanted.change)  # a failed run's button may have fetched what it says is missing
    return frame


def left(form: Form) -> Callable[[Any], Any]:
    """The prompt with some to start from, the models' panel, and the LoRA upload beside its setting.

    Returns what has the panel follow one more event.
    """
    inputs = {s.name: c for s, c in zip(form.settings, form.inputs, strict=True)}
    for name, lines in (("prompt", 2), ("model", 1)):
        inputs[name].lines, inputs[name].max_lines = lines, 4 if lines > 1 else 1
        inputs[name].unrender()  # it comes back below, out of the rows of numbers
    with gr.Column(elem_classes="ask"):
        inputs["prompt"].render()
        with gr.Row(elem_classes="prompts"):
            for name, prompt in PROMPTS.items():
                button = gr.Button(t(name), size="sm", min_width=70)
                button.click(lambda prompt=prompt: prompt, None, [inputs["prompt"]], **QUICK)
    with gr.Column(elem_classes="offer"):
        choices = [(offer.title, offer.repo) for offer in offers.OFFERS]
        chosen = gr.Radio(choices, value=offers.DEFAULT, label=t("Models to choose from"), elem_classes="segments")
        inputs["model"].render()
        told = gr.HTML(elem_classes="status", padding=False)
        fetch = gr.Button(t("Fetch"), size="sm", visible=False)
        progress = gr.HTML("", elem_classes="status", padding=False)
    with cast(Any, inputs["lora"]).parent.parent:  # the accordion around the form
        upload = gr.UploadButton(
            cast(str, t("Upload a LoRA (.safetensors, up to 1 GB)")), file_types=[".safetensors"], size="sm"
        )
    upload.upload(lambda path: "/".join(Path(path).parts[-2:]), [upload], [inputs["lora"]], **QUICK)
    return imagine_fetch.wire(form, chosen, told, fetch, progress)


def right(stage: Stage) -> None:
    """Until the first run, in the picture's place: what is missing for one, and what to do. style.css swaps the two."""
    welcome = gr.HTML("", elem_classes="welcome", padding=False, visible=stage.live.value is None)
    blocks = gr.context.Context.root_block
    if blocks is not None:
        blocks.load(first_look, None, [welcome], **QUICK)


def first_look(request: gr.Request) -> str:
    """Three things to do before there is a picture, as HTML: a model, a prompt, Run."""
    steps = [
        have_model(request),
        spoken("Say what to see. A content picture is restyled, a style picture lends its look.", request),
        spoken("Press Run: each step is shown, and the picture keeps the settings that made it.", request),
    ]
    items = "".join(f"<li>{html.escape(step)}</li>" for step in steps)
    return f"<h3>{spoken('Your picture will be here', request)}</h3><ol>{items}</ol>"


def have_model(request: gr.Request) -> str:
    """Which of the models can be run at once; where none can, what to do."""
    ready = [offer.title for offer in offers.OFFERS if hub.here(offer.repo)]
    if ready:
        return f"{spoken('Choose a model. On this machine', request)}: {', '.join(ready)}"
    size = f"{offers.KNOWN[offers.DEFAULT].download_bytes / 1e9:.1f}"
    if weights.offline() and not open_folders():
        return spoken("No model is on this machine, and the network is switched off.", request)
    if weights.offline():
        return spoken(
            "No model is on this machine, and the network is switched off: name a folder that holds one.", request
        )
    if not open_folders():
        return spoken("No model is on this machine yet: fetch the one that is chosen, {} GB.", request).format(size)
    return spoken(
        "No model is on this machine yet: fetch the one that is chosen, {} GB, or name a folder.", request
    ).format(size)
