"""Who judges the generators, and how: by what a classifier that made none of the pictures reads, and by its features.

For digits the one below; for CIFAR-10 the classifier that Explore looks into (models/classifier.py).

The distance is Frechet's between two Gaussians, as in the FID of Heusel et al. 2017 (arXiv:1706.08500), but in this
classifier's features instead of Inception's: a "feature Frechet distance", and its values compare with each other only.
It depends on the number of pictures: always state it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.classifier import Classifier
from models.moments import powers, wasserstein

BATCH = 500  # pictures at once: bounds the memory of `examine`


class DigitClassifier(nn.Module):
    """Three convolutions and two dense layers over 28x28 grey pictures; trained by training/evaluator.py.

    Its penultimate layer is where distances are measured (below); mean and
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


Judge = DigitClassifier | Classifier  # or what has their `features`, `scores`, `shape` and `temperature`


@torch.no_grad()
def examine(module: Judge, x: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, F), and logits (N, classes) over the temperature, float32 on the CPU, of (N, C, H, W) in [0, 1].

    Raises:
        ValueError: when pictures are of another shape than `module` knows.
    """
    if x.shape[1:] != module.shape:
        raise ValueError(f"Pictures are {tuple(x.shape[1:])}, but their classifier needs {module.shape}.")
    features = torch.cat([module.features(part.to(next(module.parameters()))) for part in torch.split(x, BATCH)])
    return features.cpu(), module.scores(features).cpu() / module.temperature


def gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (F,) and unbiased covariance (F, F), float64, of features (N, F).

    Raises:
        ValueError: for fewer than two rows, which have no covariance.
    """
    if len(features) < 2:
        raise ValueError(f"{len(features)} pictures have no covariance: give at least 2.")
    return features.double().mean(0), features.double().T.cov()


def frechet_distance(mean_a: Tensor, covariance_a: Tensor, mean_b: Tensor, covariance_b: Tensor) -> float:
    """Squared Frechet distance of two Gaussians: |a - b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2).

    Args:
        mean_a, mean_b: (F,).
        covariance_a, covariance_b: (F, F), symmetric and positive semidefinite; they may be singular.

    Returns:
        At least 0; 0 for the same Gaussian.
    """
    a, b = covariance_a.double(), covariance_b.double()
    (root,) = powers(a, 0.5, floor=0.0)
    apart = mean_a.double() - mean_b.double()
    return max(0.0, float(wasserstein(apart, a.trace(), b.trace(), root @ b @ root)))


def read_as_asked(logits: Tensor, labels: Tensor) -> float:
    """Share of pictures whose best class, of (N, classes), is the one in `labels` (N,)."""
    return float((logits.argmax(1) == labels).double().mean())


@dataclass(frozen=True)
class Quality:
    """What the judge says of generated pictures. None where it was not asked, or cannot be known."""

    pictures: int
    distance: float  # feature Frechet distance to the real test set
    read_as_asked: float | None = None


def measure(judge: Judge, pictures: Tensor, labels: Tensor | None = None) -> Quality:
    """Judge (N, C, H, W) in [0, 1].

    Args:
        judge: the data set's classifier, whose file holds the moments of the test set.
        pictures: what a generator made; digits white on black.
        labels: (N,) the classes that were asked for.
    """
    features, logits = examine(judge, pictures)
    return Quality(
        pictures=len(pictures),
        distance=frechet_distance(*gaussian(features), judge.real_mean.cpu(), judge.real_covariance.cpu()),
        read_as_asked=read_as_asked(logits, labels) if labels is not None else None,
    )
