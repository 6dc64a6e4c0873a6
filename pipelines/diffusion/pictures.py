"""The views of `diffusion` that start from a picture: noise it, invert it, walk from one to another."""

from __future__ import annotations

from collections.abc import Generator

import PIL.Image
import torch
from torch import Tensor

from models import schedulers
from models.diffusion import denoise, generators_of, noise_of, pixels, predict, sample
from models.gan import slerp
from pipelines import images
from pipelines.base import Output, Progress, Steps
from pipelines.diffusion.draw import EXPECTED, LEGEND, MOMENTS, Trail, table
from pipelines.diffusion.noise import watch
from pipelines.diffusion.params import DiffusionParams
from pipelines.diffusion.source import Source, prepared
from pipelines.params import ParamError
from pipelines.sheet import grid, pictures_of

OWN_STEPS = 20  # for a picture of its own, where none is given


def asked(p: DiffusionParams, source: Source, count: int) -> Tensor | None:
    """The class asked for, for all (count,), or "any"; None where the network has no classes."""
    if not source.network.classes:
        return None
    return torch.full((count,), source.network.classes if p.label is None else p.label, device=source.device)


def given(picture: PIL.Image.Image | None, p: DiffusionParams, source: Source, strict: bool) -> Tensor:
    """(1, C, H, W) in [-1, 1]: the picture that was given, or one of the network's own, of the seed."""
    if picture is not None:
        return prepared(picture, source, strict)
    classes = source.network.classes
    if not classes:
        raise ParamError(f"picture is missing: give one for {source.name}, whose own pictures take long to make.")
    label = p.seed % classes if p.label is None else p.label
    made = sample(source.network, torch.tensor([label]), p.seed, min(OWN_STEPS, source.trained_steps))
    return (made * 2 - 1).to(source.device)


def forward(p: DiffusionParams, source: Source) -> Steps:
    """Noise a picture more and more, as in training; below each, what the network still makes of it."""
    clean = given(p.picture, p, source, strict=False)
    plan = schedulers.build("ddpm", source.network.scheduler, 1)
    count = max(2, min(p.count, MOMENTS))
    times = [round(i * (source.trained_steps - 1) / (count - 1)) for i in range(count)]
    noise = noise_of(source.network.shape, generators_of([p.seed])).to(source.device)
    noisy: list[Tensor] = []
    expected: list[Tensor] = []
    for step, t in enumerate(times, 1):
        noisy.append(plan.add_noise(clean, noise, torch.tensor([t], device=source.device)))
        with torch.no_grad():
            output = predict(source.network, noisy[-1], t, asked(p, source, 1), p.guidance)
        expected.append(schedulers.guess(plan, output, noisy[-1], t))
        off = (expected[-1] - clean).square().mean().sqrt()
        told: dict[str, float | Tensor] = {"noise": (1 - schedulers.alpha_bar(plan, t)) ** 0.5, "off": off}
        yield Progress(step, count, images.to_tensor(_noised(noisy, expected, times))[0], told)
    made = [picture for x in noisy for picture in pictures_of(pixels(x))]
    return Output(made, told, [LEGEND], _noised(noisy, expected, times), {"times": times})


def _noised(noisy: list[Tensor], expected: list[Tensor], times: list[int]) -> PIL.Image.Image:
    """A row of noisy pictures over a row of expected ones, empty where they are still to come."""
    blank = [torch.full_like(noisy[0], 0.92)] * (len(times) - len(noisy))
    rows = [pictures_of(pixels(torch.cat([*row, *blank]))) for row in (noisy, expected)]
    return table(rows, ["x_t", EXPECTED], [f"t = {t}" for t in times])


def to_noise(
    p: DiffusionParams, source: Source, x: Tensor, total: int, trail: Trail | None
) -> Generator[Progress, None, Tensor]:
    """DDIM backwards: the noise (N, C, H, W) from which DDIM makes the pictures `x` again. No guidance: it has no way
    back."""
    plan = schedulers.build_inverse(source.network.scheduler, p.steps)
    run = denoise(source.network, plan, x, asked(p, source, len(x)))
    return (yield from watch(run, 0, total, trail))


def invert(p: DiffusionParams, source: Source) -> Steps:
    """A picture to its noise by DDIM backwards, and from that noise to a picture again."""
    clean = given(p.picture, p, source, strict=True)
    there, back = Trail(p.steps), Trail(p.steps)
    noise = yield from to_noise(p, source, clean, 2 * p.steps, there)
    plan = schedulers.build("ddim", {**source.network.scheduler, "clip_sample": False}, p.steps)
    run = denoise(source.network, plan, noise, asked(p, source, 1))
    again = yield from watch(run, p.steps, 2 * p.steps, back)
    columns = min(MOMENTS, len(there.times))
    (first, _), (second, expected) = there.rows(0, columns)[0], back.rows(0, columns)[0]
    error = (pixels(again) - pixels(clean)).square().mean().clamp(min=1e-12)
    told: dict[str, float | Tensor] = {"psnr": -10 * error.log10(), "spread of the noise": noise.std()}
    sheet = table([first, second, expected], ["x_0 .. x_T", "x_T .. x_0", EXPECTED])
    made = [pictures_of(pixels(x))[0] for x in (clean, noise, again)]
    notes = ["the pictures are: given, its noise, made again", "rows: to noise, and back, and what is expected there"]
    return Output(made, told, notes, sheet)


def interpolate(p: DiffusionParams, source: Source) -> Steps:
    """`count` pictures on the great arc between the noises of two pictures, or of two seeds, made by DDIM."""
    if p.count < 2:
        raise ParamError(f"count is {p.count}: a walk between two pictures has at least 2.")
    pair = (p.picture, p.second)
    known = [prepared(picture, source, strict=True) for picture in pair if picture is not None]
    own = noise_of(source.network.shape, generators_of([p.seed, p.seed + 1])).to(source.device)
    before = p.steps if known else 0
    total = before + p.steps
    ends = list(torch.split(own, 1))
    if known:
        found = yield from to_noise(p, source, torch.cat(known), total, None)
        places = [i for i, picture in enumerate(pair) if picture is not None]
        for place, noise in zip(places, torch.split(found, 1), strict=True):
            ends[place] = noise
    shares = [i / (p.count - 1) for i in range(p.count)]
    walk = torch.cat([slerp(ends[0].flatten(1), ends[1].flatten(1), s).view_as(ends[0]) for s in shares])
    plan = schedulers.build("ddim", source.network.scheduler, p.steps)
    guidance = 1.0 if known else p.guidance
    run = denoise(source.network, plan, walk, asked(p, source, p.count), guidance)
    x = yield from watch(run, before, total, Trail(p.steps))
    made = pictures_of(pixels(x))
    return Output(made, sheet=grid(made, min(p.count, 8)), details={"shares": shares})
