"""A comparison as HTML: what each method made, what it cost, how it scored; the stored ones that the page opens on.

compare.js pins the pictures.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import PIL.Image

from models.device import amount
from pipelines.base import Result
from pipelines.compare import CompareParams, contact, engine, plan
from pipelines.compare.engine import Card
from pipelines.compare.plan import Heads
from pipelines.metrics import MEASURES
from pipelines.params import settings
from pipelines.record import Record
from pipelines.sheet import chinese_font
from ui.kit.form.examples import COMPARISON
from ui.kit.i18n import in_words, reads_chinese, spoken
from ui.kit.session import file_in_cache
from ui.kit.show import duration, networks
from ui.tabs.compare.axes import worded

SHORTEST, DECADES = -3, 3  # powers of ten of seconds: where the chart starts at the earliest, and how many it shows
BLANK = {"waiting": "not run yet", "running": "starting", "failed": "did not work", "stopped": "stopped"}
WAYS = {"higher": "higher is better", "lower": "lower is better"}
MOST_LETTERS = 120  # of a download's name
RUINED = 0.5  # "Structure kept" below which hardly anything of the photograph is left


@dataclass
class Memory:
    """What stays of a visitor's comparison, for Continue, the sheet and the zip.

    addresses: of the results of cards. preview: of the method in flight. stored: it came with Atelier. running: the
    cards that wait will have their turn. pictures: names of those that went in. status: said of it once it is over.
    """

    params: CompareParams
    cards: list[Card]
    heads: Heads = None
    addresses: dict[Card, str] = field(default_factory=dict)
    preview: str | None = None
    stored: bool = False
    running: bool = False
    pictures: tuple[str, ...] = ()
    status: str = ""

    def __deepcopy__(self, _: Any) -> Memory:
        return self  # Gradio copies a State's value; pictures are not copied

    @property
    def kind(self) -> str:
        """The mode that it was made in."""
        return "generate" if self.params.content is None else "restyle"

    @property
    def file_name(self) -> str:
        """What downloads are called: `compare-gatys-stylize-astronaut-impasto`."""
        methods = dict.fromkeys(card.entry.pipeline.name for card in self.cards if card.result)
        subject = self.pictures or ((self.params.dataset,) if self.params.dataset else ())
        return "-".join(["compare", *methods, *subject])[:MOST_LETTERS]

    @property
    def busy(self) -> bool:
        """Whether a method is under way."""
        return any(card.state == "running" for card in self.cards)

    @property
    def left(self) -> bool:
        """Whether there is something for Continue."""
        return any(card.state in {"waiting", "stopped"} for card in self.cards)

    def address(self, card: Card) -> str | None:
        """Of the finished picture, written once, or of the newest preview; relative to the page, which may be served
        under a prefix."""
        if card.result is not None:
            if card not in self.addresses:
                self.addresses[card] = f"gradio_api/file={file_in_cache(card.result.png(), '.png')}"
            return self.addresses[card]
        return f"gradio_api/file={self.preview}" if card.progress and card.progress.preview is not None else None


def stored(kind: str, table: plan.Table) -> Memory:
    """The finished comparison of what the form says at first, as `python -m benchmarks.opening` wrote it."""
    memory = Memory(CompareParams(), [], stored=True)
    for row in json.loads((COMPARISON / "cards.json").read_text("utf-8"))[kind]:
        (entry,) = plan.entries(row["name"], table, {})
        result = Result([], Record.model_validate(row["record"]))
        card = Card(entry, state="done", result=result, scores=row["scores"])
        picture = base64.b64encode((COMPARISON / row["file"]).read_bytes()).decode()
        memory.addresses[card] = f"data:image/webp;base64,{picture}"
        memory.cards.append(card)
    return memory


def title(card: Card, request: gr.Request | None) -> str:
    """`Optimise · L-BFGS` in the reader's language; settings that were typed stay as they were."""
    pipeline, variant = card.entry.pipeline, plan.variant_of(card.entry.pipeline)
    value = card.entry.values.get(variant.name) if variant else None
    return " · ".join(filter(None, (spoken(pipeline.title, request), worded(str(value or ""), request))))


