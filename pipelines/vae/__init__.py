"""Variational autoencoders: Kingma and Welling 2013."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor

from models import own, vae
from models.cache import Lender
from models.pixelcnn import binarise
from models.vae import VAE, lattice
from pipelines import digits
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.params import MOST_SEED, Image, NamedFile, ParamError, Params, Seed, own_weights, param
from pipelines.sheet import GROUND, grid, pictures_of, preview, preview_map

WEIGHTS = {("mnist", "large"): "vae-mnist", ("mnist", "map"): "vae-map-mnist"}
WORKING = 64 << 20  # bytes of activations for a thousand digits


class VaeParams(Params):
    """Draw digits from a small space of codes, or send your own digit through it and see what comes back.

    Kingma and Welling 2013. A network says where in the space a digit lies, another draws what lies there; a bound of
    each digit's likelihood comes with it. Soft pictures, and a space to walk through.
    """

    view: Literal["samples", "digit", "walk", "manifold"] = param(
        "samples",
        label="Show",
        description="New digits, your digit and what comes back, a walk between two, or the whole map",
    )
    dataset: Literal["mnist"] = param("mnist", label="Data", description="What it was trained on")
    label: int | None = param(
        None,
        ge=0,
        le=9,
        label="Class",
        description="Which class to make; none: any",
        when={"view": ["samples", "walk"]},
    )
    count: int = param(
        16,
        ge=1,
        le=100,
        label="Count",
        description="How many pictures",
        when={"view": ["samples", "digit", "walk"]},
    )
    model: Literal["large", "map"] = param(
        "large", label="Code", description="40 numbers for quality, or 2 that can be drawn as a map"
    )
    temperature: float = param(
        1.0, ge=0, le=2, label="Temperature", description="Spread of the codes: less is more typical, and more alike"
    )
    seed: Seed = param(0, ge=-1, le=MOST_SEED, label="Seed", description="Start of the random numbers; -1 draws one")
    digit: Image | None = param(None, label="Your digit", description="Drawn or uploaded: one digit in black and white")
    second: Image | None = param(
        None,
        label="Second digit",
        description="Where a walk ends; none: at a new digit",
        advanced=True,
        when={"view": ["walk"]},
    )
    weights: NamedFile = own_weights()


def generate(p: VaeParams, cache: Lender) -> Steps:
    """The view asked for."""
    name = own.name_of("vae", p.weights) if p.weights else WEIGHTS[p.dataset, p.model]
    latent = own.config_of(name).get("latent") if p.weights else {"large": 40, "map": 2}[p.model]
    if p.view == "manifold" and latent != 2:
        raise ParamError("The manifold can only be drawn of 2 numbers: set model to map, or view to samples.")
    if p.view in {"digit", "walk"} and p.digit is None:
        raise ParamError(f"digit is missing: {digits.NEEDED}, or set view to samples.")
    with cache.use(name, working=WORKING) as (module,):
        view = {"samples": samples, "manifold": manifold, "digit": digit, "walk": walk}[p.view]
        output = yield from view(p, cast(VAE, module))
    if p.digit is not None and p.view in {"samples", "manifold"}:
        output.notes.append("your digit was not looked at: set view to digit or walk for that")
    return output


@torch.no_grad()
def samples(p: VaeParams, module: VAE) -> Steps:
    """Codes from the prior, or from a class's own place in the space, decoded."""
    labels = None if p.label is None else torch.full((p.count,), p.label)
    codes = vae.draw_codes(module, labels, p.count, p.seed, p.temperature)
    x = module.decode(codes).sigmoid()
    across = math.ceil(math.sqrt(p.count))
    numbers: dict[str, float | Tensor] = {"distance": codes.norm(dim=1).mean()}
    yield Progress(1, 1, preview(x, across), numbers)
    images = pictures_of(x)
    return Output(images, numbers, sheet=grid(images, across), details={"codes": rounded(codes)})


