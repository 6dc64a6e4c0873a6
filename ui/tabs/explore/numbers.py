"""What a look says: its numbers as HTML in the reader's language, and all of it as values of the tab's components."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr

from models import registry
from models.classifier import CIFAR10
from models.weights import INSTALL
from pipelines.base import Result
from pipelines.explore import EFFICIENTNET, IMAGENET, LAYERS, PIPELINE, VGG19
from pipelines.explore.views import outside
from pipelines.record import Record
from ui.kit.form import links
from ui.kit.i18n import in_words, spoken, t
from ui.kit.run import pressable
from ui.kit.session import file_in_cache
from ui.kit.show import cost_status

TITLES = {"cifar10": "CIFAR-10 classifier", EFFICIENTNET: "EfficientNet-Lite0", VGG19: "VGG-19 classifier"}
HINT = "Click a layer's picture to use that layer in Optimise."
ROW = (  # what a look updates; Run, Stop and the cure follow
    "picture", "numbers", "status", "table", "layer", "label", "download", "record", "fold", "hand", "as_content",
    "as_style",
)  # fmt: skip


def row(running: bool, cure: bool = False, **values: Any) -> list[Any]:
    """Values for what a look updates, by the names in ROW; what is left out stays as it is."""
    return [*(values.get(name, gr.skip()) for name in ROW), *pressable(running), gr.update(visible=cure)]


def result_row(result: Result, request: gr.Request | None, stored: bool = False) -> list[Any]:
    """A finished look; `stored`: it only read what was on the shelf."""
    record, details = result.record, result.record.details
    view, path = record.params["view"], file_in_cache(result.png(), ".png")
    layer = details.get("layer") or details.get("patch", {}).get("layer")
    label = class_choices(record.params, view)
    status = cost_status(result, request) if view == "invert" else look_status(result, request, stored)
    values = {"layer": gr.update(value=layer), **handing(layer, request)} if layer else {}
    return row(
        False,
        picture=gr.update(value=path, label=t("Result")),
        numbers=numbers(record, request),
        status=f"{status}<br>{links.link(PIPELINE, record.params, request)}",
        table=layer_table(details.get("table", []), request),
        label=label,
        download=gr.update(value=path, interactive=True),
        record=record.model_dump(mode="json"),
        fold=gr.update(visible=True),
        **values,
    )


def look_status(result: Result, request: gr.Request | None, stored: bool) -> str:
    """`0.05 s · from stored features · vgg-lite · 854×718`: a look has neither steps nor a seed."""
    r = result.record
    how = [spoken("from stored features", request)] if stored and r.models else []
    loading = [f"{spoken('loading', request)} {r.seconds.load:.1f} s"] if r.seconds.load >= 0.05 else []
    size = "×".join(map(str, result.picture.size))
    return html.escape(" · ".join([f"{r.seconds.run:.2f} s", *loading, *how, *r.networks, size]))


def layer_table(lines: list[dict[str, Any]], request: gr.Request | None) -> Any:
    """Every layer's shape and statistics; hidden where there are none."""
    if not lines:
        return gr.update(visible=False)
    heads = [spoken(name, request) for name in ("layer", "shape", "minimum", "maximum", "mean")]
    cells = [
        [r["layer"], " × ".join(map(str, r["shape"])), *(f"{r[k]:.4g}" for k in ("minimum", "maximum", "mean"))]
        for r in lines
    ]
    return gr.update(value={"headers": heads, "data": cells}, visible=True)


def layer_choices(model: str) -> list[tuple[Any, str]]:
    """The layers of a network, shallow to deep, after the usual ones."""
    return [(t("usual"), ""), *((name, name) for name in LAYERS[model])]


def class_choices(params: dict[str, Any], view: str) -> Any:
    """The classes that attention can ask about; ImageNet's are known once its network is loaded."""
    if view != "attention":
        return gr.skip()
    label = -1 if params.get("label") is None else params["label"]
    return gr.update(choices=classes(params["model"], params.get("classes", "cifar10")), value=label)


def classes(model: str, of: str) -> list[tuple[Any, int]]:
    """Classes of the data set `of`, or of the classifier that comes with a network, the most probable one first."""
    if model != "vgg19" and of == "cifar10":
        return [(t("most probable"), -1), *((t(name), i) for i, name in enumerate(CIFAR10))]
    from models import imagenet

    return [(t("most probable"), -1), *((f"{name} ({i})", i) for i, name in enumerate(imagenet.classes()))]


def handing(layer: str, request: gr.Request | None) -> dict[str, Any]:
    """The row that hands a layer to Optimise, and its two buttons, which name the layer."""
    content = spoken("Use {} for content in Optimise", request).format(layer)
    style = spoken("Use {} for style in Optimise", request).format(layer)
    return {
        "hand": gr.update(visible=True), "as_content": gr.update(value=content), "as_style": gr.update(value=style),
    }  # fmt: skip


def numbers(record: Record, request: gr.Request | None) -> str:
    """What a look's record says, for the eye."""
    writers = {"classify": judgements, "layers": maps, "gram": grams, "attention": attention, "invert": inverted}
    return writers.get(record.params["view"], variations)(record, request)


