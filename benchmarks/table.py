"""`make table`: the generators of each data set under the same judge, as Markdown tables.

    python -m benchmarks.table --data FOLDER [--n 10000] [--only gan vae]

FOLDER holds MNIST and CIFAR-10 (in folders mnist and cifar10, each with train/CLASS/*.png and test/CLASS/*.png, or
torchvision's own layout). Each generator makes `n` pictures, every class equally often; the judge is a classifier that
no generator was trained with (pipelines/dataset.py). Beside its distance stands the Frechet distance in the features of
EfficientNet-Lite0, a public network, which anybody can measure again: 1280 numbers a picture of SIDE pixels. What was
measured is kept in weights/table.json; --only measures some anew and keeps the rest.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks import common
from benchmarks.coverage import precision_recall
from models import registry, weights
from models.imagenet import EfficientNetLite0
from models.judge import Judge, examine, frechet_distance, gaussian, measure
from pipelines import dataset
from pipelines.compare.engine import TABLE
from pipelines.params import ParamError

CHUNK = 200  # pictures between two moves of the progress bar
SIDE = 128  # pixels: what pictures are enlarged to, bilinearly, for EfficientNet-Lite0
PUBLIC = "efficientnet-lite0"


@dataclass(frozen=True)
class Entry:
    """A generator in the table: `sample` and `nats` are functions of models/, as "module:function"."""

    name: str
    title: str
    model: str
    sample: str  # (module, labels (N,), seed) -> (N, C, H, W) in [0, 1]
    nats: str | None = None  # (module, pictures in [0, 1], classes (N,), seed) -> nats (N,) of them binarised
    bound: bool = False  # whether those are an upper bound
    dataset: dataset.Name = "mnist"


ENTRIES = (
    Entry("gan", "GAN, convolutional", "gan-mnist", "models.gan:sample"),
    Entry("gan-mlp", "GAN, dense", "gan-mnist-mlp", "models.gan:sample"),
    Entry("vae", "VAE", "vae-mnist", "models.vae:sample", "models.vae:nats", bound=True),
    Entry("pixelcnn", "PixelCNN", "pixelcnn-mnist", "models.pixelcnn:sample", "models.pixelcnn:nats"),
    Entry("diffusion", "Diffusion, 20 steps", "diffusion-mnist", "models.diffusion:sample"),
    Entry("gan-cifar10", "GAN, convolutional", "gan-cifar10", "models.gan:sample", dataset="cifar10"),
    Entry(
        "diffusion-cifar10", "Diffusion, 20 steps", "diffusion-cifar10", "models.diffusion:sample", dataset="cifar10"
    ),
)
HEAD = (
    "distance ↓",
    "Frechet in EfficientNet-Lite0 ↓",
    "precision ↑",
    "recall ↑",
    "read as asked ↑",
    "nats ↓",
    "samples/s ↑",
    "parameters",
    "MB",
    "training min",
    "n",
)


def function(path: str) -> Callable[..., Any]:
    """`models.gan:sample` -> the function."""
    module, _, name = path.partition(":")
    return cast(Callable[..., Any], getattr(import_module(module), name))


def make(
    module: nn.Module, sample: Callable[..., Tensor], labels: Tensor, seed: int, title: str
) -> tuple[Tensor, float]:
    """Pictures (N, C, H, W) of `labels`, and how many came a second."""
    sample(module, labels[:16], seed)  # the first pass of a network is slower than the others
    done, seconds = [], 0.0
    with tqdm(total=len(labels), desc=title, mininterval=5) as bar:
        for start in range(0, len(labels), CHUNK):
            began = time.perf_counter()
            done.append(sample(module, labels[start : start + CHUNK], seed + start))
            seconds += time.perf_counter() - began
            bar.update(len(done[-1]))
    return torch.cat(done).float().cpu(), len(labels) / seconds


@dataclass(frozen=True)
class Jury:
    """Who judges a data set's pictures, and what each of them makes of real ones of its test set."""

    judge: Judge
    public: EfficientNetLite0
    pictures: Tensor  # (M, C, H, W) in [0, 1], of the test set
    classes: Tensor  # (M,)

    @cached_property
    def real(self) -> Tensor:
        """The judge's features (M, F) of the test pictures."""
        return examine(self.judge, self.pictures)[0]

    @cached_property
    def real_public(self) -> Tensor:
        """EfficientNet-Lite0's features (M, 1280) of the test pictures."""
        return public_features(self.public, self.pictures)

    def verdict(self, pictures: Tensor, labels: Tensor) -> dict[str, float | None]:
        """Every number about (N, C, H, W) in [0, 1] of classes `labels` (N,)."""
        features = public_features(self.public, pictures)
        distance = frechet_distance(*gaussian(features), *gaussian(self.real_public))
        precision, recall = precision_recall(self.real, examine(self.judge, pictures)[0])
        others = {"precision": precision, "recall": recall, "efficientnet": distance}
        return asdict(measure(self.judge, pictures, labels)) | others


@torch.no_grad()
def public_features(module: EfficientNetLite0, x: Tensor) -> Tensor:
    """EfficientNet-Lite0's pooled features (N, 1280) of (N, 1 or 3, H, W) in [0, 1]; grey pictures as grey RGB."""
    parts = torch.split(x.expand(-1, 3, -1, -1), CHUNK)
    large = (F.interpolate(part, size=(SIDE, SIDE), mode="bilinear") for part in parts)
    return torch.cat([module.look(part).mean((2, 3)) for part in large])


