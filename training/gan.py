"""Train a class-conditional GAN (models/gan.py): the convolutional one, or with --model mlp the tutorials' dense one.

    python -m training.gan --data mnist --epochs 9
    python -m training.gan --data mnist --model mlp --epochs 12
    python -m training.gan --data cifar10 --judge features --noise 128 --widths 256,192,128,128 --flip --rate 3e-4
    python -m training.gan --data cifar10 --judge projected --noise 128 --widths 256,192,128,128 --flip --rate 2e-4 \
        --start weights/gan-cifar10.safetensors --best

The convolutional pair plays with the hinge loss (Lim and Ye 2017, arXiv:1705.02894), the dense one with the
non-saturating loss of Goodfellow et al. 2014; both keep averaged weights, whose batch normalisation is measured anew.
For photographs there are discriminators that look through vgg-lite and EfficientNet-Lite0 (training/judges.py). A
generator that is there already (--start) waits LEAD steps for a discriminator that knows nothing yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from models import device, registry, weights
from models.gan import draw, generator, noise_of, sample
from models.judge import measure
from training.common import Run, average, export, flags, log, sheet
from training.judges import JUDGES, discriminator
from training.pictures import labelled

LEAD = 150  # steps
SEEN = 2000  # pictures by which --best measures an epoch
EVALUATORS = {"mnist": "digits", "cifar10": "cifar10"}  # data set -> the model that measures an epoch
RATES = {"conv": 4e-4, "mlp": 4e-4}


def score_loss(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator minimises, from its scores of real and of generated pictures."""
    if kind == "conv":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def fool_loss(kind: str, fake: Tensor) -> Tensor:
    """What the generator minimises, from the discriminator's scores of its pictures."""
    return -fake.mean() if kind == "conv" else F.softplus(-fake).mean()


