"""The style-mixing generator's recipe: digits over textures, in a game with a discriminator that also reads the style.

The generator never sees how a picture was put together. Its discriminator (hinge loss, Lim and Ye 2017,
arXiv:1705.02894) also says which class it sees (Odena, Olah and Shlens 2016, arXiv:1610.09585) and in which style a
picture was made, or styles would be ignored (Chen et al. 2016, arXiv:1606.03657). Nearly half of the pictures take two
styles, one for the coarse layers and one for the fine ones (mixing regularisation, arXiv:1812.04948).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from typing_extensions import override

from models import device
from models.gan import noise_of
from models.recipes import Losses, Recipe, drawn_from, pace
from models.stylemix import LAYERS, SIDE, StyleMixer, one_style, sample

RATE, BATCH = 4e-4, 64
CONTRAST = 0.35  # least difference in brightness between ink and ground, on average
LARGE = 36  # pixels: digits of 28, enlarged so that they fill the picture
Textures = Callable[[int, torch.Generator], Tensor]  # n -> (n, 3, 32, 32) in [0, 1]


def coloured(digits: Tensor, textures: Textures, random: torch.Generator) -> Tensor:
    """Digits (N, 1, 28, 28) in [0, 1], each filled with a texture of its own on a ground of another, with enough
    contrast to be read: (N, 3, 32, 32) in [0, 1]."""
    left, top = torch.randint(LARGE - SIDE + 1, (2,), generator=random).tolist()
    larger = F.interpolate(digits, (LARGE, LARGE), mode="bilinear", align_corners=False)
    ink = larger[..., top : top + SIDE, left : left + SIDE]
    ground, filling = (textures(len(digits), random) for _ in range(2))
    grey = [x.mean((1, 2, 3), keepdim=True) for x in (ground, filling)]
    apart = grey[1] - grey[0]
    push = (CONTRAST - apart.abs()).clamp(min=0) / 2 * torch.where(apart < 0, -1.0, 1.0)
    return ((ground - push) * (1 - ink) + (filling + push) * ink).clamp(0, 1)


class Discriminator(nn.Module):
    """How real a picture looks, which class it shows and in which style, were it generated.

    It also sees the batch's spread.
    """

    def __init__(self, widths: tuple[int, ...] = (48, 96, 192), classes: int = 10, style: int = 32) -> None:
        super().__init__()
        sizes = (3, *widths)
        self.convs = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairwise(sizes))
        self.score = spectral_norm(nn.Linear(widths[-1] * 16 + 1, 1))
        self.digit = nn.Linear(widths[-1] * 16, classes)
        self.style = nn.Linear(widths[-1] * 16, style)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, 32, 32) in [0, 1] -> scores (N,), logits (N, classes), directions of styles (N, style)."""
        x = x * 2 - 1
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        x = x.flatten(1).float()
        spread = x.std(0).mean().expand(len(x), 1)  # Karras et al. 2017 (arXiv:1710.10196), against collapse
        return self.score(torch.cat([x, spread], 1))[:, 0], self.digit(x), self.style(x)


def agreement(directions: Tensor, styles: Tensor) -> Tensor:
    """How well directions (N, style) agree with the styles: the mean cosine, over N; 0 for a style of zeros."""
    return F.cosine_similarity(directions.float(), styles, eps=1e-6).mean()


