"""Generative adversarial networks: Goodfellow et al. 2014, with a class (Mirza and Osindero 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor

from models import own
from models.cache import Lender
from models.gan import BATCH, Generator, draw, noise_of, slerp
from models.judge import Judge, examine
from pipelines import dataset
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.dataset import KNOWN, NUMBERED
from pipelines.dataset import Name as Trained
from pipelines.params import MOST_SEED, NamedFile, ParamError, Params, Seed, own_weights, param
from pipelines.sheet import GROUND, grid, pictures_of, preview

WEIGHTS = {("mnist", "conv"): "gan-mnist", ("mnist", "mlp"): "gan-mnist-mlp", ("cifar10", "conv"): "gan-cifar10"}
CLASSES = 10  # of either data set
READ = "read as asked"


class GanParams(Params):
    """Turn noise into pictures in one pass, by a network that learned it in a game against a judge of real and made.

    Goodfellow et al. 2014. The fastest of the families, with crisp pictures; nothing tells it how likely they are.
    """

    dataset: Trained = param("mnist", label="Data", description=KNOWN)
    label: int | None = param(
        None, ge=0, le=9, label="Class", description="Which class to make; none: any", detail=NUMBERED
    )
    count: int = param(16, ge=1, le=100, label="Count", description="How many pictures")
    truncation: float = param(
        1.0, ge=0, le=1, label="Truncation", description="Noise times this: less is more typical, and more alike"
    )
    interpolate: int = param(
        0, ge=0, le=60, label="Interpolation", description="Frames of a walk from these seeds to others; 0: no walk"
    )
    seed: Seed = param(0, ge=-1, le=MOST_SEED, label="Seed", description="Start of the random numbers; -1 draws one")
    model: Literal["conv", "mlp"] = param(
        "conv", label="Network", description="Convolutional, or the dense one of the classic tutorials"
    )
    to_seed: int | None = param(
        None,
        ge=0,
        le=2**31 - 1,
        label="Second seed",
        description="Where the walk ends; none: the seeds after these",
        advanced=True,
    )
    nearest: bool = param(
        False,
        label="Nearest training picture",
        description="Put beside each picture the training picture closest to it; needs ATELIER_DATA",
        advanced=True,
    )
    weights: NamedFile = own_weights()


def classes(p: GanParams, known: int) -> Tensor:
    """Class of each picture (count,): the one asked for, else all of the `known` ones in turn."""
    return torch.arange(p.count) % known if p.label is None else torch.full((p.count,), p.label)


def columns(p: GanParams) -> int:
    """Pictures in a row of the grid: one a frame for walks, one a class where that fits, else square.

    With `nearest` the grid is of pairs, a made picture and then a training picture: two columns for each.
    """
    if p.interpolate:
        return p.interpolate if p.count > 1 else min(p.interpolate, CLASSES)
    if p.nearest:
        return 2 * max(1, round(math.sqrt(p.count / 2)))
    return CLASSES if p.label is None and p.count % CLASSES == 0 else math.ceil(math.sqrt(p.count))


def generate(p: GanParams, cache: Lender) -> Steps:
    """Pictures of the seeds from `seed` on, or walks between them."""
    if p.interpolate == 1:
        raise ParamError("interpolate is 1: a walk has at least 2 frames; 0 is for no walk.")
    if p.interpolate and p.nearest:
        raise ParamError("nearest is for pictures, not for walks: set interpolate to 0.")
    if not p.weights and (p.dataset, p.model) not in WEIGHTS:
        raise ParamError(f"model is {p.model}, which was trained on digits alone: choose conv for {p.dataset}.")
    name = own.name_of("gan", p.weights) if p.weights else WEIGHTS[p.dataset, p.model]
    if p.weights:
        config = own.config_of(name)
        if p.nearest and own.learned(name) == "":
            raise ParamError(
                "nearest is for networks that learned from a data set: leave it out for one of your pictures."
            )
        shape = (config.get("channels", 1), *[config.get("size", 28)] * 2)
        dataset.check_shape(name, p.dataset, shape, config.get("classes", CLASSES), p.label)
    training = dataset.pictures(p.dataset, dataset.folder(), "train") if p.nearest else None
    with cache.use(name, dataset.DATASETS[p.dataset].judge, working=64 << 20) as (module, judge):
        made, reads = cast(Generator, module), cast(Judge, judge) if own.judged(name, p.dataset) else None
        if p.interpolate:
            return (yield from walk(p, made, reads))
        return (yield from pictures(p, made, reads, training))


def pictures(p: GanParams, made: Generator, judge: Judge | None, training: tuple[Tensor, Tensor] | None) -> Steps:
    """One picture a seed, a batch a step; the preview is the grid filling up."""
    labels, seeds = classes(p, made.classes), [p.seed + i for i in range(p.count)]
    z = noise_of(seeds, made.noise) * p.truncation
    total = -(-p.count // BATCH)
    ground = sum(GROUND) / len(GROUND) / 255
    done: list[Tensor] = []
    sure: list[Tensor] = []
    for step, (rows, wanted) in enumerate(zip(torch.split(z, BATCH), torch.split(labels, BATCH), strict=True), 1):
        done.append(draw(made, rows, wanted))
        sure += [examine(judge, done[-1])[1].softmax(1)] if judge else []
        x = torch.cat(done)
        yet = torch.full((p.count - len(x), *x.shape[1:]), ground)
        yield Progress(step, total, preview(torch.cat([x, yet]), columns(p)), _share(sure, labels))
    x = torch.cat(done)
    told: dict[str, Any] = {
        "pictures": [{"seed": seed, "class": int(label)} for seed, label in zip(seeds, labels, strict=True)]
    }
    for row, share in zip(told["pictures"], torch.cat(sure) if sure else [], strict=False):
        row |= {"read": int(share.argmax()), "sure": round(float(share.max()), 4)}
    images = pictures_of(x)
    if training is None:
        return Output(images, _share(sure, labels), sheet=grid(images, columns(p)), details=told)
    which, apart = dataset.nearest(x, training[0])
    for row, index, distance in zip(told["pictures"], which, apart, strict=True):
        row["nearest"] = {"class": int(training[1][index]), "distance": round(float(distance), 3)}
    beside = pictures_of(training[0][which].float() / 255)
    pairs = [image for pair in zip(images, beside, strict=True) for image in pair]
    return Output(images, _share(sure, labels), sheet=grid(pairs, columns(p)), details=told)


def walk(p: GanParams, made: Generator, judge: Judge | None) -> Steps:
    """From each seed to another along the sphere, a frame a step; the grid has a row a walk and a column a frame."""
    labels = classes(p, made.classes)
    end = p.seed + p.count if p.to_seed is None else p.to_seed
    a, b = ([start + i for i in range(p.count)] for start in (p.seed, end))
    start, stop = noise_of(a, made.noise), noise_of(b, made.noise)
    frames: list[Tensor] = []
    sure: list[Tensor] = []
    for step in range(1, p.interpolate + 1):
        z = slerp(start, stop, (step - 1) / (p.interpolate - 1)) * p.truncation
        frames.append(draw(made, z, labels))
        sure += [examine(judge, frames[-1])[1].softmax(1)] if judge else []
        yield Progress(step, p.interpolate, preview(frames[-1]), _share(sure, labels.repeat(step)))
    images = pictures_of(torch.stack(frames, 1).flatten(0, 1))  # a walk after the other
    told = {"from": a, "to": b, "classes": labels.tolist()}
    found = _share(sure, labels.repeat(p.interpolate))
    return Output(images, found, sheet=grid(images, columns(p)), details=told)


def _share(sure: Sequence[Tensor], labels: Tensor) -> dict[str, float | Tensor]:
    """Share of the pictures so far that the data set's classifier reads as asked."""
    if not sure:  # nobody here can read them
        return {}
    read = torch.cat([*sure]).argmax(1)
    return {READ: (read == labels[: len(read)]).double().mean()}


def work(p: GanParams) -> float:
    """Measured: a run costs as much as 16 pictures before the first, and a batch as 6; the grid is drawn after each."""
    frames, batches = max(1, p.interpolate), -(-p.count // BATCH)
    drawn = frames * p.count if p.interpolate else 0.19 * batches * p.count
    return (16 + frames * (6 * batches + p.count) + drawn) * 3.6e-4


PIPELINE = Pipeline("gan", "GAN", GanParams, generate, work=work)
