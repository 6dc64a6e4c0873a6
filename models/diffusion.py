"""Denoising diffusion: the network of `diffusion`, six schedulers of diffusers, and the way from noise to a picture.

Ho, Jain and Abbeel 2020 (arXiv:2006.11239); v-prediction of Salimans and Ho 2022 (arXiv:2202.00512); classifier-free
guidance of Ho and Salimans 2022 (arXiv:2207.12598). The network is diffusers' UNet2DModel over patches of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import device

Scheduler = Literal["ddpm", "ddim", "dpm++", "euler", "heun", "unipc"]
SCHEDULERS: tuple[Scheduler, ...] = get_args(Scheduler)
CLASSES: dict[Scheduler, str] = {
    "ddpm": "DDPMScheduler",
    "ddim": "DDIMScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
}
CLIPPED = {"ddpm", "ddim", "heun"}  # can keep the expected picture within the range of pixels
TRAINING = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type")
CLIPPING = ("clip_sample", "clip_sample_range")
STEPS = 20  # of `sample`
GUIDANCE = 1.5  # of `sample`
WORK = 32 << 30  # pictures x pixels x parameters of one call of a network: a fraction of a second on two cores
BATCH = 200  # pictures at once, at most


class Denoiser(nn.Module):
    """A UNet2DModel that sees squares of `patch` x `patch` pixels as channels: a quarter of the work for patch 2.

    The fold is a permutation of pixels, so noise stays white and every scheduler works on pictures as they are.
    """

    def __init__(
        self, unet: Mapping[str, Any] | nn.Module, scheduler: Mapping[str, Any], patch: int = 1, classes: int = 0
    ) -> None:
        """Args: a UNet2DModel or its arguments, those of the schedulers, side of a patch in pixels, number of classes
        (0: none; else class number `classes` of the embedding means "any")."""
        super().__init__()
        if not isinstance(unet, nn.Module):
            import diffusers  # 8 s: only where such a network is asked for

            unet = cast(Any, diffusers.UNet2DModel)(**unet)
        self.unet: Any = unet
        self.scheduler, self.patch, self.classes = dict(scheduler), patch, classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures it makes."""
        config, size = self.unet.config, self.unet.config.sample_size
        height, width = size if isinstance(size, Sequence) else (size, size)
        return int(config.in_channels) // self.patch**2, int(height) * self.patch, int(width) * self.patch

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """What the scheduler's `prediction_type` names, (N, C, H, W), for x of that shape, t (N,) and labels (N,)."""
        folded = F.pixel_unshuffle(x, self.patch)  # (N, C*patch^2, H/patch, W/patch)
        output = self.unet(folded, t, class_labels=labels, return_dict=False)[0]  # as folded
        return F.pixel_shuffle(output, self.patch)


@dataclass(frozen=True)
class Moment:
    """A moment of a run through a scheduler's times.

    step: the scheduler's, of `steps`. share: of the network's calls, in [0, 1]: a step takes several where the pictures
    are too many for one. t: training step that was just worked on. noise: deviation of the noise in x_t, the whole
    being 1. noisy: x_t as the network sees it, expected: the x0 it expects, x: the scheduler's next sample; each
    (N, C, H, W), pixels in [-1, 1]. At the last moment x is the picture. whole: whether all pictures have taken it.
    """

    step: int
    steps: int
    share: float
    t: int
    noise: float
    noisy: Tensor
    expected: Tensor
    x: Tensor
    whole: bool = True


