"""The views of Explore: each turns what was encoded into a sheet, its panels one by one, and numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import PIL.Image
import torch
from PIL.Image import Resampling
from torch import Tensor, nn

from models.classifier import Classifier
from models.imagenet import OF_CIFAR10
from models.losses import TotalVariation, gram
from pipelines import images
from pipelines.base import Output
from pipelines.explore import draw, probes
from pipelines.explore.encode import Encoding, Halves, Judgement, Shelf, layer_names
from pipelines.params import ParamError
from pipelines.sheet import GROUND

if TYPE_CHECKING:
    from pipelines.explore import ExploreParams

SIDE = 256  # pixels of a large panel
MAP, COLUMNS, MAP_GAP = 100, 8, 6  # pixels of a feature map's panel; how many are in a row; pixels between two
MATRIX, BAR, BESIDE = 170, 12, 3  # pixels: side of a Gram matrix, height of the colour scale; matrices in a row
BRIGHT = 0.98  # quantile that is brightest, where a few numbers outshine the rest
STEEP = 0.25  # difference of neighbouring pixels that has the full colour
ALONE = 340  # pixels: longest side of a panel of one picture, where there is no second one
OUTSIDE = sum(map(len, OF_CIFAR10.values())) / 1000  # what a blind guess of ImageNet's classes gives to CIFAR-10's
Modules = dict[str, nn.Module]
Numbers = dict[str, float | Tensor]


def classify(p: ExploreParams, modules: Modules, shelf: Shelf) -> Output:
    """What the classifiers think that the picture shows, and the few pixels that the small one saw."""
    small, *large = judgements = [shelf.judgement(p.content, name, module) for name, module in modules.items()]
    inside = among_ten(large[0]) if large else None
    sure = small.sure and not outside(inside)
    pixels = images.to_image(small.pixels)
    square = small.square.resize((SIDE, SIDE), Resampling.LANCZOS)
    rows = [[(square, ""), (pixels.resize((SIDE, SIDE), Resampling.NEAREST), f"{pixels.width} x {pixels.height}")]]
    details: dict[str, Any] = {}
    for judgement in judgements:
        best = judgement.best()
        believed = sure if judgement is small else judgement.sure
        details[judgement.model] = {"sure": believed, "side": judgement.pixels.shape[-1], "best": best}
        chances = [(row["class"], row["probability"]) for row in best]
        title = judgement.model if believed else f"{judgement.model}?"
        rows.append([(draw.bars(chances, 2 * SIDE + draw.GAP, 190, title), "")])
    details[small.model] |= {} if inside is None else {"inside": inside}
    top = details[small.model]["best"][0]
    doubt = f"Not sure: {top['class']} is only the best guess among {len(small.classes)} classes."
    doubt = f"None of these {len(small.classes)}: {large[0].model} sees something else." if outside(inside) else doubt
    metrics: Numbers = {"probability": top["probability"], "label": float(top["label"])}
    return Output([pixels], metrics, [] if sure else [doubt], draw.sheet(rows), details)


def among_ten(judgement: Judgement) -> float:
    """The probability that a classifier of ImageNet gives to all that CIFAR-10 has, in [0, 1]."""
    return float(judgement.probabilities[[i for numbers in OF_CIFAR10.values() for i in numbers]].sum())


def outside(inside: float | None) -> bool:
    """Whether a picture shows nothing that CIFAR-10 has: ImageNet's classifier gives it less than a blind guess would.
    Where there is no such classifier nobody knows (None).

    The small classifier cannot tell by itself: it knows nothing else, and takes a tram for an airplane.
    """
    return inside is not None and inside < OUTSIDE


def layers(p: ExploreParams, modules: Modules, shelf: Shelf) -> Output:
    """Feature maps of one layer, the most active first, and statistics of all layers."""
    encoded = shelf.features(p.content, p.model, modules[p.model], p.side)
    (name, *more) = layer_names(p.layer, encoded.features, [encoded.content])
    if more:
        raise ParamError(f"layers shows one layer at a time, not {len(more) + 1}: name one.")
    maps = encoded.features[name][0]  # (C, H, W)
    means, step = maps.mean((1, 2)), -(-maps.numel() // 1_000_000)  # quantile takes no more
    order = means.argsort(descending=True, stable=True)[: p.count].tolist()
    ends = (float(maps.min()), float(maps.flatten()[::step].quantile(BRIGHT))) if p.scale == "layer" else None
    width, height = images.fit(maps.shape[2], maps.shape[1], MAP)
    panels = [draw.panel(draw.heat(maps[i], *(ends or ())), width, height) for i in order]
    cells = [(panel, str(i)) for panel, i in zip(panels, order, strict=True)]
    rows = [cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)]
    grid = draw.Grid(width, height, min(COLUMNS, len(order)), gap=MAP_GAP, size=11)
    details = {
        "layer": name,
        "table": encoded.table,
        "maps": [{"channel": i, "mean": float(means[i]), "maximum": float(maps[i].max())} for i in order],
        "grid": grid.record(),
        "scale": p.scale,
        "ends": ends,
    }
    row = next(row for row in encoded.table if row["layer"] == name)
    metrics: Numbers = {k: row[k] for k in ("minimum", "maximum", "mean", "active")}
    return Output(panels, metrics, [], draw.sheet(rows, MAP_GAP, 11), details)


def class_map(p: ExploreParams, judgement: Judgement, module: nn.Module) -> tuple[int, str, Tensor]:
    """The class asked about, the layer it is read from, and its Grad-CAM (H, W).

    Raises:
        ParamError: when the classifier has no such class.
    """
    label = judgement.best(1)[0]["label"] if p.label is None else p.label
    if label >= len(judgement.classes):
        raise ParamError(
            f"label is {label}, but {judgement.model} knows the classes 0 to {len(judgement.classes) - 1}."
        )
    if isinstance(module, Classifier):
        (name, *_) = layer_names(p.layer if p.model == judgement.model else "", judgement.maps, [module.layers[-1]])
        rest: Callable[[Tensor], Tensor] = partial(module.rest, name)
    else:
        name, rest = next(iter(judgement.maps)), cast("Halves", module).read
    where = next(module.parameters()).device
    return label, name, probes.grad_cam(judgement.maps[name].to(where), rest, label).cpu()


def attention(p: ExploreParams, modules: Modules, shelf: Shelf) -> Output:
    """Where a classifier looks for a class, and the patch of the picture that excites a channel most."""
    name, module = list(modules.items())[-1]
    judgement = shelf.judgement(p.content, name, module)
    label, layer, cam = class_map(p, judgement, module)
    square = judgement.square.resize((SIDE, SIDE), Resampling.LANCZOS)
    probability = float(judgement.probabilities[label])
    first = [
        (square, ""),
        (draw.over(square, cam), f"{judgement.classes[label]} {100 * probability:.1f} %"),
        (draw.panel(draw.heat(cam), SIDE, SIDE), f"{layer}: {cam.shape[1]} x {cam.shape[0]}"),
    ]
    second, patch = strongest_patch(p, shelf.features(p.content, p.model, modules[p.model], p.side))
    about = {
        "model": name,
        "label": label,
        "class": judgement.classes[label],
        "probability": probability,
        "layer": layer,
        "map": [[round(v, 6) for v in row] for row in cam.tolist()],
    }
    metrics: Numbers = {"probability": probability, "activation": patch["activation"]}
    panels = [picture for picture, _ in (*first[1:], *second)]
    return Output(panels, metrics, [], draw.sheet([first, second]), {"class": about, "patch": patch})


def strongest_patch(p: ExploreParams, encoded: Encoding) -> tuple[list[draw.Cell], dict[str, Any]]:
    """The patch that excites a channel most: in the picture, enlarged, and the channel's map; and its numbers.

    Raises:
        ParamError: when the layer has no such channel.
    """
    (name, *_) = layer_names(p.layer, encoded.features, [encoded.content])
    maps = encoded.features[name][0]  # (C, H, W)
    channel = int(maps.mean((1, 2)).argmax()) if p.channel is None else p.channel
    if channel >= len(maps):
        raise ParamError(f"channel is {channel}, but {name} has the channels 0 to {len(maps) - 1}.")
    row, column = divmod(int(maps[channel].argmax()), maps.shape[-1])
    picture, field = images.to_image(encoded.pixels), encoded.fields[name]
    box = field.box(row, column, picture.height, picture.width)
    size = images.fit(*picture.size, SIDE)
    left, top, right, bottom = (round(edge * (size[0] / picture.width)) for edge in box)
    whole = draw.frame(picture.resize(size, Resampling.BICUBIC), (left, top, right, bottom))
    cut = picture.crop(box)
    patch = cut.resize(images.fit(*cut.size, SIDE), Resampling.NEAREST if max(cut.size) < 24 else Resampling.BICUBIC)
    value = float(maps[channel, row, column])
    cells = [
        (whole, f"{name} · {channel}"),
        (patch, f"{cut.width} x {cut.height}"),
        (draw.panel(draw.heat(maps[channel]), *size), f"max {value:.2f}"),
    ]
    numbers = {"layer": name, "channel": channel, "activation": value, "position": [row, column], "box": list(box)}
    return cells, {**numbers, "field": field.side, "layers": list(encoded.features)}


def grams(p: ExploreParams, modules: Modules, shelf: Shelf) -> Output:
    """Gram matrices of the style layers as heat maps: of the picture, of the other one, and their difference.

    `difference` is the Gram loss of Optimise with the picture as style: |G - G'|^2 / |G|^2. Channels are in the order
    of the picture's diagonal, and the colour scale is the square root's, since the diagonal outshines the rest.
    """
    pictures = [picture for picture in (p.content, p.other) if picture is not None]
    pair = [shelf.features(picture, p.model, modules[p.model], p.side) for picture in pictures]
    known = [name for name in pair[0].features if all(name in e.features for e in pair)]
    names = layer_names(p.layer, known, [name for name in pair[0].style if name in known])
    comparisons = [compare(name, [gram(e.features[name]) for e in pair]) for name in names]
    rows, table = [row for row, _ in comparisons], [numbers for _, numbers in comparisons]
    panels = [picture for row in rows for picture, _ in row]
    head = [] if len(pair) == 1 else [heading(pair)]
    if not p.other:  # side by side, not in one long column
        rows = [[cell for row in rows[i : i + BESIDE] for cell in row] for i in range(0, len(rows), BESIDE)]
    paper = draw.sheet([*head, *rows])
    grid = draw.Grid(MATRIX, MATRIX, len(rows[0]), each=BESIDE if p.other else 1)
    grid = replace(grid, top=paper.height - draw.GAP - len(rows) * grid.pitch)
    key = "difference" if p.other else "norm"
    metrics: Numbers = {key: sum(row[key] for row in table) / len(table)}
    return Output(panels, metrics, [], paper, {"layers": table, "grid": grid.record()})


def compare(name: str, matrices: list[Tensor]) -> tuple[list[draw.Cell], dict[str, Any]]:
    """One layer's matrices (C, C) as captioned panels, two with their difference; and their numbers."""
    order = matrices[0].diagonal().argsort(descending=True)
    roots = [m[order][:, order].abs().sqrt() for m in matrices]
    most = max(float(root.flatten().quantile(BRIGHT)) for root in roots)
    captions = (f"{name} · {len(order)} x {len(order)}", "")
    cells = [
        (draw.panel(draw.heat(root, 0, most), MATRIX, MATRIX), text)
        for root, text in zip(roots, captions, strict=False)
    ]
    numbers: dict[str, Any] = {"layer": name, "channels": len(order), "norm": float(matrices[0].norm())}
    if len(matrices) > 1:
        difference = float((matrices[1] - matrices[0]).pow(2).sum() / matrices[0].pow(2).sum().clamp(min=1e-12))
        numbers |= {"norm_other": float(matrices[1].norm()), "difference": difference}
        gap = draw.panel(draw.signed(roots[1] - roots[0], most), MATRIX, MATRIX)
        cells.append((gap, f"|G - G'|^2 / |G|^2 = {difference:.3g}"))
    return cells, numbers


