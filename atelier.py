"""Atelier in a program or a notebook: `atelier.run("gan", label=7)` makes a picture, with the record of how."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import PIL.Image

from models import registry
from models.cache import ModelCache
from pipelines import PIPELINES, record
from pipelines.base import Progress, Result
from pipelines.base import run as run_method
from pipelines.params import ParamError, parse

_cache: Callable[[], ModelCache] = cache(registry.open_cache)  # one for all runs of this process, as on the page


def run(method: str, /, progress: Callable[[Progress], object] | None = None, **settings: Any) -> PIL.Image.Image:
    """Run a method, as the page, the command line and REST do: the same settings give the same pixels.

    Args:
        method: one of `pipelines.PIPELINES`.
        progress: called with every step, whose `preview` is (3, H, W) in [0, 1] or None.
        settings: by name (docs/api.md); pictures as paths, bytes or PIL images.

    Returns:
        The picture, RGB: the only one, or the sheet of all. Its `info` has `record`, and `images`: all, one by one.

    Raises:
        ParamError, WeightsMissing, WeightsError, OutOfBudget: one sentence each.
    """
    if method not in PIPELINES:
        raise ParamError(f"There is no method named {method}: use one of {', '.join(PIPELINES)}.")
    pipeline = PIPELINES[method]
    result: Result | None = None
    with closing(run_method(pipeline, parse(pipeline.params, settings), _cache(), sha256=registry.sha256)) as events:
        for event in events:
            if isinstance(event, Result):
                result = event
            elif progress:
                progress(event)
    assert result is not None  # a run ends in a Result unless it raises
    picture = result.picture.copy()
    picture.info |= {"record": result.record, "images": result.images}
    return picture


def save(picture: PIL.Image.Image, path: str | Path) -> None:
    """Write what `run` returned as PNG with its record inside, from which `python cli.py --from` makes it again.

    Raises:
        ValueError: where `picture` has no record, or `path` does not end in .png.
    """
    if not isinstance(entry := picture.info.get("record"), record.Record):
        raise ValueError("This picture has no record: save what atelier.run returned.")
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"{Path(path).name} does not end in .png: other formats hold no record.")
    Path(path).write_bytes(record.png(picture, entry))
