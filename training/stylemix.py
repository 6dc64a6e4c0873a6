"""Train the style-mixing generator (models/stylemix.py): MNIST's digits over textures cut from CIFAR-10.

    python -m training.stylemix --data mnist --textures cifar10

A real picture is a digit filled with one CIFAR-10 cut, on a ground of another, with enough contrast to be read. The
generator never sees how it was put together: it plays against a judge (hinge loss, Lim and Ye 2017, arXiv:1705.02894)
that also says which digit it sees (Odena, Olah and Shlens 2016, arXiv:1610.09585) and in which style a picture was
made, or styles would be ignored (Chen et al. 2016, arXiv:1606.03657). Nearly half of the pictures take two styles, one
for the coarse layers and one for the fine ones (mixing regularisation, arXiv:1812.04948).
The reader, which tells afterwards what a picture shows, is trained apart, on real pictures only.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from tqdm import tqdm

from models import device
from models.gan import draw
from models.stylemix import LAYERS, SIDE, Reader, StyleMixer
from training.common import Run, average, export, flags, log, sheet
from training.pictures import labelled, random_resized_crops

STEPS = 250  # of an epoch
CONTRAST = 0.35  # least difference in brightness between ink and ground, on average
LARGE = 36  # pixels: MNIST's digits, enlarged so that they fill the picture
READER_STEPS = 800


class Judge(nn.Module):
    """The discriminator: how real a picture looks, which digit it shows and in which style, were it made.

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


class Pictures:
    """Digits over textures, put together anew each time."""

    def __init__(self, args: argparse.Namespace, split: str, generator: torch.Generator) -> None:
        self.digits, self.labels = labelled(args.data, split)
        self.textures, _ = labelled(args.textures, split)
        self.generator, self.device = generator, args.device

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """n pictures (n, 3, 32, 32) in [0, 1] and their classes (n,)."""
        chosen = torch.randint(len(self.digits), (n,), generator=self.generator)
        digits = self.digits[chosen].float() / 255
        left, top = torch.randint(LARGE - SIDE + 1, (2,), generator=self.generator).tolist()
        larger = F.interpolate(digits, (LARGE, LARGE), mode="bilinear", align_corners=False)
        ink = larger[..., top : top + SIDE, left : left + SIDE]
        ground, filling = (self.cut(n) for _ in range(2))
        grey = [x.mean((1, 2, 3), keepdim=True) for x in (ground, filling)]
        apart = grey[1] - grey[0]
        sign = torch.where(apart < 0, -1.0, 1.0)
        push = (CONTRAST - apart.abs()).clamp(min=0) / 2 * sign
        pictures = (ground - push) * (1 - ink) + (filling + push) * ink
        return pictures.clamp(0, 1).to(self.device), self.labels[chosen].to(self.device)

    def cut(self, n: int) -> Tensor:
        """n textures (n, 3, 32, 32): small cuts of CIFAR-10, enlarged, with half of their contrast."""
        chosen = torch.randint(len(self.textures), (n,), generator=self.generator)
        x = random_resized_crops(self.textures[chosen], SIDE, (0.15, 0.6), self.generator)
        mean = x.mean((2, 3), keepdim=True)
        return mean + (x - mean) * 0.6


