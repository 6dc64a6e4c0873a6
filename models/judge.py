"""Who judges the generators: a classifier that made none of the pictures tells what they read as, and their features.

For digits the one below; for CIFAR-10 the classifier that Explore looks into (models/classifier.py).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.classifier import Classifier

BATCH = 500  # pictures at once: bounds the memory of `examine`


class DigitClassifier(nn.Module):
    """Three convolutions and two dense layers over 28x28 grey pictures; trained by training/evaluator.py.

    Its penultimate layer is where Frechet distance, precision and recall are measured (models/quality.py); mean and
    covariance of those features over the MNIST test set travel with the weights, so that a distance needs no data.
    """

    real_mean: Tensor
    real_covariance: Tensor
    shape = (1, 28, 28)  # of the pictures it knows
    temperature = 1.0

    def __init__(self, widths: tuple[int, int, int] = (24, 48, 96), features: int = 128, classes: int = 10) -> None:
        """Args: channels of the three convolutions, numbers in the penultimate layer, classes."""
        super().__init__()
        channels = (1, *widths)
        self.convs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(c, d, 3, padding=1, bias=False), nn.BatchNorm2d(d), nn.ReLU(inplace=True), nn.MaxPool2d(2)
            )
            for c, d in pairwise(channels)
        )
        self.dense = nn.Linear(widths[-1] * 9, features)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(features, classes)
        self.register_buffer("real_mean", torch.zeros(features))
        self.register_buffer("real_covariance", torch.eye(features))

    def features(self, x: Tensor) -> Tensor:
        """Penultimate layer, after its ReLU, of (N, 1, 28, 28) in [0, 1], white on black: (N, features)."""
        x = x * 2 - 1
        for conv in self.convs:
            x = conv(x)  # (N, width, 14 then 7 then 3, same)
        return F.relu(self.dense(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of (N, 1, 28, 28) in [0, 1]."""
        return self.scores(self.features(x))

    def scores(self, features: Tensor) -> Tensor:
        """Logits (N, classes) of `features` (N, features)."""
        return self.head(self.drop(features))  # type: ignore[no-any-return]


Judge = DigitClassifier | Classifier


@torch.no_grad()
def examine(module: Judge, x: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, F), and logits (N, classes) over the temperature, float32 on the CPU, of (N, C, H, W) in [0, 1].

    Raises:
        ValueError: when pictures are of another shape than `module` knows.
    """
    if x.shape[1:] != module.shape:
        raise ValueError(f"Pictures are {tuple(x.shape[1:])}, but their classifier needs {module.shape}.")
    features = torch.cat([module.features(part.to(module.real_mean)) for part in torch.split(x, BATCH)])
    return features.cpu(), module.scores(features).cpu() / module.temperature
