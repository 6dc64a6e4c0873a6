"""What the buttons of a method's tab do, all by the one run protocol (run.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import PIL.Image
from gradio.events import Dependency

from pipelines import variations, video
from pipelines.base import Pipeline
from pipelines.params import Setting, parse
from ui.kit import fetching
from ui.kit.form import controls, keep, replay
from ui.kit.i18n import spoken
from ui.kit.lacking import Lack
from ui.kit.press import Press
from ui.kit.run import Controls, Server, View, follow, on_change, on_press, on_stop, pressable
from ui.kit.session import KNOWN, PRIVATE, QUICK, file_in_cache, visitor_of
from ui.kit.show import NOTHING, Memory, Update, conclude, failed, failed_status, finished, gone, kept, running, waiting

if TYPE_CHECKING:
    from ui.kit.tab import Form, Stage

MOST_LETTERS = 24  # of a picture's name in that of a download


@dataclass(frozen=True)
class Follow:
    """`live(events, always=False)`: paint again at further events with what the run before remembers; `always`: also
    where there was none. `ended`: the events after which a run is over."""

    live: Callable[..., Any]
    ended: list[Any]

    def after(self, function: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
        """Call `function` after every run, whatever it came to; returns these events. Wire all others before."""
        quiet: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}
        return [event.then(function, list(inputs), list(outputs), **quiet) for event in self.ended]


@dataclass(frozen=True)
class Runs:
    """What Run, Continue and the live settings of a tab do; each yields rows for the `outputs` of `wire`."""

    pipeline: Pipeline[Any]
    server: Server
    settings: Sequence[Setting]

    def start(self, request: gr.Request, token: str, earlier: Memory | None, *given: Any) -> Iterator[list[Any]]:
        """A new run of what the form says."""
        with self.server.press(request, self.pipeline.name, token) as press:
            yield from self._with(request, press, earlier, given)

    def live(self, request: gr.Request, earlier: Memory | None, *given: Any) -> Iterator[list[Any]]:
        """The finished picture with what the form says now, or the run in flight begun anew; nothing where there is
        neither."""
        tab = self.pipeline.name
        empty = any(s.required and not value for s, value in zip(self.settings, given, strict=True))
        nothing = earlier is None or earlier.result is None
        if empty or (nothing and not self.server.presses.latest(visitor_of(request), tab)):
            yield NOTHING  # a generator that yields nothing would empty everything
            return
        with self.server.press(request, tab) as press:
            yield from self._with(request, press, earlier, given, repaint=earlier is not None)

    def vary(self, request: gr.Request, token: str, memory: Memory | None) -> Iterator[list[Any]]:
        """The run before again, with the next four seeds."""
        if memory is None or memory.result is None:
            yield gone(request).row(running=False)
            return
        seeds = memory.result.record.details.get(variations.SEEDS, [memory.params.seed])  # type: ignore[attr-defined]
        params = memory.params.model_copy(update={"seed": seeds[-1]})
        again = replace(self, pipeline=variations.of(self.pipeline))
        with self.server.press(request, self.pipeline.name, token) as press:
            yield from again._stream(request, press, Memory(params, pictures=memory.pictures), memory, None, View())

    def always(self, request: gr.Request, earlier: Memory | None, *given: Any) -> Iterator[list[Any]]:
        """A new run that a setting began, with or without one before."""
        with self.server.press(request, self.pipeline.name) as press:
            yield from self._with(request, press, earlier, given)

    def go_on(self, request: gr.Request, token: str, memory: Memory | None) -> Iterator[list[Any]]:
        """The run before, continued."""
        if memory is None or memory.state is None:
            yield gone(request).row(running=False)
            return
        view = View(curves={name: list(points) for name, points in memory.curves.items()}, frames=[*memory.frames])
        with self.server.press(request, self.pipeline.name, token) as press:
            yield from self._stream(request, press, memory, memory, memory.state, view)

    def _with(
        self, request: gr.Request, press: Press, earlier: Memory | None, given: Sequence[Any], repaint: bool = False
    ) -> Iterator[list[Any]]:
        try:
            values = controls.values(self.settings, given)
            memory = Memory(parse(self.pipeline.params, values), pictures=names(self.settings, values))
        except KNOWN as error:
            yield failed(error, earlier, self.pipeline, request).row(running=False, earlier=earlier)
            return
        state = earlier.state if repaint and earlier else None
        yield from self._stream(request, press, memory, earlier, state, View(), quiet=repaint)

    def _stream(
        self,
        request: gr.Request,
        press: Press,
        memory: Memory,
        earlier: Memory | None,
        state: Any,
        known: View,
        quiet: bool = False,
    ) -> Iterator[list[Any]]:
        """Run the method; `quiet`: the picture before stays until the new one is whole."""
        pipeline, result = self.pipeline, None
        try:
            for view in follow(self.server, pipeline, memory.params, press, state, known):
                result = view.result
                if result is not None:
                    update = conclude(view, memory, pipeline, request)
                    self.server.states.keep(memory)
                    yield update.row(running=False)
                elif view.progress is None:
                    yield waiting(view, request).row(running=True)
                else:
                    update = running(view, request)
                    yield (Update(status=update.status) if quiet else update).row(running=True)
            if result is None and not press.replaced:  # stopped before the first step: nothing was made
                yield Update(status=spoken("stopped", request)).row(running=False, earlier=earlier)
            elif result is None:
                yield NOTHING
        except Exception as error:  # the page's last line: every error becomes a sentence, bugs keep theirs in the log
            yield failed(error, earlier, pipeline, request).row(running=False, earlier=earlier)


def names(known: Sequence[Setting], values: Mapping[str, Any]) -> tuple[str, ...]:
    """What the pictures among `values` are called, for the name of a download."""
    pictures = (s.name for s in known if s.kind in {"image", "images"})
    files = [file for name in pictures for file in replay.rows_of(values.get(name))]
    stems = (re.sub(r"\W+", "-", Path(str(file)).stem)[:MOST_LETTERS] for file in files)
    return tuple(stem for stem in stems if stem != "atelier")


def wire(
    pipeline: Pipeline[Any], server: Server, form: Form, stage: Stage, controls_: Controls, again: gr.File
) -> Follow:
    """Connect the tab's components; returns what has a finished picture follow further events."""
    outputs = stage.outputs
    runs = Runs(pipeline, server, form.settings)
    ended = [on_press(controls_, [controls_.run.click], runs.start, [stage.memory, *form.inputs], outputs)]
    if pipeline.resume is not None:
        ended.append(on_press(controls_, [stage.more.click], runs.go_on, [stage.memory], outputs))
    ended.append(on_press(controls_, [stage.vary.click], runs.vary, [stage.memory], outputs))
    on_stop(server, controls_)
    fit = keep.Fit(pipeline.name, form.inputs, stage.stale, stage.record, stage.live)
    fit.wire()
    fit.on(controls_.run.click, "begin")
    for button in (stage.more, stage.vary):
        fit.on(button.click, "again")
    for event in ended:
        fit.on(event.then, "end")
    wire_after(pipeline, form, stage, controls_)
    wire_cures(pipeline, server, form, stage, controls_)
    wire_restore(pipeline, form, stage, again)

    def live(events: Any, always: bool = False) -> None:
        function = runs.always if always else runs.live
        fit.on(events.then if isinstance(events, Dependency) else partial(gr.on, events), "begin")
        ended.append(on_change(controls_, events, function, [stage.memory, *form.inputs], outputs))
        fit.on(ended[-1].then, "end")

    return Follow(live, ended)


