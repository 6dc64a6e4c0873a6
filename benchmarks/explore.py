"""Encode once, look many times: the first look at a picture, and every look after it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.common import content, spread, style, table
from models import registry
from models.cache import ModelCache
from pipelines import images
from pipelines.base import run
from pipelines.explore import PIPELINE, looking
from pipelines.explore_encode import Shelf
from pipelines.explore_params import ExploreParams

LOOKS: dict[str, dict[str, Any]] = {
    "classify": {},
    "layers": {"layer": "conv3_1"},
    "gram": {"other": "impasto"},
    "attention": {},
    "frequencies": {"other": "impasto"},
}


@dataclass
class Row:
    """Seconds of one view: with nothing on the shelf, and with everything there. Loading is in neither."""

    view: str
    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)


def measure(quick: bool) -> list[Row]:
    """Each view on three pictures: a fresh shelf, then the same look again. The run's whole work is in both."""
    cache, rows = registry.open_cache(), [Row(view) for view in LOOKS]
    names = ["cat"] if quick else ["astronaut", "cat", "coffee"]
    second = images.load(style("impasto"))
    with cache.use("vgg-lite", "cifar10", working=0):
        for name in names:
            picture = images.load(content(name))
            for row in rows:
                given = {key: second if key == "other" else value for key, value in LOOKS[row.view].items()}
                p = ExploreParams(content=picture, view=row.view, resolution=64 if quick else 256, **given)  # type: ignore[arg-type]
                shelf = Shelf()
                row.first.append(seconds(p, cache, shelf))
                row.again += [seconds(p, cache, shelf) for _ in range(1 if quick else 3)]
    return rows


def seconds(p: ExploreParams, cache: ModelCache, shelf: Shelf) -> float:
    """One look, from settings to a picture with its record."""
    start = time.perf_counter()
    for _ in run(replace(PIPELINE, generate=looking(shelf)), p, cache):
        pass
    return time.perf_counter() - start


def report(rows: list[Row]) -> str:
    """A table: view, first look, any look after it, how many times faster."""
    return table(
        ["view", "first look, s", "look again, s", "times faster"],
        [[r.view, spread(r.first), spread(r.again), f"{min(r.first) / max(min(r.again), 1e-9):.1f}"] for r in rows],
    )
