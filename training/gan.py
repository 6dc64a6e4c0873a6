"""Train a class-conditional GAN (models/gan.py): the convolutional one, or with --model mlp the tutorials' dense one.

    python -m training.gan --data mnist --epochs 9
    python -m training.gan --data mnist --model mlp --epochs 12
    python -m training.gan --data cifar10 --judge features --noise 128 --widths 256,192,128,128 --flip --rate 3e-4
    python -m training.gan --data cifar10 --judge projected --noise 128 --widths 256,192,128,128 --flip --rate 2e-4 \
        --start weights/gan-cifar10.safetensors --best

The step is that of models/recipes/gan.py: the convolutional pair plays with the hinge loss, the dense one with the
non-saturating one; both keep averaged weights, whose batch normalisation is measured anew.
For photographs there are discriminators that look through vgg-lite and EfficientNet-Lite0 (training/judges.py). A
generator that is there already (--start) waits LEAD steps for a discriminator that knows nothing yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from models import registry, weights
from models.gan import sample
from models.judge import measure
from models.recipes.gan import LEAD, LOSSES, RATE, Learner, settle
from training.common import Run, export, flags, log, mirrored, sheet
from training.judges import JUDGES, discriminator
from training.pictures import labelled

SEEN = 2000  # pictures by which --best measures an epoch
EVALUATORS = {"mnist": "digits", "cifar10": "cifar10"}  # data set -> the model that measures an epoch


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
    parser.add_argument("--model", choices=list(LOSSES), default="conv")
    parser.add_argument("--noise", type=int, help="numbers of noise (default: 64, mlp 100)")
    parser.add_argument("--widths", type=lambda text: tuple(map(int, text.split(","))), help="layers of the generator")
    parser.add_argument("--judge", choices=list(JUDGES), help="discriminator (default: the one of the model's kind)")
    parser.add_argument("--flip", action="store_true", help="mirror half of the pictures: not for digits")
    parser.add_argument("--start", type=Path, help="weights of a generator to go on from")
    parser.add_argument("--best", action="store_true", help="export the epoch nearest to the test set, not the last")
    parser.add_argument("--limit", type=int, help="steps an epoch, at most")
    parser.add_argument("--rate", type=float, default=RATE, help="learning rate")
    return parser.parse_args()


def main() -> None:
    """Train, draw a sheet (rows: seeds, columns: classes) after each epoch, export the averaged generator."""
    args = arguments()
    torch.manual_seed(args.seed)
    pictures, labels = labelled(args.data, "train")
    shape = {"classes": int(labels.max()) + 1, "size": pictures.shape[-1], "channels": pictures.shape[1]}
    own = {name: value for name in ("noise", "widths") if (value := getattr(args, name)) is not None}
    judge = discriminator(args.judge, **shape) if args.judge else None
    empty, lead = torch.zeros(0, device=args.device), LEAD if args.start else 0
    learner = Learner(empty, {"kind": args.model, **shape, **own}, args.rate, judge=judge, lead=lead)
    if args.start:
        for network in (learner.model, learner.network):
            network.load_state_dict(weights.read(args.start)[1])
    run = Run(args, **learner.parts())
    for epoch in run.epochs():
        alter = mirrored if args.flip else lambda x, _: x
        run.note(**run.pass_over(learner, pictures, labels, args.limit or 10**9, alter))
        best = learner.network
        settle(best, 200 if epoch + 1 == args.epochs else 20, args.batch, run.generator)
        sheet(next(learner.samples(0)), args.runs / f"epoch-{epoch + 1:03d}.png", learner.columns)
        if args.best:
            keep(best, distance(best, Path(args.data).name), run, args.runs / "best.pt")
    best = learner.network
    if args.best:
        best.load_state_dict(torch.load(args.runs / "best.pt", weights_only=True))
    told = {"minutes": f"{run.minutes:.1f}", "epochs": str(args.epochs), "pictures": str(len(pictures))}
    export(best, learner.config, told, args.out)
    log.info("%d parameters", sum(p.numel() for p in best.parameters()))


if __name__ == "__main__":
    main()
