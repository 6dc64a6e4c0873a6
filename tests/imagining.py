"""Runs of Imagine on toy pipelines, for its tests."""

from __future__ import annotations

from typing import Any

import toy_pipelines

from models import registry
from models.cache import ModelCache
from pipelines.base import Progress, Result, run
from pipelines.imagine import PIPELINE
from pipelines.params import parse


def start(cache: ModelCache, toy: str = "sd", **settings: Any) -> Any:
    values = {"model": str(toy_pipelines.folder(toy)), "steps": 3, "size": 64, **settings}
    return run(PIPELINE, parse(PIPELINE.params, values), cache, sha256=registry.sha256)


def make(cache: ModelCache, toy: str = "sd", **settings: Any) -> tuple[list[Progress], Result]:
    *steps, result = start(cache, toy, **settings)
    return steps, result


def pixels(result: Result) -> list[bytes]:
    return [image.tobytes() for image in result.images]


def pins(cache: ModelCache) -> int:
    return sum(row.pins for row in cache.snapshot())
