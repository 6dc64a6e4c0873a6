"""The views of Explore: each turns what was encoded into a sheet, its panels one by one, and numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from PIL.Image import Resampling
from torch import Tensor, nn

from models import probes
from models.classifier import Classifier
from models.imagenet import ImageNet
from models.losses import TotalVariation, gram
from pipelines import explore_draw as draw
from pipelines import images
from pipelines.base import Output
from pipelines.explore_encode import Encoded, Encoder, Judged
from pipelines.explore_params import ExploreParams
from pipelines.params import ParamError

SIDE = 256  # pixels of a large panel
MAP = 100  # pixels of a feature map's panel
COLUMNS = 8  # feature maps in a row
MAP_GAP = 6
BRIGHT = 0.98  # quantile that is brightest, where a few numbers outshine the rest
STEEP = 0.25  # difference of neighbouring pixels that has the full colour


def chosen_layers(text: str, known: Sequence[str], usual: Sequence[str]) -> list[str]:
    """Layers as a person types them, by comma; none: the usual ones.

    Raises:
        ParamError: for one that is not known, or that this picture is too small for.
    """
    names = [part.strip() for part in text.split(",") if part.strip()] or list(usual)
    for name in names:
        if name not in known:
            raise ParamError(f"There is no layer {name} here: choose from {', '.join(known)}.")
    return names


def encoded(p: ExploreParams, modules: dict[str, nn.Module], encoder: Encoder, other: bool = False) -> Encoded:
    """The features of the picture, or of the other one."""
    picture = p.other if other else p.content
    assert picture is not None
    return encoder.features(picture, p.model, modules[p.model], p.resolution)


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
        title = judged.model if judged.sure else f"{judged.model}: not sure"
        shown = draw.bars([(row["class"], row["probability"]) for row in best], 2 * SIDE + draw.GAP, 190, title)
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
    paper = draw.sheet(rows, MAP_GAP, 11)
    details = {"layer": name, "table": found.table, "maps": told, "sheet": list(paper.size)}
    row = next(row for row in found.table if row["layer"] == name)
    metrics: dict[str, float | Tensor] = {k: row[k] for k in ("minimum", "maximum", "mean", "active")}
    return Output(panels, metrics, [], paper, details)


def grams(p: ExploreParams, modules: dict[str, nn.Module], encoder: Encoder) -> Output:
    """Gram matrices of the style layers as heat maps: of the picture, of the other one, and their difference.

    `difference` is the Gram loss of Optimise with the picture as style: |G - G'|^2 / |G|^2. Channels are in the order
    of the picture's diagonal, and the colour scale is the square root's, since the diagonal outshines the rest.
    """
    pair = [encoded(p, modules, encoder)] + ([encoded(p, modules, encoder, other=True)] if p.other else [])
    known = [name for name in pair[0].features if all(name in e.features for e in pair)]
    names = chosen_layers(p.layer, known, [name for name in pair[0].style if name in known])
    rows, panels, told = [], [], []
    for name in names:
        matrices = [gram(e.features[name]) for e in pair]
        order = matrices[0].diagonal().argsort(descending=True)
        roots = [m[order][:, order].abs().sqrt() for m in matrices]
        most = max(float(root.flatten().quantile(BRIGHT)) for root in roots)
        side = 2 * SIDE // 3
        cells = [(draw.panel(draw.heat(root, 0, most), side, side), "") for root in roots]
        row: dict[str, Any] = {"layer": name, "channels": len(order), "norm": float(matrices[0].norm())}
        if p.other:
            gap = roots[1] - roots[0]
            cells.append((draw.panel(draw.signed(gap, most), side, side), ""))
            difference = (matrices[1] - matrices[0]).pow(2).sum() / matrices[0].pow(2).sum().clamp(min=1e-12)
            row |= {"norm_other": float(matrices[1].norm()), "difference": float(difference)}
        caption = f"{name}: {len(order)} x {len(order)}"
        end = f"difference {row['difference']:.3g}" if p.other else ""
        captions = [caption, "", end] if p.other else [caption]
        panels += [picture for picture, _ in cells]
        rows.append([(picture, text) for (picture, _), text in zip(cells, captions, strict=True)])
        told.append(row)
    key = "difference" if p.other else "norm"
    metrics: dict[str, float | Tensor] = {key: sum(row[key] for row in told) / len(told)}
    if not p.other:  # side by side, not in one long column
        rows = [[cell for row in rows[i : i + 3] for cell in row] for i in range(0, len(rows), 3)]
    return Output(panels, metrics, [], draw.sheet(rows), {"layers": told})


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
        (square, "original"),
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
        (whole, f"{name}, channel {channel}"),
        (patch, f"{cut.width} x {cut.height} pixels"),
        (draw.panel(draw.heat(maps[0, channel]), *size), f"strongest: {value:.2f}"),
    ]
    return cells, {**told, "field": field.side, "layers": list(found.features)}


def frequencies(p: ExploreParams, _: dict[str, nn.Module], __: Encoder) -> Output:
    """Differences of neighbouring pixels, Sobel edges and total variation, of the picture and of the other one."""
    rows, panels, told = [], [], []
    for name, picture in (("content", p.content), ("other", p.other)):
        if picture is None:
            continue
        x = images.to_tensor(picture, p.resolution)
        across, down = (d[0].mean(0) for d in probes.differences(x))
        edges = probes.sobel(x)[0].mean(0)
        total = float(probes.total_variation(x))
        row = {
            "picture": name,
            "size": [x.shape[-1], x.shape[-2]],
            "total_variation": total,
            "per_pixel": total / x[0].numel(),
            "smoothness": float(TotalVariation()(x)),
            "edges": float(edges.mean()),
        }
        size = draw.within(x.shape[-1], x.shape[-2], SIDE)
        shown = [
            images.to_image(x),
            images.to_image(draw.signed(across, STEEP)),
            images.to_image(draw.signed(down, STEEP)),
        ]
        shown = [s.resize(size, Resampling.BICUBIC) for s in (*shown, images.to_image(draw.heat(edges, 0, STEEP)))]
        captions = (f"TV {row['per_pixel']:.4f}", "right - left", "below - above", f"Sobel {row['edges']:.4f}")
        rows.append(list(zip(shown, captions, strict=True)))
        panels += shown[1:]
        told.append(row)
    metrics: dict[str, float | Tensor] = {"total_variation": told[0]["total_variation"]}  # type: ignore[dict-item]
    return Output(panels, metrics, [], draw.sheet(rows), {"pictures": told})


@torch.no_grad()
def view_of(p: ExploreParams, modules: dict[str, nn.Module], encoder: Encoder) -> Output:
    """The view that `p` asks for; `invert` is not among them, since it is painted step by step."""
    views = {"classify": classify, "layers": layers, "gram": grams, "attention": attention, "frequencies": frequencies}
    return views[p.view](p, modules, encoder)
