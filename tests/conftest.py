"""Shared by all tests: no network, one thread, one cache over the bundled network, and two tiny pictures."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

import numpy as np
import PIL.Image
import pytest
import torch

from models import registry
from models.cache import ModelCache


@pytest.fixture(autouse=True, scope="session")
def _quiet_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    torch.set_num_threads(1)  # at toy size two threads mostly wait for each other: 30 times slower beside other work
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_OFFLINE", "1")
        patch.delenv("ATELIER_WEIGHTS", raising=False)
        costs = tmp_path_factory.mktemp("costs")
        patch.setattr("pipelines.estimate.folder", lambda: costs)  # what toys cost says nothing about real runs
        yield


@pytest.fixture(scope="session")
def cache() -> ModelCache:
    """The real cache; the bundled network is loaded once for all tests."""
    return registry.open_cache()


@pytest.fixture(scope="session")
def content() -> PIL.Image.Image:
    """64x48: a sky that fades, a hill, a red ball."""
    y, x = np.mgrid[:48, :64]
    picture = np.stack([90 + x, 120 + y, 230 - 2 * y], -1)
    picture[y > 30 + 6 * np.sin(x / 9)] = (60, 110, 50)
    picture[(x - 44) ** 2 + (y - 20) ** 2 < 90] = (200, 50, 40)
    return PIL.Image.fromarray(picture.astype(np.uint8))


@pytest.fixture(scope="session")
def style() -> PIL.Image.Image:
    """56x56: ochre and blue strokes with a little noise."""
    y, x = np.mgrid[:56, :56]
    stroke = np.sin((x + 2 * y + 3 * np.sin(x / 5)) / 3)[..., None]
    picture = np.where(stroke > 0, (215, 160, 50), (35, 60, 140)) + np.random.default_rng(0).normal(0, 12, (56, 56, 3))
    return PIL.Image.fromarray(picture.clip(0, 255).astype(np.uint8))


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine on which none of the packages that carry weights is installed."""
    installed, carried = (
        metadata.distribution,
        {w.package for c in registry.CARDS for w in (c.weights, c.weights.twin) if w},
    )

    def distribution(name: str) -> metadata.Distribution:
        if name in carried - {""}:
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "distribution", distribution)
