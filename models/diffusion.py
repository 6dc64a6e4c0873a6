"""The denoising network of `diffusion`: diffusers' UNet2DModel over patches of pixels, with classes and guidance.

Ho, Jain and Abbeel 2020 (arXiv:2006.11239); v-prediction of Salimans and Ho 2022 (arXiv:2202.00512); classifier-free
guidance of Ho and Salimans 2022 (arXiv:2207.12598). The schedulers are diffusers' own (models/schedulers.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import device, schedulers

STEPS = 20  # of `sample`
GUIDANCE = 1.5  # of `sample`
WORK = 32 << 30  # pictures x pixels x parameters of one call of a network: a fraction of a second on two cores
BATCH = 200  # pictures at once, at most


class Denoiser(nn.Module):
    """A UNet2DModel that sees squares of `patch` x `patch` pixels as channels: a quarter of the work for patch 2.

    The fold is a permutation of pixels, so noise stays white and every scheduler works on pictures as they are.
    """

    def __init__(self, unet: Mapping[str, Any], scheduler: Mapping[str, Any], patch: int = 1, classes: int = 0) -> None:
        """Args: arguments of UNet2DModel, arguments of the schedulers, side of a patch in pixels, number of classes
        (0: none; else class number `classes` of the embedding means "any")."""
        super().__init__()
        import diffusers  # 8 s: only where such a network is asked for

        kind: Any = diffusers.UNet2DModel
        self.unet: Any = kind(**unet)
        self.scheduler, self.patch, self.classes = dict(scheduler), patch, classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures it makes."""
        side = int(self.unet.config.sample_size) * self.patch
        return int(self.unet.config.in_channels) // self.patch**2, side, side

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """What the scheduler's `prediction_type` names, (N, C, H, W), for x of that shape, t (N,) and labels (N,)."""
        folded = F.pixel_unshuffle(x, self.patch)  # (N, C*patch^2, H/patch, W/patch)
        output = self.unet(folded, t, class_labels=labels, return_dict=False)[0]  # as folded
        return F.pixel_shuffle(output, self.patch)


class Unconditional(nn.Module):
    """A UNet2DModel of the hub behind the same names; its pictures have no classes."""

    def __init__(self, unet: nn.Module, scheduler: Mapping[str, Any]) -> None:
        """Args: a UNet2DModel, and its scheduler's configuration."""
        super().__init__()
        self.unet, self.scheduler, self.classes = cast(Any, unet), dict(scheduler), 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures it makes."""
        size = self.unet.config.sample_size
        height, width = size if isinstance(size, Sequence) else (size, size)
        return int(self.unet.config.in_channels), int(height), int(width)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """As Denoiser; `labels` mean nothing here."""
        del labels
        return cast(Tensor, self.unet(x, t, return_dict=False)[0])


Network = Denoiser | Unconditional


@dataclass(frozen=True)
class Moment:
    """A moment of a run through a scheduler's times.

    step: the scheduler's, of `steps`. share: of the network's calls, in [0, 1]: a step takes several where the pictures
    are too many for one. t: training step that was just worked on. noise: deviation of the noise in x_t, the whole
    being 1. seen: x_t as the network sees it, guess: the x0 it expects, x: the scheduler's next sample; each
    (N, C, H, W), pixels in [-1, 1]. At the last moment x is the picture. whole: whether all pictures have taken it.
    """

    step: int
    steps: int
    share: float
    t: int
    noise: float
    seen: Tensor
    guess: Tensor
    x: Tensor
    whole: bool = True


def rows_of(network: Network) -> int:
    """Pictures in one call of the network, so that a call takes a fraction of a second."""
    _, height, width = network.shape
    size = sum(p.numel() for p in network.parameters()) * height * width
    return max(1, min(BATCH, WORK // max(1, size)))


def predict(network: Network, x: Tensor, t: Tensor | int, labels: Tensor | None, guidance: float = 1.0) -> Tensor:
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
    asked, free = both.chunk(2)
    return free + guidance * (asked - free)


@torch.no_grad()
def denoise(
    network: Network,
    plan: Any,
    x: Tensor,
    labels: Tensor | None,
    guidance: float = 1.0,
    generators: Sequence[torch.Generator] = (),
    eta: float = 0.0,
) -> Iterator[Moment]:
    """Take x through all times of a scheduler, a moment after each call of the network.

    Args:
        plan: from schedulers.build, or schedulers.build_inverse.
        x: (N, C, H, W) where the plan starts: white noise times `plan.init_noise_sigma`, or a picture to invert.
        labels, guidance: as `predict`. generators, eta: as schedulers.advance.
    """
    rows = torch.split(torch.arange(len(x)), rows_of(network))
    steps = len(plan.timesteps)
    calls, call = steps * len(rows), 0
    last = Moment(0, steps, 0.0, 0, 1.0, x, torch.zeros_like(x), x, whole=False)
    for step, t in enumerate(plan.timesteps, 1):
        seen = plan.scale_model_input(x, t)
        seen_at = schedulers.seen_at(plan, t)
        parts: list[Tensor] = []
        for chunk in rows:
            chosen = None if labels is None else labels[chunk]
            parts.append(predict(network, seen[chunk], seen_at, chosen, guidance))
            call += 1
            if len(parts) < len(rows):
                yield replace(last, step=step, share=call / calls, whole=False)
        output = torch.cat(parts)
        x = schedulers.advance(plan, output, t, x, generators, eta)
        noise = math.sqrt(1 - schedulers.alpha_bar(plan, seen_at))
        expected = schedulers.guess(plan, output, seen, seen_at)
        last = Moment(step, steps, call / calls, seen_at, noise, seen, expected, x)
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
    module: nn.Module,
    labels: Tensor,
    seed: int,
    steps: int = STEPS,
    scheduler: schedulers.Name = "dpm++",
    guidance: float = GUIDANCE,
) -> Tensor:
    """Pictures of the classes `labels` (N,), `module.classes` for any: (N, C, H, W) in [0, 1] on the CPU.

    Picture i comes from the noise of seed + i.
    """
    network = cast(Network, module)
    where = next(network.parameters()).device
    done = []
    for part in torch.split(torch.arange(len(labels)), BATCH):
        sources = generators_of([seed + int(i) for i in part])
        plan = schedulers.build(scheduler, network.scheduler, steps)
        x = noise_of(network.shape, sources).to(where) * plan.init_noise_sigma
        for moment in denoise(network, plan, x, labels[part].to(where), guidance, sources):
            x = moment.x
        done.append(pixels(x))
    return torch.cat(done)
