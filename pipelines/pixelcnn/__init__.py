"""PixelCNN: van den Oord et al. 2016, gated and conditional."""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import torch
from torch import Tensor

from models import own
from models.cache import Lender
from models.pixelcnn import PixelCNN, binarise, draw, nats_of_classes, noise_for, surprise
from pipelines import digits
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.dataset import check_shape
from pipelines.params import MOST_SEED, Image, NamedFile, ParamError, Params, Seed, own_weights, param
from pipelines.sheet import GROUND, grid, pictures_of, preview

WEIGHTS = {"mnist": "pixelcnn-mnist"}
CLASSES = 10
STRIDE = 7  # pixels between two previews
WORKING = 64 << 20  # bytes of activations for a hundred digits
HEAT = ((0.04, 0.05, 0.09), (0.45, 0.11, 0.30), (0.88, 0.42, 0.20), (1.0, 0.93, 0.70))  # from no surprise to much


DRAWN = {"view": ["samples", "complete"]}


class PixelcnnParams(Params):
    """Draw digits pixel by pixel, each from its likelihood given all before it; or finish, or judge, a digit of yours.

    Van den Oord et al. 2016. It gives every picture's exact probability; black and white, and one pixel at a time.
    """

    view: Literal["samples", "complete", "surprise"] = param(
        "samples", label="Show", description="New digits, endings for the top of yours, or what surprises in yours"
    )
    dataset: Literal["mnist"] = param("mnist", label="Data", description="What it was trained on")
    label: int | None = param(None, ge=0, le=9, label="Class", description="Which class to make; none: any")
    count: int = param(16, ge=1, le=100, label="Count", description="How many pictures", when=DRAWN)
    temperature: float = param(
        1.0,
        ge=0.05,
        le=2,
        label="Temperature",
        description="Divides each logit: less is more typical, and more alike",
        when=DRAWN,
    )
    keep: int = param(
        12,
        ge=1,
        le=27,
        label="Rows kept",
        description="Of your digit's 28, from the top, to complete",
        when={"view": ["complete"]},
    )
    seed: Seed = param(0, ge=-1, le=MOST_SEED, label="Seed", description="Start of the random numbers; -1 draws one")
    shade: bool = param(
        False, label="Grey", description="Show how likely white was at each pixel, not what was drawn", advanced=True
    )
    digit: Image | None = param(None, label="Your digit", description="Drawn or uploaded: one digit in black and white")
    weights: NamedFile = own_weights()


def generate(p: PixelcnnParams, cache: Lender) -> Steps:
    """The view asked for."""
    if p.view != "samples" and p.digit is None:
        raise ParamError(f"digit is missing: {digits.NEEDED}, or set view to samples.")
    name = own.name_of("pixelcnn", p.weights) if p.weights else WEIGHTS[p.dataset]
    with cache.use(name, working=WORKING) as (module,):
        network = cast(PixelCNN, module)
        check_shape(name, p.dataset, (1, network.side, network.side), network.count, p.label)
        where = network.bias.device
        given = None
        if p.digit is not None and p.view != "samples":
            given = binarise(digits.prepare(p.digit).to(where), p.seed)
        if p.view == "surprise":
            assert given is not None
            return (yield from judge(p, network, given))
        output = yield from pictures(p, network, given)
    if p.digit is not None and p.view == "samples":
        output.notes.append("your digit was not looked at: set view to complete or surprise for that")
    return output


