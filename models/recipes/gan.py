"""The recipe of class-conditional GANs: a generator and a network that says how real a picture looks, move by move.

Losses: hinge (Lim and Ye 2017, arXiv:1705.02894), non-saturating (Goodfellow et al. 2014, arXiv:1406.2661), and
Wasserstein's with a gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028; one move of the judge for one of the
generator, where the paper takes five). The averaged weights' batch normalisation is measured anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from typing_extensions import override

from models import device
from models.gan import draw, generator, noise_of
from models.recipes import Losses, Recipe, drawn_from, pace

Loss = Literal["hinge", "non-saturating", "wasserstein-gp"]
LOSSES: dict[str, Loss] = {"conv": "hinge", "mlp": "non-saturating"}  # kind of generator -> what it was made with
RATE, BATCH = 4e-4, 64
LEAD = 150  # steps in which the judge moves alone, where the generator knows something already


class ConvDiscriminator(nn.Module):
    """A picture and a class -> how real it looks: three spectrally normalised convolutions (Miyato et al. 2018,
    arXiv:1802.05957), and the class by projection (Miyato and Koyama 2018, arXiv:1802.05637)."""

    def __init__(
        self, widths: tuple[int, int, int] = (32, 64, 128), classes: int = 10, size: int = 28, channels: int = 1
    ) -> None:
        super().__init__()
        sizes = (channels, *widths)
        self.convs = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairwise(sizes))
        flat = widths[-1] * (size // 8) ** 2
        self.score = spectral_norm(nn.Linear(flat, 1))
        self.classes = spectral_norm(nn.Embedding(classes, flat))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(N, channels, size, size) in [0, 1] and (N,) classes -> (N,)."""
        x = x * 2 - 1
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        x = x.flatten(1).float()  # (N, flat)
        return self.score(x)[:, 0] + (x * self.classes(labels)).sum(1)  # type: ignore[no-any-return]


