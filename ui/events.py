"""What the buttons of a method's tab do, and the method's endpoint."""

from __future__ import annotations

import html
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import PIL.Image

from models.cache import ModelCache
from pipelines import animation, images, record
from pipelines.base import Pipeline, Result
from pipelines.params import ParamError, Setting, parse
from ui import controls, curve
from ui.i18n import spoken, t
from ui.session import KNOWN, Stops, View, explain, file_in_cache, follow, visitor_of

if TYPE_CHECKING:
    from ui.tab import Form, Stage

GPU: dict[str, Any] = {"concurrency_id": "gpu", "concurrency_limit": 1}
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", **PRIVATE}
SECONDS_BETWEEN_API_UPDATES = 1.0


@dataclass
class Memory:
    """What stays of a visitor's last run, for Continue, the colours and the film."""

    values: dict[str, Any]
    state: Any = None
    result: Result | None = None
    frames: list[str] = field(default_factory=list)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def __deepcopy__(self, _: Any) -> Memory:
        return self  # Gradio copies a State's value; a run's tensors are not copied


@dataclass(frozen=True)
class Update:
    """New values for `Stage.outputs`, in that order; what is left out stays as it is."""

    live: Any = field(default_factory=gr.skip)
    compare: Any = field(default_factory=gr.skip)
    status: Any = field(default_factory=gr.skip)
    download: Any = field(default_factory=gr.skip)
    more: Any = field(default_factory=gr.skip)
    curve: Any = field(default_factory=gr.skip)
    record: Any = field(default_factory=gr.skip)
    memory: Any = field(default_factory=gr.skip)
    buttons: tuple[Any, ...] = ()

    def row(self, running: bool) -> list[Any]:
        """Values for the outputs, then whether Run, Stop, Use as content and the film's button can be pressed."""
        done = not running and isinstance(self.memory, Memory) and self.memory.result is not None
        pressable = [gr.update(interactive=on) for on in (not running, running, done, done)]
        return [
            self.live, self.compare, self.status, self.download, self.more, self.curve, self.record, self.memory, *pressable,
        ]


def running_status(view: View, request: gr.Request | None) -> str:
    """`step 120/300 · 4.1 s · about 6 s left`, and a bar."""
    if view.progress is None:
        return ""
    share = view.progress.share or view.progress.step / max(1, view.progress.total)
    parts = [f"{spoken('step', request)} {view.progress.step}/{view.progress.total}", f"{view.seconds:.1f} s"]
    if view.left is not None:
        parts.append(spoken("about {} s left", request).format(max(1, round(view.left))))
    return f'{" · ".join(parts)}<div class="bar"><i style="width:{100 * share:.1f}%"></i></div>'


def cost_status(result: Result, request: gr.Request | None) -> str:
    """`9.8 s · 1.1 GB · vgg-lite · seed 0`, with loading apart."""
    r = result.record
    parts = [
        f"{r.seconds.run:.1f} s", f"{spoken('loading', request)} {r.seconds.load:.1f} s", f"{r.peak_bytes / 1e9:.1f} GB",
        *r.models, f"{spoken('step', request)} {r.steps}", f"{spoken('seed', request)} {r.seed}",
        "×".join(map(str, result.images[0].size)),
    ]
    notes = "".join(f"<br><small>{html.escape(note)}</small>" for note in r.notes)
    return f"{html.escape(' · '.join(parts))}{notes}"


def failed_status(sentence: str) -> str:
    """The sentence, in the failed state's colour."""
    return f'<span class="failed" role="alert">{html.escape(sentence)}</span>'


def present(view: View, request: gr.Request | None) -> Update:
    """A running method on the page."""
    return Update(
        live=gr.update(value=view.preview, visible=True, label=t("Working")) if view.preview else gr.skip(),
        compare=gr.update(visible=False),
        status=running_status(view, request),
        curve=curve.draw(view.curves),
    )


def conclude(view: View, memory: Memory, pipeline: Pipeline[Any], request: gr.Request | None) -> Update:
    """A finished or stopped method on the page: the slider where there is a before, files that hold their record."""
    assert view.result is not None
    memory.result, memory.state, memory.frames, memory.curves = view.result, view.result.state, view.frames, view.curves
    return finished(memory, pipeline, request)


def finished(memory: Memory, pipeline: Pipeline[Any], request: gr.Request | None) -> Update:
    """The result in `memory` on the page."""
    result = memory.result
    assert result is not None
    path = file_in_cache(result.png(), ".png")
    before = before_file(memory.values, result.images[0].size)
    return Update(
        live=gr.update(value=path, visible=before is None, label=t("Result")),
        compare=gr.update(value=(before, path) if before else None, visible=before is not None),
        status=cost_status(result, request),
        download=gr.update(value=path, interactive=True),
        more=gr.update(interactive=pipeline.resume is not None and memory.state is not None),
        curve=curve.draw(memory.curves),
        record=result.record.model_dump(mode="json"),
        memory=memory,
    )


def before_file(values: dict[str, Any], size: tuple[int, int]) -> str | None:
    """The content picture at the result's size, for the slider; None for methods without one."""
    if not values.get("content"):
        return None
    with io.BytesIO() as file:
        images.load(values["content"]).resize(size, PIL.Image.Resampling.LANCZOS).save(file, "JPEG", quality=92)
        return file_in_cache(file.getvalue(), ".jpg")