def train_reader(pictures: Pictures, steps: int) -> Reader:
    """A reader, trained on real pictures."""
    reader = Reader().to(pictures.device)
    optimizer = torch.optim.AdamW(reader.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, max(steps, 10))
    for _ in tqdm(range(steps), desc="reader", mininterval=20):
        x, labels = pictures.draw(64)
        with device.autocast(pictures.device):
            loss = F.cross_entropy(reader(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return reader.eval()


class Players:
    """Generator, judge, average and optimisers."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.made, self.judge = StyleMixer().to(args.device), Judge().to(args.device)
        self.average = average(self.made, 0.998)
        self.optimizers = [torch.optim.Adam(m.parameters(), args.rate, (0.0, 0.99)) for m in (self.made, self.judge)]

    def parts(self) -> dict[str, Any]:
        """What the checkpoint holds."""
        first, second = self.optimizers
        return {"made": self.made, "judge": self.judge, "average": self.average, "first": first, "second": second}

    def fake(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """n pictures, the classes asked for, and the styles (n, style), which are 0 for pictures of two styles."""
        net, where = self.made, self.args.device
        z, one, two = (torch.randn(n, size, generator=generator) for size in (net.noise, net.style, net.style))
        labels = torch.randint(net.classes, (n,), generator=generator).to(where)
        cross = torch.randint(1, 2 * LAYERS, (n, 1, 1), generator=generator)  # from LAYERS on: one style throughout
        w = torch.stack([net.styles(x.to(where)) for x in (one, two)])[:, :, None]
        first = (torch.arange(LAYERS)[:, None] < cross).to(where)
        asked = torch.where(cross[:, 0] < LAYERS, 0, one).to(where)
        return net(z.to(where), labels, torch.where(first, w[0], w[1])), labels, asked

    def step(self, real: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One move of each; the two losses."""
        made_by, judged_by = self.optimizers
        with device.autocast(self.args.device):
            fake, asked, style = self.fake(len(real), generator)
            (good, digit, _), (bad, _, look) = self.judge(real), self.judge(fake.detach())
        judged = F.relu(1 - good).mean() + F.relu(1 + bad).mean() + F.cross_entropy(digit.float(), labels)
        judged = judged - alike(look, style)
        judged_by.zero_grad()
        judged.backward()
        judged_by.step()
        self.judge.requires_grad_(False)
        with device.autocast(self.args.device):
            score, digit, look = self.judge(fake)
        fooled = -score.mean() + F.cross_entropy(digit.float(), asked) - alike(look, style)
        made_by.zero_grad()
        fooled.backward()
        made_by.step()
        self.judge.requires_grad_(True)
        self.average.update_parameters(self.made)
        return judged.detach(), fooled.detach()

    def slow(self, done: float) -> None:
        """Let the rates fall to nothing over the second half; `done` in [0, 1] is the share of the training so far."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.args.rate * min(1.0, 2 * (1 - done) + 0.02)


def alike(look: Tensor, style: Tensor) -> Tensor:
    """How well directions (N, style) agree with the styles: the mean cosine, over N."""
    return F.cosine_similarity(look.float(), style, eps=1e-6).mean()


@torch.no_grad()
def matrix(net: StyleMixer, labels: Tensor, columns: int, generator: torch.Generator) -> Tensor:
    """Contents (R classes) times `columns` styles: (R * columns, 3, 32, 32), row by row, on the CPU."""
    z = torch.randn(len(labels), net.noise, generator=generator)
    w = net.cpu().styles(torch.randn(columns, net.style, generator=generator))
    return draw(
        net,
        z.repeat_interleave(columns, 0),
        labels.repeat_interleave(columns, 0),
        w.repeat(len(labels), 1)[:, None].expand(-1, LAYERS, -1),
    )


@torch.no_grad()
def read_as_asked(net: StyleMixer, reader: nn.Module, rows: int, generator: torch.Generator) -> float:
    """Share of rows x 32 pictures that the reader reads as the class asked for."""
    labels = torch.arange(rows) % net.classes
    x = matrix(net, labels, 32, generator)
    read = torch.cat([reader.cpu()(part).argmax(1) for part in x.split(500)])
    return float((read == labels.repeat_interleave(32)).float().mean())


@torch.no_grad()
def settle(net: StyleMixer) -> StyleMixer:
    """Measure the neutral style: the mean of 4,096."""
    z = torch.randn(4096, net.style, generator=torch.Generator().manual_seed(0)).to(net.neutral.device)
    net.neutral.copy_(net.styles(z).mean(0))
    return net.eval()


def main() -> None:
    """Train the reader, then the players; a sheet after each epoch; export generator and reader."""
    parser = flags(__doc__, "stylemix", epochs=14, batch=64)
    parser.add_argument("--textures", default="cifar10", help="cifar10, or a folder like --data")
    parser.add_argument("--rate", type=float, default=4e-4, help="highest learning rate")
    args = parser.parse_args()
    players, reader = Players(args), Reader().to(args.device)
    run = Run(args, **players.parts(), reader=reader)
    pictures = Pictures(args, "train", run.generator)
    if not args.resume:
        reader.load_state_dict(train_reader(pictures, READER_STEPS).state_dict())
    reader.eval()
    x, labels = Pictures(args, "test", torch.Generator().manual_seed(1)).draw(4000)
    with torch.no_grad():
        accuracy = float((reader(x).argmax(1) == labels).float().mean())
    log.info("the reader reads %.4f of %d real pictures right", accuracy, len(x))
    for epoch in run.epochs():
        losses = torch.zeros(2, device=args.device)
        for i in tqdm(range(STEPS), desc=f"epoch {epoch + 1}/{args.epochs}", mininterval=20):
            players.slow((epoch * STEPS + i) / (args.epochs * STEPS))
            losses += torch.stack(players.step(*pictures.draw(args.batch), run.generator)) / STEPS
        best = settle(players.average.module)
        read = read_as_asked(best, reader, 20, torch.Generator().manual_seed(2))
        run.note(judge=float(losses[0]), generator=float(losses[1]), read=read)
        shown = matrix(best, torch.arange(10), 12, torch.Generator().manual_seed(3))
        sheet(torch.cat([pictures.draw(12)[0].cpu(), shown]), args.runs / f"epoch-{epoch + 1:03d}.png", 12)
        best.to(args.device), reader.to(args.device)
    best = settle(players.average.module)
    read = read_as_asked(best, reader, 100, torch.Generator().manual_seed(4))
    told = {"minutes": round(run.minutes), "epochs": args.epochs, "read_as_asked": round(read, 4), "n": 3200}
    export(best, {}, told, args.out)
    beside = args.out.with_name(f"{args.out.stem}-reader.safetensors")
    export(reader, {}, {"accuracy": round(accuracy, 4), "n": len(x)}, beside)


if __name__ == "__main__":
    main()
