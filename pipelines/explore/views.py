"""The views of Explore: each turns what was encoded into a sheet, its panels one by one, and numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from PIL.Image import Resampling
from torch import Tensor, nn

from models.classifier import Classifier
from models.imagenet import ImageNet
from pipelines import images
from pipelines.base import Output
from pipelines.explore import draw, probes
from pipelines.explore.encode import Encoded, Encoder, Judged, encoded
from pipelines.explore.pair import BRIGHT, frequencies, grams
from pipelines.explore.params import ExploreParams, chosen_layers
from pipelines.params import ParamError

SIDE = 256  # pixels of a large panel
MAP = 100  # pixels of a feature map's panel
COLUMNS = 8  # feature maps in a row
MAP_GAP = 6


def classify(p: ExploreParams, modules: dict[str, nn.Module], encoder: Encoder) -> Output:
    """What the classifiers think that the picture shows, and the few pixels that the small one saw."""
    found = [encoder.judged(p.content, name, module) for name, module in modules.items()]
    small = found[0]
    seen = images.to_image(small.pixels)
    panels = [small.square.resize((SIDE, SIDE), Resampling.LANCZOS), seen.resize((SIDE, SIDE), Resampling.NEAREST)]
    rows = [[(panels[0], ""), (panels[1], f"{seen.width} x {seen.height}")]]
    details: dict[str, Any] = {}
    for judged in found:
        best = judged.best()
        details[judged.model] = {"sure": judged.sure, "side": judged.pixels.shape[-1], "best": best}
        chances = [(row["class"], row["probability"]) for row in best]
        shown = draw.bars(chances, 2 * SIDE + draw.GAP, 190, judged.model if judged.sure else f"{judged.model}?")
        rows.append([(shown, "")])
    top = details[small.model]["best"][0]
    doubt = f"Not sure: {top['class']} is only the best guess among {len(small.classes)} classes."
    note = [] if small.sure else [doubt]
    metrics: dict[str, float | Tensor] = {"probability": top["probability"], "label": float(top["label"])}
    return Output([seen], metrics, note, draw.sheet(rows), details)


def layers(p: ExploreParams, modules: dict[str, nn.Module], encoder: Encoder) -> Output:
    """Feature maps of one layer, the most active first, and statistics of all layers."""
    found = encoded(p, modules, encoder)
    (name, *more) = chosen_layers(p.layer, list(found.features), [found.content])
    if more:
        raise ParamError(f"layers shows one layer at a time, not {len(more) + 1}: name one.")
    maps = found.features[name][0]  # (C, H, W)
    means, step = maps.mean((1, 2)), -(-maps.numel() // 1_000_000)  # quantile takes no more
    order = means.argsort(descending=True, stable=True)[: p.count].tolist()
    ends = (float(maps.min()), float(maps.flatten()[::step].quantile(BRIGHT))) if p.scale == "layer" else (None, None)
    width, height = draw.within(maps.shape[2], maps.shape[1], MAP)
    panels = [draw.panel(draw.heat(maps[i], *ends), width, height) for i in order]
    cells = [(panel, str(i)) for panel, i in zip(panels, order, strict=True)]
    rows = [cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)]
    told = [{"channel": i, "mean": float(means[i]), "maximum": float(maps[i].max())} for i in order]
    grid = draw.Grid(width, height, min(COLUMNS, len(order)), gap=MAP_GAP, size=11)
    shown = {"scale": p.scale, "ends": ends if ends != (None, None) else None}
    details = {"layer": name, "table": found.table, "maps": told, "grid": grid.record(), **shown}
    row = next(row for row in found.table if row["layer"] == name)
    metrics: dict[str, float | Tensor] = {k: row[k] for k in ("minimum", "maximum", "mean", "active")}
    return Output(panels, metrics, [], draw.sheet(rows, MAP_GAP, 11), details)


def seen_by(p: ExploreParams, judged: Judged, module: nn.Module) -> tuple[int, str, Tensor]:
    """The class asked about, the layer it is read from, and its Grad-CAM (H, W).

    Raises:
        ParamError: when the classifier has no such class.
    """
    label = judged.best(1)[0]["label"] if p.label is None else p.label
    if label >= len(judged.classes):
        raise ParamError(f"label is {label}, but {judged.model} knows the classes 0 to {len(judged.classes) - 1}.")
    if isinstance(module, Classifier):
        name = chosen_layers(p.layer if p.model == judged.model else "", list(judged.maps), [module.layers[-1]])[0]
        rest: Callable[[Tensor], Tensor] = partial(module.rest, name)
    else:
        name, rest = next(iter(judged.maps)), cast(ImageNet, module).read
    where = next(module.parameters()).device
    return label, name, probes.grad_cam(judged.maps[name].to(where), rest, label).cpu()


def attention(p: ExploreParams, modules: dict[str, nn.Module], encoder: Encoder) -> Output:
    """Where a classifier looks for a class, and the patch of the picture that excites a channel most."""
    name, module = list(modules.items())[-1]
    judged = encoder.judged(p.content, name, module)
    label, at, cam = seen_by(p, judged, module)
    square = judged.square.resize((SIDE, SIDE), Resampling.LANCZOS)
    probability = float(judged.probabilities[label])
    first = [
        (square, ""),
        (draw.over(square, cam), f"{judged.classes[label]} {100 * probability:.1f} %"),
        (draw.panel(draw.heat(cam), SIDE, SIDE), f"{at}: {cam.shape[1]} x {cam.shape[0]}"),
    ]
    second, patch = patch_of(p, encoded(p, modules, encoder))
    seen = {
        "model": name,
        "label": label,
        "class": judged.classes[label],
        "probability": probability,
        "layer": at,
        "map": [[round(v, 6) for v in row] for row in cam.tolist()],
    }
    metrics: dict[str, float | Tensor] = {"probability": probability, "activation": patch["activation"]}
    panels = [picture for picture, _ in (*first[1:], *second)]
    return Output(panels, metrics, [], draw.sheet([first, second]), {"class": seen, "patch": patch})


def patch_of(p: ExploreParams, found: Encoded) -> tuple[list[draw.Cell], dict[str, Any]]:
    """The patch that excites a channel most: in the picture, enlarged, and the channel's map; and its numbers.

    Raises:
        ParamError: when the layer has no such channel.
    """
    (name, *_) = chosen_layers(p.layer, list(found.features), [found.content])
    maps = found.features[name]
    channel = int(maps[0].mean((1, 2)).argmax()) if p.channel is None else p.channel
    if channel >= maps.shape[1]:
        raise ParamError(f"channel is {channel}, but {name} has the channels 0 to {maps.shape[1] - 1}.")
    row, column = probes.strongest(maps, channel)
    height, width = found.pixels.shape[-2:]
    field = found.fields[name]
    box = field.box(row, column, height, width)
    picture = images.to_image(found.pixels)
    size = draw.within(width, height, SIDE)
    scale = size[0] / width
    whole = draw.boxed(picture.resize(size, Resampling.BICUBIC), cast(probes.Box, tuple(round(b * scale) for b in box)))
    cut = picture.crop(box)
    patch = cut.resize(draw.within(*cut.size, SIDE), Resampling.NEAREST if max(cut.size) < 24 else Resampling.BICUBIC)
    value = float(maps[0, channel, row, column])
    told = {"layer": name, "channel": channel, "activation": value, "position": [row, column], "box": list(box)}
    cells = [
        (whole, f"{name} · {channel}"),
        (patch, f"{cut.width} x {cut.height}"),
        (draw.panel(draw.heat(maps[0, channel]), *size), f"max {value:.2f}"),
    ]
    return cells, {**told, "field": field.side, "layers": list(found.features)}


@torch.no_grad()
def view_of(p: ExploreParams, modules: dict[str, nn.Module], encoder: Encoder) -> Output:
    """The view that `p` asks for; `invert` is not among them, since it is painted step by step."""
    views = {"classify": classify, "layers": layers, "gram": grams, "attention": attention, "frequencies": frequencies}
    return views[p.view](p, modules, encoder)
