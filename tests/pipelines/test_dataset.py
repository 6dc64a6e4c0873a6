"""The training pictures: where they may lie, and the one that is nearest to a generated picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from models.cache import ModelCache
from pipelines import dataset
from pipelines.base import Result, run
from pipelines.gan import PIPELINE, GanParams
from pipelines.params import ParamError, parse
from pipelines.sheet import grid


def make(cache: ModelCache, **given: Any) -> Result:
    *_, result = run(PIPELINE, parse(GanParams, given), cache)
    assert isinstance(result, Result)
    return result


@pytest.fixture
def folder(tmp_path: Path, cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty training pictures, the first two of each class made by the generator itself."""
    for i, image in enumerate(make(cache, count=20).images):
        for split in ("train", "test"):
            place = tmp_path / split / str(i % 10)
            place.mkdir(parents=True, exist_ok=True)
            image.convert("L").save(place / f"{i:02d}.png")
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))
    return tmp_path


def test_nearest_training_picture_of_a_copy_is_the_original(cache: ModelCache, folder: Path) -> None:
    result = make(cache, count=3, seed=10, nearest=True)  # 3 of the 20
    assert dataset.present() and folder.is_dir()
    for i, row in enumerate(result.record.details["pictures"]):
        assert row["nearest"]["class"] == i and row["nearest"]["distance"] < 0.05
    assert result.sheet is not None
    assert grid([image for image in result.images for _ in range(2)], 2).size == result.sheet.size


def test_without_training_pictures_nearest_says_what_is_needed(
    cache: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATELIER_DATA", raising=False)
    assert not dataset.present()
    with pytest.raises(ParamError, match="set ATELIER_DATA"):
        make(cache, nearest=True)
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))
    assert not dataset.present()
    with pytest.raises(ParamError, match="does not hold MNIST"):
        make(cache, nearest=True)


def test_photographs_lie_by_class_beside_the_digits(folder: Path) -> None:
    assert dataset.present() and not dataset.present("cifar10")
    with pytest.raises(ParamError, match="does not hold CIFAR-10's test pictures"):
        dataset.pictures("cifar10", folder, "test")
    rng = np.random.default_rng(0)
    for name in dataset.DATASETS["cifar10"].classes:
        place = folder / "cifar10" / "train" / name
        place.mkdir(parents=True)
        PIL.Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(place / "0.png")
    pictures, labels = dataset.pictures("cifar10", folder, "train")
    assert pictures.shape == (10, 3, 32, 32) and labels.tolist() == list(range(10)) and dataset.present("cifar10")
    which, apart = dataset.nearest(pictures.float() / 255, pictures)
    assert which.tolist() == list(range(10)) and float(apart.max()) < 0.1


def test_torchvision_layout_is_read(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
    (raw / "train-images-idx3-ubyte").write_bytes(bytes(16) + pixels.tobytes())
    (raw / "train-labels-idx1-ubyte").write_bytes(bytes(8) + bytes(range(7)))
    pictures, labels = dataset.pictures("mnist", tmp_path, "train")
    assert pictures.shape == (7, 1, 28, 28) and labels.tolist() == list(range(7))
    assert (pictures[:, 0].numpy() == pixels).all()
