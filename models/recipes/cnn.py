"""The recipes of the classifiers: for photographs Jordan 2024 (arXiv:2404.00498), for digits one cycle of AdamW.

Jordan's: whitened first layer, identity start, Nesterov SGD with a triangular rate and faster biases, Lookahead (Zhang
et al. 2019, arXiv:1907.08610), whose slow weights are the network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from models import device
from models.classifier import PATCH, Classifier
from models.judge import DigitClassifier
from models.recipes import Losses, Recipe, one_cycle

RATE, BATCH = 3e-3, 128  # for digits
PHOTOGRAPHS = 1024  # the paper's batch
MOMENTUM = 0.85
HIGHEST, DECAY = 11.5, 0.0153  # for PHOTOGRAPHS pictures, momentum included; the paper's units
BIAS_RATE = 64.0  # times faster than the weights
WHITEN = 0.3  # share of the work after which the first layer's bias is frozen too
MOST = 20  # classes of a table
MEET = 5  # steps between two meetings of fast and slow weights


class DigitLearner(Recipe):
    """Cross entropy of digits, smoothed."""

    smoothing, asked = 0.05, False

    @property
    def columns(self) -> int:
        return self.classes

    def __init__(self, first: Tensor, config: dict[str, Any], rate: float = RATE) -> None:
        """Args: pictures, for their device alone; arguments of DigitClassifier; highest rate."""
        model = DigitClassifier(**config).to(first.device).to(memory_format=torch.channels_last)
        self.begin(model, config, torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02), 0.998)

    def begin(self, model: nn.Module, config: dict[str, Any], optimizer: torch.optim.Optimizer, decay: float) -> None:
        """What every classifier begins with."""
        super().__init__(model, config, optimizer, decay)
        self.table: Tensor | None = None  # what of the held-out pictures was read as what

    def course(self, done: float) -> float:
        share, momentum = one_cycle(done, 0.15)
        for group in self.optimizer.param_groups:
            group["betas"] = (momentum, 0.999)
        return share

    @override
    def losses(self, x: Tensor, labels: Tensor, done: float, random: torch.Generator) -> tuple[Tensor, Losses]:
        with device.autocast(x.device):
            logits = self.model(x.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=self.smoothing)
        return loss, {"loss": loss, "training": (logits.argmax(1) == labels).float().mean()}

    @torch.no_grad()
    def held_out(self, pictures: Tensor, labels: Tensor) -> dict[str, float]:
        logits = torch.cat([self.network(x) for x in torch.split(pictures, 250)]).float()
        answers, side = logits.argmax(1), min(MOST, logits.shape[1])
        table = torch.zeros(*[logits.shape[1]] * 2, *pictures.shape[1:])
        table[labels.cpu(), answers.cpu()] = pictures.cpu()  # of several the last
        self.table, self.classes = table[:side, :side].flatten(0, 1), side
        loss = F.cross_entropy(logits, labels, label_smoothing=self.smoothing)
        return {"held-out": float(loss), "accuracy": float((answers == labels).float().mean())}

    @override
    def samples(self, seed: int) -> Iterator[Tensor]:
        """The confusion matrix in examples: a row for each class, a column for what it was read as."""
        if self.table is not None:
            yield self.table


class Learner(DigitLearner):
    """Cross entropy of photographs, smoothed; the network is Lookahead's slow one."""

    smoothing = 0.2

    def __init__(self, first: Tensor, config: dict[str, Any], batch: int, rate: float = 0.0) -> None:
        """Args: some thousand pictures (N, 3, H, W) in [0, 1] to whiten; arguments of Classifier; pictures in a batch;
        highest rate (0: the paper's for such a batch)."""
        model = Classifier(**config)
        prepare(model, first)
        model = model.to(first.device).to(memory_format=torch.channels_last)
        model.steps["whiten"][0].weight.requires_grad_(False)  # type: ignore[index]
        groups = grouped(model, batch, rate)
        self.begin(model, config, torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True), 0.0)

    @property
    def network(self) -> Any:
        return self.average.eval()

    def begin(self, model: nn.Module, config: dict[str, Any], optimizer: torch.optim.Optimizer, decay: float) -> None:
        super().begin(model, config, optimizer, decay)
        self.average = copy.deepcopy(model)

    def course(self, done: float) -> float:
        """From 0.2 up to 1 at 23 % of the way, down to 0.07."""
        return 0.2 + 0.8 * done / 0.23 if done < 0.23 else 1 - 0.93 * min(1.0, (done - 0.23) / 0.77)

    def step(self, pictures: Tensor, labels: Tensor, done: float, random: torch.Generator) -> Losses:
        self.model.steps["whiten"][0].bias.requires_grad_(done < WHITEN)  # type: ignore[index,union-attr]
        return super().step(pictures, labels, done, random)

    @torch.no_grad()
    def update_average(self, done: float) -> None:
        """Every MEET steps the slow weights move to the fast ones, and these to where the slow ones then are. The slow
        ones move less and less as the work goes on, so that the last ones are an average."""
        if self.optimizer.param_groups[0]["taken"] % MEET:
            return
        fast, keep = self.model.state_dict(), 0.95**MEET * done**3
        for name, slow in self.average.state_dict().items():
            if slow.is_floating_point():
                slow.lerp_(fast[name], 1 - keep)
                fast[name].copy_(slow)


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


def grouped(model: Classifier, batch: int, rate: float) -> list[dict[str, Any]]:
    """Parameters with their rates, for a mean loss of `batch` pictures: weights, and the biases of the batch norms."""
    unit = PHOTOGRAPHS * (1 + 1 / (1 - MOMENTUM))
    rate, decay = rate or HIGHEST / unit * batch, DECAY / HIGHEST * PHOTOGRAPHS / batch
    norms = [p for name, p in model.named_parameters() if p.requires_grad and p.ndim == 1 and "whiten" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim > 1 or name == "steps.whiten.0.bias"]
    return [
        {"params": [p for p in others if p.requires_grad], "lr": rate, "weight_decay": decay},
        {"params": norms, "lr": rate * BIAS_RATE, "weight_decay": decay / BIAS_RATE},
    ]