def plan(name: Scheduler, config: Mapping[str, Any], steps: int) -> Any:
    """A scheduler of diffusers ready for `steps` steps of equal length, from the last training step on.

    Each has ideas of its own about where to start and where to stop (`timestep_spacing`, see arXiv:2305.08891); only
    with "trailing" do all begin at pure noise, also with one step, so that the same noise can be compared.

    Args:
        config: arguments of any of diffusers' schedulers; what describes the training is kept, the rest is ours.
        steps: 1 to the number of training steps.

    Raises:
        ValueError: for more steps than the network was trained with.
    """
    import diffusers

    keys = (*TRAINING, *(CLIPPING if name in CLIPPED else ()))
    options = {key: config[key] for key in keys if config.get(key) is not None}
    scheduler = getattr(diffusers, CLASSES[name])(**options, timestep_spacing="trailing")
    if not 1 <= steps <= (trained := len(scheduler)):
        raise ValueError(f"steps is {steps}, but the network was trained with {trained} steps: choose 1 to {trained}.")
    scheduler.set_timesteps(steps)
    if int(scheduler.timesteps.min()) < 0:  # rounding adds a time before the first for 61, 103, 121, ... steps
        scheduler.set_timesteps(steps - 1e-9)
    return scheduler


def prediction(scheduler: Any, output: Tensor, x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """x0 and eps, the picture and the noise that the network expects in x, from its `output` where alpha bar is `a`.

    x = sqrt(a) x0 + sqrt(1 - a) eps. Equations: arXiv:2010.02502 (12), arXiv:2202.00512 (appendix D).
    """
    signal, noise = a**0.5, (1 - a) ** 0.5
    kind = scheduler.config.prediction_type
    if kind == "sample":
        return output, (x - signal * output) / noise
    if kind == "v_prediction":
        return signal * x - noise * output, signal * output + noise * x
    return (x - noise * output) / signal, output


def ddim(
    scheduler: Any, output: Tensor, x: Tensor, t: int, s: int, generators: Sequence[torch.Generator], eta: float
) -> Tensor:
    """A step of DDIM (Song, Meng and Ermon 2020, arXiv:2010.02502, equations 12 and 16) from x_t to x_s:

        x_s = sqrt(a_s) x0 + sqrt(1 - a_s - sigma^2) eps + sigma z
        sigma = eta sqrt((1 - a_s) / (1 - a_t) (1 - a_t / a_s))

    a is alpha bar, the picture's share of the variance; x0 and eps are what the network expects, z is white noise.
    t and s are training steps, -1 the clean picture; s > t goes back to noise. This differs from diffusers' own step,
    which takes all to be of the whole length T // steps: 300 short at 700 of 1,000.
    """
    a_t, a_s = (scheduler.alphas_cumprod[i] if i >= 0 else torch.tensor(1.0) for i in (t, s))
    x0, eps = prediction(scheduler, output, x, a_t)
    if scheduler.config.clip_sample and s < t:  # clipped, there is no way back
        x0 = x0.clamp(-scheduler.config.clip_sample_range, scheduler.config.clip_sample_range)
    if eta == 0:
        return cast(Tensor, a_s**0.5 * x0 + (1 - a_s) ** 0.5 * eps)
    sigma = eta * ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)) ** 0.5
    z = noise_of(x.shape[1:], generators).to(x)
    return cast(Tensor, a_s**0.5 * x0 + (1 - a_s - sigma**2) ** 0.5 * eps + sigma * z)


