"""Train the style-mixing generator (models/stylemix.py): MNIST's digits over textures cut from CIFAR-10.

    python -m training.stylemix --data mnist --textures cifar10

A real picture is a digit filled with one CIFAR-10 cut, on a ground of another. The step is that of
models/recipes/stylemix.py. The reader, which tells afterwards what a picture shows, is trained apart, on real pictures
only.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from models import device
from models.recipes.stylemix import BATCH, RATE, Learner, coloured, settle
from models.stylemix import SIDE, Reader, StyleMixer, one_style
from training.common import Run, export, flags, log, sheet
from training.pictures import labelled, random_resized_crops

STEPS = 250  # of an epoch
READER_STEPS, READ = 800, 4000  # pictures that measure the reader


class Pictures:
    """Digits over textures, put together anew each time."""

    def __init__(self, args: argparse.Namespace, split: str, generator: torch.Generator) -> None:
        self.digits, self.labels = labelled(args.data, split)
        self.textures, _ = labelled(args.textures, split)
        self.generator, self.device = generator, args.device

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """n pictures (n, 3, 32, 32) in [0, 1] and their classes (n,)."""
        chosen = torch.randint(len(self.digits), (n,), generator=self.generator)
        pictures = coloured(self.digits[chosen].float() / 255, self.cut, self.generator)
        return pictures.to(self.device), self.labels[chosen].to(self.device)

    def cut(self, n: int, generator: torch.Generator) -> Tensor:
        """n textures (n, 3, 32, 32): small cuts of CIFAR-10, enlarged, with 0.6 of their contrast."""
        chosen = torch.randint(len(self.textures), (n,), generator=generator)
        x = random_resized_crops(self.textures[chosen], SIDE, (0.15, 0.6), generator)
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


@torch.no_grad()
def matrix(net: StyleMixer, labels: Tensor, columns: int, generator: torch.Generator) -> Tensor:
    """Contents (R classes) times `columns` styles: (R * columns, 3, 32, 32), row by row, on the CPU."""
    z = torch.randn(len(labels), net.noise, generator=generator).repeat_interleave(columns, 0)
    styles = torch.randn(columns, net.style, generator=generator).repeat(len(labels), 1)
    return one_style(net.cpu(), labels.repeat_interleave(columns, 0), z, styles)


@torch.no_grad()
def read_as_asked(net: StyleMixer, reader: nn.Module, rows: int, generator: torch.Generator) -> float:
    """Share of rows x 32 pictures that the reader reads as the class asked for."""
    labels = torch.arange(rows) % net.classes
    x = matrix(net, labels, 32, generator)
    read = torch.cat([reader.cpu()(part).argmax(1) for part in x.split(500)])
    return float((read == labels.repeat_interleave(32)).float().mean())


def main() -> None:
    """Train the reader, then the generator; a sheet after each epoch; export both."""
    parser = flags(__doc__, "stylemix", epochs=14, batch=BATCH)
    parser.add_argument("--textures", default="cifar10", help="cifar10, or a folder like --data")
    parser.add_argument("--rate", type=float, default=RATE, help="highest learning rate")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    learner, reader = Learner(torch.zeros(0, device=args.device), {}, args.rate), Reader().to(args.device)
    run = Run(args, **learner.parts(), reader=reader)
    pictures = Pictures(args, "train", run.generator)
    if not args.resume:
        reader.load_state_dict(train_reader(pictures, READER_STEPS).state_dict())
    reader.eval()
    x, labels = Pictures(args, "test", torch.Generator().manual_seed(1)).draw(READ)
    with torch.no_grad():
        accuracy = float((reader(x).argmax(1) == labels).float().mean())
    log.info("the reader reads %.4f of %d real pictures right", accuracy, len(x))
    for epoch in run.epochs():
        sums = torch.zeros(3, device=args.device)
        for i in tqdm(range(STEPS), desc=f"epoch {epoch + 1}/{args.epochs}", mininterval=20):
            done = (epoch * STEPS + i) / (args.epochs * STEPS)
            losses = learner.step(*pictures.draw(args.batch), done, run.generator)
            sums += torch.stack([*losses.values()]) / STEPS
        best = settle(learner.network)
        read = read_as_asked(best, reader, 20, torch.Generator().manual_seed(2))
        run.note(**dict(zip(losses, sums.tolist(), strict=True)), read=read)
        shown = matrix(best, torch.arange(10), 12, torch.Generator().manual_seed(3))
        sheet(torch.cat([pictures.draw(12)[0].cpu(), shown]), args.runs / f"epoch-{epoch + 1:03d}.png", 12)
        best.to(args.device), reader.to(args.device)
    best = settle(learner.network)
    read = read_as_asked(best, reader, 100, torch.Generator().manual_seed(4))
    told = {"minutes": round(run.minutes), "epochs": args.epochs, "read_as_asked": round(read, 4), "n": 3200}
    export(best, {}, told, args.out)
    beside = args.out.with_name(f"{args.out.stem}-reader.safetensors")
    export(reader, {}, {"accuracy": round(accuracy, 4), "n": len(x)}, beside)


if __name__ == "__main__":
    main()
