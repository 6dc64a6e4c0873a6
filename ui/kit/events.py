"""What the buttons of a method's tab do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import PIL.Image

from models.cache import ModelCache
from pipelines import animation
from pipelines.base import Pipeline
from pipelines.params import ParamError, Setting, parse
from ui.kit import controls, fetching, replay
from ui.kit.i18n import spoken
from ui.kit.session import GPU, PRIVATE, QUICK, Stops, View, file_in_cache, follow, visitor_of, waiting
from ui.kit.show import Memory, Update, conclude, failed, finished, present, starting

if TYPE_CHECKING:
    from ui.kit.tab import Form, Stage

Follow = Callable[..., None]  # of events, after which the picture is painted again


@dataclass(frozen=True)
class Runs:
    """What Run, Continue and the live settings of a tab do; each yields rows for the `outputs` of `wire`."""

    pipeline: Pipeline[Any]
    cache: ModelCache
    stops: Stops
    settings: Sequence[Setting]

    def stream(
        self, memory: Memory, earlier: Memory | None, state: Any, known: View, request: gr.Request, quiet: bool = False
    ) -> Iterator[list[Any]]:
        """Run the method; `quiet`: the picture before stays until the new one is whole."""
        pipeline, done = self.pipeline, False
        if not quiet:
            yield starting(request).row(running=True)
        try:
            for view in follow(pipeline, memory.values, self.cache, self.stops, visitor_of(request), state, known):
                done = view.result is not None
                shown = present(view, request)
                update = conclude(view, memory, pipeline, request) if done else shown
                if quiet and not done:
                    update = Update(status=shown.status)
                yield update.row(running=not done)
            if not done:  # stopped before the first step: nothing was made
                yield Update(status=spoken("stopped", request)).row(running=False, earlier=earlier)
        except Exception as error:  # the page's last line: every error becomes a sentence, bugs keep theirs in the log
            yield failed(error, earlier, pipeline, request).row(running=False, earlier=earlier)

    def start(self, request: gr.Request, earlier: Memory | None, *given: Any) -> Iterator[list[Any]]:
        """A new run of what the form says."""
        yield from self._with(request, earlier, given, None, quiet=False)

    def live(self, request: gr.Request, earlier: Memory | None, *given: Any) -> Iterator[list[Any]]:
        """The finished picture with what the form says now; nothing where there is none."""
        if earlier is None or earlier.result is None:
            yield [gr.skip()] * len(Update().row(running=False))  # nothing yielded would empty them all
            return
        yield from self._with(request, earlier, given, earlier.state, quiet=True)

    def go_on(self, memory: Memory | None, request: gr.Request) -> Iterator[list[Any]]:
        """The run before, continued."""
        if memory is not None:
            view = View(curves={name: list(points) for name, points in memory.curves.items()}, frames=[*memory.frames])
            yield from self.stream(memory, memory, memory.state, view, request)

    def _with(
        self, request: gr.Request, earlier: Memory | None, given: Sequence[Any], state: Any, quiet: bool
    ) -> Iterator[list[Any]]:
        try:
            memory = Memory(controls.values(self.settings, given))
        except ParamError as error:
            yield failed(error, earlier, self.pipeline, request).row(running=False, earlier=earlier)
            return
        yield from self.stream(memory, earlier, state, View(), request, quiet)


def wire(
    pipeline: Pipeline[Any],
    cache: ModelCache,
    stops: Stops,
    form: Form,
    stage: Stage,
    run: gr.Button,
    stop: gr.Button,
    again: gr.File,
) -> Follow:
    """Connect the tab's components; returns what has a finished picture follow further events."""
    outputs = [*stage.outputs, run, stop, stage.send, stage.as_content, stage.film_button, *stage.cures]
    runs = Runs(pipeline, cache, stops, form.settings)

    def forget(request: gr.Request) -> None:
        stops.take(visitor_of(request))

    def ask(request: gr.Request) -> None:
        stops.ask(visitor_of(request))

    for button in (run, stage.more):
        button.click(None, None, [stage.status, run, stop], js=waiting(), **QUICK)
        button.click(forget, None, None, **QUICK)
    run.click(runs.start, [stage.memory, *form.inputs], outputs, show_progress="hidden", **GPU, **PRIVATE)
    stage.more.click(runs.go_on, [stage.memory], outputs, show_progress="hidden", **GPU, **PRIVATE)
    stop.click(ask, None, None, **QUICK)
    wire_after(pipeline, form, stage, outputs)
    wire_cures(form, stage)
    wire_restore(pipeline, form, stage, again)

    def follow_live(triggers: Sequence[Any], always: bool = False) -> None:
        """Paint again at `triggers` with what the run before remembers; `always`: also where there was none."""
        function, given = runs.start if always else runs.live, [stage.memory, *form.inputs]
        quick: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden"}
        gr.on(triggers, function, given, outputs, **quick, **GPU, **PRIVATE)

    return follow_live


