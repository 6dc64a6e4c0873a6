"""The numbers beside a view of Explore, as HTML in the reader's language."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from models import registry
from ui.i18n import spoken


def numbers(view: str, details: dict[str, Any], request: gr.Request | None) -> str:
    """What the record's details say, for the eye."""
    makers = {"classify": classes, "layers": maps, "gram": grams, "invert": inverted, "attention": seen}
    return makers.get(view, variations)(details, request)


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], request: gr.Request | None) -> str:
    """A table whose first column is text and whose others are numbers."""
    top = "".join(
        f'<th class="{"number" if i else ""}">{html.escape(spoken(h, request))}</th>' for i, h in enumerate(heads)
    )
    body = "".join(
        "<tr>" + "".join(f'<td class="{"number" if i else ""}">{_shown(v)}</td>' for i, v in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table class="models"><tr>{top}</tr>{body}</table></div>'


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else html.escape(str(value))


def classes(details: dict[str, Any], request: gr.Request | None) -> str:
    """The most probable classes of each classifier, and how far its probabilities can be trusted."""
    parts = []
    for name, told in details.items():
        rows = [(spoken_class(row["class"], request), f"{100 * row['probability']:.1f} %") for row in told["best"]]
        if not told["sure"]:
            parts.append(
                f'<p class="unsure">{html.escape(spoken("Not sure: none of its classes fits well.", request))}</p>'
            )
        parts.append(f"<p>{html.escape(registry.MODELS[name].title)}</p>")
        parts.append(table(("class", "probability"), rows, request))
        parts.append(f"<p><small>{html.escape(registry.MODELS[name].weights.quality)}</small></p>")
    return "".join(parts)


def spoken_class(name: str, request: gr.Request | None) -> str:
    """A class's name in the reader's language, where it is known; ImageNet's thousand stay English."""
    try:
        return spoken(name, request)
    except KeyError:
        return name


def maps(details: dict[str, Any], request: gr.Request | None) -> str:
    """Which layer is shown, and what a click does."""
    strongest = details["maps"][0]
    text = spoken("{} of layer {}: channel {} is the most active. Click a map to see what excites it.", request)
    return f"<p>{html.escape(text.format(len(details['maps']), details['layer'], strongest['channel']))}</p>"


def grams(details: dict[str, Any], request: gr.Request | None) -> str:
    """Size and difference of the Gram matrices."""
    rows = details["layers"]
    if "difference" not in rows[0]:
        heads: tuple[str, ...] = ("layer", "channels", "size of G")
        return table(heads, [(r["layer"], r["channels"], r["norm"]) for r in rows], request)
    heads = ("layer", "channels", "size of G", "of the second", "difference")
    cells = [(r["layer"], r["channels"], r["norm"], r["norm_other"], r["difference"]) for r in rows]
    return table(heads, cells, request)


def inverted(details: dict[str, Any], request: gr.Request | None) -> str:
    """How well features and pixels match, layer by layer."""
    rows = [(r["layer"], r["loss"], r["pixels"]) for r in details.get("layers", [])]  # a stopped run has none
    return table(("layer", "features missed", "pixels missed"), rows, request) if rows else ""


def seen(details: dict[str, Any], request: gr.Request | None) -> str:
    """The class and the channel that were asked about, in two sentences."""
    found, patch = details["class"], details["patch"]
    first = spoken("Above: where {} looks for “{}” ({} %), by Grad-CAM at {}.", request).format(
        registry.MODELS[found["model"]].title,
        spoken_class(found["class"], request),
        f"{100 * found['probability']:.1f}",
        found["layer"],
    )
    second = spoken("Below: the patch that excites channel {} of {} most; one activation sees {} × {} pixels.", request)
    shown = second.format(patch["channel"], patch["layer"], patch["field"], patch["field"])
    return f"<p>{html.escape(first)}</p><p>{html.escape(shown)}</p>"


def variations(details: dict[str, Any], request: gr.Request | None) -> str:
    """Total variation of both pictures."""
    names = {"content": "Content", "other": "Second picture"}
    rows = [
        (spoken(names[r["picture"]], request), r["total_variation"], r["per_pixel"], r["smoothness"], r["edges"])
        for r in details["pictures"]
    ]
    heads = ("picture", "total variation", "per pixel", "as Optimise counts it", "edges")
    return table(heads, rows, request)
