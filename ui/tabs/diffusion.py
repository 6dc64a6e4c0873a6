"""Diffusion's tab: only the settings that the chosen view uses, and a slider through the moments of the run."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import gradio as gr

from models import hub, weights
from models.hub.needs import of_model
from models.weights import WeightsMissing
from pipelines.base import Pipeline
from pipelines.diffusion.draw import Trail, strip_of
from pipelines.diffusion.params import suited
from ui.kit import fetching, tab
from ui.kit.form.classes import follow
from ui.kit.i18n import in_words, spoken, t
from ui.kit.run import Server
from ui.kit.session import KNOWN, PRIVATE, QUICK, picture_file
from ui.kit.show import Memory, failed_status
from ui.kit.tab import Form, Frame, Stage

USED: dict[str, frozenset[str]] = {  # by view, of the settings that are not always there
    "pictures": frozenset({"count", "scheduler", "steps", "guidance"}),
    "strip": frozenset({"count", "scheduler", "steps", "guidance"}),
    "schedulers": frozenset({"count", "steps", "guidance"}),
    "quality": frozenset({"scheduler", "steps", "guidance", "measured"}),
    "forward": frozenset({"picture", "count", "guidance"}),
    "invert": frozenset({"picture", "steps"}),
    "interpolate": frozenset({"picture", "second", "count", "steps", "guidance"}),
}
CHANGING = ("picture", "second", "count", "scheduler", "steps", "guidance", "measured", "eta")
OFFERED = {"google/ddpm-cifar10-32": 143, "google/ddpm-celebahq-256": 455}  # id -> MB of its safetensors
FIRST = 0.6  # share of the way at which the slider stands after a run: where shapes appear


def build(pipeline: Pipeline[Any], server: Server) -> Frame:
    """The frame of every method, with the moments under the picture and the hub's models under the settings."""
    frame = tab.build(pipeline, server, left=left, right=timeline)
    frame.stage.as_content.visible = False  # there is no content here
    return frame


def left(form: Form) -> None:
    """Hide what the view does not use, and offer the hub's models."""
    inputs = {s.name: c for s, c in zip(form.settings, form.inputs, strict=True)}
    # A picture's column holds its example strip too: photographs, which are no digits.
    places = {name: inputs[name].parent if name in {"picture", "second"} else inputs[name] for name in CHANGING}
    for name in ("picture", "second"):
        places[name].children[-1].visible = False
    for name, shown in visible("pictures", "ddpm").items():
        places[name].visible = shown
    row = places["picture"].parent
    row.visible = False
    follow(inputs)
    inputs["dataset"].input(suited, [inputs["dataset"], inputs["model"]], [inputs["scheduler"]], **QUICK)
    strips = [places[name].children[-1] for name in ("picture", "second")]
    inputs["dataset"].change(
        lambda name: [gr.update(visible=name != "mnist")] * len(strips), [inputs["dataset"]], strips, **QUICK
    )

    def change(view: str, scheduler: str) -> list[Any]:
        shown = visible(view, scheduler)
        return [gr.update(visible=on) for on in (*shown.values(), shown["picture"])]

    outputs = [*(places[name] for name in CHANGING), row]
    for name in ("view", "scheduler"):
        inputs[name].change(change, [inputs["view"], inputs["scheduler"]], outputs, **QUICK)
    offers(inputs["model"])


def visible(view: str, scheduler: str) -> dict[str, bool]:
    """Which of the changing settings are shown."""
    used = USED.get(view, frozenset())
    eta = (scheduler == "ddim" and "scheduler" in used) or view == "schedulers"
    return {name: eta if name == "eta" else name in used for name in CHANGING}


def offers(model: gr.Textbox) -> None:
    """The hub's models: a click names one, another fetches it. Nothing is downloaded unasked."""
    with gr.Accordion(t("Models of the hub"), open=False):
        gr.Markdown(t("Trained by others, on photographs, without classes. Slow on a processor."), container=False)
        with gr.Row():
            for repo, megabytes in OFFERED.items():
                named = gr.Button(f"{repo} · {megabytes} MB", size="sm", min_width=200)
                named.click(lambda repo=repo: repo, None, [model], **QUICK)
            own = gr.Button(t("The bundled one"), size="sm", min_width=140)
            own.click(lambda: "", None, [model], **QUICK)
        bring = gr.Button(t("Fetch the model that is named above"), size="sm", interactive=not weights.offline())
        status = gr.HTML("", elem_classes="status", padding=False)
        bring.click(fetch, [model], [status], show_progress="hidden", concurrency_id="fetch", **PRIVATE)


def fetch(repo: str, request: gr.Request) -> Iterator[str]:
    """Download a model of the hub, telling how far it is."""
    repo = repo.strip()
    if not repo:
        yield failed_status(spoken("Name a model first.", request))
        return
    try:
        hub.folder(repo)
        yield f"{html.escape(repo)} ✓"
        return
    except WeightsMissing:
        pass
    except KNOWN as error:
        yield failed_status(in_words(str(error), request))
        return
    yield spoken("Asking the hub", request)
    yield from fetching.fetch([of_model(repo)], request)


def timeline(stage: Stage) -> None:
    """The way of the first picture as a strip, and a slider through the moments of all; hidden until there are some."""
    still: dict[str, Any] = {"type": "filepath", "format": "png", "interactive": False, "show_label": False}
    with gr.Column(visible=False, elem_classes="closer") as group:
        gr.HTML(t("From noise to picture: the noisy picture, and what the network expects."), padding=False)
        way = gr.Image(label=t("From noise to picture"), buttons=["download"], elem_classes="picture", **still)
        moment = gr.Slider(0, 1, 0, step=1, label=t("Moment"), info=t("Drag through the run"), buttons=[])
        pair = gr.Image(
            label=t("Left: the noisy pictures. Right: what the network expects."),
            buttons=["download", "fullscreen"],
            elem_classes="picture",
            **still,
        )
    outputs = [group, way, moment, pair]

    def look(memory: Memory | None) -> list[Any]:
        trail = memory.state if memory else None
        if not isinstance(trail, Trail) or len(trail.times) < 2:
            return [gr.update(visible=False), *(gr.skip() for _ in outputs[1:])]
        last = len(trail.times) - 1
        start = round(FIRST * last)
        strip = picture_file(strip_of(trail))
        return [gr.update(visible=True), strip, gr.update(maximum=last, value=start), picture_file(trail.pair(start))]

    def go(memory: Memory | None, place: float) -> Any:
        trail = memory.state if memory else None
        if not isinstance(trail, Trail):
            return gr.skip()
        return picture_file(trail.pair(min(max(int(place), 0), len(trail.times) - 1)))

    stage.record.change(look, [stage.memory], outputs, **QUICK)
    moment.input(go, [stage.memory, moment], [pair], trigger_mode="always_last", **QUICK)