class Learner(Recipe):
    """Two networks, each with its optimiser; what is averaged and kept is the generator."""

    held = 200

    def __init__(self, first: Tensor, config: dict[str, Any], rate: float = RATE, style: float = 1.0) -> None:
        """Args: pictures, for their device alone; arguments of StyleMixer; rate of both; weight of the style's loss."""
        model = StyleMixer(**config)
        judge = Discriminator(classes=model.classes, style=model.style)
        self.judge = judge.to(first.device).to(memory_format=torch.channels_last)
        model = model.to(first.device).to(memory_format=torch.channels_last)
        made_by, self.judged_by = (torch.optim.Adam(net.parameters(), rate, (0.0, 0.99)) for net in (model, self.judge))
        super().__init__(model, config, made_by, 0.998)
        self.classes, self.style = model.classes, style

    def parts(self) -> dict[str, Any]:
        return super().parts() | {"judge": self.judge, "judged_by": self.judged_by}

    def course(self, done: float) -> float:
        return min(1.0, 2 * (1 - done) + 0.02)  # over the second half it falls to nearly nothing

    def fake(self, n: int, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """n pictures, the classes asked for, and the styles (n, style), which are 0 for pictures of two styles."""
        net, where = self.model, self.where
        z, one, two = (torch.randn(n, size, generator=random) for size in (net.noise, net.style, net.style))  # type: ignore[call-overload]
        labels = torch.randint(self.classes, (n,), generator=random).to(where)
        cross = torch.randint(1, 2 * LAYERS, (n, 1, 1), generator=random)  # from LAYERS on: one style throughout
        w = torch.stack([net.styles(x.to(where)) for x in (one, two)])[:, :, None]  # type: ignore[operator]
        first = (torch.arange(LAYERS)[:, None] < cross).to(where)
        asked = torch.where(cross[:, 0] < LAYERS, 0, one).to(where)
        return net(z.to(where), labels, torch.where(first, w[0], w[1])), labels, asked

    def step(self, pictures: Tensor, labels: Tensor, done: float, random: torch.Generator) -> Losses:
        """One move of each."""
        for optimizer in (self.judged_by, self.optimizer):
            pace(optimizer, self.course(done))
        self.model.train()
        self.judge.train()
        with drawn_from(random, self.where):
            with device.autocast(self.where):
                fake, asked, style = self.fake(len(pictures), random)
                (good, digit, _), (bad, _, look) = self.judge(pictures), self.judge(fake.detach())
            judged = F.relu(1 - good).mean() + F.relu(1 + bad).mean() + F.cross_entropy(digit.float(), labels)
            judged = judged - self.style * agreement(look, style)
            self.judged_by.zero_grad()
            judged.backward()  # type: ignore[no-untyped-call]
            self.judged_by.step()
            self.judge.requires_grad_(False)
            with device.autocast(self.where):
                score, digit, look = self.judge(fake)
            fooled = F.cross_entropy(digit.float(), asked) - score.mean() - self.style * agreement(look, style)
            self.optimizer.zero_grad()
            fooled.backward()
            gradient = nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            self.judge.requires_grad_(True)
        self.update_average(done)
        return {"discriminator": judged.detach(), "generator": fooled.detach(), "gradient": gradient}

    @torch.no_grad()
    def held_out(self, pictures: Tensor, labels: Tensor) -> dict[str, float]:
        """What the discriminator scores pictures that it has not learned from, above what it scores generated ones."""
        self.judge.eval()
        fake = sample(self.network, labels.cpu(), 0).to(self.where)
        return {"held-out": float((self.judge(pictures)[0] - self.judge(fake)[0]).mean())}

    @torch.no_grad()
    def samples(self, seed: int) -> Iterator[Tensor]:
        """Each column one content, each row one style, where a row has all classes."""
        labels, order = self.row_by_row(5)
        contents = noise_of([seed + int(label) for label in labels], self.network.noise)
        yield one_style(self.network, labels, contents, noise_of([seed + i for i in order], self.network.style))

    @override
    def finish(self, pictures: Tensor, labels: Tensor) -> None:
        settle(self.network)


@torch.no_grad()
def settle(network: StyleMixer) -> StyleMixer:
    """Measure the neutral style: the mean of 4,096."""
    z = torch.randn(4096, network.style, generator=torch.Generator().manual_seed(0)).to(network.neutral.device)
    network.neutral.copy_(network.styles(z).mean(0))
    return network.eval()
