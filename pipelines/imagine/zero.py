"""Imagine on ZeroGPU Spaces: a card for as long as a run takes, in a process of its own.

There a function that needs the card is marked with `spaces.GPU` when it is imported, and its arguments and results are
pickled on the way. Nothing here touches CUDA at import, and elsewhere nothing is marked.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from models.hub import offers
from pipelines.base import Output, Progress, Steps
from pipelines.imagine.params import ImagineParams
from pipelines.imagine.plan import plans

MOST_SECONDS = 120  # that a visitor's call may ask for
LEAST_SECONDS = 20  # loading from the disk, text encoder and decoder included
STEP_SECONDS = 0.25  # for one denoising step of 512x512 pixels by the largest offered model, generously
Message = Progress | Output | BaseException
Remote = Callable[[ImagineParams], Iterator[Message]]


def active() -> bool:
    """Whether this is a ZeroGPU Space."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in {"1", "t", "true"}


def seconds(p: ImagineParams) -> int:
    """How long to ask for the card: by steps, size and number of pictures, never more than is allowed."""
    steps = sum(plan.steps * (2 if plan.guidance > 1 else 1) for plan in plans(p))
    work = STEP_SECONDS * steps * p.count * (p.size / 512) ** 2
    large = any(plan.repo not in offers.KNOWN for plan in plans(p))
    return round(min(MOST_SECONDS, LEAST_SECONDS * (2 if large else 1) + work))


def remote(work: Callable[[ImagineParams, Any], Steps]) -> Remote | None:
    """`work` as a function that gets a card for each call, or None where there is no ZeroGPU."""
    if not active():
        return None

    def messages(p: ImagineParams) -> Iterator[Message]:
        from models import registry

        steps = work(p, registry.open_cache())  # this process ends with the run, and its cache with it
        try:
            while True:
                yield next(steps)
        except StopIteration as end:
            yield end.value
        except Exception as error:  # raised again on the other side, where it becomes a sentence
            yield error.with_traceback(None)
        finally:
            steps.close()

    spaces: Any = importlib.import_module("spaces")
    marked: Remote = spaces.GPU(duration=seconds)(messages)
    return marked


def follow(call: Remote, p: ImagineParams) -> Steps:
    """The remote run as if it were here."""
    for message in call(p):
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, Output):
            return message
        yield message
    raise RuntimeError("The card was taken back before the run was over.")
