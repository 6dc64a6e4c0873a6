"""The default run of the method `gatys` against plain fp32 single-scale Adam (benchmarks/baseline.py)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import baseline
from benchmarks.common import PAIRS, content, style, table
from models import device, registry
from models.cache import ModelCache
from pipelines import images
from pipelines.base import Progress, Result, run
from pipelines.gatys import PIPELINE, GatysParams

PATIENCE = 5.0  # the baseline gives up after this many times the default run's seconds
SECONDS_BETWEEN_PREVIEWS = 0.25  # as on the page


@dataclass(frozen=True)
class Row:
    """One pair of pictures. Losses are those of `Objective.judge`, seconds are wall time with the network loaded."""

    pair: str
    size: int
    steps: int
    first_preview: float  # seconds
    seconds: float
    start_loss: float  # of the content itself
    loss: float
    baseline_seconds: float | None  # to reach `loss`; None when it gave up
    baseline_steps: int
    baseline_loss: float  # the best it saw
    patience: float = PATIENCE  # times `seconds` after which it gives up

    @property
    def ratio(self) -> float:
        """How many times as long the baseline takes; at least `patience` when it gave up."""
        return self.patience if self.baseline_seconds is None else self.baseline_seconds / self.seconds


def default_run(p: GatysParams, cache: ModelCache) -> tuple[float, float, Result]:
    """Seconds to the first preview as a picture, seconds of the whole run with previews as on the page, the result."""
    start, shown = time.perf_counter(), 0.0
    first: float | None = None
    for event in run(PIPELINE, p, cache):
        seconds = time.perf_counter() - start
        if isinstance(event, Result):
            return first or seconds, seconds, event
        assert isinstance(event, Progress)
        if event.preview is not None and (first is None or seconds - shown >= SECONDS_BETWEEN_PREVIEWS):
            images.to_image(event.preview)
            shown = seconds
            first = first or time.perf_counter() - start
    raise RuntimeError("The run ended without a result.")


def reach(
    loss: baseline.Objective, target: float, limit: float, clock: Callable[[], float] = time.perf_counter
) -> tuple[float | None, int, float]:
    """Let the baseline paint until it is as good as `target`; judging each picture is not timed.

    Returns:
        Seconds it took (None when `limit` seconds of painting did not do), steps, and the best loss seen.
    """
    seconds, best, steps = 0.0, float("inf"), 0
    pictures = baseline.paint(loss)
    while seconds <= limit:
        start = clock()
        picture = next(pictures)
        device.synchronise(picture.device)
        seconds += clock() - start
        steps += 1
        best = min(best, loss.judge(picture))
        if best <= target:
            return seconds, steps, best
    return None, steps, best


def measure(quick: bool = False) -> list[Row]:
    """One row for each pair of example pictures; quick: one pair at toy size, whose numbers mean nothing."""
    cache = registry.open_cache()
    registry.warm(cache)
    toy: dict[str, Any] = {"size": 64, "steps": 20} if quick else {}
    patience = 1.0 if quick else PATIENCE
    rows = []
    for photograph, painting in PAIRS[:1] if quick else PAIRS:
        print(f"gatys: {photograph} + {painting} ...", file=sys.stderr)
        p = GatysParams(content=images.load(content(photograph)), styles=[images.load(style(painting))], **toy)
        first, seconds, result = default_run(p, cache)
        loss = baseline.objective(p, cache.device)
        target = loss.judge(images.to_tensor(result.images[0]).to(cache.device))
        needed, steps, best = reach(loss, target, patience * seconds)
        rows.append(
            Row(
                f"{photograph} + {painting}", p.size, p.steps, first, seconds, loss.judge(loss.start), target,
                needed, steps, best, patience,
            )
        )  # fmt: skip
    return rows


def report(rows: list[Row]) -> str:
    """The table for the README."""
    head = (
        "pair", "size", "steps", "first preview, s", "default run, s", "loss, start to end",
        "plain fp32 Adam to the same loss, s", "its steps", "its best loss", "ratio",
    )  # fmt: skip
    lines = []
    for r in rows:
        gave_up = r.baseline_seconds is None
        lines.append(
            (
                r.pair, f"{r.size} px", str(r.steps), f"{r.first_preview:.2f}", f"{r.seconds:.1f}",
                f"{r.start_loss:.4f} to {r.loss:.4f}",
                f"> {r.patience * r.seconds:.1f}" if gave_up else f"{r.baseline_seconds:.1f}",
                str(r.baseline_steps), f"{r.baseline_loss:.4f}", f"> {r.patience:g}x" if gave_up else f"{r.ratio:.1f}x",
            )
        )  # fmt: skip
    return table(head, lines)
