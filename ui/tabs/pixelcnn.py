"""The PixelCNN's tab: a board to draw on, and the drawing seen once more at leisure, pixel by pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image

from pipelines import variations, video
from pipelines.base import Pipeline, Result
from pipelines.sheet import GROUND, grid
from ui.kit import tab
from ui.kit.form import draw
from ui.kit.form.examples import DIGITS
from ui.kit.i18n import spoken, t
from ui.kit.run import Server
from ui.kit.session import QUICK, file_in_cache
from ui.kit.show import Memory
from ui.kit.tab import Form, Frame, Stage

HALF = 14  # pixels between two frames of the film


def build(pipeline: Pipeline[Any], server: Server) -> Frame:
    """The frame of every method, with a board on the left and the film under the picture."""
    films: list[gr.Image | gr.HTML] = []

    def left(form: Form) -> None:
        inputs = {s.name: c for s, c in zip(form.settings, form.inputs, strict=True)}
        draw.board(inputs["digit"])
        draw.lend(inputs["view"], inputs["digit"], ("complete", "surprise"))
        inputs["digit"].change(
            lambda path, view: "complete" if path and view == "samples" else gr.skip() if path else "samples",
            [inputs["digit"], inputs["view"]],
            [inputs["view"]],
            **QUICK,
        )
        inputs["dataset"].visible = False  # there is one

    def right(stage: Stage) -> None:
        stage.as_content.visible = False
        films.append(gr.HTML("", padding=False, visible=False, elem_classes="status"))
        films.append(
            gr.Image(
                label=t("The drawing, pixel by pixel"), type="filepath", format="webp", interactive=False,
                buttons=["download"], visible=False, elem_classes="picture", height=360,
            )
        )  # fmt: skip

    frame = tab.build(pipeline, server, left=left, right=right, offered=DIGITS)
    frame.follow.after(shown, [frame.stage.memory], films)
    return frame


def shown(memory: Memory | None, request: gr.Request) -> list[Any]:
    """What was read from your digit, and the film of a finished drawing; hidden where there is none."""
    found = memory.result if memory else None
    if found is None:
        return [gr.skip(), gr.skip()]
    said = told(found, request)
    whole = len(found.images) == found.record.params["count"] and variations.SEEDS not in found.record.details
    drawn = whole and found.record.params["view"] != "surprise"
    return [
        gr.update(value=said, visible=bool(said)),
        gr.update(value=film(found) if drawn else None, visible=drawn),
    ]


def told(result: Result, request: gr.Request | None) -> str:
    """The classes' chances, and for a judged digit its nats."""
    chances = result.record.details.get("class_chances")
    if chances is None:
        return ""
    if result.record.params["view"] == "surprise":
        numbers = result.record.metrics
        best = max(range(len(chances)), key=chances.__getitem__)
        nats = spoken("{} nats in all; the most surprising pixel costs {}", request)
        reads = spoken("reads as {}, {} sure", request).format(best, f"{chances[best]:.1%}")
        return f"{reads}<br>{nats.format(*(format(numbers[name], '.1f') for name in ('nats', 'highest')))}"
    likely = sorted(range(len(chances)), key=lambda i: -chances[i])[:4]
    listed = " · ".join(f"{i} {chances[i]:.0%}" for i in likely if chances[i] >= 0.005)
    return f"{spoken('what the top may be', request)}: {listed}"


def film(result: Result) -> str:
    """The pictures appearing half a row at a time, as pixels were decided; returns the file's path."""
    first = HALF * (2 * result.record.params["keep"] if result.record.params["view"] == "complete" else 0)
    frames = []
    for pixels in range(first, 28 * 28 + 1, HALF):
        frames.append(grid([until(image, pixels) for image in result.images]))
    target = Path(file_in_cache(b"", ".webp"))
    video.write_animation(frames, target)
    return str(target)


def until(image: PIL.Image.Image, pixels: int) -> PIL.Image.Image:
    """The first `pixels` of a picture in reading order, the rest in the colour of the ground."""
    rows, rest = divmod(pixels, image.width)
    seen = PIL.Image.new("RGB", image.size, GROUND)
    seen.paste(image.crop((0, 0, image.width, rows)), (0, 0))
    if rest:
        seen.paste(image.crop((0, rows, rest, rows + 1)), (0, rows))
    return seen