class MlpDiscriminator(nn.Module):
    """A picture and a class -> how real it looks, by dense layers with dropout."""

    def __init__(
        self, widths: tuple[int, ...] = (512, 256), classes: int = 10, size: int = 28, channels: int = 1
    ) -> None:
        super().__init__()
        self.classes = classes
        sizes = (channels * size * size + classes, *widths)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.score = nn.Linear(sizes[-1], 1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(N, channels, size, size) in [0, 1] and (N,) classes -> (N,)."""
        x = torch.cat([x.flatten(1) * 2 - 1, F.one_hot(labels, self.classes).to(x)], 1)
        for layer in self.hidden:
            x = F.dropout(F.leaky_relu(layer(x), 0.2), 0.3, self.training)
        return self.score(x)[:, 0].float()  # type: ignore[no-any-return]


def score_loss(kind: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """What the judge makes small, from its scores of real and of generated pictures; the penalty aside."""
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "wasserstein-gp":
        return fake.mean() - real.mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def fool_loss(kind: Loss, fake: Tensor) -> Tensor:
    """What the generator makes small, from the judge's scores of its pictures."""
    return F.softplus(-fake).mean() if kind == "non-saturating" else -fake.mean()


@torch.no_grad()
def settle(network: nn.Module, batches: int, rows: int, random: torch.Generator) -> None:
    """Measure batch normalisation's means and variances anew, in place: averaged weights have others."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    where = next(network.parameters()).device
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    network.train()
    for _ in range(batches):
        z = torch.randn(rows, network.noise, generator=random).to(where)  # type: ignore[call-overload]
        network(z, torch.randint(network.classes, (rows,), generator=random).to(where))  # type: ignore[call-overload]
    for norm in norms:
        norm.momentum = 0.1
    network.eval()


class Learner(Recipe):
    """Two networks, each with its optimiser; what is averaged and kept is the generator."""

    def __init__(
        self,
        first: Tensor,
        config: dict[str, Any],
        rate: float = RATE,
        loss: Loss | None = None,
        penalty: float = 10.0,
        judge: nn.Module | None = None,
        lead: int = 0,
    ) -> None:
        """Args: pictures, for their device alone; arguments of models.gan.generator; rate of both; the loss (None: the
        one of the generator's kind); weight of the gradient penalty; who judges (None: the one of the kind); steps in
        which the judge moves alone."""
        where, kind = first.device, config["kind"]
        shape = {name: config[name] for name in ("size", "channels", "classes")}
        judge = judge or {"conv": ConvDiscriminator, "mlp": MlpDiscriminator}[kind](**shape)
        self.judge = judge.to(where).to(memory_format=torch.channels_last)
        model: nn.Module = generator(**config).to(where).to(memory_format=torch.channels_last)
        made_by, self.judged_by = (torch.optim.Adam(net.parameters(), rate, (0.5, 0.99)) for net in (model, self.judge))
        super().__init__(model, {**config, "noise": model.noise}, made_by, 0.998)
        self.classes = config["classes"]
        self.loss, self.penalty, self.lead = loss or LOSSES[kind], penalty, lead

    def parts(self) -> dict[str, Any]:
        return super().parts() | {"judge": self.judge, "judged_by": self.judged_by}

    def course(self, done: float) -> float:
        return min(1.0, 2 * (1 - done))  # from the middle on it falls to nothing

    def fake(self, labels: Tensor, random: torch.Generator) -> Tensor:
        """Pictures of (N,) classes from fresh noise."""
        with device.autocast(self.where):
            return self.model(torch.randn(len(labels), self.network.noise, generator=random).to(self.where), labels)  # type: ignore[no-any-return]

    def score(self, x: Tensor, labels: Tensor) -> Tensor:
        """The judge's scores, (N,) or one for each place it looks at."""
        with device.autocast(self.where):
            return self.judge(x, labels)  # type: ignore[no-any-return]

    def steepness(self, real: Tensor, fake: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """How far the judge's gradient is from length 1, squared, between real and generated pictures."""
        share = torch.rand(len(real), 1, 1, 1, generator=random).to(real)
        x = torch.lerp(real, fake, share).requires_grad_()
        (slope,) = torch.autograd.grad(self.judge(x, labels).sum(), x, create_graph=True)
        away: Tensor = slope.flatten(1).norm(dim=1) - 1
        return away.square().mean()

    def step(self, pictures: Tensor, labels: Tensor, done: float, random: torch.Generator) -> Losses:
        """One move of each."""
        self.model.train()
        self.judge.train()
        taken = pace(self.judged_by, self.course(done))
        pace(self.optimizer, self.course(done))
        with drawn_from(random, self.where):
            with torch.no_grad():
                fake = self.fake(labels, random)
            judged = score_loss(self.loss, self.score(pictures, labels), self.score(fake, labels))
            penalised = judged
            if self.loss == "wasserstein-gp" and self.penalty:
                penalised = judged + self.penalty * self.steepness(pictures, fake, labels, random)
            self.judged_by.zero_grad()
            penalised.backward()  # type: ignore[no-untyped-call]
            self.judged_by.step()
            if taken < self.lead:
                return {"discriminator": judged.detach(), "generator": torch.zeros_like(judged.detach())}
            self.judge.requires_grad_(False)
            fooled = fool_loss(self.loss, self.score(self.fake(labels, random), labels))
            self.optimizer.zero_grad()
            fooled.backward()  # type: ignore[no-untyped-call]
            gradient = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            self.judge.requires_grad_(True)
        self.update_average(done)
        return {"discriminator": judged.detach(), "generator": fooled.detach(), "gradient": gradient}

    @torch.no_grad()
    def held_out(self, pictures: Tensor, labels: Tensor) -> dict[str, float]:
        """What the judge scores pictures that it has not learned from, above what it scores generated ones: when it
        knows its own by heart, this falls."""
        self.judge.eval()
        fake = self.network(noise_of(list(range(len(labels))), self.network.noise).to(self.where), labels)
        return {"held-out": float((self.score(pictures, labels) - self.score(fake, labels)).mean())}

    def samples(self, seed: int) -> Iterator[Tensor]:
        settle(self.network, 4, BATCH, torch.Generator().manual_seed(seed))
        labels, order = self.row_by_row(5)
        yield draw(self.network, noise_of([seed + i for i in order], self.network.noise), labels)

    @override
    def finish(self, pictures: Tensor, labels: Tensor) -> None:
        settle(self.network, 100, BATCH, torch.Generator().manual_seed(0))
