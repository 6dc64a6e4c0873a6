"""Class-conditional generators (what they are trained against: training/judges.py).

`ConvGenerator` follows DCGAN (Radford, Metz and Chintala 2015, arXiv:1511.06434) with class-conditional batch
normalisation (Dumoulin, Shlens and Kudlur 2016, arXiv:1610.07629). `MlpGenerator` is the small fully connected one of
the classic tutorials (Goodfellow et al. 2014, arXiv:1406.2661; with the class: Mirza and Osindero 2014,
arXiv:1411.1784).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH = 16  # every forward pass of `sample` has this many rows: a picture does not depend on how many are asked for


class ClassNorm(nn.Module):
    """Batch normalisation whose scale and shift depend on the class."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.gain = nn.Embedding(classes, width)
        self.bias = nn.Embedding(classes, width)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:  # (N, width, H, W), (N,)
        gain, bias = (part(labels)[..., None, None].to(x.dtype) for part in (self.gain, self.bias))
        return torch.addcmul(bias, self.norm(x), gain)


class ConvGenerator(nn.Module):
    """Noise and a class -> a picture: each transposed convolution doubles the side, up to half of the whole, where a
    last one makes the four pixels of each place (Shi et al. 2016, arXiv:1609.05158: half the time of a transposed one).
    """

    def __init__(
        self,
        noise: int = 64,
        widths: Sequence[int] = (96, 48, 48),
        classes: int = 10,
        size: int = 28,
        channels: int = 1,
    ) -> None:
        """Args: numbers of noise; channels from the first layer on (three or more layers, the last two at half the
        side); classes; side in pixels, a multiple of 2 to the power of one less than there are layers."""
        super().__init__()
        self.noise, self.classes, self.side = noise, classes, size // 2 ** (len(widths) - 1)
        self.start = nn.Linear(noise + classes, widths[0] * self.side**2)  # the norms alone could not move a stroke
        grown = [nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in pairwise(widths[:-1])]
        self.convs = nn.ModuleList([*grown, nn.Conv2d(widths[-2], widths[-1], 3, padding=1)])
        self.norms = nn.ModuleList(ClassNorm(width, classes) for width in widths)
        self.last = nn.Conv2d(widths[-1], 4 * channels, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """(N, noise) standard normal and (N,) classes -> (N, channels, size, size) in [0, 1]."""
        x = self.start(torch.cat([z, F.one_hot(labels, self.classes).to(z)], 1))
        x = x.unflatten(1, (-1, self.side, self.side))  # (N, widths[0], side, side)
        x = F.relu(self.norms[0](x, labels))
        for conv, norm in zip(self.convs, self.norms[1:], strict=True):
            x = F.relu(norm(conv(x), labels))  # twice the side each time, up to size/2, then as large
        return (F.pixel_shuffle(self.last(x), 2).float().tanh() + 1) / 2


class MlpGenerator(nn.Module):
    """Noise and a class -> a picture, by dense layers alone."""

    def __init__(
        self,
        noise: int = 100,
        widths: tuple[int, ...] = (256, 512, 1024),
        classes: int = 10,
        size: int = 28,
        channels: int = 1,
    ) -> None:
        """Args: numbers of noise; widths of the hidden layers; classes; side in pixels; channels."""
        super().__init__()
        self.noise, self.classes, self.shape = noise, classes, (channels, size, size)
        sizes = (noise + classes, *widths)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for b in widths)
        self.last = nn.Linear(sizes[-1], channels * size * size)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """(N, noise) standard normal and (N,) classes -> (N, channels, size, size) in [0, 1]."""
        x = torch.cat([z, F.one_hot(labels, self.classes).to(z)], 1)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = F.leaky_relu(norm(layer(x)), 0.2)
        return self.last(x).float().sigmoid().unflatten(1, self.shape)  # type: ignore[no-any-return]


Generator = ConvGenerator | MlpGenerator
KINDS: dict[str, type[Generator]] = {"conv": ConvGenerator, "mlp": MlpGenerator}


def generator(kind: str, **config: Any) -> Generator:
    """The generator of a weights file: `kind` is conv or mlp, `config` its constructor arguments."""
    return KINDS[kind](**config)


def noise_of(seeds: list[int], numbers: int) -> Tensor:
    """(N, numbers) standard normal: row i depends on `seeds[i]` alone. Drawn on the CPU."""
    return torch.stack([torch.randn(numbers, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def slerp(a: Tensor, b: Tensor, share: float) -> Tensor:
    """On the great arc from rows of `a` to rows of `b`, both (N, D): at `share` 0 it is a, at 1 it is b.

    Shoemake 1985, Animating rotation with quaternion curves; for latents White 2016 (arXiv:1609.04468): a straight line
    would pass near the origin, where a standard normal never is. Lengths are interpolated as well.
    """
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    cosine = ((a / length_a) * (b / length_b)).sum(1, keepdim=True).clamp(-1, 1)
    angle = cosine.acos()
    straight = angle.sin() < 1e-4
    safe = torch.where(straight, torch.ones_like(angle), angle)
    weight_a = torch.where(straight, torch.full_like(angle, 1 - share), ((1 - share) * safe).sin() / safe.sin())
    weight_b = torch.where(straight, torch.full_like(angle, share), (share * safe).sin() / safe.sin())
    length = torch.lerp(length_a, length_b, share)
    arc = weight_a * a / length_a + weight_b * b / length_b
    return arc * length  # type: ignore[no-any-return]


@torch.no_grad()
def draw(module: nn.Module, *inputs: Tensor) -> Tensor:
    """What `module` makes of (N, ...) each: (N, C, H, W) float32 in [0, 1] on the CPU, `BATCH` rows at once, the last
    ones padded."""
    where, count = next(module.parameters()).device, len(inputs[0])
    padded = [F.pad(x, (0, 0) * (x.ndim - 1) + (0, -count % BATCH)).to(where) for x in inputs]
    batches = zip(*(torch.split(x, BATCH) for x in padded), strict=True)
    return torch.cat([module(*batch).cpu() for batch in batches])[:count]


def sample(module: Generator, labels: Tensor, seed: int) -> Tensor:
    """(N,) classes -> (N, 1, 28, 28) float32 in [0, 1]: picture i from the noise of seed + i. For `make table`."""
    return draw(module, noise_of([seed + i for i in range(len(labels))], module.noise), labels)