def wire_cures(form: Form, stage: Stage) -> None:
    """The failed state's buttons: a smaller size, Fetch, the defaults."""
    smaller, fetch, defaults = stage.cures
    sizes = [c for s, c in zip(form.settings, form.inputs, strict=True) if s.name == "size"]
    if sizes:
        smaller.click(lambda size: max(64, (size or 2048) // 2), sizes, sizes, **QUICK)
    options: dict[str, Any] = {"show_progress": "hidden", "concurrency_id": "fetch", **PRIVATE}
    fetch.click(fetching.cure, [stage.wanted], [stage.status, fetch, stage.wanted], **options)
    kept = [(s, c) for s, c in zip(form.settings, form.inputs, strict=True) if s.kind not in {"image", "images"}]
    values = [controls.shown(s, s.default) for s, _ in kept]
    defaults.click(lambda: values, None, [c for _, c in kept], **QUICK)


def wire_after(pipeline: Pipeline[Any], form: Form, stage: Stage, outputs: Sequence[Any]) -> None:
    """What can be done with a finished picture: change it, use it as content, see it being made."""

    def change(request: gr.Request, memory: Memory | None, *given: Any) -> list[Any]:
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

    content = next((c for s, c in zip(form.settings, form.inputs, strict=True) if s.kind == "image"), None)
    if content is not None:
        stage.as_content.click(lambda m: file_in_cache(m.result.png(), ".png"), [stage.memory], [content], **QUICK)
    else:
        stage.as_content.visible = False

    def film(memory: Memory) -> Any:
        pictures = [PIL.Image.open(path) for path in memory.frames]
        target = Path(file_in_cache(b"", ".webp"))
        animation.write(pictures, target)
        return gr.update(value=str(target), visible=True)

    stage.film_button.click(film, [stage.memory], [stage.film], **PRIVATE)


def wire_restore(pipeline: Pipeline[Any], form: Form, stage: Stage, again: gr.File) -> None:
    """A picture made here gives its settings back."""
    places = [c for s, c in zip(form.settings, form.inputs, strict=True) if s.kind in {"image", "images"}]

    def restore(path: str | None, request: gr.Request, *given: Any) -> list[Any]:
        if path is None:
            return [gr.skip()] * (len(form.inputs) + 1)
        otherwise = f"{Path(path).name} holds no record of {pipeline.title}: drop a PNG that was downloaded here."
        told = replay.recorded(path, {pipeline.name: pipeline}, otherwise, request)
        known = replay.known_pictures(*given)
        said = replay.say(replay.absences(told, pipeline, known), request)
        return [said, *(replay.restored(s, told.params[s.name], known) for s in form.settings)]

    # queued: others hide their errors
    again.upload(restore, [again, *places], [stage.status, *form.inputs], show_progress="hidden", **PRIVATE)
