"""Variational autoencoder for digits (Kingma and Welling 2013, arXiv:1312.6114): dense layers with skips.

The encoder says where in a small space a digit may lie (a Gaussian q with independent dimensions), the decoder how
likely each pixel is to be white there. The prior is N(0, I) or, with `components`, a learned mixture of Gaussians
(as in VaDE, Jiang et al. 2017, arXiv:1611.05148), whose divergence from q is taken by Hershey and Olsen's (2007)
variational bound: an upper bound, so the ELBO stays one, and it splits exactly into dimensions and the choice of a
component.

The model itself knows no classes. To draw a digit of a class, a mixture of Gaussians fitted to the training digits'
codes of that class takes the prior's place ("ex-post density estimation", Ghosh et al. 2020, arXiv:1903.12436); it
travels with the weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.pixelcnn import binarise

CLASSES, SIDE = 10, 28
EDGE = 0.5 / 30  # a map's first and last lines lie half a step inside the unit square
ROWS = 16  # noise is drawn for a multiple of this many pictures: one does not depend on how many are asked for


class Skip(nn.Module):
    """A dense layer beside a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        nn.init.normal_(self.dense.weight, std=0.5 / width**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dense(F.silu(x))  # type: ignore[no-any-return]


def dense(inputs: int, width: int, outputs: int, depth: int) -> nn.Sequential:
    """`depth` hidden layers of `width`."""
    skips = [Skip(width) for _ in range(depth - 1)]
    return nn.Sequential(nn.Linear(inputs, width), *skips, nn.SiLU(), nn.Linear(width, outputs))


@dataclass(frozen=True)
class Divergence:
    """KL of q from the prior, in nats: (N, D) by dimension, and (N,) for the choice of a component (0 for N(0, I))."""

    dimensions: Tensor
    choice: Tensor

    @property
    def total(self) -> Tensor:
        return self.dimensions.sum(1) + self.choice


class VAE(nn.Module):
    """(N, 1, 28, 28) <-> (N, latent)."""

    centres: Tensor
    spreads: Tensor
    shares: Tensor
    place_shares: Tensor
    place_means: Tensor
    place_factors: Tensor
    atlas_codes: Tensor
    atlas_labels: Tensor

    def __init__(
        self,
        latent: int = 40,
        hidden: int = 512,
        depth: int = 3,
        components: int = 0,
        places: int = 5,
        atlas: int = 0,
    ) -> None:
        """Args: numbers in the code; width and number of hidden layers; Gaussians in the learned prior (0: N(0, I));
        Gaussians a class of the fitted mixture; test digits whose codes travel along, to be drawn as a map."""
        super().__init__()
        self.latent = latent
        self.encoder = dense(SIDE**2, hidden, 2 * latent, depth)
        self.decoder = dense(latent, hidden, SIDE**2, depth)
        self.bias = nn.Parameter(torch.zeros(SIDE**2))
        learned = components > 0
        for name, value in (
            ("centres", torch.randn(components, latent) if learned else torch.zeros(1, latent)),
            ("spreads", torch.zeros(max(components, 1), latent)),  # log variances
            ("shares", torch.zeros(max(components, 1))),  # logits of the weights
        ):
            self.register_parameter(name, nn.Parameter(value)) if learned else self.register_buffer(name, value)
        self.register_buffer("place_shares", torch.full((CLASSES, places), 1 / places))
        self.register_buffer("place_means", torch.zeros(CLASSES, places, latent))
        self.register_buffer("place_factors", torch.eye(latent).repeat(CLASSES, places, 1, 1))  # lower Cholesky factors
        self.register_buffer("atlas_codes", torch.zeros(atlas, latent))
        self.register_buffer("atlas_labels", torch.zeros(atlas, dtype=torch.uint8))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q, (N, latent) each, of (N, 1, 28, 28) in [0, 1]."""
        mean, spread = self.encoder(2 * x.flatten(1) - 1).float().chunk(2, 1)
        return mean, spread.clamp(-10, 4)

    def decode(self, z: Tensor) -> Tensor:
        """Logits (N, 1, 28, 28) of white, at the codes (N, latent)."""
        return (self.decoder(z).float() + self.bias).view(-1, 1, SIDE, SIDE)  # type: ignore[no-any-return]

    def divergence(self, mean: Tensor, spread: Tensor) -> Divergence:
        """KL of q, given by mean and log variance (N, latent), from the prior."""
        gaps = self._gaps(mean, spread) + self.shares.log_softmax(0)  # (N, K): log w_k - KL(q || p_k)
        weights = gaps.softmax(1)  # responsibilities
        # sum_k r_k KL_d(q || p_k) for each dimension, by products of matrices: (N, K, latent) is never made
        inverse = (-self.spreads).exp()
        pull = weights @ inverse
        square = pull * (mean**2 + spread.exp()) - 2 * mean * (weights @ (self.centres * inverse))
        by_dimension = (square + weights @ (self.centres**2 * inverse + self.spreads) - spread - 1) / 2
        choice = (weights * (weights.clamp(min=1e-30).log() - self.shares.log_softmax(0))).sum(1)
        return Divergence(by_dimension, choice)

    def _gaps(self, mean: Tensor, spread: Tensor) -> Tensor:
        """-KL(q || p_k), (N, K)."""
        inverse = (-self.spreads).exp()
        square = (mean**2 + spread.exp()) @ inverse.T - 2 * mean @ (self.centres * inverse).T
        return -(square + (self.centres**2 * inverse + self.spreads).sum(1) - (spread + 1).sum(1, keepdim=True)) / 2

    def log_prior(self, z: Tensor) -> Tensor:
        """log p(z) in nats, (N,), of codes (N, latent)."""
        inverse = (-self.spreads).exp()
        square = z**2 @ inverse.T - 2 * z @ (self.centres * inverse).T
        each = -(square + (self.centres**2 * inverse + self.spreads).sum(1) + self.latent * math.log(2 * math.pi)) / 2
        return torch.logsumexp(each + self.shares.log_softmax(0), 1)

    def bound(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction and KL in nats, (N,) each, whose sum is -ELBO in expectation, of (N, 1, 28, 28) of 0, 1 with
        the code that standard normal `noise` (N, latent) picks from q. From a mixture the KL is that code's own,
        log q - log p: its mean is exact, where `divergence` is a bound."""
        return self.bound_at(x, *self.encode(x), noise)

    def bound_at(self, x: Tensor, mean: Tensor, spread: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """As `bound`, for any q: mean and log variance (N, latent)."""
        z = mean + noise * (spread / 2).exp()
        loss = F.binary_cross_entropy_with_logits(self.decode(z), x, reduction="none").sum((1, 2, 3))
        with torch.autocast(x.device.type, enabled=False):  # differences of squares: half precision is off by a nat
            if len(self.shares) == 1:
                return loss, self.divergence(mean, spread).total
            return loss, -(noise**2 + spread + math.log(2 * math.pi)).sum(1) / 2 - self.log_prior(z)


def lattice(side: int, temperature: float = 1.0) -> Tensor:
    """(side * side, 2) codes, row by row: a square lattice through the normal distribution's quantiles, so that every
    cell is equally likely under N(0, I) (Kingma and Welling 2013, appendix A); up is more of the second number."""
    lines = torch.special.ndtri(torch.linspace(EDGE, 1 - EDGE, side)) * temperature
    down, across = torch.meshgrid(lines.flip(0), lines, indexing="ij")
    return torch.stack([across, down], 2).flatten(0, 1)


def draw_codes(module: VAE, labels: Tensor | None, count: int, seed: int, temperature: float = 1.0) -> Tensor:
    """(count, latent) codes from the prior or, with `labels` (count,), from the classes' mixtures; `temperature`
    scales the spread around each Gaussian's mean."""
    rows = -(-count // ROWS) * ROWS
    noise = torch.randn(rows, module.latent, generator=torch.Generator().manual_seed(seed))[:count]
    choice = torch.rand(count, 1, generator=torch.Generator().manual_seed(seed ^ 0x5EED))
    noise, choice = noise.to(module.bias.device), choice.to(module.bias.device)
    if labels is None:
        which = pick(module.shares.softmax(0).expand(count, -1), choice)
        return module.centres[which] + temperature * noise * (module.spreads[which] / 2).exp()
    labels = labels.to(module.bias.device)
    which = pick(module.place_shares[labels], choice)
    factors = module.place_factors[labels, which]
    return module.place_means[labels, which] + temperature * (factors @ noise[..., None])[..., 0]


def pick(shares: Tensor, choice: Tensor) -> Tensor:
    """(N,) index of the share (N, K) into which `choice` (N, 1) in [0, 1) falls."""
    return (shares.cumsum(1)[:, :-1] <= choice * shares.sum(1, keepdim=True)).sum(1)


@torch.no_grad()
def sample(module: VAE, labels: Tensor | None, seed: int, count: int | None = None, temperature: float = 1.0) -> Tensor:
    """(N, 1, 28, 28) in [0, 1]: each pixel's probability of being white, one picture for each of `labels` (N,), or
    `count` pictures of any class."""
    number = len(labels) if labels is not None else count or 1
    codes = draw_codes(module, labels, number, seed, temperature)
    return torch.cat([module.decode(part).sigmoid() for part in torch.split(codes, 500)])


@torch.no_grad()
def nats(module: VAE, x: Tensor, labels: Tensor | None, seed: int, samples: int = 1) -> Tensor:
    """An upper bound of -log p(x) in nats, (N,), of (N, 1, 28, 28) in [0, 1], binarised with `seed`.

    With one sample it is -ELBO; with more, the importance-weighted bound (Burda et al. 2015, arXiv:1509.00519), which
    is tighter. `labels` is not looked at: the model knows no classes.
    """
    del labels
    generator, bounds = torch.Generator().manual_seed(seed), []
    for one in torch.split(binarise(x, seed), 500 if samples == 1 else 4):
        noise = torch.randn(samples, len(one), module.latent, generator=generator).to(x.device)
        if samples == 1:
            reconstruction, kl = module.bound(one, noise[0])
            bounds.append(reconstruction + kl)
        else:
            bounds.append(_importance(module, one, noise))
    return torch.cat(bounds)


def _importance(module: VAE, x: Tensor, noise: Tensor) -> Tensor:
    """-log of the mean of p(x, z) / q(z | x) over `noise` (K, N, latent), (N,)."""
    mean, spread = module.encode(x)
    z = mean + noise * (spread / 2).exp()  # (K, N, latent)
    many, n = noise.shape[:2]
    logits = module.decode(z.flatten(0, 1)).view(many, n, -1)
    like = -F.binary_cross_entropy_with_logits(logits, x.flatten(1).expand(many, -1, -1), reduction="none").sum(2)
    of_q = -(noise**2 + spread + math.log(2 * math.pi)).sum(2) / 2
    weights = like + module.log_prior(z.flatten(0, 1)).view(many, n) - of_q
    return math.log(many) - torch.logsumexp(weights, 0)
