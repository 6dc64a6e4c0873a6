"""Train the gated PixelCNN of models/pixelcnn.py on MNIST, binarised anew each time a picture is seen.

    python -m training.pixelcnn --data mnist --out weights/pixelcnn-mnist.safetensors

The step is that of models/recipes/pixelcnn.py.
The measure is -log p in nats on the binarised test set: given the class, and without it (the sum over ten classes).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models import pixelcnn
from models.pixelcnn import PixelCNN
from models.recipes.pixelcnn import RATE, Learner
from training import common
from training.pictures import labelled, thinned


def main() -> None:
    """Train, measure and write the weights."""
    parser = common.flags(__doc__, "pixelcnn-mnist", epochs=6, batch=16)
    parser.add_argument("--rate", type=float, default=RATE, help="highest learning rate")
    parser.add_argument("--width", type=int, default=32, help="channels of each stack")
    parser.add_argument("--layers", type=int, default=4, help="gated layers")
    parser.add_argument("--limit", type=int, default=10**9, help="use this many pictures only, for a try")
    args = parser.parse_args()
    (x, y), (test, test_y) = (thinned(*labelled(args.data, split), args.limit) for split in ("train", "test"))
    torch.manual_seed(args.seed)
    learner = Learner(x.to(args.device).float() / 255, {"width": args.width, "layers": args.layers}, args.rate)
    run = common.Run(args, **learner.parts())
    few = slice(None, None, max(1, len(test) // 500))
    for _ in run.epochs():
        losses = run.pass_over(learner, x, y)
        held = learner.held_out(test[few].to(args.device) / 255, test_y[few].to(args.device))
        run.note(**losses, test=held["held-out"])
        labels = torch.arange(10, device=args.device).repeat(4)
        common.sheet(pixelcnn.sample(learner.network, labels, seed=0), args.runs / f"samples-{len(run.history)}.png")
    told = measure(learner.network, test.to(args.device) / 255, test_y.to(args.device))
    common.export(
        learner.network, learner.config, {**told, "minutes": round(run.minutes, 1), "epochs": args.epochs}, args.out
    )


def measure(network: PixelCNN, x: Tensor, labels: Tensor) -> dict[str, float]:
    """Nats on the test set (N, 1, 28, 28) in [0, 1] given the class; on every fifth picture also without the class, and
    how often the class that explains a digit best is its own."""
    given = pixelcnn.nats(network, x, labels, seed=1)
    few, own = pixelcnn.binarise(x, seed=1)[::5], labels[::5]
    found = torch.cat([pixelcnn.nats_of_classes(network, one) for one in few.split(100)])
    without = math.log(found.shape[1]) - torch.logsumexp(-found, 1)
    return {
        "nats_given_class": round(given.mean().item(), 3),
        "n": len(x),
        "nats": round(without.mean().item(), 3),
        "accuracy": round((found.argmin(1) == own).float().mean().item(), 4),
        "n_without_class": len(few),
    }


if __name__ == "__main__":
    main()
