"""Losses of style transfer by optimisation: small modules that add up, so that printing the sum describes the run.

Each is divided by the size of what it aims at, so that a loss of 1 means "as far off as a blank picture", whatever the
layer, the network or the picture. This differs from Gatys et al. (arXiv:1508.06576), whose weights must be retuned
for each network, and lets one strength slider serve all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from models.moments import powers, wasserstein

Activations = Mapping[str, Tensor]
EPSILON = 1e-8


def gram(x: Tensor) -> Tensor:
    """Gram matrix (1, C, H, W) -> (C, C): mean over positions of channel products, accumulated in float32."""
    flat = x[0].flatten(1).float()
    return flat @ flat.T / flat.shape[1]


def raw_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (C,) and second raw moment (C, C) of (1, C, H, W); both may be averaged over several pictures."""
    return x[0].flatten(1).float().mean(1), gram(x)


class ContentLoss(nn.Module):
    """Squared difference to the target's activations, relative to their own size."""

    target: Tensor
    scale: Tensor

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.register_buffer("target", target.detach())
        self.register_buffer("scale", target.float().pow(2).mean().add(EPSILON).reciprocal())

    def forward(self, x: Tensor) -> Tensor:
        difference: Tensor = (x - self.target).float()
        return difference.pow(2).mean() * self.scale


class GramLoss(nn.Module):
    """Squared difference of Gram matrices, relative to the target's: equation 4 of Gatys et al., normalised."""

    target: Tensor
    scale: Tensor

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.register_buffer("target", target)
        self.register_buffer("scale", target.pow(2).sum().add(EPSILON).reciprocal())

    def forward(self, x: Tensor) -> Tensor:
        return (gram(x) - self.target).pow(2).sum() * self.scale


class WassersteinLoss(nn.Module):
    """Squared Wasserstein-2 distance between Gaussians of the activations' mean and covariance, over the target's size.

    W2^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C2^1/2 C1 C2^1/2)^1/2), as in crowsonkb/style-transfer-pytorch.
    """

    mean: Tensor
    root: Tensor
    trace: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, second: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        covariance = self._covariance(mean, second)
        self.register_buffer("root", powers(covariance, 0.5, floor=0.0)[0])
        self.register_buffer("trace", covariance.trace())
        self.register_buffer("scale", (covariance.trace() + mean.pow(2).sum()).add(EPSILON).reciprocal())

    @staticmethod
    def _covariance(mean: Tensor, second: Tensor) -> Tensor:
        floor = second.diagonal().mean() * 1e-4  # keeps the eigenvalues' gradient finite in flat pictures
        return second - torch.outer(mean, mean) + floor * torch.eye(len(mean), device=mean.device)

    def forward(self, x: Tensor) -> Tensor:
        mean, second = raw_moments(x)
        covariance = self._covariance(mean, second)
        inner = self.root @ covariance @ self.root
        if not bool(inner.isfinite().all()):  # LAPACK raises on NaN: let the optimiser see it instead
            broken: Tensor = inner.sum() * self.scale
            return broken
        precise = inner.double() if inner.device.type != "mps" else inner  # float32 may not converge on flat pictures
        symmetric = (precise + precise.T) / 2
        return wasserstein(mean - self.mean, self.trace, covariance.trace(), symmetric, EPSILON) * self.scale


class TotalVariation(nn.Module):
    """Mean squared difference of neighbouring pixels, across and down."""

    def forward(self, x: Tensor) -> Tensor:
        across, down = x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]
        return across.pow(2).mean() + down.pow(2).mean()


class Criterion(nn.Module):
    """Weighted sum of content (mean over layers), style (weighted mean over layers) and total variation."""

    def __init__(
        self,
        content: Mapping[str, nn.Module],
        style: Mapping[str, nn.Module],
        layer_weights: Mapping[str, float],
        weights: tuple[float, float, float],
    ) -> None:
        super().__init__()
        # conv4_2 may be asked for as content and as style: two dictionaries, not one
        self.content, self.style = nn.ModuleDict(dict(content)), nn.ModuleDict(dict(style))
        self.variation = TotalVariation()
        total = sum(layer_weights.values())
        self.layer_weights = {name: weight / total for name, weight in layer_weights.items()}
        self.weights = weights

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers whose activations `forward` needs."""
        return tuple(dict.fromkeys([*self.content, *self.style]))

    def extra_repr(self) -> str:
        return "content {:g}, style {:g}, total variation {:g}".format(*self.weights)

    def forward(self, image: Tensor, activations: Activations) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss (a 0-d tensor with gradient) and its detached parts, unweighted: content, style, variation."""
        zero = image.new_zeros(())
        content = torch.stack([loss(activations[name]) for name, loss in self.content.items()] or [zero]).mean()
        style = sum((loss(activations[name]) * self.layer_weights[name] for name, loss in self.style.items()), zero)
        variation = self.variation(image)
        loss = self.weights[0] * content + self.weights[1] * style + self.weights[2] * variation
        parts = {"content": content.detach(), "style": style.detach(), "variation": variation.detach()}
        return loss, {"loss": loss.detach(), **parts}


def mixed_moments(pictures: Sequence[Activations], name: str, weights: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Weighted mean over several pictures of one layer's `raw_moments`; `weights` add up to 1."""
    pairs = [raw_moments(activations[name]) for activations in pictures]
    mean = torch.stack([w * m for (m, _), w in zip(pairs, weights, strict=True)]).sum(0)
    second = torch.stack([w * s for (_, s), w in zip(pairs, weights, strict=True)]).sum(0)
    return mean, second
