"""Train the variational autoencoders of models/vae.py on MNIST, binarised anew each time a digit is seen.

    python -m training.vae --data mnist --out weights/vae-mnist.safetensors                 # 40 numbers, for quality
    python -m training.vae --kind map --data mnist --out weights/vae-map-mnist.safetensors  # 2 numbers, to be drawn

The weight of the KL grows from 0.1 to 1 over the first tenth. Afterwards a mixture of Gaussians is fitted to the codes
of each class of the training digits; the map takes the codes of 1,000 test digits along.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from models import vae
from models.pixelcnn import binarise
from models.vae import VAE
from training import common
from training.pictures import labelled

FRESH = 8  # draws of a code that measure a fitted bound
KINDS: dict[str, dict[str, Any]] = {
    "large": {"latent": 40, "hidden": 512, "depth": 3, "components": 100},
    "map": {"latent": 2, "hidden": 512, "depth": 3, "atlas": 1000},
}


def main() -> None:
    """Train, measure and write the weights."""
    parser = common.flags(__doc__, "vae-mnist", epochs=100, batch=128)
    parser.add_argument("--kind", choices=KINDS, default="large", help="how large the code is")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--limit", type=int, default=10**9, help="use this many pictures only, for a try")
    args = parser.parse_args()
    (x, y), (test, test_y) = (thinned(*labelled(args.data, split), args.limit) for split in ("train", "test"))
    x, test = x.to(args.device), test.to(args.device).float() / 255
    config = KINDS[args.kind]
    model = VAE(**config).to(args.device)
    model.bias.data.copy_(torch.logit(x.float().mean((0, 1)).flatten() / 255 * 0.998 + 0.001))
    ema = common.average(model)
    optimizer = AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.99), weight_decay=0.01)
    run = common.Run(args, model=model, average=ema, optimizer=optimizer)
    for epoch in run.epochs():
        reconstruction, kl = train(model, ema, optimizer, x, epoch, args)
        network = ema.module.eval()
        held = vae.nats(network, test, None, seed=1).mean()
        run.note(reconstruction=reconstruction, kl=kl, test=held.item())
        common.sheet(vae.sample(network, None, seed=0, count=60), args.runs / f"samples-{epoch + 1}.png")
    network = ema.module.eval()
    fit_places(network, x, y)
    common.sheet(vae.sample(network, torch.arange(10).repeat(6), seed=0), args.runs / "samples-classes.png")
    survey(network, test, test_y)
    told = {**measure(network, test), "minutes": round(run.minutes, 1), "epochs": args.epochs}
    common.export(network, config, told, args.out)


def thinned(x: Tensor, y: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """At most `limit` pictures, evenly taken."""
    every = -(-len(x) // limit)
    return x[::every], y[::every]


def train(
    model: VAE, ema: AveragedModel, optimizer: AdamW, x: Tensor, epoch: int, args: argparse.Namespace
) -> tuple[float, float]:
    """One pass over the data; returns its mean reconstruction and KL in nats."""
    steps = len(x) // args.batch
    order = torch.randperm(len(x))[: steps * args.batch].view(steps, args.batch)
    total = torch.zeros(2)
    for step, index in enumerate(tqdm(order, mininterval=30)):
        done = (epoch + step / steps) / args.epochs
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, (epoch * steps + step + 1) / 200) * (1 + math.cos(math.pi * done)) / 2
        digits = torch.bernoulli(x[index].float() / 255)
        noise = torch.randn(args.batch, model.latent, device=args.device)
        with torch.autocast(args.device.type, dtype=torch.bfloat16):
            reconstruction, kl = model.bound(digits, noise)
        parts = torch.stack([reconstruction.mean(), kl.mean()])
        loss = parts[0] + parts[1] * min(1.0, 0.1 + 9 * done)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 200)
        optimizer.step()
        ema.update_parameters(model)
        total += parts.detach().cpu()
    return tuple((total / steps).tolist())


@torch.no_grad()
def fit_places(network: VAE, x: Tensor, y: Tensor) -> None:
    """Fit each class's mixture of Gaussians to one code of every training digit (N, 1, 28, 28) uint8, drawn from q."""
    generator = torch.Generator().manual_seed(0)
    codes = []
    for part in x.split(1000):
        mean, spread = network.encode(torch.bernoulli(part.cpu().float() / 255, generator=generator).to(part.device))
        codes.append(mean + torch.randn(mean.shape, generator=generator).to(mean) * (spread / 2).exp())
    z = torch.cat(codes).cpu()
    for label in range(vae.CLASSES):
        shares, means, factors = mixture(z[y == label], network.place_shares.shape[1], generator)
        network.place_shares[label], network.place_means[label] = shares, means
        network.place_factors[label] = factors


