"""What Run, Stop and Continue of the Compare tab do."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from models import registry
from models.cache import ModelCache
from pipelines import compare as compare_method
from pipelines import metrics, record
from pipelines.base import STOP, Pipeline
from pipelines.compare import CompareParams, Heads, contact, engine
from pipelines.compare.engine import Card
from pipelines.compare.estimate import Estimates
from pipelines.params import parse
from ui.kit.i18n import in_words, spoken
from ui.kit.session import GPU, PRIVATE, QUICK, Stops, explain, file_in_cache, visitor_of, waiting
from ui.kit.show import failed_status
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
class Server:
    """What runs comparisons, for all visitors."""

    table: dict[str, Pipeline[Any]]
    cache: ModelCache
    stops: Stops
    estimates: Estimates


@dataclass(frozen=True)
class Desk:
    """The whole tab."""

    server: Server
    form: Form
    stage: Stage
    run: gr.Button
    stop: gr.Button
    cure: gr.Button  # opens Models, where weights are fetched

    @property
    def outputs(self) -> list[Any]:
        """What a comparison updates, in the order of `row`."""
        return [*(getattr(self.stage, name) for name in ROW), self.stage.more, self.run, self.stop]


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
    buttons = [gr.update(interactive=on) for on in (left and not running, not running, running)]
    return [*(values.get(name, gr.skip()) for name in ROW), *buttons]


def follow(server: Server, memory: Memory, runs: Any, request: gr.Request) -> Iterator[list[Any]]:
    """Run the cards that wait, and show how they come along."""
    cards, started, shown, answer = memory.cards, time.perf_counter(), 0.0, None
    off = gr.update(interactive=False)

    def view() -> dict[str, Any]:
        picture = compare_cards.gallery(cards, memory.files, memory.heads, request)
        return {"gallery": picture, "status": said(cards, started, request), "memory": memory}

    yield row(True, sheet=off, pack=off, **{**view(), "status": spoken("starting", request)})
    metrics.warm()  # not during the first method, whose seconds it would cost
    moves = engine.execute(cards, server.cache, server.estimates, registry.sha256, memory.params.seconds)
    try:
        while True:
            card = moves.send(answer)
            answer = STOP if server.stops.take(visitor_of(request)) else None
            if card.state != "running" or answer or time.perf_counter() - shown > SECONDS_BETWEEN_VIEWS:
                shown = time.perf_counter()
                yield row(True, **view())
    except StopIteration:
        pass
    finally:
        moves.close()
    yield concluded(server, memory, runs, view(), request)


def concluded(server: Server, memory: Memory, runs: Any, view: dict[str, Any], request: gr.Request) -> list[Any]:
    """What can be taken away, and the run among this browser's last ones."""
    sheet, pack = taken_away(memory, server)
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
    server, form, stage, run, stop = desk.server, desk.form, desk.stage, desk.run, desk.stop

    def start(request: gr.Request, runs: Any, earlier: Memory | None, *given: Any) -> Iterator[list[Any]]:
        try:
            p = parse(CompareParams, form.read(given))
            entries, heads = compare_method.cells(p, server.table)
            cards = engine.prepare(entries, server.cache, server.estimates, sort=heads is None)
            if not p.seconds:
                took_over(cards, earlier)
            yield from follow(server, Memory(p, cards, heads), runs, request)
        except Exception as error:  # the page's last line: every error becomes a sentence
            yield row(False, status=failed_status(in_words(explain(error), request)))

    def go_on(request: gr.Request, runs: Any, memory: Memory | None) -> Iterator[list[Any]]:
        for card in memory.cards if memory else []:
            if memory and card.state == "stopped":
                card.state, card.result = "waiting", None
                memory.files.results.pop(id(card), None)
        if memory is not None:
            yield from follow(server, memory, runs, request)

    def forget(request: gr.Request) -> None:
        server.stops.take(visitor_of(request))

    def ask(request: gr.Request) -> None:
        server.stops.ask(visitor_of(request))

    for button in (run, stage.more):
        button.click(None, None, [stage.status, run, stop], js=waiting(), **QUICK)
        button.click(forget, None, None, **QUICK)
    shared = {"show_progress": "hidden", **GPU, **PRIVATE}
    stop.click(ask, None, None, **QUICK)
    return [
        run.click(start, [stage.runs, stage.memory, *form.inputs], desk.outputs, **shared),
        stage.more.click(go_on, [stage.runs, stage.memory], desk.outputs, **shared),
    ]