def comparable_settings(card: Card, request: gr.Request | None) -> dict[str, str]:
    """Settings of the run, in the reader's words, that the two sides of the viewer have in common or differ in."""
    values = card.result.record.params if card.result else {}
    labels = {s.name: s.label for s in settings(card.entry.pipeline.params)}
    plain = {name: value for name, value in values.items() if not isinstance(value, dict | list) and name in labels}
    texts = {
        n: ("yes" if v else "no") if isinstance(v, bool) else str(v) for n, v in plain.items() if v not in (None, "")
    }
    return {spoken(labels[name], request): worded(text, request) for name, text in texts.items()}


def about(value: float, measured: bool, request: gr.Request | None) -> str:
    """`about 4.2 s`, `perhaps 4.2 s`."""
    return spoken("about {}" if measured else "perhaps {}", request).format(duration(value))


def cost(card: Card, request: gr.Request | None) -> str:
    """What it took, or what it will take."""
    guess = card.prediction
    if card.result is None and card.state == "failed":
        return ""
    if card.result is None:
        memory = f" · {amount(guess.own)}" if guess.own else ""
        return html.escape(about(guess.seconds, guess.measured, request) + memory)
    r = card.result.record
    load = f"<span>{spoken('loading', request)} {duration(r.seconds.load)}</span>" if r.seconds.load >= 0.1 else ""
    meaning = html.escape(spoken("Memory that this run's models and its work took", request))
    return (
        f'<b>{duration(r.seconds.run)}</b>{load}<span title="{meaning}">{amount(r.own_bytes)}</span>'
        f"<span>{html.escape(', '.join(networks(r, request)))}</span>"
    )


def ruined(card: Card) -> bool:
    """Whether hardly anything of the photograph is left."""
    return card.scores.get("structure", 1.0) < RUINED


def best(cards: Sequence[Card]) -> dict[str, str]:
    """The best number of each score that several cards have, as it is written; what is ruined wins nothing."""
    winners = {}
    for name, m in MEASURES.items():
        values = [card.scores[name] for card in cards if name in card.scores and not ruined(card)]
        if sum(name in card.scores for card in cards) > 1 and values:
            winners[name] = f"{max(values) if m.better == 'higher' else min(values):.{m.digits}f}"
    return winners


def ways(cards: Sequence[Card], request: gr.Request | None) -> list[str]:
    """Which way the scores of cards are better: `lower is better: Style distance`."""
    measures = [m for name, m in MEASURES.items() if any(name in card.scores for card in cards)]
    names = {way: [spoken(m.name, request) for m in measures if m.better == way] for way in WAYS}
    return [f"{spoken(WAYS[way], request)}: {', '.join(names[way])}" for way in names if names[way]]


def legend(cards: Sequence[Card], request: gr.Request | None) -> str:
    """Once for all cards: which way a score is better, and what is marked."""
    parts = ways(cards, request)
    parts += [spoken("the best is bold", request)] if best(cards) else []
    return f'<p class="note">{html.escape(" · ".join(parts))}</p>' if parts else ""


def score_rows(card: Card, winners: Mapping[str, str], request: gr.Request | None) -> str:
    """The score card: names and numbers, the best of all cards in bold."""
    rows = []
    for name, value in card.scores.items():
        m = MEASURES[name]
        meaning, number = html.escape(spoken(m.meaning, request)), f"{value:.{m.digits}f}"
        number = f"<b>{number}</b>" if number == winners.get(name) and not ruined(card) else number
        rows.append(f'<tr title="{meaning}"><th scope="row">{spoken(m.name, request)}</th><td>{number}</td></tr>')
    return f'<table class="scores">{"".join(rows)}</table>' if rows else ""


def pin(text: str, name: str, source: str, settings: dict[str, str], label: str = "") -> str:
    """A button with which compare.js lays a picture beside another one; `text` and `label` are HTML."""
    pairs = {"name": name, "src": source, "settings": json.dumps(settings)}
    data = "".join(f' data-{key}="{html.escape(value)}"' for key, value in pairs.items())
    return f'<button type="button" class="pin" aria-pressed="false"{label}{data}>{text}</button>'


