"""Send to Compare: a method's finished result becomes a card there, with its settings ready to be run beside others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import PIL.Image

from pipelines import compare as compare_method
from pipelines import images
from pipelines.base import Result
from pipelines.compare import CompareParams, plan
from pipelines.params import ParamError, Params, parse, settings
from ui.kit import show
from ui.kit.form import replay
from ui.kit.i18n import spoken
from ui.kit.run import View, on_change
from ui.kit.session import PRIVATE, QUICK, picture_file
from ui.kit.tab import Frame
from ui.tabs.compare import Desk, downloads, perform, row
from ui.tabs.compare.cards import Memory
from ui.tabs.compare.form import Form, chip, of_record
from ui.tabs.compare.form import link as link_to

PICTURES = ("content", "styles")
SENT = "Sent here with its settings. Run makes the other methods."


def link(desk: Desk, frames: Mapping[str, Any], tabs: gr.Tabs) -> None:
    """Wire the button of every method's tab that has one."""
    form, memory = desk.form, desk.parts["memory"]

    def press(request: gr.Request, origin: show.Memory | None, earlier: Memory | None, *inputs: Any) -> list[Any]:
        result = show.kept(origin, request)
        values = join(form, origin, inputs) if origin else None
        if values is None:
            return [gr.skip()] * len(outputs)
        updates = [gr.skip()] * len(cards)
        if earlier is None or not earlier.busy:
            after = beside(desk, result, values, earlier)
            after.pictures = origin.pictures if origin else ()
            updates = lay_out(after, request)
        return [gr.Tabs(selected="compare"), *form.fill(values), *updates]

    def judge(request: gr.Request, memory: Memory | None) -> Iterator[list[Any]]:
        yield from score(desk, memory, request)

    cards = [*desk.outputs, *desk.controls.buttons]
    outputs = [tabs, *form.inputs, *cards]
    for frame in (f for f in frames.values() if isinstance(f, Frame) and f.stage.send.visible):
        inputs = [frame.stage.memory, memory, *form.inputs]
        event = frame.stage.send.click(press, inputs, outputs, show_progress="hidden", **PRIVATE)  # queued: errors show
        desk.fit.on(event.success, "fits")
        event.success(None, None, None, js="() => window.scrollTo(0, 0)", **QUICK)
        on_change(desk.controls, event, judge, [memory], desk.outputs)


def join(form: Form, origin: show.Memory, inputs: Sequence[Any]) -> dict[str, Any] | None:
    """What the form shall say: the result's settings and pictures, its method beside those that were chosen before.

    No grid and no budget: Run makes the result's settings, not others. `inputs`: what the form says now.
    """
    if origin.result is None:
        return None
    record = origin.result.record
    files_of = {s.name: getattr(origin.params, s.name) for s in settings(type(origin.params)) if s.suffix}
    values = of_record(record.model_copy(update={"params": record.params | files_of}), form.table)
    (own,) = plan.entries(values["methods"], form.table, {})
    kind = plan.kind_of(own.pipeline)
    try:
        now = form.read([kind, *inputs[1:]])
    except ParamError:  # nothing is chosen that could stay
        now = {"methods": ()}
    before = plan.entries(now["methods"], form.table, {}) if now["methods"] else []
    others = [choice for choice, entry in zip(now["methods"], before, strict=True) if chip(entry) != chip(own)]
    pictures = {name: files(origin.params, name) or now.get(name) for name in PICTURES if kind == "restyle"}
    common = {name: now[name] for name in compare_method.SHARED if name not in (*values, *pictures) and name in now}
    pictures = {name: value for name, value in pictures.items() if value}
    return {**values, **common, **pictures, "methods": (*others, *values["methods"])}


def files(params: Params, name: str) -> Any:
    """The pictures of a run as files: the example's own, else a copy, since an upload may be gone by now."""
    value, paths = getattr(params, name, None), replay.known_pictures()

    def file(picture: PIL.Image.Image) -> str:
        return paths.get(images.digest(picture)) or picture_file(picture)

    return [file(picture) for picture in value] if isinstance(value, list) else value and file(value)


def beside(desk: Desk, result: Result, values: Mapping[str, Any], earlier: Memory | None) -> Memory:
    """The result as a card: among those of the comparison before where that was of the same pictures or classes."""
    p = parse(CompareParams, {name: value for name, value in values.items() if name in CompareParams.model_fields})
    (card,) = desk.cards(values["methods"][-1:], p)
    stopped = any(text.startswith("stopped") for text in result.record.notes)
    card.state, card.result = "stopped" if stopped else "done", replace(result, state=None)
    memory = Memory(p, [card])
    if earlier is not None and earlier.heads is None and subject(earlier.params) == subject(p):
        same = result.record.params
        memory.cards += [one for one in earlier.cards if not (one.result and one.result.record.params == same)]
        memory.addresses = {one: at for one, at in earlier.addresses.items() if one in memory.cards}
    memory.cards.sort(key=lambda c: c.result.record.seconds.run if c.result else c.prediction.seconds)
    return memory


def subject(p: CompareParams) -> dict[str, Any]:
    """What a comparison is about: its pictures, or what is generated."""
    return p.model_dump(mode="json", include={*PICTURES, *(() if p.content is not None else ("dataset", "label"))})


def lay_out(memory: Memory, request: gr.Request) -> list[Any]:
    """The cards on the page; what can be taken away follows when they are judged."""
    off = gr.update(interactive=False)
    return row(False, memory, request, status=spoken(SENT, request), sheet=off, pack=off)


def score(desk: Desk, memory: Memory | None, request: gr.Request) -> Iterator[list[Any]]:
    """The cards with their scores, the contact sheet and the zip."""
    cards = [card for card in memory.cards if card.result] if memory and not memory.busy else []
    if memory is None or all(card.scores or card.sentence for card in cards):
        yield [gr.skip()] * len(row(False))
        return

    def end(view: View) -> list[Any]:
        status = f"{spoken(SENT, request)}<br>{link_to(memory.params, request)}"
        return row(False, memory, request, status=status, **downloads(memory, view.result, request))

    yield from perform(desk, request, "", memory, cards, end)
