"""Send to Compare: a method's finished result becomes a card there, with its settings ready to be run beside others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr
import PIL.Image

from pipelines import compare as compare_method
from pipelines import images
from pipelines.base import Result
from pipelines.compare import CompareParams, engine, plan
from pipelines.compare.engine import Card
from pipelines.params import ParamError, Params, parse
from ui.kit import show
from ui.kit.form import replay
from ui.kit.i18n import in_words, spoken
from ui.kit.run import RUNS
from ui.kit.session import PRIVATE, QUICK, explain, picture_file
from ui.kit.tab import Frame
from ui.tabs.compare import cards as compare_cards
from ui.tabs.compare import past
from ui.tabs.compare.cards import Files
from ui.tabs.compare.form import Form
from ui.tabs.compare.run import Desk, Memory, row, taken_away

PICTURES = ("content", "styles")


def link(desk: Desk, frames: Mapping[str, Any], tabs: gr.Tabs) -> None:
    """Wire the button of every method's tab that has one."""
    form, stage = desk.form, desk.stage

    def press(request: gr.Request, made: show.Memory | None, earlier: Memory | None, *given: Any) -> list[Any]:
        result = show.kept(made, request)
        values = joined(form, made, given) if made else None
        if values is None:
            return [gr.skip()] * len(outputs)
        shown = [gr.skip()] * len(cards)
        if not busy(earlier):
            shown = laid_out(beside(desk, result, values, earlier), request)
        return [gr.Tabs(selected="compare"), *form.fill(values), *shown]

    def judge(request: gr.Request, memory: Memory | None) -> list[Any]:
        if memory is None or busy(memory):
            return [gr.skip()] * 3
        with desk.server.turns.take() as ticket:
            ticket.wait()
            return judged(desk, memory, request)

    cards = [*desk.outputs, *desk.controls.buttons]
    outputs = [tabs, *form.inputs, *cards]
    for frame in (f for f in frames.values() if isinstance(f, Frame) and f.stage.send.visible):
        given = [frame.stage.memory, stage.memory, *form.inputs]
        sent = frame.stage.send.click(press, given, outputs, show_progress="hidden", **PRIVATE)  # queued: errors show
        sent.success(None, None, None, js="() => window.scrollTo(0, 0)", **QUICK)
        results = [stage.gallery, stage.sheet, stage.pack]
        sent.success(judge, [stage.memory], results, **RUNS)


def busy(memory: Memory | None) -> bool:
    """Whether a comparison of this visitor is under way: what it shows is not touched."""
    return memory is not None and any(card.state == "running" for card in memory.cards)


def joined(form: Form, made: show.Memory, given: Sequence[Any]) -> dict[str, Any] | None:
    """What the form shall say: the result's settings and pictures, its method beside those that were chosen before.

    No grid and no budget: Run makes the result's settings, not others. `given`: what the form says now.
    """
    if made.result is None:
        return None
    told = made.result.record
    values = past.recorded(told, form.table)
    (sent,) = plan.entries(values["methods"], form.table, {})
    kind = plan.kind_of(sent.pipeline)
    try:
        now = form.read([kind, *given[1:]])
        before = plan.entries(now["methods"], form.table, {})
    except ParamError:  # nothing is chosen that could stay
        now, before = {}, []
    others = [entry.name for entry in before if chip(entry) != chip(sent)]
    pictures = {name: own(made.params, name) or now.get(name) for name in PICTURES if kind == "restyle"}
    kept = {name: now[name] for name in compare_method.SHARED if name not in (*values, *pictures) and name in now}
    files = {name: value for name, value in pictures.items() if value}
    return {**values, **kept, **files, "methods": ",".join([*others, sent.name])}


def own(params: Params, name: str) -> Any:
    """The pictures of a run as files: the example's own, else a copy, since an upload may be gone by now."""
    value, known = getattr(params, name, None), replay.known_pictures()

    def file(picture: PIL.Image.Image) -> str:
        return known.get(images.digest(picture)) or picture_file(picture)

    return [file(picture) for picture in value] if isinstance(value, list) else value and file(value)


def chip(entry: plan.Entry) -> tuple[str, Any]:
    """What stands for an entry among the chips: its method and its variant."""
    variant = plan.variant_of(entry.pipeline)
    return entry.pipeline.name, entry.values.get(variant.name, variant.default) if variant else None


def beside(desk: Desk, result: Result, values: Mapping[str, Any], earlier: Memory | None) -> Memory:
    """The result as a card: among those of the comparison before where that was of the same pictures or classes."""
    found = {name: value for name, value in values.items() if name in CompareParams.model_fields}
    p = parse(CompareParams, found)
    entry = plan.entries(values["methods"], desk.table, compare_method.shared(p))[-1]
    params = parse(entry.pipeline.params, entry.own)
    note = any(text.startswith("stopped") for text in result.record.notes)
    card = Card(entry, params, state="stopped" if note else "done", result=replace(result, state=None))
    cards = [card]
    if earlier is not None and earlier.heads is None and subject(earlier.params) == subject(p):
        same = result.record.params
        cards += [one for one in earlier.cards if not (one.result and one.result.record.params == same)]
    cards.sort(key=lambda c: c.result.record.seconds.run if c.result else c.prediction.seconds)
    drawn = earlier.files.results if earlier else {}
    return Memory(p, cards, None, Files({id(one): drawn[id(one)] for one in cards if id(one) in drawn}))


def subject(p: CompareParams) -> dict[str, Any]:
    """What a comparison is about: its pictures, or what is generated."""
    told = p.model_dump(mode="json")
    return {name: told[name] for name in (PICTURES if p.content is not None else (*PICTURES, "dataset", "label"))}


def laid_out(memory: Memory, request: gr.Request) -> list[Any]:
    """The cards on the page; what can be taken away follows when they are judged."""
    off = gr.update(interactive=False)
    left = any(card.state in {"waiting", "stopped"} for card in memory.cards)
    return row(
        False,
        left,
        gallery=compare_cards.gallery(memory.cards, memory.files, None, request),
        status=spoken("Sent here with its settings. Run makes the other methods.", request),
        sheet=off,
        pack=off,
        links=past.links(memory.params, request),
        memory=memory,
    )


def judged(desk: Desk, memory: Memory, request: gr.Request) -> list[Any]:
    """The cards with their scores, the contact sheet and the zip; a card that cannot be judged says why."""
    for card in memory.cards:
        if card.result is not None and not card.scores:
            try:
                card.scores = engine.judged(card, card.result, desk.server.cache)
            except Exception as error:  # the page's last line: every error becomes a sentence
                card.sentence = in_words(explain(error), request)
    gallery = compare_cards.gallery(memory.cards, memory.files, None, request)
    return [gallery, *taken_away(memory, desk.server)]
