"""The VAE's tab: a board to draw on, and the map of its two-number codes under the cursor."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from pipelines.base import Pipeline
from ui.kit import tab
from ui.kit.form import draw
from ui.kit.form.examples import DIGITS
from ui.kit.i18n import spoken
from ui.kit.run import Server
from ui.kit.session import QUICK
from ui.kit.show import Memory
from ui.kit.tab import Form, Frame, Stage
from ui.tabs.vae.latents import LAND, atlas, landed


def build(pipeline: Pipeline[Any], server: Server) -> Frame:
    """The frame of every method, with a board on the left, whose strokes are run, and the map over the picture."""
    strokes: list[Any] = []

    def left(form: Form) -> None:
        inputs = {s.name: c for s, c in zip(form.settings, form.inputs, strict=True)}
        fit: list[Any] = [fitting, [inputs["digit"], inputs["view"]], [inputs["view"]]]
        strokes.append(draw.board(inputs["digit"]).then(*fit, **QUICK))
        inputs["digit"].change(*fit, **QUICK)
        draw.lend(inputs["view"], inputs["digit"], ("digit", "walk"))
        inputs["dataset"].visible = False  # there is one
        inputs["view"].change(suited, [inputs["view"], inputs["model"]], [inputs["model"]], **QUICK)

    told: list[gr.HTML] = []

    def right(stage: Stage) -> None:
        stage.as_content.visible = stage.live.visible = False  # the map is there at first
        told.append(gr.HTML("", padding=False, visible=False))
        atlas(server.cache)

    frame = tab.build(pipeline, server, left=left, right=right, offered=DIGITS)
    frame.follow.live(strokes[0], always=True)
    inputs = {s.name: c for s, c in zip(frame.form.settings, frame.form.inputs, strict=True)}
    landing = gr.Textbox(visible="hidden")

    def place(path: str) -> Any:
        with server.turns.take() as ticket:
            ticket.wait()
            return landed(server.cache, path)

    def done(memory: Memory | None, path: str | None, request: gr.Request) -> list[Any]:
        told = costs(memory, request)
        return [gr.update(value=told, visible=bool(told)), json.dumps(place(path)) if path else ""]

    for event in frame.follow.after(done, [frame.stage.memory, inputs["digit"]], [*told, landing]):
        event.then(None, [landing], None, js=LAND, **QUICK)
    return frame


def suited(view: str, model: str) -> str:
    """The code that the view can use: there is a map of one alone."""
    return "map" if view == "manifold" else model


def costs(memory: Memory | None, request: gr.Request | None) -> str:
    """What a digit costs, as text and a bar for each dimension of its code; "" for other views."""
    found = memory.result if memory else None
    bars = found.record.details.get("kl_by_dimension") if found else None
    if found is None or bars is None:
        return ""
    numbers = found.record.metrics
    parts = (f"{numbers[name]:.1f}" for name in ("reconstruction", "kl", "nats"))
    choice = found.record.details["kl_of_component"]
    lines = [spoken("reconstruction {} + KL {} = {} nats", request).format(*parts)]
    if choice:
        lines.append(spoken("which Gaussian of the prior: {} nats", request).format(f"{choice:.1f}"))
    most, wide = max(*bars, 0.1), 100 / len(bars)
    shapes = "".join(
        f'<rect x="{i * wide + 0.15 * wide:.2f}" y="{30 * (1 - bar / most):.2f}" width="{0.7 * wide:.2f}" '
        f'height="{30 * bar / most:.2f}" fill="var(--color-accent)"><title>{i + 1}: {bar:.2f}</title></rect>'
        for i, bar in enumerate(bars)
    )
    title = spoken("KL by dimension, in nats", request)
    return (
        f'<div class="status">{"<br>".join(lines)}</div><small>{title} (0 - {most:.1f})</small>'
        f'<svg viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label="{title}" '
        f'style="width:100%;height:90px">{shapes}</svg>'
    )


def fitting(path: str | None, view: str) -> str:
    """The view that fits: of a digit where one is given, unless another was chosen."""
    if path:
        return "digit" if view == "samples" else view
    return "samples" if view == "digit" else view