@torch.no_grad()
def manifold(p: VaeParams, module: VAE) -> Steps:
    """The map of 30x30 digits, ten rows a step."""
    side = 30
    codes, done = lattice(side, p.temperature), []
    numbers: dict[str, float | Tensor] = {"distance": codes.norm(dim=1).mean()}
    ground = sum(GROUND) / len(GROUND) / 255
    for step, part in enumerate(torch.split(codes, 10 * side), 1):
        done.append(module.decode(part.to(module.bias.device)).sigmoid().cpu())
        whole = torch.cat([*done, torch.full((side * side - step * len(part), *done[0].shape[1:]), ground)])
        yield Progress(step, 3, preview_map(whole, side), numbers)
    sheet = grid(pictures_of(torch.cat(done)), side, gap=0, side=840)
    return Output([sheet], numbers)


@torch.no_grad()
def digit(p: VaeParams, module: VAE) -> Steps:
    """Your digit, what comes back from its code, and other draws from where it may lie."""
    assert p.digit is not None
    x = digits.prepare(p.digit).to(module.bias.device)
    mean, spread = module.encode(x)
    generator = torch.Generator().manual_seed(p.seed)
    noise = torch.randn(64, module.latent, generator=generator).to(mean) * p.temperature
    back = module.decode(torch.cat([mean, mean + noise[: p.count] * (spread / 2).exp()])).sigmoid()
    shown = torch.cat([x, back])
    told, numbers = account(module, x, p.seed)
    yield Progress(1, 1, preview(shown), numbers)
    images = pictures_of(shown)
    return Output(images, numbers, sheet=grid(images), details={"code": rounded(mean)[0], **told})


def account(module: VAE, x: Tensor, seed: int) -> tuple[dict[str, Any], dict[str, float | Tensor]]:
    """What a digit (1, 1, 28, 28) in [0, 1] costs, binarised, averaged over 64 draws of its code: tables, numbers."""
    black_or_white = binarise(x, seed)
    noise = torch.randn(64, module.latent, generator=torch.Generator().manual_seed(seed)).to(x)
    reconstruction, _ = module.bound(black_or_white.expand(64, -1, -1, -1), noise)
    kl = module.divergence(*module.encode(black_or_white))
    dimensions = [round(value, 3) for value in kl.dimensions[0].tolist()]
    told = {"kl_by_dimension": dimensions, "kl_of_component": round(float(kl.choice[0]), 3)}
    lost, spent = reconstruction.mean(), kl.total[0]
    return told, {"reconstruction": lost, "kl": spent, "nats": lost + spent}


@torch.no_grad()
def walk(p: VaeParams, module: VAE) -> Steps:
    """From your digit to a second one, or to a new one, in a straight line through the codes; a frame a step."""
    assert p.digit is not None
    start = module.encode(digits.prepare(p.digit).to(module.bias.device))[0]
    if p.second is not None:
        end = module.encode(digits.prepare(p.second).to(module.bias.device))[0]
    else:
        labels = None if p.label is None else torch.tensor([p.label])
        end = vae.draw_codes(module, labels, 1, p.seed, p.temperature)
    frames: list[Tensor] = []
    total = max(2, p.count)
    for step in range(total):
        code = torch.lerp(start, end, step / (total - 1))
        frames.append(module.decode(code).sigmoid())
        yield Progress(step + 1, total, preview(frames[-1]), {"distance": code.norm()})
    images = pictures_of(torch.cat(frames))
    told = {"from": rounded(start)[0], "to": rounded(end)[0]}
    return Output(images, {"distance": (end - start).norm()}, sheet=grid(images), details=told)


def rounded(codes: Tensor) -> list[Sequence[float]]:
    """(N, D) as rows of numbers for the record."""
    return [[round(value, 4) for value in row] for row in codes.tolist()]


def work(p: VaeParams) -> float:
    """Measured: a run costs as much as 18 pictures, before the first."""
    pictures = {"manifold": 900, "walk": 18 * p.count}.get(p.view, p.count)
    return (18 + pictures) * 1.3e-4


PIPELINE = Pipeline("vae", "VAE", VaeParams, generate, work=work)
