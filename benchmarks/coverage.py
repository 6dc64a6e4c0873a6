"""How much of what a generator makes looks real, and how much of what is real it makes.

Improved precision and recall of Kynkaanniemi et al. 2019 (arXiv:1904.06991), in the features of a data set's judge.
Both depend on the number of pictures: always state it.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOURS = 3  # k of section 3 in Kynkaanniemi et al.
ROWS = 1000  # of a distance matrix at once


def precision_recall(real: Tensor, made: Tensor, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Improved precision and recall: how many made pictures look real, and how much of the real ones is made.

    A set's manifold is the union of balls around its points, reaching to each one's `neighbours`-th nearest other.

    Args:
        real, made: features (N, F) and (M, F); sets of the same size compare best.

    Returns:
        Share of `made` in the manifold of `real`, and of `real` in that of `made`, each in [0, 1].

    Raises:
        ValueError: when a set has no `neighbours`-th neighbour.
    """
    if min(len(real), len(made)) <= neighbours:
        raise ValueError(f"{min(len(real), len(made))} pictures: precision and recall need more than {neighbours}.")
    return _covered(made, real, neighbours), _covered(real, made, neighbours)


def _covered(points: Tensor, centres: Tensor, neighbours: int) -> float:
    """Share of `points` (N, F) in a ball around one of `centres` (M, F)."""
    radii = torch.cat([_apart(rows, centres).kthvalue(neighbours + 1).values for rows in torch.split(centres, ROWS)])
    inside = torch.cat([(_apart(rows, centres) <= radii).any(1) for rows in torch.split(points, ROWS)])
    return float(inside.double().mean())


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (N, M). Inner products would round, and move points off their own centres."""
    return torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")
