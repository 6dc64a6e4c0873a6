"""The cards of a comparison as HTML: what each method made, what it cost, how it scored. compare.js pins them."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import gradio as gr

from models.device import amount
from pipelines.compare import Heads, plan
from pipelines.compare.engine import Card
from pipelines.metrics import MEASURES
from pipelines.params import settings
from ui.kit.i18n import in_words, spoken
from ui.kit.session import file_in_cache, preview_file
from ui.words import ENGLISH

SHORTEST, DECADES = -3, 3  # powers of ten of seconds: where the chart starts at the earliest, and how many it shows
ARROWS = {"higher": "↑", "lower": "↓"}
BETTER = {"higher": "higher is better", "lower": "lower is better"}


@dataclass
class Files:
    """Where the pictures of cards are served from; each is written once."""

    results: dict[int, str] = field(default_factory=dict)

    def of(self, card: Card) -> str | None:
        """Path of the finished picture, or of the newest preview."""
        if card.result is not None:
            if id(card) not in self.results:
                self.results[id(card)] = file_in_cache(card.result.png(), ".png")
            return self.results[id(card)]
        preview = card.progress.preview if card.progress else None
        return None if preview is None else preview_file(preview)


def url(path: str) -> str:
    """A file's address relative to the page, which may be served under a prefix."""
    return f"gradio_api/file={path}"


def title(card: Card, request: gr.Request | None) -> str:
    """`Optimise · L-BFGS` in the reader's language; settings that were typed stay as they were."""
    pipeline, variant = card.entry.pipeline, plan.variant_of(card.entry.pipeline)
    parts = [spoken(pipeline.title, request)]
    value = card.entry.values.get(variant.name) if variant else None
    if value:
        told = in_words(str(value), request)  # what was typed may be no choice, and have no Chinese
        parts.append(ENGLISH.get(told, told))
    return " · ".join(parts)


def changed(card: Card) -> dict[str, str]:
    """Settings of the run that the two sides of the viewer may differ in."""
    shown = card.result.record.params if card.result else {}
    plain = {name: value for name, value in shown.items() if not isinstance(value, dict | list)}
    return {name: str(value) for name, value in plain.items() if value is not None and value != ""}


def seconds(value: float) -> str:
    """`0.35 s`, `4.2 s`, `130 s`."""
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def cost(card: Card, request: gr.Request | None) -> str:
    """What it took, or what it will take."""
    if card.result is None:
        about = card.prediction
        if card.state == "failed":
            return ""
        memory = f" · {amount(about.bytes)}" if about.bytes else ""
        word = "about {}" if about.measured else "perhaps {}"
        return html.escape(spoken(word, request).format(seconds(about.seconds)) + memory)
    r = card.result.record
    load = f"{spoken('loading', request)} {seconds(r.seconds.load)}"
    told = html.escape(spoken("Peak of the whole program, and what this run added to it", request))
    peak = amount(r.peak_bytes) + (f" (+{amount(card.added)})" if card.added is not None else "")
    return (
        f'<b>{seconds(r.seconds.run)}</b><span>{load}</span><span title="{told}">{peak}</span>'
        f"<span>{html.escape(', '.join(r.networks))}</span>"
    )


def score_rows(card: Card, request: gr.Request | None) -> str:
    """The score card: name, number, and an arrow for which way is better."""
    rows = []
    for name, value in card.scores.items():
        m = MEASURES[name]
        meaning = html.escape(spoken(m.meaning, request))
        better = spoken(BETTER[m.better], request)
        rows.append(
            f'<tr title="{meaning}; {better}"><th scope="row">{spoken(m.name, request)}</th>'
            f'<td>{value:.{m.digits}f} <span aria-label="{better}">{ARROWS[m.better]}</span></td></tr>'
        )
    return f'<table class="scores">{"".join(rows)}</table>' if rows else ""


def drawn(card: Card, files: Files, request: gr.Request | None, pinnable: bool = True) -> str:
    """One card."""
    path = files.of(card)
    name, grid = html.escape(title(card, request)), card.entry.at is not None
    label = html.escape(card.entry.name)
    shown = f'<img src="{url(path)}" alt="{label}">' if path else f'<div class="blank">{_blank(card, request)}</div>'
    if card.state == "running":
        shown += f'<div class="bar"><i style="width:{100 * card.share:.1f}%"></i></div>'
    actions = ""
    if card.result is not None and path and pinnable:
        settings = html.escape(json.dumps(changed(card)))
        actions = (
            f'<div class="do"><button type="button" class="pin" aria-pressed="false" data-key="{label}" '
            f'data-name="{name if not grid else label}" data-src="{url(path)}" data-settings="{settings}">'
            f'{spoken("Pin", request)}</button><a href="{url(path)}" download="{file_name(card)}.png">PNG</a></div>'
        )
    typed = card.entry.name.split(":", 2)[2:] if not grid else []
    small = f"<small>{html.escape(', '.join(typed))}</small>" if typed else ""
    for note in remarks(card, request):
        small += f"<small>{html.escape(note)}</small>"
    sentence = html.escape(in_words(card.sentence, request))
    alert = f'<p class="failed" role="alert">{sentence}</p>' if card.sentence else ""
    return (
        f'<article class="card {card.state}"><figure>{shown}</figure>'
        f"<header><h3>{'' if grid else name}</h3>{actions}</header>{small}"
        f'<p class="cost">{cost(card, request)}</p>{alert}{score_rows(card, request)}</article>'
    )


