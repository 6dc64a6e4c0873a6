"""Train the variational autoencoders of models/vae.py on MNIST, binarised anew each time a digit is seen.

    python -m training.vae --data mnist --out weights/vae-mnist.safetensors                 # 40 numbers, for quality
    python -m training.vae --kind map --data mnist --out weights/vae-map-mnist.safetensors  # 2 numbers, to be drawn

The step is that of models/recipes/vae.py. Afterwards a mixture of Gaussians is fitted to the codes of each class of the
training digits; the map takes the codes of 1,000 test digits along.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models import vae
from models.pixelcnn import binarise
from models.recipes.vae import LARGE, MAP, RATE, Learner, fit_places, survey
from models.vae import VAE
from training import common
from training.pictures import labelled, thinned

FRESH = 8  # draws of a code that measure a fitted bound
KINDS = {"large": LARGE, "map": MAP}


def main() -> None:
    """Train, measure and write the weights."""
    parser = common.flags(__doc__, "vae-mnist", epochs=100, batch=128)
    parser.add_argument("--kind", choices=KINDS, default="large", help="how large the code is")
    parser.add_argument("--rate", type=float, default=RATE, help="highest learning rate")
    parser.add_argument("--limit", type=int, default=10**9, help="use this many pictures only, for a try")
    args = parser.parse_args()
    (x, y), (test, test_y) = (thinned(*labelled(args.data, split), args.limit) for split in ("train", "test"))
    torch.manual_seed(args.seed)
    test = test.to(args.device).float() / 255
    learner = Learner(x.to(args.device).float() / 255, KINDS[args.kind], args.rate)
    run = common.Run(args, **learner.parts())
    for _ in run.epochs():
        losses = run.pass_over(learner, x, y)
        run.note(**losses, test=learner.held_out(test, test_y)["held-out"])
        common.sheet(next(learner.samples(0)), args.runs / f"samples-{len(run.history)}.png")
    network = learner.network
    fit_places(network, x.to(args.device).float() / 255, y)
    common.sheet(vae.sample(network, torch.arange(10).repeat(6), seed=0), args.runs / "samples-classes.png")
    survey(network, test, test_y)
    told = {**measure(network, test), "minutes": round(run.minutes, 1), "epochs": args.epochs}
    common.export(network, learner.config, told, args.out)


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