def article(card: Card, memory: Memory, request: gr.Request | None) -> str:
    """One card."""
    address, grid = memory.address(card), card.entry.at is not None
    name, label = title(card, request), html.escape(card.entry.name)
    state = "in line" if card.state == "waiting" and memory.running else BLANK.get(card.state, "")
    blank = spoken(state, request)
    picture = f'<img src="{address}" alt="{label}">' if address else f'<div class="blank">{blank}</div>'
    if card.state == "running":
        picture += f'<div class="bar"><i style="width:{100 * card.share:.1f}%"></i></div>'
    actions = ""
    if address and card.result is not None:
        button = pin(
            spoken("Pin", request), card.entry.name if grid else name, address, comparable_settings(card, request)
        )
        file = "" if memory.stored else f'<a href="{address}" download="{file_name(card)}.png">PNG</a>'
        use = spoken("Use", request)
        take = f'<button type="button" class="take" data-src="{address}">{use}</button>' if grid else ""
        actions = f'<div class="do">{take}{button}{file}</div>'
    own = [] if grid else [", ".join(card.entry.name.split(":", 2)[2:])]  # settings that were typed
    small = "".join(f"<small>{html.escape(text)}</small>" for text in (*own, *remarks(card, request)) if text)
    sentence = html.escape(in_words(card.sentence, request))
    alert = f'<p class="failed" role="alert">{sentence}</p>' if card.sentence else ""
    return (
        f'<article class="card {card.state}"><figure>{picture}</figure>'
        f"<header><h3>{'' if grid else html.escape(name)}</h3>{actions}</header>{small}"
        f'<p class="cost">{cost(card, request)}</p>{alert}{score_rows(card, best(memory.cards), request)}</article>'
    )


def remarks(card: Card, request: gr.Request | None) -> list[str]:
    """What is to be known of a card beside its numbers."""
    notes = [note for note in (card.result.record.notes if card.result else []) if not note.startswith("stopped")]
    unseen = "styles" in card.entry.values and "styles" not in card.entry.own
    gone = "Hardly anything of the photograph is left: its other scores say little."
    return [
        *([spoken("stopped", request)] if card.state == "stopped" else []),
        *([spoken(gone, request)] if ruined(card) else []),
        *([spoken("does not see the styles: its prompt says what to paint", request)] if unseen else []),
        *(in_words(note, request) for note in notes),
    ]


def file_name(card: Card) -> str:
    """A plain name for the card's picture, without ending."""
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in card.entry.name)


def axis(values: Sequence[float]) -> tuple[int, int]:
    """First power of ten of a log axis on which `values` in seconds lie, and how many it is long."""
    low = max(SHORTEST, math.floor(math.log10(max(min(values), 1e-9)) + 1e-9))
    return low, max(DECADES, math.ceil(math.log10(max(values) + 1e-9)) - low)


def chart(cards: Sequence[Card], request: gr.Request | None) -> str:
    """Seconds of each method on a log axis: hollow while predicted, filled once measured."""
    bars = [
        (c, c.result.record.seconds.run if c.result else c.prediction.seconds) for c in cards if c.state != "failed"
    ]
    if not bars or any(card.entry.at for card in cards):  # a grid says its seconds in its cells
        return ""
    low, decades = axis([value for _, value in bars])
    rows = []
    for card, value in bars:
        along = 100 * min(1.0, max(0.0, (math.log10(max(value, 1e-9)) - low) / decades))
        kind, sign = ("real", "") if card.result else ("guess", "~")
        rows.append(
            f'<div class="row {kind}"><span>{html.escape(title(card, request))}</span>'
            f'<div class="track"><i style="width:{max(0.6, along):.1f}%"></i>'
            f'<b style="left:{along:.1f}%">{sign}{duration(value)}</b></div></div>'
        )
    ticks = "".join(f'<u style="left:{100 * i / decades:g}%">{10.0 ** (low + i):g} s</u>' for i in range(decades))
    scale = f'<div class="row axis"><span></span><div class="track">{ticks}</div></div>'
    label = html.escape(spoken("Seconds of each method, on a logarithmic axis", request))
    return f'<div class="chart" role="img" aria-label="{label}">{"".join(rows)}{scale}</div>'