@torch.no_grad()
def settle(network: nn.Module, batches: int, rows: int, random: torch.Generator) -> None:
    """Measure batch normalisation's means and variances anew, in place: averaged weights have others."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    if not norms:
        return
    where = next(network.parameters()).device
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    network.train()
    for _ in range(batches):
        z = torch.randn(rows, network.noise, generator=random).to(where)
        network(z, torch.randint(network.classes, (rows,), generator=random).to(where))
    for norm in norms:
        norm.momentum = 0.1
    network.eval()


class Players:
    """Generator, discriminator, average, optimisers and schedules."""

    def __init__(self, args: Any, config: dict[str, Any], classes: int, steps: int) -> None:
        self.kind, self.device = args.model, args.device
        shape = {name: config[name] for name in ("size", "channels")} | {"classes": classes}
        self.made = generator(args.model, **config).to(args.device, memory_format=torch.channels_last)
        self.judge = discriminator(args.judge or args.model, **shape).to(args.device, memory_format=torch.channels_last)
        if args.start:
            self.made.load_state_dict(weights.read(args.start)[1])
        self.lead = LEAD if args.start else 0  # steps in which the discriminator moves alone
        self.average = average(self.made, 0.998)
        rate, betas = args.rate or RATES[args.model], (0.5, 0.99)
        self.optimizers = [torch.optim.Adam(net.parameters(), rate, betas) for net in (self.made, self.judge)]
        half = steps // 2  # then the rate falls to nothing
        self.schedules = [
            torch.optim.lr_scheduler.LambdaLR(o, lambda i: min(1.0, max(0.0, (steps - i) / (steps - half))))
            for o in self.optimizers
        ]

    def parts(self) -> dict[str, Any]:
        """What the checkpoint holds."""
        nets = {"made": self.made, "judge": self.judge, "average": self.average}
        pairs = (("optimizer", self.optimizers), ("schedule", self.schedules))
        return nets | {f"{name} {i}": part for name, both in pairs for i, part in enumerate(both)}

    def fake(self, labels: Tensor, random: torch.Generator) -> Tensor:
        """Pictures of (N,) classes from fresh noise."""
        with device.autocast(self.device):
            return self.made(torch.randn(len(labels), self.made.noise, generator=random).to(self.device), labels)

    def score(self, x: Tensor, labels: Tensor) -> Tensor:
        """The discriminator's scores, (N,) or one for each place it looks at."""
        with device.autocast(self.device):
            return self.judge(x, labels)

    def step(self, real: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """One move of each; the two losses."""
        made_by, judged_by = self.optimizers
        with torch.no_grad():
            fake = self.fake(labels, random)
        judged = score_loss(self.kind, self.score(real, labels), self.score(fake, labels))
        judged_by.zero_grad()
        judged.backward()
        judged_by.step()
        if self.schedules[0].last_epoch < self.lead:
            for schedule in self.schedules:
                schedule.step()
            return judged.detach(), torch.zeros_like(judged.detach())
        self.judge.requires_grad_(False)
        fooled = fool_loss(self.kind, self.score(self.fake(labels, random), labels))
        made_by.zero_grad()
        fooled.backward()
        made_by.step()
        self.judge.requires_grad_(True)
        for schedule in self.schedules:
            schedule.step()
        self.average.update_parameters(self.made)
        return judged.detach(), fooled.detach()


@torch.no_grad()
def distance(network: nn.Module, kind: str) -> float:
    """How far the pictures of `network` are from the test set of "mnist" or "cifar10", as `make table` measures it."""
    judge = registry.MODELS[EVALUATORS[kind]].load().eval()
    labels = torch.arange(SEEN) % network.classes
    return measure(judge, sample(network, labels, 0), labels).distance


def keep(network: nn.Module, away: float, run: Run, path: Path) -> None:
    """Note how far `network` is from real pictures, and write its weights if none of this run was nearer."""
    run.history[-1]["distance"] = away
    log.info("distance %.2f", away)
    if away <= min(row["distance"] for row in run.history if "distance" in row):
        torch.save(network.state_dict(), path)


def arguments() -> Any:
    """Flags of the command line."""
    parser = flags(__doc__, "gan", epochs=9, batch=64)
    parser.add_argument("--model", choices=list(RATES), default="conv")
    parser.add_argument("--noise", type=int, help="numbers of noise (default: 64, mlp 100)")
    parser.add_argument("--widths", type=lambda text: tuple(map(int, text.split(","))), help="layers of the generator")
    parser.add_argument("--judge", choices=list(JUDGES), help="discriminator (default: the one of the model's kind)")
    parser.add_argument("--flip", action="store_true", help="mirror half of the pictures: not for digits")
    parser.add_argument("--start", type=Path, help="weights of a generator to go on from")
    parser.add_argument("--best", action="store_true", help="export the epoch nearest to the test set, not the last")
    parser.add_argument("--limit", type=int, help="steps an epoch, at most")
    parser.add_argument("--rate", type=float, help=f"learning rate (default: {RATES})")
    return parser.parse_args()


def main() -> None:
    """Train, draw a sheet (rows: seeds, columns: classes) after each epoch, export the averaged generator."""
    args = arguments()
    torch.manual_seed(args.seed)
    pictures, labels = labelled(args.data, "train")
    classes, steps = int(labels.max()) + 1, min(len(pictures) // args.batch, args.limit or len(pictures))
    config = {"classes": classes, "size": pictures.shape[-1], "channels": pictures.shape[1]}
    config |= {name: value for name in ("noise", "widths") if (value := getattr(args, name)) is not None}
    players = Players(args, config, classes, steps * args.epochs)
    run = Run(args, **players.parts())
    for epoch in run.epochs():
        order = torch.randperm(len(pictures), generator=run.generator)[: steps * args.batch]
        losses = torch.zeros(2, device=args.device)
        for batch in tqdm(order.split(args.batch), desc=f"epoch {epoch + 1}/{args.epochs}", mininterval=20):
            real, wanted = pictures[batch].to(args.device).float() / 255, labels[batch].to(args.device)
            if args.flip:
                mirrored = torch.rand(len(real), generator=run.generator) < 0.5
                real = torch.where(mirrored.to(args.device)[:, None, None, None], real.flip(3), real)
            losses += torch.stack(players.step(real, wanted, run.generator)) / steps
        run.note(discriminator=float(losses[0]), generator=float(losses[1]))
        best = players.average.module
        settle(best, 200 if epoch + 1 == args.epochs else 20, args.batch, run.generator)
        rows = noise_of([i // classes for i in range(8 * classes)], best.noise)
        sheet(draw(best, rows, torch.arange(classes).repeat(8)), args.runs / f"epoch-{epoch + 1:03d}.png", classes)
        if args.best:
            keep(best, distance(best, Path(args.data).name), run, args.runs / "best.pt")
    best = players.average.module
    if args.best:
        best.load_state_dict(torch.load(args.runs / "best.pt", weights_only=True))
    kind = {"kind": args.model, "noise": best.noise}
    told = {"minutes": f"{run.minutes:.1f}", "epochs": str(args.epochs), "pictures": str(len(pictures))}
    export(best, config | kind, told, args.out)
    log.info("%d parameters", sum(p.numel() for p in best.parameters()))


if __name__ == "__main__":
    main()
