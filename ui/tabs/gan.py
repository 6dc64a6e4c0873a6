"""The GAN's tab: settings that act at once, a walk shown as a film, and one picture looked at closely."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines import dataset, images, video
from pipelines.base import Pipeline, Result
from pipelines.gan import WEIGHTS, GanParams, columns
from pipelines.sheet import grid, pictures_of
from ui.kit import closer, tab
from ui.kit.closer import SIDE, Closer
from ui.kit.form.classes import follow
from ui.kit.i18n import spoken, t
from ui.kit.run import Server
from ui.kit.session import QUICK, file_in_cache, picture_file
from ui.kit.show import Memory
from ui.kit.tab import Form, Frame, Stage

AT_ONCE = ("label", "truncation", "model")  # a run takes a fraction of a second: these begin one themselves
FRAMES = 40  # of a walk that starts from a chosen picture


def build(pipeline: Pipeline[Any], server: Server) -> Frame:
    """The frame of every method, with the panel under the picture."""
    panel: list[Closer] = []

    def right(_: Stage) -> None:
        buttons = t("More from this seed"), t("Walk from here")
        panel.append(closer.build(t("Click a picture of the result to look closer."), t("Look closer"), buttons))

    frame = tab.build(pipeline, server, left=without_data, right=right)
    inputs = {s.name: c for s, c in zip(frame.form.settings, frame.form.inputs, strict=True)}
    follow(inputs)
    choice = [inputs["dataset"]], [inputs["model"]]
    inputs["dataset"].change(networks, *choice, **QUICK)
    frame.follow.live(inputs["dataset"].input(networks, *choice, **QUICK), always=True)
    frame.follow.live([inputs[name].input for name in AT_ONCE], always=True)
    wire(frame, panel[0], inputs)
    return frame


def without_data(form: Form) -> None:
    """Hide what needs the training pictures where there are none."""
    for setting, component in zip(form.settings, form.inputs, strict=True):
        if setting.name == "nearest":
            component.visible = any(map(dataset.present, dataset.DATASETS))


def networks(name: dataset.Name) -> Any:
    """The choice of the network, where a data set has more than one."""
    several = (name, "mlp") in WEIGHTS
    return gr.update(visible=several) if several else gr.update(visible=False, value="conv")


def wire(frame: Frame, panel: Closer, inputs: dict[str, Any]) -> None:
    """Connect the panel, and the film that takes the grid's place when a walk is done."""
    stage: Stage = frame.stage

    def examine(found: Result, number: int, request: gr.Request) -> tuple[str, str, Any]:
        return *examined(found, number, request), found.record.details["pictures"][number]

    def done(memory: Memory | None, request: gr.Request) -> list[Any]:
        film = film_of(memory.result) if memory and memory.result else None
        kept = gr.update(value=film, visible=True) if film else gr.update(value=None, visible=False)
        return [
            film or gr.skip(),
            kept,
            hinted(memory, request),
        ]

    def start(chosen: dict[str, int] | None, walking: bool) -> list[Any]:
        if chosen is None:
            return [gr.skip()] * 4
        return [chosen["seed"], str(chosen["class"]), *((1, FRAMES) if walking else (gr.skip(), 0))]

    closer.wire(panel, frame, clicked, examine)
    targets = [inputs[name] for name in ("seed", "label", "count", "interpolate")]
    for button, walking in zip(panel.buttons, (False, True), strict=True):
        event = button.click(lambda c, walking=walking: start(c, walking), [panel.chosen], targets, **QUICK)
        frame.follow.live(event, always=True)
    frame.follow.after(done, [stage.memory], [stage.live, stage.film, panel.hint])


def hinted(memory: Memory | None, request: gr.Request | None) -> str:
    """What the digit classifier makes of the pictures, and that one can be clicked."""
    told = memory.result.record.details.get("pictures") if memory and memory.result else None
    if not told or "read" not in told[0]:
        return ""
    right = sum(row["read"] == row["class"] for row in told)
    return spoken("{} of {} read as asked. Click one to look closer.", request).format(right, len(told))


def clicked(result: Result, place: Any) -> int | None:
    """Which picture lies at pixel (x, y) of the grid; None for none, and for walks."""
    p = GanParams(**result.record.params)
    if not result.record.details.get("pictures") or result.sheet is None:
        return None
    side = result.sheet.width / columns(p)
    column, line = int(place[0] // side), int(place[1] // side)
    number = (line * columns(p) + column) // (2 if p.nearest else 1)
    return number if 0 <= column < columns(p) and 0 <= number < len(result.images) else None


def examined(result: Result, number: int, request: gr.Request | None) -> tuple[str, str]:
    """Picture `number` enlarged, the nearest training picture beside it where those are here; what is known of both."""
    told, name = result.record.details["pictures"][number], result.record.params["dataset"]
    classes = [spoken(c, request) for c in dataset.DATASETS[name].classes]
    seen = [result.images[number]]
    lines = [f"<b>{spoken('seed', request)} {told['seed']}</b>"]
    if "read" not in told:  # of a network that knows other classes
        return picture_file(grid(seen, 1, side=SIDE)), lines[0]
    lines.append(
        spoken("asked for {}, reads as {} ({} sure)", request).format(
            classes[told["class"]], classes[told["read"]], f"{told['sure']:.1%}"
        )
    )
    if dataset.present(name):
        pictures, labels = dataset.pictures(name, dataset.folder(), "train")
        x = images.to_tensor(seen[0])[:, : pictures.shape[1]]
        which, apart = dataset.nearest(x, pictures)
        seen += pictures_of(pictures[which].float() / 255)
        sentence = "beside it the nearest of {} training pictures: {}, {} away"
        label, away = classes[int(labels[which[0]])], f"{float(apart[0]):.1f}"
        lines.append(spoken(sentence, request).format(f"{len(pictures):,}", label, away))
    picture = grid(seen, len(seen), side=SIDE * len(seen))
    return picture_file(picture), "<br>".join(line if line.startswith("<b>") else html.escape(line) for line in lines)


def film_of(result: Result) -> str | None:
    """The walks of a result as an animation, all at once and back again; None where it is none."""
    p = GanParams(**result.record.params)
    if not p.interpolate or len(result.images) != p.count * p.interpolate:
        return None  # pictures, or a walk that was stopped
    frames = [grid(result.images[i :: p.interpolate]) for i in range(p.interpolate)]
    target = Path(file_in_cache(b"", ".webp"))
    video.write_animation([*frames, *frames[-2:0:-1]], target)
    return str(target)
