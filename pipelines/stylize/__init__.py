"""Style transfer in one pass: a network that takes any style and paints any photograph in it at once."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from models import restyle
from models.cache import Lender
from pipelines import cost, images, sheet
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.stylize import tiles
from pipelines.stylize.film import film
from pipelines.stylize.paint import Easel, Memo
from pipelines.stylize.params import StylizeParams

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "styles"
PREVIEW = 1280  # pixels: a sheet is at most this wide and high while it is made
BYTES_PER_PIXEL = 700  # of activations, for the pixels that are painted in one piece


def generate(p: StylizeParams, cache: Lender) -> Steps:
    """Encode the styles and paint."""
    return (yield from repaint(p, cache, Memo()))


def working_bytes(p: StylizeParams) -> int:
    """Activations in bytes, of what is painted in one piece."""
    return BYTES_PER_PIXEL * min(p.size, tiles.WHOLE) ** 2


@torch.no_grad()
def repaint(p: StylizeParams, cache: Lender, state: object) -> Steps:
    """Paint with the codes that an earlier run has left behind; what is missing is encoded."""
    side, notes = p.longest_side()
    images.even_ground(p.content, notes)
    sized = p.model_copy(update={"size": side})
    with cost.lend(cache, restyle.MODELS[p.model], sized, working_bytes) as modules:
        where = next(modules[0].parameters()).device
        content = images.to_tensor(p.content, side).to(where)
        easel = Easel(p, restyle.brush(p.model, modules), content, cast(Memo, state))
        return (yield from (paint_every if p.every else paint_one)(easel, notes))


def paint_one(easel: Easel, notes: list[str]) -> Steps:
    """The photograph in the mixture of all styles; a step is a tile."""
    code, total, picture = easel.mixture(), easel.tiles, easel.content
    for step, picture in easel.strokes(code):
        yield Progress(step, total, picture[0], {"tiles": float(step)}, easel.memo, notes=notes)
    return Output([images.to_image(picture)], {"style distance": easel.distance(picture, code)}, notes)


def paint_every(easel: Easel, notes: list[str]) -> Steps:
    """The photograph in each style given and each example, side by side; a step is a tile."""
    styles = list(every_style(easel.p).values())
    found = [images.to_image(easel.content)] * len(styles)
    sheet.announce(notes, found[0].size, len(styles))
    little = sheet.place(found[0].size, len(styles), most=PREVIEW)
    cells = [found[0].resize(little)] * len(styles)
    once = len(tiles.boxes(*easel.content.shape[2:]))
    before, total = 0, easel.tiles + (len(styles) - 1) * once
    for i, style in enumerate(styles):
        step, code, picture = 0, easel.code(style), easel.content
        for step, picture in easel.strokes(code):
            small = F.interpolate(picture, (little[1], little[0]), mode="area")  # before anything else is made of it
            cells[i] = with_corner(images.to_image(small), style)
            shown = images.to_tensor(sheet.grid(cells))[0]
            yield Progress(before + step, total, shown, {"tiles": float(before + step)}, easel.memo, notes=notes)
        found[i] = images.to_image(picture)
        before += step
    place = sheet.place(found[0].size, len(styles))
    cells = [with_corner(one.resize(place), style) for one, style in zip(found, styles, strict=True)]
    return Output(found, {"styles": float(len(found))}, notes, sheet.grid(cells))


def every_style(p: StylizeParams) -> dict[str, PIL.Image.Image]:
    """The styles given and the examples, each once, by the digest of its pixels."""
    pictures = [*p.styles, *(images.load(path) for path in sorted(EXAMPLES.glob("*.jpg")))]
    return {images.digest(picture): picture for picture in pictures}


def with_corner(picture: PIL.Image.Image, style: PIL.Image.Image) -> PIL.Image.Image:
    """The picture with its style in the lower right corner, a fifth as large."""
    cell, side = picture.copy(), max(8, min(picture.size) // 5)
    edge = max(1, side // 24)
    cell.paste(sheet.GROUND, (cell.width - side - edge, cell.height - side - edge, cell.width, cell.height))
    cell.paste(style.resize((side, side), PIL.Image.Resampling.LANCZOS), (cell.width - side, cell.height - side))
    return cell


def frames(p: StylizeParams, cache: Lender, pictures: Iterator[Tensor]) -> Generator[Tensor, None, None]:
    """The frames of a film in the mixture of all styles, which is encoded once."""
    with cache.use(*restyle.MODELS[p.model], working=BYTES_PER_PIXEL * tiles.WHOLE**2) as modules:
        content = images.to_tensor(p.content).to(next(modules[0].parameters()).device)
        yield from film(Easel(p, restyle.brush(p.model, modules), content, Memo()), pictures)


def work(p: StylizeParams) -> float:
    """Megapixels painted. Measured: to look at a style costs as much as a fifth of one."""
    side, _ = p.longest_side()
    styles = len(p.styles) + (len(list(EXAMPLES.glob("*.jpg"))) if p.every else 0)
    painted = side**2 * min(p.content.size) / max(p.content.size) / 1e6
    return 0.2 * styles + painted * (styles if p.every else 1)


PIPELINE = Pipeline(
    "stylize",
    "Stylise",
    StylizeParams,
    generate,
    repaint=repaint,
    after=("styles", "model", "strength", "style_scale", "colours", "style_weights", "colours_first"),
    variants="model",
    work=work,
    space=lambda p: 0.07 + min(p.longest_side()[0], tiles.WHOLE) ** 2 / 1e6,  # 0.07: to look at a style
    frames=frames,
)
