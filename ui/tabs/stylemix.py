"""The style mixer's tab: the matrix, whose cells can be clicked to use their codes again."""

from __future__ import annotations

import html
import json
from typing import Any

import gradio as gr

from pipelines.base import Pipeline, Result
from pipelines.sheet import grid
from pipelines.stylemix import StylemixParams, columns
from ui.kit import closer, tab
from ui.kit.closer import SIDE, Closer
from ui.kit.i18n import spoken, t
from ui.kit.run import Server
from ui.kit.session import QUICK, picture_file
from ui.kit.tab import Frame, Stage

AT_ONCE = ("label", "layers", "variety")  # a run takes a fraction of a second: these begin one themselves
MOST = 2**31 - 1  # of a seed


def build(pipeline: Pipeline[Any], server: Server) -> Frame:
    """The frame of every method, with the panel under the picture."""
    panel: list[Closer] = []

    def right(_: Stage) -> None:
        hint = t("Click a picture of the matrix to use its codes again.")
        texts = t("This digit, other styles"), t("This style, other digits"), t("Both, at the head of the matrix")
        panel.append(closer.build(hint, t("Chosen"), texts))

    frame = tab.build(pipeline, server, right=right)
    inputs = {s.name: c for s, c in zip(frame.form.settings, frame.form.inputs, strict=True)}
    inputs["dataset"].visible = False  # there is one
    frame.stage.send.visible = False  # a matrix of codes stands for itself
    at_once = [inputs[name] for name in AT_ONCE]
    frame.follow.live([c.release if isinstance(c, gr.Slider) else c.input for c in at_once], always=True)
    wire(frame, panel[0], inputs)
    return frame


def wire(frame: Frame, panel: Closer, inputs: dict[str, Any]) -> None:
    """Connect the panel: its buttons fill in the codes and seeds, and begin a run."""

    def examined(found: Result, number: int, request: gr.Request) -> tuple[str, str, Any]:
        told = found.record.details["pictures"][number]
        text = spoken("{} from row {}, style {}", request).format(told["class"], told["row"] + 1, told["column"] + 1)
        if "read" in told:  # by a judge who knows what the network learned from
            text += spoken("; reads as {} ({} sure)", request).format(told["read"], f"{told['sure']:.1%}")
        path = picture_file(grid([found.images[number]], 1, side=SIDE))
        return path, html.escape(text), chosen(found, number)

    closer.wire(panel, frame, clicked, examined)
    targets = [inputs[name] for name in ("latents", "seed", "style_seed")]
    for button, kept in zip(panel.buttons, (("content",), ("style",), ("content", "style")), strict=True):
        event = button.click(lambda c, kept=kept: reused(c, kept), [panel.chosen], targets, **QUICK)
        frame.follow.live(event, always=True)


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
