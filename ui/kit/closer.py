"""A panel under a result of many pictures: the one that was clicked, larger, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from pipelines.base import Result
from ui.kit.session import QUICK
from ui.kit.show import Memory
from ui.kit.tab import Frame

SIDE = 320  # pixels: about how large a chosen picture is shown


@dataclass(frozen=True)
class Closer:
    """The panel's components; `chosen` is what the buttons need of picture `number` of the result, or None."""

    hint: gr.HTML
    row: gr.Row
    picture: gr.Image
    told: gr.HTML
    buttons: tuple[gr.Button, ...]
    chosen: gr.State
    number: gr.State


def build(hint: Any, label: Any, buttons: Sequence[Any]) -> Closer:
    """Lay the panel out: a hint until a picture is chosen. All are texts in the reader's language."""
    with gr.Column(elem_classes="closer"):
        first = gr.HTML(hint, elem_classes="status", padding=False)
        with gr.Row(visible=False) as row:
            with gr.Column(scale=2, min_width=150):
                picture = gr.Image(
                    label=label, type="filepath", format="png", interactive=False, buttons=[], height=190
                )
            with gr.Column(scale=3, min_width=200):
                told = gr.HTML("", elem_classes="status", padding=False)
                with gr.Row():
                    made = tuple(gr.Button(text, size="sm", min_width=140) for text in buttons)
    return Closer(first, row, picture, told, made, gr.State(), gr.State())


def wire(
    panel: Closer,
    frame: Frame,
    clicked: Callable[[Result, Any], int | None],
    examined: Callable[[Result, int, gr.Request], tuple[str, str, Any]],
) -> None:
    """Open the panel at a click on the result; a run brings what it made in the same place.

    Args:
        clicked: which picture lies at a place of the result; None for none.
        examined: of that picture the file that is shown, what is said of it as HTML, and what is chosen by it.
    """
    shown = [panel.row, panel.hint, panel.picture, panel.told, panel.chosen, panel.number]
    memory = frame.stage.memory

    def opened(found: Result, number: int, request: gr.Request) -> list[Any]:
        return [gr.update(visible=True), gr.update(visible=False), *examined(found, number, request), number]

    def look(memory: Memory | None, request: gr.Request, event: gr.SelectData) -> list[Any]:
        found = memory.result if memory else None
        number = clicked(found, event.index) if found else None
        return [gr.skip()] * len(shown) if found is None or number is None else opened(found, number, request)

    def again(memory: Memory | None, number: int | None, request: gr.Request) -> list[Any]:
        found = memory.result if memory else None
        if found is None or number is None or number >= len(found.record.details.get("pictures", [])):
            return [gr.update(visible=False), gr.update(visible=True), *[gr.skip()] * 2, None, None]
        return opened(found, number, request)

    frame.stage.live.select(look, [memory], shown, **QUICK)
    frame.follow.after(again, [memory, panel.number], shown)
