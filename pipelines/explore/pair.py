"""The views of Explore that set two pictures side by side: Gram matrices, and differences of neighbouring pixels."""

from __future__ import annotations

from typing import Any

import PIL.Image
import torch
from PIL.Image import Resampling
from torch import Tensor, nn

from models.losses import TotalVariation, gram
from pipelines import images
from pipelines.base import Output
from pipelines.explore import draw, probes
from pipelines.explore.encode import Encoded, Encoder, encoded
from pipelines.explore.params import ExploreParams, chosen_layers, side
from pipelines.sheet import GROUND

MATRIX, BAR = 170, 12  # pixels: side of a Gram matrix; height of the colour scale
COLUMNS = 3  # Gram matrices of one picture in a row
BRIGHT = 0.98  # quantile that is brightest, where a few numbers outshine the rest
STEEP = 0.25  # difference of neighbouring pixels that has the full colour
ALONE, BESIDE = 340, 256  # pixels: longest side of a panel of one picture, and of two


def grams(p: ExploreParams, modules: dict[str, nn.Module], encoder: Encoder) -> Output:
    """Gram matrices of the style layers as heat maps: of the picture, of the other one, and their difference.

    `difference` is the Gram loss of Optimise with the picture as style: |G - G'|^2 / |G|^2. Channels are in the order
    of the picture's diagonal, and the colour scale is the square root's, since the diagonal outshines the rest.
    """
    pair = [encoded(p, modules, encoder)] + ([encoded(p, modules, encoder, other=True)] if p.other else [])
    known = [name for name in pair[0].features if all(name in e.features for e in pair)]
    names = chosen_layers(p.layer, known, [name for name in pair[0].style if name in known])
    rows, told = [], []
    for name in names:
        row, numbers = compared(name, [gram(e.features[name]) for e in pair])
        rows.append(row)
        told.append(numbers)
    panels = [picture for row in rows for picture, _ in row]
    head = [] if len(pair) == 1 else [heading(pair)]
    if not p.other:  # side by side, not in one long column
        rows = [[cell for row in rows[i : i + COLUMNS] for cell in row] for i in range(0, len(rows), COLUMNS)]
    paper = draw.sheet([*head, *rows])
    columns = len(rows[0])
    grid = draw.Grid(MATRIX, MATRIX, columns, paper.height - draw.height(rows), each=COLUMNS if p.other else 1)
    key = "difference" if p.other else "norm"
    metrics: dict[str, float | Tensor] = {key: sum(row[key] for row in told) / len(told)}
    return Output(panels, metrics, [], paper, {"layers": told, "grid": grid.record()})


def compared(name: str, matrices: list[Tensor]) -> tuple[list[draw.Cell], dict[str, Any]]:
    """One layer's matrices (C, C) as captioned panels, two with their difference; and their numbers."""
    order = matrices[0].diagonal().argsort(descending=True)
    roots = [m[order][:, order].abs().sqrt() for m in matrices]
    most = max(float(root.flatten().quantile(BRIGHT)) for root in roots)
    cells = [(draw.panel(draw.heat(root, 0, most), MATRIX, MATRIX), "") for root in roots]
    cells[0] = (cells[0][0], f"{name} · {len(order)} x {len(order)}")
    told: dict[str, Any] = {"layer": name, "channels": len(order), "norm": float(matrices[0].norm())}
    if len(matrices) > 1:
        difference = (matrices[1] - matrices[0]).pow(2).sum() / matrices[0].pow(2).sum().clamp(min=1e-12)
        told |= {"norm_other": float(matrices[1].norm()), "difference": float(difference)}
        gap = draw.panel(draw.signed(roots[1] - roots[0], most), MATRIX, MATRIX)
        cells.append((gap, f"|G - G'|^2 / |G|^2 = {told['difference']:.3g}"))
    return cells, told


def heading(pair: list[Encoded]) -> list[draw.Cell]:
    """Both pictures above their columns, and the colours of the difference."""
    cells = []
    for found, text in zip(pair, ("G", "G'"), strict=True):
        height, width = found.pixels.shape[-2:]
        shown = images.to_image(found.pixels).resize(draw.within(width, height, MATRIX), Resampling.LANCZOS)
        paper = PIL.Image.new("RGB", (MATRIX, shown.height), GROUND)
        paper.paste(shown, ((MATRIX - shown.width) // 2, 0))
        cells.append((paper, text))
    colours = draw.signed(torch.linspace(-1, 1, MATRIX)[None])
    return [*cells, (draw.panel(colours, MATRIX, BAR), f"-{' ' * 15}G' - G{' ' * 15}+")]


def frequencies(p: ExploreParams, _: dict[str, nn.Module], __: Encoder) -> Output:
    """Differences of neighbouring pixels, Sobel edges and total variation, of the picture and of the other one."""
    given = [(name, picture) for name, picture in (("content", p.content), ("other", p.other)) if picture is not None]
    columns, told = [], []
    for name, picture in given:
        x = images.to_tensor(picture, side(p))
        column, numbers = varied(x, ALONE if len(given) == 1 else BESIDE)
        columns.append(column)
        told.append({"picture": name, **numbers})
    panels = [picture for column in columns for picture, _ in column[1:]]
    beside = [list(row) for row in zip(*columns, strict=True)]
    rows = beside if len(columns) > 1 else [columns[0][:2], columns[0][2:]]
    metrics: dict[str, float | Tensor] = {"total_variation": told[0]["total_variation"]}
    if len(told) > 1:
        metrics["times"] = told[1]["per_pixel"] / max(told[0]["per_pixel"], 1e-12)
    return Output(panels, metrics, [], draw.sheet(rows), {"pictures": told})


def varied(x: Tensor, side: int) -> tuple[list[draw.Cell], dict[str, Any]]:
    """(1, 3, H, W) in [0, 1] as four captioned panels of `side` pixels, and its numbers.

    `smoothness` is the total variation as Optimise counts it.
    """
    across, down = (d[0].mean(0) for d in probes.differences(x))
    edges = probes.sobel(x)[0].mean(0)
    total = float(probes.total_variation(x))
    told = {
        "size": [x.shape[-1], x.shape[-2]],
        "total_variation": total,
        "per_pixel": total / x[0].numel(),
        "smoothness": float(TotalVariation()(x)),
        "edges": float(edges.mean()),
    }
    maps = (x, draw.signed(across, STEEP), draw.signed(down, STEEP), draw.heat(edges, 0, STEEP))
    captions = (f"TV {told['per_pixel']:.4f}", "d/dx", "d/dy", f"Sobel {told['edges']:.4f}")
    size = draw.within(x.shape[-1], x.shape[-2], side)
    shown = [images.to_image(one).resize(size, Resampling.BICUBIC) for one in maps]
    return list(zip(shown, captions, strict=True)), told
