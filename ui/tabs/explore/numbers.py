"""The numbers beside a view of Explore, as HTML in the reader's language."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from models import registry
from models.weights import INSTALL
from pipelines.explore import EFFICIENTNET, IMAGENET, VGG19
from pipelines.record import Record
from ui.kit.i18n import in_words, spoken

TITLES = {"cifar10": "CIFAR-10 classifier", EFFICIENTNET: "EfficientNet-Lite0", VGG19: "VGG-19 classifier"}


def numbers(told: Record, request: gr.Request | None) -> str:
    """What a look's record says, for the eye."""
    view, details = told.params["view"], told.details
    if view == "invert":
        return inverted(told, request)
    makers = {"classify": classes, "layers": maps, "gram": grams, "attention": seen}
    return makers.get(view, variations)(details, request)


def paragraph(text: str, kind: str = "") -> str:
    """A sentence as HTML."""
    return f'<p class="{kind}">{html.escape(text)}</p>'


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
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return html.escape(str(value))


def classes(details: dict[str, Any], request: gr.Request | None) -> str:
    """The most probable classes of each classifier, and how far its probabilities can be trusted."""
    parts = []
    for name, told in details.items():
        rows = [(spoken(row["class"], request), f"{100 * row['probability']:.1f} %") for row in told["best"]]
        if not told["sure"]:
            parts.append(paragraph(spoken("Not sure: none of its classes fits well.", request), "unsure"))
        parts.append(paragraph(spoken(TITLES[name], request)))
        parts.append(table(("class", "probability"), rows, request))
        parts.append(f"<p><small>{html.escape(in_words(registry.MODELS[name].weights.quality, request))}</small></p>")
    if not details.keys() & set(IMAGENET):
        hint = spoken("ImageNet's thousand classes need EfficientNet-Lite0 (19 MB): run {}.", request).format(INSTALL)
        parts.append(f'<p class="unsure"><small>{html.escape(hint)}</small></p>')
    return "".join(parts)


def maps(details: dict[str, Any], request: gr.Request | None) -> str:
    """Which layer is shown, what its colours mean, and what a click does."""
    strongest = details["maps"][0]
    text = spoken("{} of layer {}: channel {} is the most active. Click a map to see what excites it.", request)
    first = text.format(len(details["maps"]), details["layer"], strongest["channel"])
    if details["scale"] == "map":
        colours = spoken("Colours: each map from its own minimum (dark) to its maximum (bright).", request)
    else:
        ends = [f"{end:.4g}" for end in details["ends"]]
        colours = spoken("Colours: every map from {} (dark) to {} (bright); 2 % are brighter still.", request).format(
            *ends
        )
    return paragraph(first) + paragraph(colours)


def grams(details: dict[str, Any], request: gr.Request | None) -> str:
    """Size and difference of the Gram matrices."""
    rows = details["layers"]
    hint = paragraph(spoken("Click a layer's picture to use that layer in Optimise.", request))
    if "difference" not in rows[0]:
        heads: tuple[str, ...] = ("layer", "channels", "size of G")
        return hint + table(heads, [(r["layer"], r["channels"], r["norm"]) for r in rows], request)
    heads = ("layer", "channels", "size of G", "of the second", "difference")
    cells = [(r["layer"], r["channels"], r["norm"], r["norm_other"], r["difference"]) for r in rows]
    what = "Difference: |G - G′|² / |G|², the style loss of Optimise with the first picture as style."
    colours = "G is the first picture's, G′ the second's. Blue: the second has less of it, red: more."
    small = "".join(f"<p><small>{html.escape(spoken(text, request))}</small></p>" for text in (colours, what))
    return hint + table(heads, cells, request) + small


def inverted(told: Record, request: gr.Request | None) -> str:
    """How well features and pixels match, layer by layer; a stopped run knows of features only."""
    hint = paragraph(spoken("Click a layer's picture to use that layer in Optimise.", request))
    if "layers" not in told.details:
        return table(("layer", "features missed"), list(told.metrics.items()), request)
    rows = [(r["layer"], r["loss"], r["pixels"]) for r in told.details["layers"]]
    return hint + table(("layer", "features missed", "pixels missed"), rows, request)


def seen(details: dict[str, Any], request: gr.Request | None) -> str:
    """The class and the channel that were asked about, in two sentences."""
    found, patch = details["class"], details["patch"]
    title = TITLES[found["model"]]
    first = spoken("Above: where {} looks for “{}” ({} %), by Grad-CAM at {}.", request).format(
        spoken(title, request),
        spoken(found["class"], request),
        f"{100 * found['probability']:.1f}",
        found["layer"],
    )
    second = spoken("Below: the patch that excites channel {} of {} most; one activation sees {} × {} pixels.", request)
    shown = second.format(patch["channel"], patch["layer"], patch["field"], patch["field"])
    return paragraph(first) + paragraph(shown)


def variations(details: dict[str, Any], request: gr.Request | None) -> str:
    """Total variation of both pictures."""
    names = {"content": "Content", "other": "Second picture"}
    rows = [
        (spoken(names[r["picture"]], request), r["total_variation"], r["per_pixel"], r["smoothness"], r["edges"])
        for r in details["pictures"]
    ]
    heads = ("picture", "total variation", "per pixel", "as Optimise counts it", "edges")
    colours = spoken("d/dx: right minus left, d/dy: below minus above; blue below zero, red above.", request)
    rest = table(heads, rows, request) + f"<p><small>{html.escape(colours)}</small></p>"
    if len(rows) == 1:
        return rest
    times = details["pictures"][1]["per_pixel"] / max(details["pictures"][0]["per_pixel"], 1e-12)
    text = spoken("Per pixel, the second picture varies {} times as much as the first.", request)
    return paragraph(text.format(f"{times:.2f}")) + rest
