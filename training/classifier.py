"""Train the classifier of CIFAR-10 that Explore looks into.

    python -m training.classifier --data cifar10 --widths 64,256,256 --epochs 10 --out weights/cifar10.safetensors

The recipe is Jordan 2024 (arXiv:2404.00498): whitened first layer, identity start, Nesterov SGD with a triangular rate
and faster biases, alternating flips, Lookahead, six views at the end. Those flags are the paper's network, for which it
reports 94 % after ten epochs. Two things are ours: the first `--early` epochs see crops of 24 px at half the cost, and
2,000 training pictures are held out, on which the temperature is fitted. The test set is read once, at the end.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import device
from models.classifier import PATCH, SIDE, Classifier
from training.common import Run, export, flags, note_moments
from training.pictures import labelled

Pair = tuple[Tensor, Tensor]
log = logging.getLogger("training")
HELD_OUT = 2000
RARE = 0.1  # share of the held-out pictures that are called unlike all others: flat and noisy ones fall below
SHIFT = 2  # pixels by which pictures are moved
EARLY_SIDE = 24  # pixels
SMOOTHING = 0.2
MOMENTUM = 0.85
RATE, DECAY = 11.5, 0.0153  # for 1,024 pictures, momentum included; the paper's units
BIAS_RATE = 64.0  # times faster than the weights
WHITEN_EPOCHS = 3  # after which the first layer's bias is frozen too


@torch.no_grad()
def prepare(model: Classifier, pictures: Tensor) -> None:
    """Give an untrained `model` its start: a first layer that whitens, identity in the others (Jordan 2024, section 3).

    Args:
        pictures: (N, 3, H, W) in [0, 1], a few thousand.
    """
    x = ((pictures.cpu() - model.mean.cpu()) / model.std.cpu()).unfold(2, PATCH, 1).unfold(3, PATCH, 1)
    patches = x.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2).double()  # (positions, 12)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / (values + 5e-4).sqrt()).T.flip(0).float().view(-1, 3, PATCH, PATCH)
    first = model.steps["whiten"][0]  # type: ignore[index]
    first.weight.copy_(torch.cat([filters, -filters]))
    first.bias.zero_()
    for name, step in model.steps.items():
        if name != "whiten":
            nn.init.dirac_(step[0].weight[: step[0].weight.shape[1]])  # type: ignore[index]


def rates(batch: int) -> tuple[float, float]:
    """Learning rate for a mean loss and decay for `batch` pictures, from the paper's units for 1,024."""
    unit = 1024 * (1 + 1 / (1 - MOMENTUM))
    return RATE / unit * batch, DECAY / RATE * 1024 / batch


def groups(model: Classifier, batch: int) -> list[dict[str, Any]]:
    """Parameters with their rates: weights, and the biases of the batch norms."""
    rate, decay = rates(batch)
    norms = [p for name, p in model.named_parameters() if p.requires_grad and p.ndim == 1 and "whiten" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim > 1 or name == "steps.whiten.0.bias"]
    return [
        {"params": [p for p in others if p.requires_grad], "lr": rate, "weight_decay": decay},
        {"params": norms, "lr": rate * BIAS_RATE, "weight_decay": decay / BIAS_RATE},
    ]


def triangle(total: int) -> Callable[[int], float]:
    """Share of the highest rate by step: from 0.2 up to 1 at 23 % of the way, down to 0.07."""

    def share(step: int) -> float:
        done = step / total
        return 0.2 + 0.8 * done / 0.23 if done < 0.23 else 1 - 0.93 * min(1.0, (done - 0.23) / 0.77)

    return share


class Lookahead(nn.Module):
    """Slow weights that the fast ones return to every five steps (Zhang et al. 2019, arXiv:1907.08610).

    The slow ones move less and less as the training goes on, so that the last ones are an average.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = [name for name, value in model.state_dict().items() if value.is_floating_point()]
        for name in self.names:
            self.register_buffer(name.replace(".", "/"), model.state_dict()[name].clone())

    @torch.no_grad()
    def meet(self, model: nn.Module, decay: float) -> None:
        """Move the slow weights to the fast ones by 1 - decay, and the fast ones to where the slow ones then are."""
        fast = model.state_dict()
        for name in self.names:
            slow = self.get_buffer(name.replace(".", "/"))
            slow.lerp_(fast[name], 1 - decay)
            fast[name].copy_(slow)


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


def assemble(args: argparse.Namespace, data: Pair) -> tuple[Classifier, Lookahead, Run]:
    """An untrained network with its whitened start, its slow weights, and the run, resumed where the flags say so."""
    torch.manual_seed(args.seed)
    model = Classifier([int(width) for width in args.widths.split(",")])
    prepare(model, data[0][:5000].float() / 255)
    model = model.to(args.device, memory_format=torch.channels_last)
    model.steps["whiten"][0].weight.requires_grad_(False)
    optimizer = torch.optim.SGD(groups(model, args.batch), momentum=MOMENTUM, nesterov=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, triangle(args.epochs * (len(data[0]) // args.batch)))
    slow = Lookahead(model).to(args.device)
    return model, slow, Run(args, model=model, slow=slow, optimizer=optimizer, schedule=schedule)


def train(run: Run, model: Classifier, slow: Lookahead, data: Pair, held: Pair) -> None:
    """All epochs that are left; each notes loss and the accuracies on training batches and on held-out pictures."""
    args, optimizer, schedule = run.args, run.parts["optimizer"], run.parts["schedule"]
    total = args.epochs * (len(data[0]) // args.batch)
    model.train()
    for epoch in run.epochs():
        model.steps["whiten"][0].bias.requires_grad_(epoch < WHITEN_EPOCHS)
        losses, right, seen = 0.0, 0, 0
        for x, y in batches(*data, args, epoch, run.generator):
            with device.autocast(args.device):
                logits = model(x.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), y, label_smoothing=SMOOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            if schedule.last_epoch % 5 == 0:
                slow.meet(model, 0.95**5 * (schedule.last_epoch / total) ** 3)
            losses += float(loss.detach()) * len(y)
            right += int((logits.argmax(1) == y).sum())
            seen += len(y)
        if epoch == args.epochs - 1:
            slow.meet(model, 1.0)  # what was trained last is only a part of the average
        valid = (judged(model, held[0], args.device).argmax(1) == held[1]).float().mean()
        run.note(loss=losses / seen, training=right / seen, validation=float(valid))


def main() -> None:
    """Train, fit the temperature on the held-out pictures, measure on the test set, export."""
    args = arguments()
    pictures, labels = labelled(args.data, "train")
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
    held = (pictures[order[:HELD_OUT]], labels[order[:HELD_OUT]])
    data = (pictures[order[HELD_OUT:]], labels[order[HELD_OUT:]])
    model, slow, run = assemble(args, data)
    train(run, model, slow, data, held)
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
    config = {"widths": [int(w) for w in args.widths.split(",")], "temperature": round(temperature, 4)}
    note_moments(model.cpu(), test)
    export(model, {**config, "floor": round(floor, 4)}, told, args.out)
    curve(run.history, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
