"""A method whose seconds pass only when it makes a step: costs as on a machine that nobody else uses."""

from __future__ import annotations

from typing import Any

import PIL.Image
import torch

from models.cache import Lender
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.gatys import PIPELINE as GATYS
from pipelines.params import Params, param


class Clock(Params):
    """A grey picture that gets lighter."""

    steps: int = param(4, ge=1, le=400, label="Steps", description="Steps")
    size: int = param(32, ge=8, le=999, label="Size", description="Size")
    fault: str = param("", label="Fault", description="What goes wrong")
    seed: int = param(0, ge=0, le=9, label="Seed", description="Seed")


class Time:
    """Seconds that pass only when a step is made: costs on a machine that nobody else uses."""

    def __init__(self) -> None:
        self.now = 0.0


TIME = Time()


def tick(p: Clock, _: Lender) -> Steps:
    if p.fault == "memory":
        raise torch.OutOfMemoryError("no room")
    if p.fault == "bug":
        raise RuntimeError("a secret of the server")
    for step in range(1, p.steps + 1):
        TIME.now += 1e-5 * p.size**2
        yield Progress(step, p.steps, torch.full((3, p.size, p.size), step / p.steps), {"loss": 1 / step})
    return Output([PIL.Image.new("RGB", (p.size, p.size), (p.seed, 0, 0))])


CLOCK = Pipeline("clock", "Clock", Clock, tick)
TABLE: dict[str, Pipeline[Any]] = {"gatys": GATYS, "clock": CLOCK}
