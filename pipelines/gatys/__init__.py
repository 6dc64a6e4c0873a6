"""Style transfer by optimisation: Gatys, Ecker and Bethge 2015, A Neural Algorithm of Artistic Style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import PIL.Image
import torch
from PIL import ImageEnhance, ImageFilter
from torch import Tensor, nn

from models import device
from models.cache import Lender
from models.losses import ContentLoss, Criterion, GramLoss, WassersteinLoss, mixed_moments
from models.moments import Colours, recolour
from models.vgg import Features, Pooling
from pipelines import cost, images
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.cost import FIXED, megapixels
from pipelines.gatys.painter import Canvas, Optimizer, Start, blank, stages
from pipelines.params import MOST_SEED, Image, ParamError, Params, Seed, param, shares

Network = Literal["vgg-lite", "vgg16-hed", "vgg19", "vgg16", "squeezenet"]


class GatysParams(Params):
    """Optimise the pixels of one picture until a network sees the content of one and the style of another.

    Gatys, Ecker and Bethge 2015. Slow next to a feed-forward network, but any style, any size, and the best strokes.
    """

    content: Image = param(label="Content", description="The picture to restyle")
    styles: list[Image] = param(
        label="Styles", description="One to five pictures whose strokes and colours to use", min_length=1, max_length=5
    )
    strength: float = param(
        0.65, ge=0, le=1, label="Strength", description="How far to go from the photograph to the style"
    )
    style_scale: float = param(
        1.0, ge=0.25, le=2.5, label="Size of strokes", description="Size of the style picture relative to the result"
    )
    size: int = param(512, ge=64, le=2048, label="Size", description="Longest side of the result in pixels")
    steps: int = param(45, ge=1, le=5000, label="Steps", description="Optimiser steps over all sizes")
    colours: Colours = param(
        "style", label="Colours", description="Whose colours the result has; can be changed afterwards"
    )
    seed: Seed = param(
        0, ge=-1, le=MOST_SEED, label="Seed", description="Start of the random numbers; -1 draws one", advanced=True
    )
    model: Network = param(
        "vgg-lite", label="Network", description="Feature network that judges; each gives other strokes", advanced=True
    )
    optimizer: Optimizer = param(
        "adam", label="Optimiser", description="adam paints stronger strokes, lbfgs keeps more", advanced=True
    )
    loss: Literal["gram", "wasserstein"] = param(
        "wasserstein",
        label="Style loss",
        description="Gram matrices, or Wasserstein-2 of mean and covariance",
        advanced=True,
    )
    style_weights: list[float] = param(
        [], label="Style weights", description="One number for each style; none: all the same", advanced=True
    )
    content_layers: str = param(
        "", label="Content layers", description="Such as conv4_2, by comma; none: the usual one", advanced=True
    )
    style_layers: str = param(
        "",
        label="Style layers",
        description="With weights, such as conv1_1:2,conv3_1; none: the usual five",
        advanced=True,
    )
    content_weight: float = param(
        1.0, ge=0, le=1000, label="Content weight", description="Multiplies the content loss", advanced=True
    )
    style_weight: float = param(
        1.0, ge=0, le=1000, label="Style weight", description="Multiplies the style loss", advanced=True
    )
    tv_weight: float = param(
        2.0, ge=0, le=1000, label="Smoothness", description="Multiplies total variation", advanced=True
    )
    start: Start = param(
        "content",
        label="Start",
        description="The photograph, noise, both, or noise in the style's colours",
        advanced=True,
    )
    noise: float = param(
        0.5, ge=0, le=1, label="Noise ratio", description="Share of noise when the start is a blend", advanced=True
    )
    pooling: Pooling = param(
        "max", label="Pooling", description="average is smoother, max is how it was trained", advanced=True
    )
    smallest: int = param(
        512, ge=64, le=2048, label="Smallest size", description="First size: less gives broader strokes", advanced=True
    )
    rate: float = param(
        0.01, ge=0.001, le=0.5, label="Step size", description="Adam's learning rate, in brightness", advanced=True
    )
    average: float = param(
        0.8, ge=0, le=0.999, label="Averaging", description="Decay of the average of iterates; 0 is off", advanced=True
    )
    sharpen: float = param(
        0.0, ge=0, le=2, label="Sharpen", description="Unsharp mask; can be changed afterwards", advanced=True
    )
    contrast: float = param(
        1.0, ge=0.5, le=2, label="Contrast", description="1 leaves it; can be changed afterwards", advanced=True
    )


@dataclass
class Work:
    """What a run leaves behind, to be continued and finished again."""

    canvas: Canvas
    content: Tensor  # (1, 3, H, W) in [0, 1]


def balance(p: GatysParams) -> tuple[float, float, float]:
    """Weights of content, style and total variation. Strength moves style against content over four decades."""
    ratio = 10 ** (4 * (p.strength - 0.5))
    return p.content_weight / (1 + ratio), p.style_weight * ratio / (1 + ratio), p.tv_weight


def longest_side(picture: PIL.Image.Image, wanted: float, least: int) -> int:
    """Longest side in pixels at which a picture is shown to the network: its short side is never below `least`."""
    return max(round(wanted), math.ceil(least * max(picture.size) / min(picture.size)))


def criterion(p: GatysParams, network: Features, content: Tensor, side: int) -> Criterion:
    """The loss at one size: targets are encoded once.

    Args:
        content: (1, 3, H, W) in [0, 1] at this size.
        side: its longest side in pixels, which the style pictures follow.
    """
    where = content.device
    content_layers = layer_weights(p.content_layers, network) or dict.fromkeys(network.content, 1.0)
    if any(weight != 1 for weight in content_layers.values()):
        raise ParamError("content_layers takes no weights: name the layers alone, and use content_weight.")
    style_layers = layer_weights(p.style_layers, network) or usual_weights(network.style)
    weights = shares(p.style_weights, len(p.styles))
    least = network.smallest([*content_layers, *style_layers])
    if min(content.shape[-2:]) < least:
        short, long = sorted(content.shape[-2:])
        raise ParamError(
            f"The picture is {short} pixels on its short side at this size but needs {least}: choose a "
            f"size of at least {math.ceil(least * long / short)}."
        )
    with torch.no_grad(), device.autocast(where):
        seen = network(content, list(content_layers), p.pooling)
        styles = [
            network(
                images.to_tensor(s, longest_side(s, side * p.style_scale, least)).to(where), [*style_layers], p.pooling
            )
            for s in p.styles
        ]
    terms: dict[str, nn.Module] = {}
    for name in style_layers:
        mean, second = mixed_moments(styles, name, weights)
        terms[name] = GramLoss(second) if p.loss == "gram" else WassersteinLoss(mean, second)
    return Criterion({name: ContentLoss(seen[name]) for name in content_layers}, terms, style_layers, balance(p))


def working_bytes(p: GatysParams) -> int:
    """Activations in bytes: those of one step at the final size, or of all styles, which are seen without gradients."""
    step, look = (3200, 800) if p.model in {"vgg16-hed", "vgg19", "vgg16"} else (900, 250)  # bytes a pixel
    styles = sum((p.size * p.style_scale) ** 2 * min(s.size) / max(s.size) for s in p.styles)
    return round(max(step * p.size**2 * min(p.content.size) / max(p.content.size), look * styles))


def generate(p: GatysParams, cache: Lender) -> Steps:
    """Paint from the start."""
    with cost.lend(cache, (p.model,), p, working_bytes) as (module,):
        network = cast(Features, module)
        narrow = longest_side(p.content, p.smallest, network.smallest(network.layers))
        plan = stages(p.size, p.steps, min(narrow, p.size))
        first = images.to_tensor(p.content, plan[0][0]).to(network.mean.device)
        start = blank(first, p.start, images.to_tensor(p.styles[0], 256)[0].to(first), p.noise, p.seed)
        canvas = Canvas(start, plan, p.optimizer, p.rate, p.average)
        images.even_ground(p.content, canvas.notes)
        return (yield from lent(p, network, Work(canvas, first)))


def resume(p: GatysParams, cache: Lender, state: object) -> Steps:
    """Go on where an earlier run stopped: finish its plan, or add `steps` steps at the full size."""
    work = cast(Work, state)
    canvas = work.canvas
    canvas.plan = canvas.plan or [(p.size, p.steps)]
    with cost.lend(cache, (p.model,), p, working_bytes) as (module,):
        return (yield from lent(p, cast(Features, module), work))


def lent(p: GatysParams, network: Features, work: Work) -> Steps:
    """`paint`, with the canvas on the device for as long as it takes: between runs it is kept on the CPU."""
    device.move(work, network.mean.device)
    try:
        return (yield from paint(p, network, work))
    finally:
        device.move(work, torch.device("cpu"))


def paint(p: GatysParams, network: Features, work: Work) -> Steps:
    """Work through the canvas's plan; yields after each step."""
    canvas = work.canvas
    total = canvas.step + sum(steps for _, steps in canvas.plan)
    work_done, work_ahead = 0, sum(steps * side**2 for side, steps in canvas.plan)
    parts: dict[str, Tensor] = {}
    while canvas.plan:
        side, steps = canvas.plan[0]
        work.content = images.to_tensor(p.content, side).to(network.mean.device)
        canvas.resize(*work.content.shape[-2:])
        loss = criterion(p, network, work.content, side)

        def evaluate(x: Tensor, loss: Criterion = loss) -> tuple[Tensor, dict[str, Tensor]]:
            with device.autocast(x.device):
                found = network(x.contiguous(memory_format=torch.channels_last), loss.layers, p.pooling)
            value: tuple[Tensor, dict[str, Tensor]] = loss(x, found)
            return value

        for done in range(1, steps + 1):
            parts = canvas.advance(evaluate)
            canvas.plan[0] = (side, steps - done)
            if done == steps:
                canvas.plan.pop(0)
            work_done += side**2
            share, notes = work_done / work_ahead, list(canvas.notes)
            yield Progress(canvas.step, total, shown(p, work), dict(parts), work, share, notes)
    return Output([finish(p, work)], dict(parts), list(canvas.notes))