@torch.no_grad()
def pictures(p: PixelcnnParams, network: PixelCNN, given: Tensor | None) -> Steps:
    """New digits, or endings of `given` (1, 1, 28, 28) of 0 and 1, whose rows that are kept are not drawn again; the
    preview is the drawing as it comes about."""
    chances, labels = classes(p, network, given)
    noise = noise_for(network, p.count, p.seed)
    known, pixels = p.keep if given is not None else 0, network.side**2
    first = known * network.side  # pixels that are there already
    total = -(-(pixels - first) // STRIDE)
    whole = given.expand(p.count, -1, -1, -1) if given is not None else None
    numbers: dict[str, float | Tensor] = {}
    drawing = None
    for drawing in draw(network, labels, noise, p.temperature, whole, known):
        done = drawing.pixels - first
        if done % STRIDE == 0 or drawing.pixels == pixels:
            numbers = {"nats": cost(drawing.x, drawing.chance, drawing.pixels)}
            shown = preview(seen(drawing.chance if p.shade else drawing.x, drawing.pixels), columns(p))
            yield Progress(-(-done // STRIDE), total, shown, numbers, share=done / (pixels - first))
    assert drawing is not None
    images = pictures_of(drawing.chance if p.shade else drawing.x)
    told: dict[str, Any] = {"classes": labels.tolist()}
    if chances is not None:
        told["class_chances"] = [round(value, 4) for value in chances.tolist()]
    return Output(images, numbers, sheet=grid(images, columns(p)), details=told)


def classes(p: PixelcnnParams, network: PixelCNN, given: Tensor | None) -> tuple[Tensor | None, Tensor]:
    """Class of each picture (count,): the one asked for; else all in turn; where a top is given, drawn from how well
    each class explains it (Bayes, all equally likely before), whose chances (10,) come first."""
    if p.label is not None:
        return None, torch.full((p.count,), p.label)
    if given is None:
        return None, torch.arange(p.count) % network.count
    labels = torch.arange(network.count, device=given.device)
    costs = surprise(network, given.expand(len(labels), -1, -1, -1), labels)[:, :, : p.keep].sum((1, 2, 3))
    chances = (-costs).softmax(0).cpu()
    generator = torch.Generator().manual_seed(p.seed)
    return chances, torch.multinomial(chances, p.count, replacement=True, generator=generator)


def columns(p: PixelcnnParams) -> int:
    """One a class where all classes are shown, else square."""
    return CLASSES if p.label is None and p.view == "samples" and p.count % CLASSES == 0 else math.ceil(p.count**0.5)


def cost(x: Tensor, chance: Tensor, pixels: int) -> Tensor:
    """Mean -log p in nats of the first `pixels` of (N, 1, H, W), at the temperature they were drawn with."""
    hit = torch.where(x > 0.5, chance, 1 - chance).flatten(1)[:, :pixels]
    return -hit.clamp(min=1e-12).log().sum(1).mean()


def seen(x: Tensor, pixels: int) -> Tensor:
    """`x` (N, 1, H, W) with the ground of the grid where nothing is drawn yet."""
    shown = x.clone()
    shown.flatten(1)[:, pixels:] = sum(GROUND) / len(GROUND) / 255
    return shown


@torch.no_grad()
def judge(p: PixelcnnParams, network: PixelCNN, given: Tensor) -> Steps:
    """Your digit as the network sees it, how likely each pixel was to be white, and how much each surprised."""
    costs = nats_of_classes(network, given)[0]
    chances = (-costs).softmax(0)
    label = p.label if p.label is not None else int(costs.argmin())
    labels = torch.tensor([label], device=given.device)
    chance = network(given, labels).sigmoid()
    found = surprise(network, given, labels)
    shown = torch.cat([given.expand(-1, 3, -1, -1), chance.expand(-1, 3, -1, -1), heat(found)])
    without = math.log(network.count) - torch.logsumexp(-costs, 0)
    numbers: dict[str, float | Tensor] = {"nats": without, "nats of the class": costs[label], "highest": found.max()}
    yield Progress(1, 1, preview(shown, 3), numbers)
    images = pictures_of(shown)
    told = {
        "class": label,
        "nats_of_classes": [round(value, 3) for value in costs.tolist()],
        "class_chances": [round(value, 4) for value in chances.tolist()],
    }
    return Output(images, numbers, sheet=grid(images, 3), details=told)


def heat(nats: Tensor, most: float = 4.0) -> Tensor:
    """(N, 1, H, W) in nats -> colours (N, 3, H, W) in [0, 1], from dark to bright at `most`."""
    place = (nats / most).clamp(0, 1) * (len(HEAT) - 1)
    colours = torch.tensor(HEAT, device=nats.device)
    low = place.floor().long().clamp(max=len(HEAT) - 2)
    mixed = torch.lerp(colours[low], colours[low + 1], (place - low)[..., None])  # (N, 1, H, W, 3)
    return mixed[:, 0].permute(0, 3, 1, 2)


def work(p: PixelcnnParams) -> float:
    """Measured: going through the pixels costs as much as 45 pictures, before the first; judging goes once."""
    pixels = {"surprise": 0.02, "complete": 1 - p.keep / 28}.get(p.view, 1.0)
    return pixels * (45 + p.count) * 1.1e-2


PIPELINE = Pipeline("pixelcnn", "PixelCNN", PixelcnnParams, generate, work=work)
