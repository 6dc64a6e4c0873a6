"""A small convolutional classifier of 32x32 pictures, trained by training/classifier.py.

After Jordan 2024, arXiv:2404.00498: a frozen first convolution that whitens 2x2 patches (Page 2018), then three groups
of two convolutions, each with batch norm that has no scale and GELU, and one linear layer over the strongest responses.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training pictures
SIDE = 32  # pixels
SURE = 0.6  # probability from which on the best class is told without reserve
PATCH = 2  # side of the whitened patches in pixels; 3 colours x 2 x 2 give 12 directions, each with both signs


class Norm(nn.BatchNorm2d):
    """Batch norm that learns a bias alone, with the short memory that a training of few steps needs."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-5, momentum=0.4)
        self.weight.requires_grad_(False)


class Classifier(nn.Module):
    """Pictures to logits, and every layer on the way.

    Args:
        widths: channels of each group.
        classes: their names, in order.
        temperature: what logits are divided by before the softmax, so that a probability of 0.8 is right 8 times in 10
            (Guo et al. 2017, arXiv:1706.04599); fitted on pictures held out of the training.
        floor: the largest logit of nine in ten held-out pictures is above it: what is below is unlike most of them.

    It judges the generators of CIFAR-10 too: mean and covariance of its features over the test set travel with it.
    """

    mean: Tensor
    std: Tensor
    real_mean: Tensor
    real_covariance: Tensor
    shape = (3, SIDE, SIDE)  # of the pictures it knows best

    def __init__(
        self,
        widths: Sequence[int] = (64, 256, 256),
        classes: Sequence[str] = CIFAR10,
        temperature: float = 1.0,
        floor: float = 0.0,
    ) -> None:
        super().__init__()
        self.classes, self.temperature, self.floor = tuple(classes), float(temperature), float(floor)
        channels = 2 * 3 * PATCH**2
        steps: dict[str, nn.Module] = {"whiten": nn.Sequential(nn.Conv2d(3, channels, PATCH), nn.GELU())}
        for group, width in enumerate(widths, 1):
            first = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            second = nn.Conv2d(width, width, 3, padding=1, bias=False)
            steps[f"conv{group}_1"] = nn.Sequential(first, nn.MaxPool2d(2), Norm(width), nn.GELU())
            steps[f"conv{group}_2"] = nn.Sequential(second, Norm(width), nn.GELU())
            channels = width
        self.steps = nn.ModuleDict(steps)
        self.head = nn.Linear(channels, len(self.classes), bias=False)
        self.register_buffer("real_mean", torch.zeros(channels))
        self.register_buffer("real_covariance", torch.eye(channels))
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, shallow to deep."""
        return tuple(self.steps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB in [0, 1], usually 32x32, to logits (N, classes)."""
        return self.scores(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees of (N, 3, H, W) in [0, 1]: each channel's strongest response, (N, widths[-1])."""
        x = (x - self.mean) / self.std
        for step in self.steps.values():
            x = step(x)
        return x.amax((2, 3))

    def scores(self, features: Tensor) -> Tensor:
        """Logits (N, classes) of `features` (N, widths[-1])."""
        logits: Tensor = self.head(features) / 9  # small at first: the paper's scale
        return logits

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) in [0, 1] to every layer's (N, C, H', W'), after its activation function."""
        x, maps = (x - self.mean) / self.std, {}
        for name, step in self.steps.items():
            x = maps[name] = step(x)
        return maps

    def rest(self, layer: str, x: Tensor) -> Tensor:
        """What of the network is left after `layer`: its activations (N, C, H, W) to logits (N, classes)."""
        for name in self.layers[self.layers.index(layer) + 1 :]:
            x = self.steps[name](x)
        return self.scores(x.amax((2, 3)))

    def judge(self, x: Tensor) -> Tensor:
        """Mean logits (N, classes) over six views of (N, 3, H, W): moved by a pixel both ways, and mirrored."""
        padded, size = F.pad(x, (1, 1, 1, 1), mode="reflect"), x.shape[-2:]
        moved = [padded[..., : size[0], : size[1]], padded[..., 2:, 2:]]
        views = [(x, 0.25), *((view, 0.125) for view in moved)]
        return torch.stack([w * (self(v) + self(v.flip(-1))) for v, w in views]).sum(0)

    def probabilities(self, x: Tensor) -> Tensor:
        """Calibrated probabilities (N, classes) of (N, 3, H, W) in [0, 1]."""
        return (self.judge(x).float() / self.temperature).softmax(1)
