"""What outlasts a comparison: a link with its settings, and this browser's last runs with thumbnails.

The runs are kept by the browser itself (gr.BrowserState), so nobody sees another's.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image

from pipelines import images
from pipelines.compare import CompareParams, plan
from pipelines.compare.engine import Card
from pipelines.params import settings
from pipelines.record import Record
from ui.kit.form import replay
from ui.kit.form.examples import CONTENT, STYLE
from ui.kit.i18n import spoken
from ui.tabs.compare import cards as compare_cards
from ui.tabs.compare.form import FIELDS, shared_by, written

RUNS, THUMB = 8, 152  # runs kept; side of a thumbnail in pixels
STORAGE, SECRET = "atelier-compare-1", "read by this page alone"  # fixed, or every restart would forget


def state() -> gr.BrowserState:
    """The component that keeps the runs."""
    return gr.BrowserState([], storage_key=STORAGE, secret=SECRET)


def link(p: CompareParams) -> str:
    """A query string that reopens the page with these settings; pictures of one's own are not in it."""
    known, names = replay.examples(), {}

    def stem(picture: PIL.Image.Image, among: list[Path]) -> str:
        path = known.get(images.digest(picture))
        return path.stem if path and path in among else ""

    if p.content is not None and (name := stem(p.content, CONTENT)):
        names["content"] = name
    styles = [stem(style, STYLE) for style in p.styles]
    if styles and all(styles):
        names["styles"] = ",".join(styles)
    return written(p.model_dump(mode="json"), names)


def opened(query: Mapping[str, str]) -> dict[str, Any] | None:
    """The settings in a query string, or None where it has none of ours."""
    found: dict[str, Any] = {name: query[name] for name in FIELDS if name in query}
    if "methods" not in found:
        return None
    found["content"] = next((str(path) for path in CONTENT if path.stem == found.get("content")), None)
    wanted = str(found.get("styles", "")).split(",")
    found["styles"] = [str(path) for stem in wanted for path in STYLE if path.stem == stem]
    return found


def recorded(told: Record, table: plan.Table, known: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The settings in a record, of a contact sheet or of one method's picture; pictures are found by their pixels.

    `known`: digest -> path of the pictures that are here; None: the examples."""
    known = replay.known_pictures() if known is None else known
    params = told.params
    found = {name: value for name, value in params.items() if name in FIELDS}
    if told.pipeline in table:
        pipeline = table[told.pipeline]
        found = {name: value for name, value in found.items() if name in shared_by(pipeline) and fits(name, value)}
        variant = plan.variant_of(pipeline)
        own = [s for s in settings(pipeline.params) if s.name not in found and s.kind not in {"image", "images"}]
        changed = {
            s.name: params[s.name]
            for s in own
            if s != variant and s.name in params and (params[s.name] != s.default or s.name in shared_by(pipeline))
        }
        chosen = f":{params[variant.name]}" if variant else ""
        found["methods"] = plan.written(f"{told.pipeline}{chosen}", changed)
    content = params.get("content") or {}
    found["content"] = known.get(content.get("sha256", ""))
    found["styles"] = [known[s["sha256"]] for s in params.get("styles", []) if s["sha256"] in known]
    return found


def fits(name: str, value: Any) -> bool:
    """Whether all methods of a comparison can be given this value: Stylise alone knows a size of 0, say."""
    low, high = FIELDS[name].low, FIELDS[name].high
    return not isinstance(value, int | float) or ((low is None or value >= low) and (high is None or value <= high))


def thumbnail(picture: PIL.Image.Image, side: int = THUMB) -> str:
    """A small JPEG as a data: address, which the browser can keep."""
    small = picture.copy()
    small.thumbnail((side, side))
    with io.BytesIO() as file:
        small.save(file, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def remembered(p: CompareParams, cards: Sequence[Card], when: str, request: gr.Request | None) -> dict[str, Any]:
    """One run, as the browser keeps it."""
    shown = [
        {
            "name": compare_cards.title(card, request),
            "seconds": card.result.record.seconds.run,
            "thumb": thumbnail(card.result.picture),
            "settings": compare_cards.changed(card),
        }
        for card in cards
        if card.result is not None
    ]
    return {"when": when, "link": link(p), "cards": shown[:6]}


def drawn(runs: Any, request: gr.Request | None) -> str:
    """The runs, the last first; a thumbnail is pinned like a card."""
    sections = []
    for run in runs if isinstance(runs, list) else []:
        thumbs = []
        for card in run["cards"]:
            name = html.escape(f"{card['name']}, {compare_cards.seconds(card['seconds'])}")
            settings = html.escape(json.dumps(card["settings"]))
            thumbs.append(
                f'<button type="button" class="pin" aria-pressed="false" aria-label="{name}" title="{name}" '
                f'data-name="{name}" data-src="{html.escape(card["thumb"])}" data-settings="{settings}">'
                f'<img src="{html.escape(card["thumb"])}" alt="{name}"></button>'
            )
        when = html.escape(run["when"].replace("T", " ")[:16])
        again = f'<a href="{html.escape(run["link"])}">{spoken("Open again", request)}</a>'
        sections.append(f'<section><div class="thumbs">{"".join(thumbs)}</div>{when} UTC · {again}</section>')
    empty = f"<p>{spoken('No run yet', request)}</p>"
    return f'<div class="history">{"".join(sections) or empty}</div>'


def links(p: CompareParams, request: gr.Request | None) -> str:
    """A link to these settings, and a button that copies it."""
    address = html.escape(link(p))
    return (
        f'<div class="links"><a href="{address}">{spoken("Link to these settings", request)}</a>'
        f'<button type="button" class="copy-link" data-link="{address}">{spoken("Copy", request)}</button></div>'
    )