def paragraph(text: str, kind: str = "", small: bool = False) -> str:
    """A sentence as HTML."""
    text = f"<small>{html.escape(text)}</small>" if small else html.escape(text)
    return f'<p class="{kind}">{text}</p>'


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], request: gr.Request | None) -> str:
    """A table whose first column is text and whose others are numbers."""

    def line(tag: str, values: Sequence[Any]) -> str:
        kinds = ["", *["number"] * (len(values) - 1)]
        return "".join(f'<{tag} class="{k}">{v}</{tag}>' for k, v in zip(kinds, map(written, values), strict=True))

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    top = line("th", [spoken(head, request) for head in heads])
    return f'<div class="scroll"><table class="models"><tr>{top}</tr>{body}</table></div>'


def written(value: Any) -> str:
    """A cell of a table: four digits of a number, text as HTML."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return html.escape(str(value))


def judgements(record: Record, request: gr.Request | None) -> str:
    """The most probable classes of each classifier, and how far its probabilities can be trusted."""
    parts = []
    for name, judged in record.details.items():
        rows = [(spoken(row["class"], request), f"{100 * row['probability']:.1f} %") for row in judged["best"]]
        if outside(judged.get("inside")):
            text = spoken("None of these ten: {} gives them {} % together.", request)
            judge = next(name for name in IMAGENET if name in record.details)
            parts.append(paragraph(text.format(TITLES[judge], f"{100 * judged['inside']:.1f}"), "unsure"))
        elif not judged["sure"]:
            parts.append(paragraph(spoken("Not sure: none of its classes fits well.", request), "unsure"))
        parts.append(paragraph(spoken(TITLES[name], request)))
        parts.append(table(("class", "probability"), rows, request))
        parts.append(paragraph(in_words(registry.MODELS[name].weights.quality, request), small=True))
    if not record.details.keys() & set(IMAGENET):
        hint = spoken("ImageNet's thousand classes need EfficientNet-Lite0 (19 MB): run {}.", request).format(INSTALL)
        parts.append(paragraph(hint, "unsure", small=True))
    return "".join(parts)


def maps(record: Record, request: gr.Request | None) -> str:
    """Which layer is shown, what its colours mean, and what a click does."""
    details = record.details
    text = spoken("{} of layer {}: channel {} is the most active. Click a map to see what excites it.", request)
    first = text.format(len(details["maps"]), details["layer"], details["maps"][0]["channel"])
    colours = spoken("Colours: each map from its own minimum (dark) to its maximum (bright).", request)
    if details["scale"] == "layer":
        text = spoken("Colours: every map from {} (dark) to {} (bright); 2 % are brighter still.", request)
        colours = text.format(*(f"{end:.4g}" for end in details["ends"]))
    return paragraph(first) + paragraph(colours)


def grams(record: Record, request: gr.Request | None) -> str:
    """Size and difference of the Gram matrices."""
    heads = {"layer": "layer", "channels": "channels", "norm": "size of G"}
    notes = ""
    if "difference" in record.details["layers"][0]:
        heads |= {"norm_other": "of the second", "difference": "difference"}
        what = "Difference: |G - G′|² / |G|², the style loss of Optimise with the first picture as style."
        colours = "G is the first picture's, G′ the second's. Blue: the second has less of it, red: more."
        notes = "".join(paragraph(spoken(text, request), small=True) for text in (colours, what))
    rows = [[r[name] for name in heads] for r in record.details["layers"]]
    return paragraph(spoken(HINT, request)) + table(tuple(heads.values()), rows, request) + notes


def inverted(record: Record, request: gr.Request | None) -> str:
    """How well features and pixels match, layer by layer; a stopped run knows of features only."""
    if "layers" not in record.details:
        return table(("layer", "features missed"), list(record.metrics.items()), request)
    rows = [(r["layer"], r["loss"], r["pixels"]) for r in record.details["layers"]]
    return paragraph(spoken(HINT, request)) + table(("layer", "features missed", "pixels missed"), rows, request)


def attention(record: Record, request: gr.Request | None) -> str:
    """The class and the channel that were asked about, in two sentences."""
    best, patch = record.details["class"], record.details["patch"]
    title = TITLES[best["model"]]
    first = spoken("Above: where {} looks for “{}” ({} %), by Grad-CAM at {}.", request).format(
        spoken(title, request),
        spoken(best["class"], request),
        f"{100 * best['probability']:.1f}",
        best["layer"],
    )
    second = spoken("Below: the patch that excites channel {} of {} most; one activation sees {} × {} pixels.", request)
    second = second.format(patch["channel"], patch["layer"], patch["field"], patch["field"])
    return paragraph(first) + paragraph(second)


def variations(record: Record, request: gr.Request | None) -> str:
    """Total variation of both pictures."""
    names, pictures = {"content": "Content", "other": "Second picture"}, record.details["pictures"]
    keys = ("total_variation", "per_pixel", "smoothness", "edges")
    rows = [(spoken(names[r["picture"]], request), *(r[key] for key in keys)) for r in pictures]
    heads = ("picture", "total variation", "per pixel", "as Optimise counts it", "edges")
    colours = spoken("d/dx: right minus left, d/dy: below minus above; blue below zero, red above.", request)
    rest = table(heads, rows, request) + paragraph(colours, small=True)
    if len(rows) == 1:
        return rest
    text = spoken("Per pixel, the second picture varies {} times as much as the first.", request)
    return paragraph(text.format(f"{record.metrics['times']:.2f}")) + rest
