"""Train the classifier of CIFAR-10 that Explore looks into.

    python -m training.classifier --data cifar10 --widths 64,256,256 --epochs 10 --out weights/cifar10.safetensors

The recipe is Jordan 2024 (arXiv:2404.00498): the step of models/recipes/cnn.py, alternating flips here, and six views
at the end. Those flags are the paper's network, for which it
reports 94 % after ten epochs. Two things are ours: the first `--early` epochs see crops of 24 px at half the cost, and
2,000 training pictures are held out, on which the temperature is fitted. The test set is read once, at the end.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from models.classifier import SIDE, Classifier
from models.recipes.cnn import Learner
from training.common import Run, export, flags, note_moments
from training.pictures import labelled

Pair = tuple[Tensor, Tensor]
log = logging.getLogger("training")
HELD_OUT = 2000
RARE = 0.1  # share of the held-out pictures that are called unlike all others: flat and noisy ones fall below
SHIFT = 2  # pixels by which pictures are moved
EARLY_SIDE = 24  # pixels


def batches(x: Tensor, y: Tensor, args: argparse.Namespace, epoch: int, generator: torch.Generator) -> Iterator[Pair]:
    """One epoch of moved and mirrored pictures: (batch, 3, side, side) in [0, 1], and their classes.

    A picture that is mirrored in one epoch is not in the next (section 3.6 of the paper): which half begins is drawn.
    """
    side = EARLY_SIDE if epoch < args.early else SIDE
    mirrored = torch.rand(len(x), generator=torch.Generator().manual_seed(args.seed)) < 0.5
    if epoch % 2:
        mirrored = ~mirrored
    padded = F.pad(x.float().div_(255), [SHIFT] * 4, mode="reflect") if side == SIDE else x.float().div_(255)
    free = padded.shape[-1] - side + 1
    for chosen in torch.randperm(len(x), generator=generator)[: len(x) // args.batch * args.batch].split(args.batch):
        top, left = torch.randint(0, free, (2, len(chosen)), generator=generator)
        along = torch.arange(side)
        columns = torch.where(mirrored[chosen, None], along.flip(0), along) + left[:, None]
        rows = along + top[:, None]
        pictures = padded[chosen[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (batch, side, side, 3)
        yield pictures.permute(0, 3, 1, 2).to(args.device), y[chosen].to(args.device)


@torch.no_grad()
def judged(model: Classifier, pictures: Tensor, where: torch.device) -> Tensor:
    """Logits (N, classes) of (N, 3, 32, 32) uint8, six views each."""
    model.eval()
    found = [model.judge(x.to(where).float() / 255).float().cpu() for x in pictures.split(500)]
    model.train()
    return torch.cat(found)


def fitted_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the least cross entropy: logits (N, classes), labels (N,)."""
    scale = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([scale], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / scale.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(scale.detach().exp())


def calibration_error(logits: Tensor, labels: Tensor) -> float:
    """Expected calibration error over 15 bins of confidence, in [0, 1]."""
    from torchmetrics.functional.classification import multiclass_calibration_error

    return float(multiclass_calibration_error(logits.softmax(1), labels, logits.shape[1], n_bins=15))


def curve(history: list[dict[str, float]], path: Path) -> None:
    """Training and validation accuracy by epoch, in one picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panel = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for name, colour in (("training", "#b4532a"), ("validation", "#2a6f8f")):
        panel.plot(range(1, len(history) + 1), [100 * row[name] for row in history], color=colour, label=name)
    panel.set(xlabel="epoch", ylabel="accuracy in %")
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Flags of the command line."""
    parser = flags(__doc__, "cifar10", epochs=10, batch=1024)
    parser.set_defaults(data="cifar10")
    parser.add_argument("--widths", default="64,256,256", help="channels of each group")
    parser.add_argument("--early", type=int, default=0, help=f"first epochs, which see {EARLY_SIDE} px")
    return parser.parse_args(given)


def assemble(args: argparse.Namespace, data: Pair) -> tuple[Learner, Run]:
    """What learns, with its whitened start, and the run, resumed where the flags say so."""
    torch.manual_seed(args.seed)
    config = {"widths": [int(width) for width in args.widths.split(",")]}
    learner = Learner(data[0][:5000].to(args.device).float() / 255, config, args.batch)
    return learner, Run(args, **learner.parts())


def train(run: Run, learner: Learner, data: Pair, held: Pair) -> None:
    """All epochs that are left; each notes loss and the accuracies on training batches and on held-out pictures."""
    args, total = run.args, run.args.epochs * (len(data[0]) // run.args.batch)
    taken = len(run.history) * (len(data[0]) // args.batch)
    for epoch in run.epochs():
        rows = []
        for x, y in batches(*data, args, epoch, run.generator):
            rows.append(learner.step(x, y, taken / total, run.generator))
            taken += 1
        valid = (judged(learner.network, held[0], args.device).argmax(1) == held[1]).float().mean()
        means = {name: float(torch.stack([row[name] for row in rows]).mean()) for name in ("loss", "training")}
        run.note(**means, validation=float(valid))


def main() -> None:
    """Train, fit the temperature on the held-out pictures, measure on the test set, export."""
    args = arguments()
    pictures, labels = labelled(args.data, "train")
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
    held = (pictures[order[:HELD_OUT]], labels[order[:HELD_OUT]])
    data = (pictures[order[HELD_OUT:]], labels[order[HELD_OUT:]])
    learner, run = assemble(args, data)
    train(run, learner, data, held)
    model = learner.network
    logits = judged(model, held[0], args.device)
    temperature, floor = fitted_temperature(logits, held[1]), float(logits.amax(1).quantile(RARE))
    test, truth = labelled(args.data, "test")
    found = judged(model, test, args.device)
    told = {
        "accuracy": f"{float((found.argmax(1) == truth).float().mean()):.4f}",
        "calibration_error": f"{calibration_error(found / temperature, truth):.4f}",
        "calibration_error_before": f"{calibration_error(found, truth):.4f}",
        "n": str(len(truth)),
        "epochs": str(args.epochs),
        "minutes": f"{run.minutes:.0f}",
    }
    config = {**learner.config, "temperature": round(temperature, 4)}
    note_moments(model.cpu(), test)
    export(model, {**config, "floor": round(floor, 4)}, told, args.out)
    curve(run.history, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
