"""The variational autoencoder's recipe: digits made black or white anew each time, and a KL that grows to its weight.

The weight of the KL grows from 0.1 to 1 times `beta` over the first tenth; a beta above 1 is the beta-VAE of Higgins et
al. 2017. At the end a mixture of Gaussians is fitted to the codes of each class.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from models import device, vae
from models.recipes import Losses, Recipe, black_or_white, shades
from models.vae import VAE

RATE, BATCH = 1.5e-3, 128
LARGE = {"latent": 40, "hidden": 512, "depth": 3, "components": 100}
MAP = {"latent": 2, "hidden": 512, "depth": 3, "atlas": 1000}


class Learner(Recipe):
    """Minus the evidence bound, in nats. The network knows classes only once `finish` has fitted their places."""

    clip, asked = 200.0, False

    def __init__(self, first: Tensor, config: dict[str, Any], rate: float = RATE, beta: float = 1.0) -> None:
        """Args: pictures (N, 1, 28, 28) in [0, 1] to begin from; arguments of VAE; highest rate; weight of the KL."""
        model = VAE(**config).to(first.device)
        model.bias.data.copy_(shades(first).flatten())
        options: dict[str, Any] = {"lr": rate, "warm": 200}
        optimizer = torch.optim.AdamW([{"params": model.parameters(), **options}], betas=(0.9, 0.99), weight_decay=0.01)
        super().__init__(model, config, optimizer, 0.999)
        self.beta = beta

    @override
    def losses(self, x: Tensor, labels: Tensor, done: float, random: torch.Generator) -> tuple[Tensor, Losses]:
        self.asked = False
        noise = torch.randn(len(x), self.network.latent, generator=random).to(x)
        with device.autocast(x.device):
            reconstruction, kl = self.model.bound(black_or_white(x, random), noise)  # type: ignore[operator]
        reconstruction, kl = reconstruction.mean(), kl.mean()
        total = reconstruction + kl * self.beta * min(1.0, 0.1 + 9 * done)
        return total, {"reconstruction": reconstruction, "kl": kl}

    @override
    @torch.no_grad()
    def held_out(self, pictures: Tensor, labels: Tensor) -> dict[str, float]:
        return {"held-out": float(vae.nats(self.network, pictures, None, seed=1).mean())}

    @torch.no_grad()
    def samples(self, seed: int) -> Iterator[Tensor]:
        labels, _ = self.row_by_row(5)
        yield vae.sample(self.network, labels if self.asked else None, seed, count=len(labels)).cpu()

    def finish(self, pictures: Tensor, labels: Tensor) -> None:
        fit_places(self.network, pictures, labels)
        survey(self.network, pictures, labels)
        self.asked, self.classes = True, min(vae.CLASSES, int(labels.max()) + 1)


@torch.no_grad()
def fit_places(network: VAE, x: Tensor, y: Tensor) -> None:
    """Fit each class's mixture of Gaussians to one code of every digit (N, 1, 28, 28) in [0, 1], drawn from q."""
    random = torch.Generator().manual_seed(0)
    codes = []
    for part in torch.split(x, 1000):
        mean, spread = network.encode(black_or_white(part, random))
        codes.append(mean + torch.randn(mean.shape, generator=random).to(mean) * (spread / 2).exp())
    z, y = torch.cat(codes).cpu(), y.cpu()
    for label in sorted(set(range(vae.CLASSES)) & set(y.tolist())):
        shares, means, factors = mixture(z[y == label], network.place_shares.shape[1], random)
        network.place_shares[label], network.place_means[label] = shares, means
        network.place_factors[label] = factors


def mixture(z: Tensor, parts: int, random: torch.Generator, rounds: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    """Expectation maximisation of `parts` Gaussians over (N, D): weights (P,), means (P, D), Cholesky factors
    (P, D, D) of the covariances."""
    n, d = z.shape
    means = z[torch.randperm(n, generator=random)[torch.arange(parts) % n]]
    factors = torch.linalg.cholesky(z.T.cov() + 1e-3 * torch.eye(d)).repeat(parts, 1, 1)
    shares = torch.full((parts,), 1 / parts)
    for _ in range(rounds):
        gaussians = torch.distributions.MultivariateNormal(means, scale_tril=factors)
        belongs = (gaussians.log_prob(z[:, None]) + shares.log()).softmax(1)  # type: ignore[no-untyped-call]  # (N, P)
        count = belongs.sum(0) + 1e-6
        shares, means = count / count.sum(), belongs.T @ z / count[:, None]
        away = z[:, None] - means  # (N, P, D)
        spread = torch.einsum("np,npi,npj->pij", belongs, away, away) / count[:, None, None]
        factors = torch.linalg.cholesky(spread + 1e-3 * torch.eye(d))
    return shares, means, factors


@torch.no_grad()
def survey(network: VAE, x: Tensor, labels: Tensor) -> None:
    """Keep the codes of some digits (N, 1, 28, 28) in [0, 1] and their classes, evenly taken, for the map."""
    if wanted := len(network.atlas_labels):
        index = torch.linspace(0, len(x) - 1, wanted).round().long()
        network.atlas_codes.copy_(network.encode(x[index.to(x.device)])[0])
        network.atlas_labels.copy_(labels[index.to(labels.device)])
