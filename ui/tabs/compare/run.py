"""What Run, Stop and Continue of the Compare tab do."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from models import registry
from pipelines import compare as compare_method
from pipelines import metrics, record
from pipelines.base import STOP, Pipeline
from pipelines.compare import CompareParams, Heads, contact, engine
from pipelines.compare.engine import Card
from pipelines.compare.estimate import Estimates
from pipelines.params import parse
from ui.kit.i18n import in_words, spoken
from ui.kit.run import SECONDS_BETWEEN_PLACES, Controls, Press, Server, View, on_press, on_stop, pressable
from ui.kit.session import explain, file_in_cache
from ui.kit.show import GONE, failed_status, place
from ui.tabs.compare import cards as compare_cards
from ui.tabs.compare import past as compare_past
from ui.tabs.compare.cards import Files
from ui.tabs.compare.form import Form

SECONDS_BETWEEN_VIEWS = 0.5


@dataclass
class Memory:
    """What stays of a visitor's comparison, for Continue, the sheet and the zip."""

    params: CompareParams
    cards: list[Card]
    heads: Heads
    files: Files = field(default_factory=Files)

    def __deepcopy__(self, _: Any) -> Memory:
        return self  # Gradio copies a State's value; pictures are not copied


@dataclass(frozen=True)
class Stage:
    """The right column, and what is below it."""

    gallery: gr.HTML
    status: gr.HTML
    sheet: gr.DownloadButton
    pack: gr.DownloadButton
    more: gr.Button
    links: gr.HTML
    past: gr.HTML
    runs: gr.BrowserState
    memory: gr.State


@dataclass(frozen=True)
class Desk:
    """The whole tab."""

    server: Server
    table: dict[str, Pipeline[Any]]
    estimates: Estimates
    form: Form
    stage: Stage
    controls: Controls
    cure: gr.Button  # opens Models, where weights are fetched

    @property
    def outputs(self) -> list[Any]:
        """What a comparison updates, in the order of `row`; Run and Stop follow."""
        return [*(getattr(self.stage, name) for name in ROW), self.stage.more]


def said(cards: list[Card], started: float, request: gr.Request | None) -> str:
    """`2 of 4 · 12.3 s`, and a bar while methods wait."""
    done = sum(card.state in {"done", "stopped", "failed"} for card in cards)
    text = f"{spoken('{} of {} methods', request).format(done, len(cards))} · {time.perf_counter() - started:.1f} s"
    running = next((c for c in cards if c.state == "running"), None)
    if running is None:
        return html.escape(text)
    share = sum(card.share for card in cards) / len(cards)
    name = html.escape(f"{text} · {compare_cards.title(running, request)}")
    return f'{name}<div class="bar"><i style="width:{100 * share:.1f}%"></i></div>'


def taken_away(memory: Memory, server: Server) -> list[Any]:
    """The contact sheet and the zip as files."""
    made = [card for card in memory.cards if card.result is not None]
    off = gr.update(interactive=False)
    if not made:
        return [off, off]
    told = compare_method.told(memory.params, memory.cards, server.cache)
    sheet = record.png(compare_method.drawn(memory.cards, memory.heads), told)
    pictures = {"sheet.png": sheet}
    for number, card in enumerate(made, 1):
        assert card.result is not None
        name = f"{number:02d}-{compare_cards.file_name(card)}"
        pictures[f"{name}.png"] = card.result.png()
        if card.result.sheet is not None:
            pictures |= {f"{name}/{i:03d}.png": card.result.png(i) for i in range(len(card.result.images))}
    pack = contact.bundle(pictures, told.model_dump(mode="json"))
    return [gr.update(value=file_in_cache(d, s), interactive=True) for d, s in ((sheet, ".png"), (pack, ".zip"))]


ROW = ("gallery", "status", "sheet", "pack", "links", "past", "runs", "memory")


def row(running: bool, left: bool = False, **values: Any) -> list[Any]:
    """Values for what a comparison updates, by the names in ROW, and whether Continue, Run and Stop can be pressed."""
    more = gr.update(interactive=left and not running)
    return [*(values.get(name, gr.skip()) for name in ROW), more, *pressable(running)]