def rows_of(network: Denoiser) -> int:
    """Pictures in one call of the network, so that a call takes a fraction of a second."""
    _, height, width = network.shape
    size = sum(p.numel() for p in network.parameters()) * height * width
    return max(1, min(BATCH, WORK // max(1, size)))


def predict(network: Denoiser, x: Tensor, t: Tensor | int, labels: Tensor | None, guidance: float = 1.0) -> Tensor:
    """The network's prediction, float32, with classifier-free guidance: any + guidance * (class - any).

    Args:
        x: (N, C, H, W) noisy pictures as the network sees them. t: the training step they are at.
        labels: (N,) classes, `network.classes` for any; None where the network has no classes.
        guidance: 1 is the class alone (one call), 0 any class, more than 1 exaggerates what the class adds.
    """
    times = torch.as_tensor(t, device=x.device).expand(len(x))
    with device.autocast(x.device):
        if labels is None or not network.classes:
            return cast(Tensor, network(x, times)).float()
        anything = torch.full_like(labels, network.classes)
        if guidance == 1 or torch.equal(labels, anything):
            return cast(Tensor, network(x, times, labels)).float()
        both = cast(Tensor, network(torch.cat([x, x]), times.repeat(2), torch.cat([labels, anything]))).float()
    of_class, free = both.chunk(2)
    return free + guidance * (of_class - free)


@torch.no_grad()
def denoise(
    network: Denoiser,
    scheduler: Any,
    x: Tensor,
    labels: Tensor | None,
    guidance: float = 1.0,
    generators: Sequence[torch.Generator] = (),
    eta: float = 0.0,
    inverse: bool = False,
) -> Iterator[Moment]:
    """Take x through all times of a scheduler, a moment after each call of the network.

    Args:
        scheduler: from `plan`.
        x: (N, C, H, W) where the plan starts: white noise times `scheduler.init_noise_sigma`, or a picture to invert.
        labels, guidance: as `predict`.
        generators: one a picture, for the schedulers that draw noise: ddpm, and ddim with an `eta` above 0.
        eta: DDIM's share of DDPM's noise, 0 to 1.
        inverse: DDIM backwards, from a picture to the noise that gives it.
    """
    kind = type(scheduler).__name__
    times = list(pairwise([*(int(t) for t in scheduler.timesteps), -1]))
    times = [(s, t) for t, s in reversed(times)] if inverse else times
    rows = torch.split(torch.arange(len(x)), rows_of(network))
    steps = len(times)
    calls, call = steps * len(rows), 0
    last = Moment(0, steps, 0.0, 0, 1.0, x, torch.zeros_like(x), x, whole=False)
    for step, (own, (t, s)) in enumerate(zip(scheduler.timesteps, times, strict=True), 1):
        noisy, here = scheduler.scale_model_input(x, own), max(0, t)  # a clean picture is as one of the first time
        parts: list[Tensor] = []
        for chunk in rows:
            parts.append(predict(network, noisy[chunk], here, None if labels is None else labels[chunk], guidance))
            call += 1
            if len(parts) < len(rows):
                yield replace(last, step=step, share=call / calls, whole=False)
        output, a = torch.cat(parts), scheduler.alphas_cumprod[here]
        if kind == CLASSES["ddim"]:
            x = ddim(scheduler, output, x, t, s, generators, eta)
        else:
            noise: dict[str, Any] = {"generator": list(generators)} if kind == CLASSES["ddpm"] else {}
            x = scheduler.step(output, own, x, **noise).prev_sample
        expected = prediction(scheduler, output, noisy, a)[0]
        last = Moment(step, steps, call / calls, here, math.sqrt(1 - float(a)), noisy, expected, x)
        yield last


def noise_of(shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
    """White noise (N, *shape), one picture from each generator: picture i is the same whatever N is."""
    return torch.stack([torch.randn(tuple(shape), generator=g) for g in generators])


def generators_of(seeds: Sequence[int]) -> list[torch.Generator]:
    """One source of random numbers a picture, on the CPU."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def pixels(x: Tensor) -> Tensor:
    """[-1, 1] to [0, 1], clamped, float32 on the CPU."""
    return (x.float() / 2 + 0.5).clamp(0, 1).cpu()


def sample(
    network: Denoiser,
    labels: Tensor,
    seed: int,
    steps: int = STEPS,
    scheduler: Scheduler = "dpm++",
    guidance: float = GUIDANCE,
) -> Tensor:
    """Pictures of the classes `labels` (N,), `network.classes` for any: (N, C, H, W) in [0, 1] on the CPU.

    Picture i comes from the noise of seed + i.
    """
    where = next(network.parameters()).device
    pictures = []
    for part in torch.split(torch.arange(len(labels)), BATCH):
        sources = generators_of([seed + int(i) for i in part])
        walk = plan(scheduler, network.scheduler, steps)
        x = noise_of(network.shape, sources).to(where) * walk.init_noise_sigma
        *_, last = denoise(network, walk, x, labels[part].to(where), guidance, sources)
        pictures.append(pixels(last.x))
    return torch.cat(pictures)
