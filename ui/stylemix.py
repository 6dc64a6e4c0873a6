"""The style mixer's tab: the matrix, whose cells can be clicked to use their codes again."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from models.cache import ModelCache
from pipelines.base import Pipeline, Result
from pipelines.sheet import grid
from pipelines.stylemix import StylemixParams, columns
from ui import tab
from ui.gan import PRESS_RUN
from ui.i18n import spoken, t
from ui.session import QUICK, Stops, file_in_cache
from ui.show import Memory
from ui.tab import Frame, Stage

AT_ONCE = ("label", "layers", "variety")  # a run takes a fraction of a second: these press Run themselves
SIDE = 320  # pixels: about how large a chosen picture is shown
MOST = 2**31 - 1  # of a seed


@dataclass(frozen=True)
class Cell:
    """The panel for one picture of the matrix."""

    hint: gr.HTML
    row: gr.Row
    picture: gr.Image
    told: gr.HTML
    both: gr.Button
    content: gr.Button
    style: gr.Button
    chosen: gr.State  # {"content", "style", "seed", "style_seed"} or None


def build(pipeline: Pipeline[Any], cache: ModelCache, stops: Stops, tabs: gr.Tabs) -> Frame:
    """The frame of every method, with the panel under the picture."""
    panel: list[Cell] = []

    def right(_: Stage) -> None:
        panel.append(cell())

    frame = tab.build(pipeline, cache, stops, tabs, right=right)
    inputs = {s.name: c for s, c in zip(frame.form.settings, frame.form.inputs, strict=True)}
    inputs["dataset"].visible = False  # there is one
    for name in AT_ONCE:
        component = inputs[name]
        event = component.release if isinstance(component, gr.Slider) else component.input
        event(None, None, None, js=PRESS_RUN, **QUICK)
    wire(frame, panel[0], inputs)
    return frame


def cell() -> Cell:
    """Lay the panel out: a hint until a picture is chosen."""
    with gr.Column(elem_classes="closer"):
        hint = gr.HTML(t("Click a picture of the matrix to use its codes again."), elem_classes="status", padding=False)
        with gr.Row(visible=False) as row:
            with gr.Column(scale=2, min_width=150):
                picture = gr.Image(
                    label=t("Chosen"), type="filepath", format="png", interactive=False, buttons=[], height=190
                )
            with gr.Column(scale=3, min_width=200):
                told = gr.HTML("", elem_classes="status", padding=False)
                content = gr.Button(t("This digit, other styles"), size="sm")
                style = gr.Button(t("This style, other digits"), size="sm")
                both = gr.Button(t("Both, at the head of the matrix"), size="sm")
    return Cell(hint, row, picture, told, both, content, style, gr.State())


def wire(frame: Frame, panel: Cell, inputs: dict[str, Any]) -> None:
    """Connect the panel: its buttons fill in the codes and seeds, and press Run."""
    stage = frame.stage
    shown = [panel.row, panel.hint, panel.picture, panel.told, panel.chosen]

    def look(memory: Memory | None, request: gr.Request, event: gr.SelectData) -> list[Any]:
        found = memory.result if memory else None
        number = clicked(found, event.index) if found else None
        if found is None or number is None:
            return [gr.skip()] * len(shown)
        told = found.record.details["pictures"][number]
        sentence = spoken("{} from row {}, style {}; reads as {} ({} sure)", request)
        text = sentence.format(told["class"], told["row"] + 1, told["column"] + 1, told["read"], f"{told['sure']:.1%}")
        path = Path(file_in_cache(b"", ".png"))
        grid([found.images[number]], 1, side=SIDE).save(path)
        return [gr.update(visible=True), gr.update(visible=False), str(path), html.escape(text), chosen(found, number)]

    stage.live.select(look, [stage.memory], shown, **QUICK)
    targets = [inputs[name] for name in ("latents", "seed", "style_seed")]
    for button, kept in ((panel.both, ("content", "style")), (panel.content, ("content",)), (panel.style, ("style",))):
        event = button.click(lambda c, kept=kept: reused(c, kept), [panel.chosen], targets, **QUICK)
        event.then(None, None, None, js=PRESS_RUN, **QUICK)


def clicked(result: Result, place: Any) -> int | None:
    """Which picture lies at pixel (x, y) of the matrix; None for none."""
    if not result.record.details.get("pictures") or result.sheet is None:
        return None  # a run that was stopped
    wide = columns(StylemixParams(**result.record.params))
    side = result.sheet.width / wide
    column, line = int(place[0] // side), int(place[1] // side)
    number = line * wide + column
    return number if 0 <= column < wide and 0 <= number < len(result.images) else None


def chosen(result: Result, number: int) -> dict[str, Any]:
    """The codes of picture `number`, and the seeds after those of its matrix."""
    told, p = result.record.details, StylemixParams(**result.record.params)
    place, heads = told["pictures"][number], told["latents"]
    rows, wide = len(heads["contents"]), len(heads["styles"])
    return {
        "content": heads["contents"][place["row"]],
        "style": heads["styles"][place["column"]],
        "seed": min(MOST, p.seed + rows),
        "style_seed": min(MOST, p.style_seed + wide),
    }


def reused(codes: dict[str, Any] | None, kept: tuple[str, ...]) -> list[Any]:
    """Values of `latents`, `seed` and `style_seed`: what is kept comes first, the rest from the seeds after these."""
    if codes is None:
        return [gr.skip()] * 3
    latents = {f"{name}s": [codes[name]] for name in kept}
    return [json.dumps(latents), codes["seed"], codes["style_seed"]]