def follow(desk: Desk, press: Press, memory: Memory, runs: Any, request: gr.Request) -> Iterator[list[Any]]:
    """Wait for the turn, run the cards that wait, and show how they come along."""
    server, cards, started, shown, answer = desk.server, memory.cards, time.perf_counter(), 0.0, None
    off = gr.update(interactive=False)

    def view() -> dict[str, Any]:
        picture = compare_cards.gallery(cards, memory.files, memory.heads, request)
        return {"gallery": picture, "status": said(cards, started, request), "memory": memory}

    yield row(True, sheet=off, pack=off, **{**view(), "status": spoken("starting", request)})
    with server.turns.take() as ticket:
        while not press.over and not ticket.wait(SECONDS_BETWEEN_PLACES):
            ahead = View(ahead=ticket.ahead, seconds_ahead=ticket.seconds_ahead)
            yield row(True, status=html.escape(place(ahead, request)))
        started = time.perf_counter()
        metrics.warm()  # not during the first method, whose seconds it would cost
        moves = engine.execute(cards, server.cache, desk.estimates, registry.sha256, memory.params.seconds)
        try:
            while not press.over or answer:
                card = moves.send(answer)
                answer = STOP if press.stopped else None
                if card.state != "running" or answer or time.perf_counter() - shown > SECONDS_BETWEEN_VIEWS:
                    shown = time.perf_counter()
                    yield row(True, **view())
        except StopIteration:
            pass
        finally:
            moves.close()
    for card in cards:
        if card.state == "running":
            card.state = "stopped"
    yield concluded(desk, memory, runs, view(), request)


def concluded(desk: Desk, memory: Memory, runs: Any, view: dict[str, Any], request: gr.Request) -> list[Any]:
    """What can be taken away, and the run among this browser's last ones."""
    sheet, pack = taken_away(memory, desk.server)
    told = compare_past.remembered(memory.params, memory.cards, record.now(), request)
    runs = [told, *(runs if isinstance(runs, list) else [])][: compare_past.RUNS] if told["cards"] else runs
    left = any(card.state in {"waiting", "stopped"} for card in memory.cards)
    past, links = compare_past.drawn(runs, request), compare_past.links(memory.params, request)
    return row(False, left, sheet=sheet, pack=pack, runs=runs, past=past, links=links, **view)


def took_over(cards: list[Card], earlier: Memory | None) -> None:
    """Results that were sent here stay where the settings are still theirs, instead of being made again."""
    sent = [card for card in earlier.cards if card.added is None and card.state == "done"] if earlier else []
    for card in cards:
        told = card.params.model_dump(mode="json") if card.params else None
        same = next((one for one in sent if one.result and one.result.record.params == told), None)
        if same and same.entry.pipeline is card.entry.pipeline:
            card.state, card.result, card.scores = "done", same.result, same.scores


def wire(desk: Desk) -> list[Any]:
    """Run, Stop and Continue; returns the events after which costs are known better."""
    server, form, stage, controls = desk.server, desk.form, desk.stage, desk.controls

    def start(request: gr.Request, token: str, runs: Any, earlier: Memory | None, *given: Any) -> Iterator[list[Any]]:
        try:
            p = parse(CompareParams, form.read(given))
            entries, heads = compare_method.cells(p, desk.table)
            cards = engine.prepare(entries, server.cache, desk.estimates, sort=heads is None)
            if not p.seconds:
                took_over(cards, earlier)
            with server.press(request, controls.tab, token) as press:
                yield from follow(desk, press, Memory(p, cards, heads), runs, request)
        except Exception as error:  # the page's last line: every error becomes a sentence
            yield row(False, status=failed_status(in_words(explain(error), request)))

    def go_on(request: gr.Request, token: str, runs: Any, memory: Memory | None) -> Iterator[list[Any]]:
        if memory is None:
            yield row(False, status=failed_status(in_words(GONE, request)))
            return
        for card in memory.cards:
            if card.state == "stopped":
                card.state, card.result = "waiting", None
                memory.files.results.pop(id(card), None)
        try:
            with server.press(request, controls.tab, token) as press:
                yield from follow(desk, press, memory, runs, request)
        except Exception as error:
            yield row(False, status=failed_status(in_words(explain(error), request)))

    on_stop(server, controls)
    given = [stage.runs, stage.memory]
    return [
        on_press(controls, [controls.run.click], start, [*given, *form.inputs], desk.outputs),
        on_press(controls, [stage.more.click], go_on, given, desk.outputs),
    ]
