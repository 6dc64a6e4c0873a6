"""Train the denoising network of `diffusion` (models/diffusion.py), conditional on the class.

    python -m training.diffusion --data mnist --epochs 3 --batch 64
    python -m training.diffusion --data mnist --start weights/diffusion-mnist.safetensors --noise normal \
        --epochs 8 --batch 64 --rate 1e-3 --fall 0.5 --decay 0.999
    python -m training.diffusion --data cifar10 --epochs 12 --batch 64 --rate 1.5e-3

The step is that of models/recipes/diffusion.py; photographs are mirrored half of the time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import torch

from models import weights
from models.diffusion import sample
from models.recipes.diffusion import RATE, Learner, Noise, configure
from training.common import Run, export, flags, mirrored, sheet
from training.pictures import labelled


def arguments() -> argparse.Namespace:
    """Flags of the command line; the weights are named after the data."""
    parser = flags(__doc__, "diffusion", epochs=7, batch=128)
    parser.add_argument("--rate", type=float, default=RATE, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="weights to go on from, instead of random ones")
    parser.add_argument("--noise", choices=get_args(Noise), default="even", help="distribution of the training times")
    parser.add_argument("--fall", type=float, help="constant rate, falling to 0 over this last share; else one cycle")
    parser.add_argument("--decay", type=float, default=0.9985, help="of the averaged weights, a step")
    args = parser.parse_args()
    if args.out == parser.get_default("out"):
        args.out = Path("weights") / f"diffusion-{Path(args.data).name}.safetensors"
    return args


def main() -> None:
    """Train, checkpoint and draw samples after each epoch, export the averaged weights."""
    args = arguments()
    torch.manual_seed(args.seed)
    pictures, labels = labelled(args.data, "train")
    classes, colours = int(labels.max()) + 1, pictures.shape[1]
    config = configure(colours, pictures.shape[2], classes)
    empty = torch.zeros(0, device=args.device)
    learner = Learner(empty, config, args.rate, args.noise, args.fall, args.decay)
    if args.start:
        for network in (learner.model, learner.network):
            network.load_state_dict(weights.read(args.start)[1])
    run = Run(args, **learner.parts())
    for _ in run.epochs():
        run.note(**run.pass_over(learner, pictures, labels, alter=mirrored if colours == 3 else lambda x, _: x))
        rows = torch.arange(classes).repeat(5)
        sheet(sample(learner.network, rows, seed=0), args.runs / f"epoch-{len(run.history):03d}.png", columns=classes)
    parameters = sum(p.numel() for p in learner.model.parameters())
    told = {
        "loss": f"{run.history[-1]['loss']:.4f}",
        "minutes": f"{run.minutes:.1f}",
        "epochs": len(run.history),
        "parameters": parameters,
    }
    export(learner.network, config, told, args.out)


if __name__ == "__main__":
    main()