def wire_cures(pipeline: Pipeline[Any], server: Server, form: Form, stage: Stage, controls_: Controls) -> None:
    """The failed state's buttons: a smaller size, Fetch, the defaults."""
    smaller, fetch, defaults = stage.cures
    sizes = [c for s, c in zip(form.settings, form.inputs, strict=True) if s.name == "size"]
    if sizes:
        smaller.click(lambda size: max(64, (size or 2048) // 2), sizes, sizes, **QUICK)

    def bring(request: gr.Request, token: str, wanted: Mapping[Lack, int | None]) -> Iterator[list[Any]]:
        with server.press(request, pipeline.name, token) as press:
            for row in fetching.cure(wanted, request, press):
                yield [*row, *pressable(running=True)]
        yield [*[gr.skip()] * 3, *pressable(running=False)]

    on_press(controls_, [fetch.click], bring, [stage.wanted], [stage.status, fetch, stage.wanted])
    kept = [(s, c) for s, c in zip(form.settings, form.inputs, strict=True) if s.kind not in {"image", "images"}]
    values = [controls.shown(s, s.default) for s, _ in kept]
    defaults.click(lambda: values, None, [c for _, c in kept], **QUICK)


def wire_after(pipeline: Pipeline[Any], form: Form, stage: Stage, controls_: Controls) -> None:
    """What can be done with a finished picture: change it, use it as content, see it being made."""
    outputs = [*stage.outputs, *controls_.buttons]

    def change(request: gr.Request, memory: Memory | None, *given: Any) -> list[Any]:
        if memory is None or memory.state is None or memory.result is None or pipeline.finish is None:
            return gone(request).row(running=False)
        memory.params = memory.params.model_copy(update=dict(zip(pipeline.after, given, strict=True)))
        changed = memory.result.record.model_copy(update={"params": memory.params.model_dump(mode="json")})
        memory.result = replace(memory.result, images=[pipeline.finish(memory.params, memory.state)], record=changed)
        return finished(memory, pipeline, request).row(running=False)

    for component in stage.after:
        event = component.release if isinstance(component, gr.Slider) else component.input
        event(change, [stage.memory, *stage.after], outputs, **QUICK)

    def use(request: gr.Request, memory: Memory | None) -> str:
        return file_in_cache(kept(memory, request).png(), ".png")

    content = next((c for s, c in zip(form.settings, form.inputs, strict=True) if s.kind == "image"), None)
    if content is not None:  # queued: others hide their errors
        stage.as_content.click(use, [stage.memory], [content], show_progress="hidden", **PRIVATE)
    else:
        stage.as_content.visible = False

    def film(request: gr.Request, memory: Memory | None) -> Any:
        kept(memory, request)
        paths = [path for path in (memory.frames if memory else []) if Path(path).exists()]
        every = -(-len(paths) // video.MOST_FRAMES) or 1
        pictures = [PIL.Image.open(path) for path in paths[::-every][::-1]]  # the last is the end of the run
        target = Path(file_in_cache(b"", ".webp"))
        video.write_animation(pictures, target)
        return gr.update(value=str(target), visible=True)

    seed = [c for s, c in zip(form.settings, form.inputs, strict=True) if s.name == "seed"]
    stage.same_seed.click(None, [stage.record], seed, js="(record) => record.seed", **QUICK)
    stage.film_button.click(film, [stage.memory], [stage.film], **PRIVATE)


def wire_restore(pipeline: Pipeline[Any], form: Form, stage: Stage, again: gr.File) -> None:
    """A picture made here gives its settings back."""
    places = [c for s, c in zip(form.settings, form.inputs, strict=True) if s.kind in {"image", "images"}]

    def restore(path: str | None, request: gr.Request, *given: Any) -> list[Any]:
        if path is None:
            return [gr.skip()] * (len(form.inputs) + 2)
        otherwise = f"{Path(path).name} holds no record of {pipeline.title}: drop a PNG that was downloaded here."
        try:
            told = replay.recorded(path, {pipeline.name: pipeline}, otherwise, request)
        except gr.Error as error:
            return [None, failed_status(error.message), *[gr.skip()] * len(form.inputs)]
        known = replay.known_pictures(*given)
        said = replay.say(replay.absences(told, pipeline, known), request)
        return [None, said, *(replay.restored(s, told.params[s.name], known) for s in form.settings)]

    # queued: others hide their errors
    again.upload(restore, [again, *places], [again, stage.status, *form.inputs], show_progress="hidden", **PRIVATE)
