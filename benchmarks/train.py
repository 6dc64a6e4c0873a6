"""What each network reaches in three minutes from nothing, on digits drawn by code, with the defaults of Train.

Generators are judged on COUNT pictures, `read as asked` by the classifier of MNIST, and those of style mixing by its
reader; the PixelCNN by its nats on held-out drawn digits, the CNN by its accuracy on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import torch
from torch import Tensor

from benchmarks.common import table
from models import diffusion, gan, own, pixelcnn, registry, stylemix, vae
from models.judge import DigitClassifier, examine, read_as_asked
from pipelines.base import Result, run
from pipelines.params import parse
from pipelines.train import NETWORKS, PIPELINE
from pipelines.train.params import Model

COUNT = 500  # pictures, every class as often
MINUTES = 3.0
GOALS: dict[Model, str] = {
    "gan": "80 % read",
    "gan-dense": "-",
    "vae": "80 % read",
    "pixelcnn": "110 nats",
    "diffusion": "60 % read",
    "stylemix": "-",
    "cnn": "97 % right",
}
SAMPLERS: dict[str, Callable[[Any, Tensor, int], Tensor]] = {
    "gan": gan.sample,
    "vae": vae.sample,
    "pixelcnn": pixelcnn.sample,
    "diffusion": diffusion.sample,
    "stylemix": stylemix.sample,
}


@dataclass(frozen=True)
class Reached:
    """What a training came to. `read`: share of the pictures that are read as asked; None for the classifier."""

    model: Model
    steps: int
    numbers: dict[str, float]
    read: float | None


def measure(quick: bool = False) -> list[Reached]:
    """Train each; quick: for a few steps, where the numbers mean nothing."""
    budget = {"steps": 2, "batch": 8, "capacity": "tiny"} if quick else {"minutes": MINUTES}
    return [reach(model, budget, 10 if quick else COUNT) for model in get_args(Model)]


def reach(model: Model, budget: dict[str, Any], count: int) -> Reached:
    """Train one, and have `count` of its pictures read."""
    cache = registry.open_cache()
    *_, result = run(PIPELINE, parse(PIPELINE.params, {"model": model, **budget}), cache)
    assert isinstance(result, Result)
    record, kind = result.record, NETWORKS[model]
    if kind not in SAMPLERS:
        return Reached(model, record.steps, record.metrics, None)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        path.write_bytes(result.file)
        labels = torch.arange(10).repeat(count // 10)
        reader = "stylemix-reader" if kind == "stylemix" else "digits"
        with cache.use(own.name_of(kind, str(path)), reader) as (network, judge), torch.no_grad():
            assert isinstance(judge, DigitClassifier | stylemix.Reader)
            pictures = SAMPLERS[kind](network, labels.to(cache.device), 0).cpu()
            read = read_as_asked(examine(judge, pictures)[1], labels)
    return Reached(model, record.steps, record.metrics, read)


def report(rows: list[Reached]) -> str:
    """A markdown table."""
    cells = []
    for row in rows:
        held = row.numbers.get("accuracy")
        told = f"{100 * held:.1f} % right" if held is not None else f"{row.numbers['held-out']:.2f}"
        read = "-" if row.read is None else f"{100 * row.read:.0f} %"
        cells.append((row.model, str(row.steps), told, read, GOALS[row.model]))
    return table(("network", "steps", "held out", f"read as asked ({COUNT})", "goal"), cells)
