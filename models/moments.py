"""Means, deviations and covariances of channels, how far apart two are, and the maps that exchange them: of a network's
layers, and of a picture's colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

EPS = 1e-4
Measure = Callable[[Tensor], tuple[Tensor, Tensor]]
Colours = Literal["style", "content", "matched"]
# ITU-R BT.601 luma and the two colour differences, as analogue television's YIQ.
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel: (N, C, H, W) -> two of (N, C, 1, 1), float32."""
    flat = x.float().permute(0, 2, 3, 1).flatten(1, 2)  # (N, HW, C): eight times faster than over the last two axes
    mean = flat.mean(1, keepdim=True)
    variance = (flat - mean).square().mean(1)
    return mean.mT[..., None], (variance + EPS).sqrt()[:, :, None, None]


def covariance(x: Tensor) -> Tensor:
    """How channels vary together: (N, C, H, W) -> (N, C, C), float32. A Gram matrix would be mostly the means again."""
    flat = x.float().permute(0, 2, 3, 1).flatten(1, 2)
    flat = flat - flat.mean(1, keepdim=True)
    product: Tensor = flat.mT @ flat / flat.shape[1]
    return product


def shrunk(x: Tensor, share: float) -> Tensor:
    """The covariance of (N, C, H, W), drawn towards its diagonal by `share` (Ledoit and Wolf 2004): (N, C, C)."""
    full = covariance(x)
    return (1 - share) * full + torch.diag_embed(share * full.diagonal(dim1=1, dim2=2) + EPS)


def powers(x: Tensor, *exponents: float, floor: float = EPS**2) -> list[Tensor]:
    """Powers of symmetric matrices (..., C, C); an eigenvalue below `floor` counts as that."""
    values, vectors = torch.linalg.eigh(x)
    values = values.clamp(min=floor)[..., None, :]
    return [vectors * values**exponent @ vectors.mT for exponent in exponents]


def wasserstein(apart: Tensor, trace_a: Tensor, trace_b: Tensor, inner: Tensor, floor: float = 0.0) -> Tensor:
    """Squared Wasserstein-2 (Frechet) distance of two Gaussians, 0-d: |a - b|^2 + tr(A) + tr(B) - 2 tr(inner^1/2).

    Dowson and Landau 1982. The trace of the root is the sum of the roots of the eigenvalues.

    Args:
        apart: (C,), difference of the means.
        trace_a, trace_b: 0-d, of the covariances A and B.
        inner: (C, C), A^1/2 B A^1/2; symmetric up to rounding.
        floor: what an eigenvalue counts as at least; above 0 it keeps the gradient finite.
    """
    shared = torch.linalg.eigvalsh(inner).clamp(min=floor).sqrt().sum().to(apart.dtype)
    distance: Tensor = apart.square().sum() + trace_a + trace_b - 2 * shared
    return distance


def transport(old: Tensor, new: Tensor) -> Tensor:
    """The symmetric map that gives vectors of covariance `old` the covariance `new`: two of (N, C, C) -> (N, C, C).

    It moves them least on average (Olkin and Pukelsheim 1982); equal covariances give the identity.
    """
    root, back = powers(old, 0.5, -0.5)
    return back @ powers(root @ new @ root, 0.5)[0] @ back


class Statistics:
    """What a network measures of a picture on its way: kept in `values`, or, where `outside` is there, read from it in
    order."""

    def __init__(self, outside: Tensor | None = None, measure: Measure = moments) -> None:
        self.outside, self.measure, self.position = outside, measure, 0
        self.values: list[Tensor] = []

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> what `measure` says, mean and deviation, each (N or 1, C, 1, 1)."""
        if self.outside is not None:
            mean, deviation = self._next(2 * x.shape[1])[:, :, None, None].chunk(2, 1)
            return mean, deviation
        mean, deviation = self.measure(x)
        self.values += [mean.flatten(1), deviation.flatten(1)]
        return mean, deviation

    def map(self, x: Tensor, share: float, target: Tensor) -> Tensor:
        """`transport` from the covariance of x (N, C, H, W), shrunk by `share`, to `target` (N, C, C).

        The map is what is kept: it is the same for all tiles, and costs more than they do.
        """
        c = x.shape[1]
        if self.outside is not None:
            return self._next(c * c).view(-1, c, c)
        matrix = transport(shrunk(x, share), target)
        self.values.append(matrix.flatten(1))
        return matrix

    def _next(self, count: int) -> Tensor:
        assert self.outside is not None
        self.position += count
        return self.outside[:, self.position - count : self.position]


def restate(x: Tensor, old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor]) -> Tensor:
    """Give the channels of x (N, C, H, W) the moments `new` instead of `old`, in the dtype of x."""
    scale = new[1] / old[1]
    return torch.addcmul((new[0] - old[0] * scale).to(x.dtype), x, scale.to(x.dtype))


def transported(x: Tensor, mean: Tensor, map_: Tensor, new: Tensor) -> Tensor:
    """Take x (N, C, H, W) from `mean` through `map_` (N, C, C) to the mean `new`, both (N, C, 1, 1); dtype of x."""
    shift = (new.flatten(2) - map_ @ mean.flatten(2)).mT  # (N, 1, C)
    flat = x.permute(0, 2, 3, 1).flatten(1, 2)  # (N, HW, C)
    moved = torch.baddbmm(shift.to(x.dtype), flat, map_.mT.to(x.dtype).expand(len(x), -1, -1))
    return moved.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)


def recolour(result: Tensor, content: Tensor, colours: Colours) -> Tensor:
    """Give `result` the colours asked for.

    Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer" (arXiv:1606.05897).

    Args:
        result: (3, H, W) in [0, 1], as the style coloured it.
        content: (3, H, W) in [0, 1], the photograph at the same size.
        colours: "style" leaves it as it is; "content" keeps the photograph's colours and takes only luminance from
            `result` (section 3.2 of the paper); "matched" moves the mean and covariance of its colours
            to the photograph's (section 3.1, with the symmetric square root).

    Returns:
        (3, H, W) in [0, 1].
    """
    if colours == "style":
        return result
    if colours == "matched":
        return match_statistics(result, content)
    to_yiq = YIQ.to(result)
    painted = torch.einsum("ij,jhw->ihw", to_yiq, result)
    photographed = torch.einsum("ij,jhw->ihw", to_yiq, content)
    mixed = torch.cat([painted[:1], photographed[1:]])
    back: Tensor = torch.einsum("ij,jhw->ihw", torch.linalg.inv(to_yiq), mixed)
    return back.clamp(0, 1)


def match_statistics(picture: Tensor, target: Tensor) -> Tensor:
    """Linear map of `picture`'s colours (3, H, W) that gives them `target`'s mean and covariance; clamped to [0, 1]."""
    x, y = picture.flatten(1), target.flatten(1)
    # The floor keeps pictures of one colour invertible.
    root_x, root_y = (powers(torch.cov(colours), 0.5, floor=1e-6)[0] for colours in (x, y))
    moved: Tensor = root_y @ torch.linalg.inv(root_x) @ (x - x.mean(1, keepdim=True)) + y.mean(1, keepdim=True)
    return moved.view_as(picture).clamp(0, 1)