def heading(pair: list[Encoding]) -> list[draw.Cell]:
    """Both pictures above their columns, and the colours of the difference."""
    cells = []
    for encoded, text in zip(pair, ("G", "G'"), strict=True):
        picture = images.to_image(encoded.pixels)
        picture = picture.resize(images.fit(*picture.size, MATRIX), Resampling.LANCZOS)
        paper = PIL.Image.new("RGB", (MATRIX, picture.height), GROUND)
        paper.paste(picture, ((MATRIX - picture.width) // 2, 0))
        cells.append((paper, text))
    colours = draw.signed(torch.linspace(-1, 1, MATRIX)[None])
    return [*cells, (draw.panel(colours, MATRIX, BAR), f"-{' ' * 15}G' - G{' ' * 15}+")]


def frequencies(p: ExploreParams, _: Modules, __: Shelf) -> Output:
    """Differences of neighbouring pixels, Sobel edges and total variation, of the picture and of the other one."""
    pictures = {"content": p.content} | ({"other": p.other} if p.other else {})
    columns, table = [], []
    for name, picture in pictures.items():
        column, numbers = variation(images.to_tensor(picture, p.side), ALONE if len(pictures) == 1 else SIDE)
        columns.append(column)
        table.append({"picture": name, **numbers})
    panels = [picture for column in columns for picture, _ in column[1:]]
    beside = [list(row) for row in zip(*columns, strict=True)]
    rows = beside if len(columns) > 1 else [columns[0][:2], columns[0][2:]]
    metrics: Numbers = {"total_variation": table[0]["total_variation"]}
    if len(table) > 1:
        metrics["times"] = table[1]["per_pixel"] / max(table[0]["per_pixel"], 1e-12)
    return Output(panels, metrics, [], draw.sheet(rows), {"pictures": table})


def variation(x: Tensor, side: int) -> tuple[list[draw.Cell], dict[str, Any]]:
    """(1, 3, H, W) in [0, 1] as four captioned panels of `side` pixels, and its numbers.

    `total_variation` is anisotropic, the sum of all absolute differences; `smoothness` is it as Optimise counts it.
    """
    across, down = x.diff(dim=-1), x.diff(dim=-2)  # each pixel less its left neighbour, and less its upper one
    edges = probes.sobel(x)[0].mean(0)
    total = float(across.abs().sum() + down.abs().sum())
    numbers = {
        "size": [x.shape[-1], x.shape[-2]],
        "total_variation": total,
        "per_pixel": total / x[0].numel(),
        "smoothness": float(TotalVariation()(x)),
        "edges": float(edges.mean()),
    }
    slopes = (draw.signed(slope[0].mean(0), STEEP) for slope in (across, down))
    captions = (f"TV {numbers['per_pixel']:.4f}", "d/dx", "d/dy", f"Sobel {numbers['edges']:.4f}")
    size = images.fit(x.shape[-1], x.shape[-2], side)
    maps = (x, *slopes, draw.heat(edges, 0, STEEP))
    panels = [images.to_image(one).resize(size, Resampling.BICUBIC) for one in maps]
    return list(zip(panels, captions, strict=True)), numbers


@torch.no_grad()
def view_of(p: ExploreParams, modules: Modules, shelf: Shelf) -> Output:
    """The view that `p` asks for; `invert` is not among them, since it is painted step by step."""
    views = {"classify": classify, "layers": layers, "gram": grams, "attention": attention, "frequencies": frequencies}
    return views[p.view](p, modules, shelf)
