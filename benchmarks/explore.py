"""Encode once, look many times: what switching to each view costs, and how often the networks run for it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from benchmarks.common import content, style, table
from models import registry
from models.cache import ModelCache
from models.classifier import Classifier
from models.imagenet import EfficientNetLite0
from models.vgg import Features
from pipelines import images
from pipelines.base import Result, run
from pipelines.explore import EFFICIENTNET, PIPELINE, ExploreParams, imagenet, looking
from pipelines.explore.encode import Shelf

GOAL = 0.2  # seconds
NETWORKS = ("vgg-lite", "cifar10")
VIEWS: dict[str, dict[str, Any]] = {  # in this order; `invert` is made step by step
    "classify": {},
    "layers": {"layer": "conv3_1"},
    "gram": {"other": "impasto"},
    "attention": {},
    "frequencies": {"other": "impasto"},
}


@dataclass
class Row:
    """One view: seconds and runs of a network, at the first look at a picture and when switched to again."""

    view: str
    first: list[float] = field(default_factory=list)
    first_runs: int = 0
    again: list[float] = field(default_factory=list)
    again_runs: int = 0


@contextmanager
def counted(modules: Sequence[nn.Module]) -> Iterator[list[str]]:
    """A list that grows by one whenever one of the networks begins with a picture."""
    runs: list[str] = []
    handles = []
    for module in modules:
        assert isinstance(module, Features | Classifier | EfficientNetLite0)
        # Each run of the network passes here.
        first = module.conv_stem if isinstance(module, EfficientNetLite0) else next(iter(module.steps.values()))
        handles.append(first.register_forward_pre_hook(lambda *_: runs.append("run")))
    yield runs
    for handle in handles:
        handle.remove()


def measure(quick: bool) -> list[Row]:
    """On three pictures: every view once with nothing stored, then round after round through all of them.

    What is timed is all that the page's server does for a look: settings checked, picture read, view drawn, record
    written, PNG encoded. Loading the networks is not in it.
    """
    cache, rows = registry.open_cache(), [Row(view) for view in VIEWS]
    second, pixels = images.load(style("impasto")), 64 if quick else 256
    networks = (*NETWORKS, *([EFFICIENTNET] if imagenet() == EFFICIENTNET else []))
    with cache.use(*networks, working=0) as modules, counted(modules) as runs:
        for name in ["cat"] if quick else ["astronaut", "cat", "coffee"]:
            shelf, picture = Shelf(), content(name)
            for repeat in range(2 if quick else 11):
                for row in rows:
                    asked = VIEWS[row.view] | ({"other": second} if "other" in VIEWS[row.view] else {})
                    runs.clear()
                    taken = seconds(cache, shelf, content=picture, view=row.view, resolution=pixels, **asked)
                    if repeat:
                        row.again.append(taken)
                        row.again_runs += len(runs)
                    else:
                        row.first.append(taken)
                        row.first_runs += len(runs)
    return rows


def seconds(cache: ModelCache, shelf: Shelf, **asked: Any) -> float:
    """One look, from settings to a PNG with its record."""
    start = time.perf_counter()
    *_, result = run(replace(PIPELINE, generate=looking(shelf)), ExploreParams(**asked), cache)
    assert isinstance(result, Result)
    result.png()
    return time.perf_counter() - start


def report(rows: list[Row]) -> str:
    """A table with a line a view, and whether the slowest one keeps the goal."""
    head = ["view", "first look, ms", "networks run", "switched to, ms: median (range)", "n", "networks run"]
    lines = table(
        head,
        [
            [
                r.view,
                f"{1000 * statistics.median(r.first):.0f}",
                f"{r.first_runs / len(r.first):g} a picture",
                f"{1000 * statistics.median(r.again):.0f} ({1000 * min(r.again):.0f} to {1000 * max(r.again):.0f})",
                str(len(r.again)),
                str(r.again_runs),
            ]
            for r in rows
        ],
    )
    slowest = max(rows, key=lambda r: statistics.median(r.again))
    worst = statistics.median(slowest.again)
    kept = "kept" if worst < GOAL else "not kept"
    return f"{lines}\n\nGoal: each view under {GOAL:g} s. Slowest: {slowest.view}, {worst:.3f} s: {kept}."
