"""Imports on a thread of their own never meet those of a run: each would get half of what the other one imports."""

from __future__ import annotations

import threading
from typing import Any

import PIL.Image

from models.cache import ModelCache
from pipelines import metrics
from pipelines.base import Output, Pipeline, Result, Steps, run
from pipelines.params import Params


class Waiting(Params):
    """Takes one step, which lasts as long as the test wants."""


def test_the_measures_are_not_imported_while_a_run_takes_a_step(cache: ModelCache) -> None:
    inside, over = threading.Event(), threading.Event()

    def generate(_p: Waiting, _cache: Any) -> Steps:
        inside.set()
        assert over.wait(30)
        return Output([PIL.Image.new("RGB", (8, 8))])
        yield

    results: list[Any] = []
    method = Pipeline("waiting", "Waiting", Waiting, generate)
    step = threading.Thread(target=lambda: results.extend(run(method, Waiting(), cache)))
    imports = threading.Thread(target=metrics.warm)
    step.start()
    assert inside.wait(30)
    imports.start()
    imports.join(0.3)
    waited = imports.is_alive()
    over.set()
    for thread in (step, imports):
        thread.join(120)
    assert waited and not imports.is_alive() and isinstance(results[-1], Result)