def row(entry: Entry, jury: Jury, n: int, seed: int) -> dict[str, Any]:
    """Make `n` pictures and judge them."""
    card = registry.MODELS[entry.model]
    path = weights.locate(card.weights)
    module = card.load().eval().requires_grad_(False)
    labels = torch.arange(n) % 10
    pictures, rate = make(module, function(entry.sample), labels, seed, entry.title)
    nats = None
    if entry.nats:
        nats = float(function(entry.nats)(module, jury.pictures, jury.classes, seed).double().mean())
    with safe_open(path, framework="pt") as file:
        minutes = (file.metadata() or {}).get("minutes")
    return {
        "title": entry.title,
        **jury.verdict(pictures, labels),
        "nats": nats,
        "bound": entry.bound,
        "samples_per_second": rate,
        "parameters": sum(p.numel() for p in module.parameters()),
        "bytes": path.stat().st_size,
        "minutes": float(minutes) if minutes else None,
        "settings": {"scheduler": "dpm++"} if entry.sample == "models.diffusion:sample" else {},
        "sha256": weights.digest(path),
        "machine": common.machine(),
    }


def floors(kind: dataset.DataSet, jury: Jury, place: Path, n: int) -> dict[str, dict[str, Any]]:
    """What real pictures of the training set get: nothing can be expected to do better.

    Digits as they are, and made black and white by chance, which is what PixelCNN learned from.
    """
    pictures, labels = some(kind, place, "train", n)
    scores = jury.verdict(pictures, labels)
    if kind.name != "mnist":
        return {f"real-{kind.name}": {"title": "Real pictures (training set)", **scores}}
    two = (torch.rand(pictures.shape, generator=torch.Generator().manual_seed(0)) < pictures).float()
    return {
        "real": {"title": "Real digits (training set)", **scores},
        "binary": {"title": "The same, black or white", **jury.verdict(two, labels)},
    }


def some(kind: dataset.DataSet, place: Path, split: str, n: int) -> tuple[Tensor, Tensor]:
    """`n` real pictures in [0, 1] and their classes, chosen by chance: they lie on disk class by class."""
    pictures, labels = dataset.pictures(kind.name, place, split)
    chosen = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[:n]
    return pictures[chosen].float() / 255, labels[chosen]


def cells(r: dict[str, Any]) -> list[str]:
    """A row of the table as text; an en dash where there is no number."""

    def number(name: str, form: str, scale: float = 1) -> str:
        value = r.get(name)
        return "–" if value is None else value if isinstance(value, str) else format(value * scale, form)

    return [
        r["title"],
        number("distance", ".2f"),
        number("efficientnet", ".1f"),
        number("precision", ".3f"),
        number("recall", ".3f"),
        number("read_as_asked", ".1%"),
        ("≤ " if r.get("bound") else "") + number("nats", ".1f"),
        number("samples_per_second", ".3g"),
        number("parameters", ","),
        number("bytes", ".2f", 1e-6),
        number("minutes", ".0f"),
        number("pictures", ","),
    ]


def report(kept: dict[str, dict[str, Any]]) -> str:
    """The tables in Markdown, of every data set that has rows."""
    tables = []
    for kind in dataset.DATASETS.values():
        first = ("real", "binary") if kind.name == "mnist" else (f"real-{kind.name}",)
        order = [*first, *(entry.name for entry in ENTRIES if entry.dataset == kind.name)]
        rows = [cells(kept[name]) for name in order if name in kept]
        tables += [common.table((kind.title, *HEAD), rows)] if rows else []
    return "\n\n".join(tables)


def run(place: Path, n: int, only: Sequence[str], out: Path, seed: int = 0) -> str:
    """Measure what is asked for, keep it in `out`, and return all tables; others' rows there are kept.

    Raises:
        ParamError: when `place` does not hold the pictures of a data set.
    """
    kept: dict[str, dict[str, Any]] = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    for kind in dataset.DATASETS.values():
        entries = [entry for entry in ENTRIES if entry.name in only and entry.dataset == kind.name]
        if not entries:
            continue
        test = some(kind, place, "test", n)
        judge, public = (registry.MODELS[name].load().eval().requires_grad_(False) for name in (kind.judge, PUBLIC))
        jury = Jury(cast(Judge, judge), cast(EfficientNetLite0, public), *test)
        kept |= floors(kind, jury, place, n)
        for entry in entries:
            kept[entry.name] = row(entry, jury, n, seed)
            out.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return report(kept)


def main() -> int:
    """Exit status 0, or 2 with one line on standard error."""
    names = [entry.name for entry in ENTRIES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--n", type=int, default=10_000, help="pictures of each generator (default 10,000)")
    parser.add_argument("--data", type=Path, default=dataset.folder(), help="default: what ATELIER_DATA names")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="measure these, keep the rest")
    parser.add_argument("--out", type=Path, default=TABLE, help="where numbers are kept (default weights/table.json)")
    flags = parser.parse_args()
    if flags.n < 10:
        parser.error(f"--n is {flags.n}: give at least 10.")
    try:
        text = run(flags.data, flags.n, flags.only, flags.out)
    except (ParamError, weights.WeightsMissing) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{common.machine()}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
