"""Imagine with the manners of ZeroGPU: marked at import, everything pickled, no more seconds than are allowed."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import toy_pipelines
from imagining import make, pixels

from models.cache import ModelCache
from models.weights import WeightsMissing
from pipelines import imagine
from pipelines.imagine import zero
from pipelines.imagine.params import ImagineParams


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A stand-in for the package that only Spaces have: it pickles what goes in and out, and notes the seconds."""
    times: list[float] = []

    def gpu(duration: Callable[..., float]) -> Callable[..., Any]:
        def mark(function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
            def call(*given: Any) -> Iterator[Any]:
                times.append(duration(*given))
                for value in function(*pickle.loads(pickle.dumps(given))):
                    yield pickle.loads(pickle.dumps(value))

            return call

        return mark

    spaces = ModuleType("spaces")
    spaces.GPU = gpu  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(imagine, "REMOTE", zero.remote(imagine.locally))
    return times


def test_a_run_on_a_lent_card_makes_the_same_pictures(cache: ModelCache, asked: list[float], content: Any) -> None:
    _, there = make(cache, content=content, count=2)
    assert len(asked) == 1 and 0 < asked[0] <= zero.MOST_SECONDS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagine, "REMOTE", None)
        _, here = make(cache, content=content, count=2)
    assert pixels(there) == pixels(here) and there.record.details == here.record.details


def test_what_goes_wrong_there_is_said_here(cache: ModelCache, asked: list[float]) -> None:
    with pytest.raises(WeightsMissing, match="nobody/nothing is not on this machine"):
        make(cache, model="nobody/nothing")
    assert len(asked) == 1


def test_seconds_grow_with_the_work_up_to_what_is_allowed() -> None:
    folder = str(toy_pipelines.folder("sd"))
    little, more, much = (
        zero.seconds(ImagineParams(model=folder, steps=steps, size=size, count=count))
        for steps, size, count in ((2, 512, 1), (20, 768, 1), (150, 2048, 16))
    )
    assert 0 < little < more < much == zero.MOST_SECONDS


def test_elsewhere_nothing_is_marked_and_no_package_is_needed() -> None:
    assert not zero.active() and zero.remote(imagine.locally) is None and imagine.REMOTE is None