def mixture(z: Tensor, parts: int, generator: torch.Generator, rounds: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    """Expectation maximisation of `parts` Gaussians over (N, D): weights (P,), means (P, D), Cholesky factors
    (P, D, D) of the covariances."""
    n, d = z.shape
    means = z[torch.randperm(n, generator=generator)[:parts]]
    factors = torch.linalg.cholesky(z.T.cov() + 1e-3 * torch.eye(d)).repeat(parts, 1, 1)
    shares = torch.full((parts,), 1 / parts)
    for _ in range(rounds):
        gaussians = torch.distributions.MultivariateNormal(means, scale_tril=factors)
        belongs = (gaussians.log_prob(z[:, None]) + shares.log()).softmax(1)  # (N, P)
        count = belongs.sum(0) + 1e-6
        shares, means = count / count.sum(), belongs.T @ z / count[:, None]
        away = z[:, None] - means  # (N, P, D)
        spread = torch.einsum("np,npi,npj->pij", belongs, away, away) / count[:, None, None]
        factors = torch.linalg.cholesky(spread + 1e-3 * torch.eye(d))
    return shares, means, factors


@torch.no_grad()
def survey(network: VAE, test: Tensor, labels: Tensor) -> None:
    """Keep the codes of some test digits (N, 1, 28, 28) in [0, 1] and their classes, evenly taken, for the map."""
    wanted = len(network.atlas_labels)
    if wanted:
        index = torch.linspace(0, len(test) - 1, wanted).round().long()
        network.atlas_codes.copy_(network.encode(test[index])[0])
        network.atlas_labels.copy_(labels[index])


def nats_fitted(network: VAE, x: Tensor, seed: int, steps: int = 200, rate: float = 0.03) -> Tensor:
    """-ELBO in nats, (N,), with a Gaussian q fitted to each digit by `steps` of Adam, from the encoder's answer on.

    What the encoder alone misses of it is the amortisation gap (Cremer, Li and Duvenaud 2018, arXiv:1801.03558); x and
    `seed` as in `models.vae.nats`. Fresh noise measures what others have fitted, so the bound holds.
    """
    generator, bounds = torch.Generator().manual_seed(seed), list[Tensor]()
    for one in torch.split(binarise(x, seed), 500):
        with torch.no_grad():
            mean, spread = (part.clone().requires_grad_() for part in network.encode(one))
        optimizer = torch.optim.Adam([mean, spread], rate)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        for _ in range(steps):
            noise = torch.randn(mean.shape, generator=generator).to(one.device)
            with torch.enable_grad():
                loss = torch.add(*network.bound_at(one, mean, spread, noise)).sum()
            mean.grad, spread.grad = torch.autograd.grad(loss, (mean, spread))
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            noises = torch.randn(FRESH, *mean.shape, generator=generator).to(one.device)
            each = [torch.add(*network.bound_at(one, mean, spread, noise)) for noise in noises]
        bounds.append(torch.stack(each).mean(0))
    return torch.cat(bounds)


def measure(network: VAE, test: Tensor) -> dict[str, float]:
    """-ELBO on (N, 1, 28, 28) in [0, 1], binarised; on every tenth also with q fitted to each digit, and the bound by
    512 importance samples."""
    few = test[::10]
    return {
        "nats_elbo": round(vae.nats(network, test, None, seed=1).mean().item(), 3),
        "n": len(test),
        "nats_fitted": round(nats_fitted(network, few, seed=1).mean().item(), 3),
        "nats_512": round(vae.nats(network, few, None, seed=1, samples=512).mean().item(), 3),
        "n_512": len(few),
    }


if __name__ == "__main__":
    main()