def wire(
    pipeline: Pipeline[Any], cache: ModelCache, stops: Stops, form: Form, stage: Stage,
    run: gr.Button, stop: gr.Button, again: gr.File,
) -> None:
    """Connect the tab's components."""
    outputs = [*stage.outputs, run, stop, stage.as_content, stage.film_button]

    def stream(memory: Memory, state: Any, request: gr.Request) -> Iterator[list[Any]]:
        try:
            for view in follow(pipeline, memory.values, cache, stops, visitor_of(request), state):
                done = view.result is not None
                yield (conclude(view, memory, pipeline, request) if done else present(view, request)).row(running=not done)
        except Exception as error:  # the page's last line: every error becomes a sentence, bugs keep theirs in the log
            yield Update(status=failed_status(explain(error))).row(running=False)
            if not isinstance(error, KNOWN):
                raise

    def start(*given: Any, request: gr.Request) -> Iterator[list[Any]]:
        try:
            memory = Memory(controls.values(form.settings, given))
        except ParamError as error:
            yield Update(status=failed_status(str(error))).row(running=False)
            return
        yield Update(status=spoken("starting", request), memory=memory).row(running=True)
        yield from stream(memory, None, request)

    def go_on(memory: Memory | None, request: gr.Request) -> Iterator[list[Any]]:
        if memory is not None:
            yield Update(memory=memory).row(running=True)
            yield from stream(memory, memory.state, request)

    def ask(request: gr.Request) -> None:
        stops.ask(visitor_of(request))

    run.click(start, form.inputs, outputs, show_progress="hidden", **GPU, **PRIVATE)
    stage.more.click(go_on, [stage.memory], outputs, show_progress="hidden", **GPU, **PRIVATE)
    stop.click(ask, None, None, **QUICK)
    wire_after(pipeline, stage, outputs)
    wire_restore(pipeline, form, again)
    content = next((c for s, c in zip(form.settings, form.inputs, strict=True) if s.kind == "image"), None)
    if content is not None:
        stage.as_content.click(lambda m: file_in_cache(m.result.png(), ".png"), [stage.memory], [content], **QUICK)
    else:
        stage.as_content.visible = False


def wire_after(pipeline: Pipeline[Any], stage: Stage, outputs: Sequence[Any]) -> None:
    """Settings that change the finished picture, and the film."""

    def change(memory: Memory | None, *given: Any, request: gr.Request) -> list[Any]:
        if memory is None or memory.state is None or memory.result is None or pipeline.finish is None:
            return Update().row(running=False)
        memory.values |= dict(zip(pipeline.after, given, strict=True))
        params = parse(pipeline.params, memory.values)
        changed = memory.result.record.model_copy(update={"params": params.model_dump(mode="json")})
        memory.result = replace(memory.result, images=[pipeline.finish(params, memory.state)], record=changed)
        return finished(memory, pipeline, request).row(running=False)

    for component in stage.after:
        event = component.release if isinstance(component, gr.Slider) else component.input
        event(change, [stage.memory, *stage.after], list(outputs), **QUICK)

    def film(memory: Memory) -> Any:
        pictures = [PIL.Image.open(path) for path in memory.frames]
        target = Path(file_in_cache(b"", ".webp"))
        animation.write(pictures, target)
        return gr.update(value=str(target), visible=True)

    stage.film_button.click(film, [stage.memory], [stage.film], **PRIVATE)


def wire_restore(pipeline: Pipeline[Any], form: Form, again: gr.File) -> None:
    """A picture made here gives its settings back."""
    from ui.tab import CONTENT, STYLE

    def restore(path: str | None) -> list[Any]:
        if path is None:
            return [gr.skip()] * len(form.inputs)
        found = record.read(path)
        if found is None or found.pipeline != pipeline.name:
            raise gr.Error(f"{Path(path).name} holds no record of {pipeline.title}: drop a PNG that was downloaded here.")
        known = {images.digest(images.load(p)): str(p) for p in (*CONTENT, *STYLE)}
        return [restored(s, found.params.get(s.name, s.default), known) for s in form.settings]

    again.upload(restore, [again], form.inputs, **QUICK)


def restored(setting: Setting, value: Any, known: dict[str, str]) -> Any:
    """A recorded value for its component; a picture that is not among the examples stays what it is."""
    if setting.kind == "image":
        return known.get(value["sha256"], gr.skip())
    if setting.kind == "images":
        paths = [known.get(item["sha256"]) for item in value]
        return paths if all(paths) else gr.skip()
    return ", ".join(map(str, value)) if setting.kind == "floats" else value


def endpoint(pipeline: Pipeline[Any], cache: ModelCache, stops: Stops, form: Form) -> None:
    """`/NAME` for REST, gradio_client and MCP: inputs by the settings' names; outputs picture and record."""

    def call(*given: Any, request: gr.Request) -> Iterator[Any]:
        told = time.perf_counter()
        try:
            for view in follow(pipeline, controls.values(form.settings, given), cache, stops, f"api {visitor_of(request)}"):
                if view.result is not None:
                    yield file_in_cache(view.result.png(), ".png"), view.result.record.model_dump(mode="json")
                elif view.progress and time.perf_counter() - told >= SECONDS_BETWEEN_API_UPDATES:
                    told = time.perf_counter()  # without these a client that went away would not stop the run
                    yield view.preview, {"step": view.progress.step, "total": view.progress.total}
        except KNOWN as error:
            raise gr.Error(str(error), print_exception=False) from error

    with gr.Group(visible=False):
        inputs = [controls.api_component(s) for s in form.settings]
        outputs = [gr.Image(label="image", format="png", type="filepath"), gr.JSON(label="record")]
        gr.Button(visible=False).click(
            controls.named(call, pipeline.name, pipeline.description, form.settings), inputs, outputs,
            api_name=pipeline.name, show_progress="hidden", **GPU,
        )
