"""A method's run again with the next four seeds, as one sheet."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import PIL.Image

from models.cache import Lender
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.params import MOST_SEED
from pipelines.sheet import lay, place

MANY, COLUMNS = 4, 2
WORDS = 22  # pixels under a picture, for its seed
SEEDS = "seeds"  # in a record's details: those of the sheet


def of(pipeline: Pipeline[Any]) -> Pipeline[Any]:
    """`pipeline` with a sheet of four runs for its picture. It cannot be continued."""
    return replace(pipeline, generate=partial(_generate, pipeline), resume=None, repaint=None, finish=None)


def _generate(pipeline: Pipeline[Any], p: Any, cache: Lender) -> Steps:
    """The runs one after the other; a run of several pictures uses as many seeds."""
    stride = getattr(p, "count", 1)
    seeds = [(p.seed + i * stride) % (MOST_SEED + 1) for i in range(1, MANY + 1)]
    pictures: list[PIL.Image.Image] = []
    for seed in seeds:
        output = yield from _part(pipeline.generate(p.model_copy(update={"seed": seed}), cache), len(pictures))
        pictures.append(output.sheet or output.images[0])
    size = place(pictures[0].size, MANY, COLUMNS)
    small = [picture.resize(size) if picture.size != size else picture for picture in pictures]
    rows = [small[i : i + COLUMNS] for i in range(0, MANY, COLUMNS)]
    words = [[f"seed {seed}" for seed in seeds[i : i + COLUMNS]] for i in range(0, MANY, COLUMNS)]
    sheet, _ = lay(rows, below=[WORDS] * len(rows), captions=words)
    return Output(pictures, sheet=sheet, details={SEEDS: seeds})


def _part(steps: Steps, before: int) -> Generator[Progress, None, Output]:
    """One of the runs, `before` of them being done: its steps as steps of the whole."""
    with closing(steps):
        while True:
            try:
                event = next(steps)
            except StopIteration as end:
                output: Output = end.value
                return output
            share = event.share or event.step / max(1, event.total)
            step, total = before * event.total + event.step, MANY * event.total
            yield replace(event, step=step, total=total, share=(before + share) / MANY, state=None, metrics={})