def head(text: str, card: Card, request: gr.Request | None) -> str:
    """What stands at an axis of a grid, in the reader's words: `strength 0.5`, or the name of a row's method."""
    name, _, value = text.partition(" ")
    labels = {s.name: s.label for s in settings(card.entry.pipeline.params)}
    known = name in labels and value
    return f"{spoken(labels[name], request)} {worded(value, request)}" if known else title(card, request)


def sheet(memory: Memory, request: gr.Request | None) -> PIL.Image.Image:
    """The contact sheet in the reader's words, with what went in; in English where this machine has no Chinese font."""
    if reads_chinese(request) and chinese_font(contact.TEXT) is None:
        request = None
    cards, columns, heads = memory.cards, None, None
    if memory.heads:
        columns = len(memory.heads[0])
        across = [head(text, cards[0], request) for text in memory.heads[0]]
        heads = across, [head(text, cards[r * columns], request) for r, text in enumerate(memory.heads[1])]
    p = memory.params
    given = [contact.Cell(spoken("Content", request), p.content)] if p.content is not None else []
    given += [contact.Cell(spoken("Styles", request) if i == 0 else "", style) for i, style in enumerate(p.styles)]
    cells = [engine.cell(c, title(c, request), lambda name: spoken(MEASURES[name].name, request)) for c in cards]
    return contact.sheet(cells, columns, heads, ways(cards, request), given)


def gallery(memory: Memory, request: gr.Request | None) -> str:
    """The whole right side: the chart, then the cards, or the X/Y grid with labelled axes."""
    cards, heads = memory.cards, memory.heads
    articles = [article(card, memory, request) for card in cards]
    body = f'<div class="grid">{"".join(articles)}</div>'
    if heads:
        across = "".join(f'<th scope="col">{html.escape(head(text, cards[0], request))}</th>' for text in heads[0])
        columns, lines = len(heads[0]), []
        for r, text in enumerate(heads[1]):
            row = "".join(f"<td>{cell}</td>" for cell in articles[r * columns : (r + 1) * columns])
            label = html.escape(head(text, cards[r * columns], request))
            lines.append(f'<tr><th scope="row">{label}</th>{row}</tr>')
        body = f'<div class="scroll"><table class="xy"><tr><td></td>{across}</tr>{"".join(lines)}</table></div>'
    note = ""
    if memory.stored and cards[0].result:
        text = spoken("Stored results of the first pictures and settings, made on {}. Run makes them here.", request)
        note = f'<p class="note">{html.escape(text.format(in_words(cards[0].result.record.device, request)))}</p>'
    kind = "compare stored" if memory.stored else "compare"
    return f'<div class="{kind}">{note}{chart(cards, request)}{legend(cards, request)}{body}</div>'


def forecast(
    cards: Sequence[Card], absent: Sequence[Card], reasons: Mapping[str, str], request: gr.Request | None
) -> str:
    """What the run will cost, before it: a line for each method, and what stands in its way.

    absent: methods that are not chosen and cannot be. reasons: chip -> why it cannot take part; compare.js greys these.
    """
    lines = []  # class, title, text
    for card in cards:
        trouble = html.escape(in_words(hindrance(card), request))
        text = f'<span class="failed">{trouble}</span>' if trouble else cost(card, request)
        lines.append(("", html.escape(title(card, request)), text))
    if any(card.entry.at for card in cards):
        total, measured = sum(c.prediction.seconds for c in cards), all(c.prediction.measured for c in cards)
        lines = [("", f"{len(cards)} ×", about(total, measured, request))]
    for card in absent:
        reason = in_words(hindrance(card), request)
        lines.append((' class="absent"', html.escape(title(card, request)), html.escape(reason)))
    rows = "".join(f"<tr{kind}><th>{name}</th><td>{text}</td></tr>" for kind, name, text in lines)
    told = html.escape(json.dumps({chip: in_words(reason, request) for chip, reason in reasons.items()}))
    return f'<table class="forecast" data-absent="{told}">{rows}</table>'


def hindrance(card: Card) -> str:
    """Why a method cannot take part, in one sentence; empty where it can."""
    return card.sentence or card.prediction.trouble