def shown(p: GatysParams, work: Work) -> Tensor:
    """(3, H, W) in [0, 1]: the picture so far in the colours asked for."""
    return recolour(work.canvas.picture()[0].clamp(0, 1), work.content[0], p.colours)


def finish(p: GatysParams, state: object) -> PIL.Image.Image:
    """Apply the settings that need no new run: colours, sharpen, contrast."""
    image = images.to_image(shown(p, cast(Work, state)))
    if p.sharpen:
        image = image.filter(ImageFilter.UnsharpMask(radius=2, percent=round(100 * p.sharpen), threshold=0))
    return image if p.contrast == 1 else ImageEnhance.Contrast(image).enhance(p.contrast)


def work_of(p: GatysParams) -> float:
    """Optimising pixels from small to large: each step costs its size's area, and each size is begun by looking at the
    content and the styles once, each for half a step.
    """
    shape = megapixels(p) / p.size**2
    plan = stages(p.size, p.steps, min(p.smallest, p.size))
    looks = (1 + len(p.styles)) / 2
    return sum(float(count + looks) * (FIXED + shape * side**2) for side, count in plan)


def layer_weights(text: str, network: Features) -> dict[str, float]:
    """`"conv1_1:2,conv3_1"` -> {"conv1_1": 2.0, "conv3_1": 1.0}. Raises ParamError for unknown layers, bad numbers."""
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition(":")
        if name not in network.layers:
            raise ParamError(f"There is no layer {name} in this network: choose from {', '.join(network.layers)}.")
        try:
            weights[name] = float(number or 1)
        except ValueError:
            raise ParamError(f"The weight of {name} is {number!r}: give a number, such as {name}:0.5.") from None
        if not 0 < weights[name] < float("inf"):
            raise ParamError(f"The weight of {name} is {number}: give a number above 0.")
    return weights


def usual_weights(layers: Sequence[str]) -> dict[str, float]:
    """Each style layer counts twice the next deeper one, which keeps strokes clean.

    This differs from Gatys et al. (2015), who weigh all alike; crowsonkb/style-transfer-pytorch quarters each time.
    """
    return {name: 0.5**depth for depth, name in enumerate(layers)}


PIPELINE = Pipeline(
    "gatys",
    "Optimise",
    GatysParams,
    generate,
    resume=resume,
    finish=finish,
    after=("colours", "sharpen", "contrast"),
    variants="optimizer",
    work=work_of,
)
