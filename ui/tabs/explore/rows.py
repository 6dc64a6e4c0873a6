"""What the Explore tab shows: the words and settings of each view, and a look's result as values of its components."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from models.classifier import CIFAR10
from pipelines.base import Result
from pipelines.explore.params import LAYERS
from ui.kit.i18n import spoken, t
from ui.kit.session import file_in_cache
from ui.kit.show import STAYS, cost_status, in_order
from ui.tabs.explore.numbers import numbers

HIDDEN = {"layers": ("count",), "invert": ("tv_weight", "seed")}  # view -> the advanced settings it uses
ABOUT = {
    "classify": "What the picture shows, and the 32 × 32 pixels that the small network really saw.",
    "layers": "Each small picture is one channel of a layer: bright where it fires. Shallow layers see edges and "
    "colours, deep ones parts of things.",
    "gram": "Which channels fire together, wherever they are: what Optimise calls style. With a style and a result "
    "beside it, red and blue show what the result still misses.",
    "invert": "The picture made again from one layer alone, from noise, layer by layer. "
    "Shallow layers keep the pixels, deep ones only the arrangement. Stop keeps what is there.",
    "attention": "Where a classifier looks for a class, and the patch of your picture that excites one channel most.",
    "frequencies": "How much neighbouring pixels differ, before and after style transfer: why Optimise has a "
    "smoothness weight.",
}
SHOWN = {  # view -> the settings it shows
    "classify": (),
    "layers": ("model", "layer", "scale"),
    "gram": ("other", "model", "several"),
    "invert": ("model", "several", "steps"),
    "attention": ("model", "layer", "channel", "classes", "label"),
    "frequencies": ("other",),
}
OPTIONAL = ("model", "layer", "several", "scale", "channel", "classes", "label", "steps")
USABLE = {"layers", "gram", "invert", "attention"}  # views in which a layer can be handed to Optimise


@dataclass(frozen=True)
class Shown:
    """New values for `Desk.outputs`, in that order; what is left out stays as it is."""

    picture: Any = STAYS
    numbers: Any = STAYS
    status: Any = STAYS
    table: Any = STAYS
    layer: Any = STAYS
    label: Any = STAYS
    download: Any = STAYS
    record: Any = STAYS
    hand: tuple[Any, Any, Any] = field(default_factory=lambda: (gr.skip(), gr.skip(), gr.skip()))
    cure: bool = False

    def row(self, running: bool) -> list[Any]:
        """Values for the outputs, whether Run and Stop can be pressed, and the cure."""
        pressable = [gr.update(interactive=on) for on in (not running, running)]
        return [*in_order(self, "hand", "cure"), *self.hand, *pressable, gr.update(visible=self.cure)]


def values_of(names: list[str], given: tuple[Any, ...]) -> dict[str, Any]:
    """What the components say, as Params take it: only what the view uses, so that the record is short."""
    said = dict(zip(names, given, strict=True))
    view = said["view"]
    sized = () if view == "classify" else ("resolution",)
    used = ("content", "view", *sized, *HIDDEN.get(view, ()), *SHOWN[view])
    found = {name: said[name] for name in used if name != "several" and said[name] not in (None, "", -1)}
    if "several" in used and said["several"]:
        found["layer"] = ",".join(said["several"])
    return found


def begun(status: str) -> list[Any]:
    """A look that waits for its turn, or for its first step: nothing of the one before is left but its picture."""
    off = gr.update(interactive=False)
    return Shown(status=status, numbers="", table=gr.update(visible=False), download=off).row(running=True)


def result_row(result: Result, request: gr.Request | None, stored: bool = False) -> list[Any]:
    """A finished look; `stored`: it only read what was on the shelf."""
    told = result.record
    view, details = told.params["view"], told.details
    path = file_in_cache(result.png(), ".png")
    layer = details.get("layer") or details.get("patch", {}).get("layer")
    return Shown(
        picture=gr.update(value=path, label=t("Result")),
        numbers=numbers(told, request),
        status=cost_status(result, request) if view == "invert" else look_status(result, request, stored),
        table=table(details.get("table", []), request),
        layer=gr.update(value=layer) if layer else gr.skip(),
        label=class_choices(told.params, view),
        download=gr.update(value=path, interactive=True),
        record=told.model_dump(mode="json"),
        hand=handing(layer, request) if layer else (gr.skip(), gr.skip(), gr.skip()),
    ).row(running=False)


def look_status(result: Result, request: gr.Request | None, stored: bool) -> str:
    """`0.05 s · from stored features · vgg-lite · 854×718`: a look has neither steps nor a seed."""
    r = result.record
    how = [spoken("from stored features", request)] if stored and r.models else []
    loading = [f"{spoken('loading', request)} {r.seconds.load:.1f} s"] if r.seconds.load >= 0.05 else []
    size = "×".join(map(str, result.picture.size))
    return html.escape(" · ".join([f"{r.seconds.run:.2f} s", *loading, *how, *r.networks, size]))


def table(lines: list[dict[str, Any]], request: gr.Request | None) -> Any:
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
    return gr.update(choices=classes(params["model"], params["classes"]), value=label)


def classes(model: str, of: str) -> list[tuple[Any, int]]:
    """Classes of the data set `of`, or of the classifier that comes with a network, the most probable one first."""
    if model != "vgg19" and of == "cifar10":
        return [(t("most probable"), -1), *((t(name), i) for i, name in enumerate(CIFAR10))]
    from models import imagenet

    return [(t("most probable"), -1), *((f"{name} ({i})", i) for i, name in enumerate(imagenet.classes()))]


def handing(layer: str, request: gr.Request | None) -> tuple[Any, Any, Any]:
    """The row that hands a layer to Optimise, and its two buttons, which name the layer."""
    content = spoken("Use {} for content in Optimise", request).format(layer)
    style = spoken("Use {} for style in Optimise", request).format(layer)
    return gr.update(visible=True), gr.update(value=content), gr.update(value=style)