def remarks(card: Card, request: gr.Request | None) -> list[str]:
    """What is to be known of a card beside its numbers."""
    found = [spoken("stopped", request)] if card.state == "stopped" else []
    if "styles" in card.entry.values and "styles" not in card.entry.own:
        found.append(spoken("does not see the styles: its prompt says what to paint", request))
    told = card.result.record.notes if card.result else []
    return [*found, *(in_words(note, request) for note in told if not note.startswith("stopped"))]


def _blank(card: Card, request: gr.Request | None) -> str:
    words = {"waiting": "waiting", "running": "starting", "failed": "did not work", "done": "", "stopped": "stopped"}
    return spoken(words[card.state], request) if words[card.state] else ""


def file_name(card: Card) -> str:
    """A plain name for the card's picture, without ending."""
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in card.entry.name)


def axis(values: Sequence[float]) -> tuple[int, int]:
    """First power of ten of a log axis on which `values` in seconds lie, and how many it is long."""
    low = max(SHORTEST, math.floor(math.log10(max(min(values), 1e-9)) + 1e-9))
    return low, max(DECADES, math.ceil(math.log10(max(values) + 1e-9)) - low)


def chart(cards: Sequence[Card], request: gr.Request | None) -> str:
    """Seconds of each method on a log axis: hollow while predicted, filled once measured."""
    shown = [(card, card.result) for card in cards if card.state != "failed"]
    if not shown or any(card.entry.at for card in cards):  # a grid says its seconds in its cells
        return ""
    lengths = [done.record.seconds.run if done else card.prediction.seconds for card, done in shown]
    low, decades = axis(lengths)
    rows = []
    for (card, done), value in zip(shown, lengths, strict=True):
        along = 100 * min(1.0, max(0.0, (math.log10(max(value, 1e-9)) - low) / decades))
        rows.append(
            f'<div class="row {"real" if done else "guess"}"><span>{html.escape(title(card, request))}</span>'
            f'<div class="track"><i style="width:{max(0.6, along):.1f}%"></i>'
            f'<b style="left:{along:.1f}%">{"" if done else "~"}{seconds(value)}</b></div></div>'
        )
    ticks = "".join(f'<u style="left:{100 * i / decades:g}%">{10.0 ** (low + i):g} s</u>' for i in range(decades))
    scale = f'<div class="row axis"><span></span><div class="track">{ticks}</div></div>'
    label = html.escape(spoken("Seconds of each method, on a logarithmic axis", request))
    return f'<div class="chart" role="img" aria-label="{label}">{"".join(rows)}{scale}</div>'


def head(text: str, card: Card, request: gr.Request | None) -> str:
    """What stands at an axis of a grid, in the reader's words: `strength 0.5`, or the name of a row's method."""
    name, _, value = text.partition(" ")
    labels = {s.name: s.label for s in settings(card.entry.pipeline.params)}
    return f"{spoken(labels[name], request)} {value}" if name in labels and value else title(card, request)


def gallery(cards: Sequence[Card], files: Files, heads: Heads, request: gr.Request | None) -> str:
    """The whole right side: the chart, then the cards, or the X/Y grid with labelled axes."""
    made = [drawn(card, files, request) for card in cards]
    if not heads:
        body = f'<div class="grid">{"".join(made)}</div>'
    else:
        across = "".join(f'<th scope="col">{html.escape(head(text, cards[0], request))}</th>' for text in heads[0])
        columns, lines = len(heads[0]), []
        for r, text in enumerate(heads[1]):
            row = "".join(f"<td>{cell}</td>" for cell in made[r * columns : (r + 1) * columns])
            lines.append(f'<tr><th scope="row">{html.escape(head(text, cards[r * columns], request))}</th>{row}</tr>')
        body = f'<div class="scroll"><table class="xy"><tr><td></td>{across}</tr>{"".join(lines)}</table></div>'
    return f'<div class="compare">{chart(cards, request)}{body}</div>'


def forecast(cards: Sequence[Card], absent: Sequence[Card], request: gr.Request | None) -> str:
    """What the run will cost, before it: a line for each method, and what stands in its way.

    `absent`: methods that are not chosen and whose weights are not here; compare.js greys their chips.
    """
    rows = []
    for card in cards:
        trouble = in_words(card.sentence or card.prediction.trouble, request)
        text = f'<span class="failed">{html.escape(trouble)}</span>' if trouble else cost(card, request)
        rows.append(f"<tr><th>{html.escape(title(card, request))}</th><td>{text}</td></tr>")
    if any(card.entry.at for card in cards):
        total = sum(card.prediction.seconds for card in cards)
        word = "about {}" if all(card.prediction.measured for card in cards) else "perhaps {}"
        rows = [f"<tr><th>{len(cards)} ×</th><td>{spoken(word, request).format(seconds(total))}</td></tr>"]
    away = [card for card in (*cards, *absent) if card.prediction.missing]
    for card in absent:
        reason = html.escape(in_words(card.prediction.trouble, request))
        rows.append(f'<tr class="absent"><th>{html.escape(title(card, request))}</th><td>{reason}</td></tr>')
    reasons = {card.entry.name.split(":model=")[0]: in_words(card.prediction.trouble, request) for card in away}
    told = html.escape(json.dumps(reasons))
    return f'<table class="forecast" data-absent="{told}">{"".join(rows)}</table>'


def words(request: gr.Request | None) -> dict[str, str]:
    """What the viewer says, for compare.js."""
    texts = ("Slider", "Flip", "Difference", "Side by side", "Close", "Pin", "Settings that differ", "none")
    return {text: spoken(text, request) for text in texts}
