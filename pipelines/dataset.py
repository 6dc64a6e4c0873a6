"""The data sets that generators learned from: what is in them, who judges pictures of them, and where they may lie.

The pictures themselves are needed by nothing that generates. They are for what compares with real ones: the nearest
training picture beside a generated one, and precision and recall in `make table`; ATELIER_DATA names their folder.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from models.classifier import CIFAR10 as THINGS
from pipelines.params import ParamError

Name = Literal["mnist", "cifar10"]
KNOWN = "MNIST's digits, or CIFAR-10's photographs of 32 pixels"
NUMBERED = "CIFAR-10: " + ", ".join(f"{i} {name}" for i, name in enumerate(THINGS))
SUFFIXES = (".png", ".jpg", ".jpeg")
_SPLITS = {"train": "train", "test": "t10k"}  # torchvision's names in MNIST's files


@dataclass(frozen=True)
class DataSet:
    """Labelled pictures of one size."""

    name: Name
    title: str
    judge: str  # the classifier, in the registry, whose features measure generated pictures
    classes: tuple[str, ...]
    shape: tuple[int, int, int]  # channels, height, width
    theirs: str  # the folder that torchvision keeps it in


DATASETS: dict[Name, DataSet] = {
    "mnist": DataSet("mnist", "MNIST", "digits", tuple("0123456789"), (1, 28, 28), "MNIST/raw"),
    "cifar10": DataSet("cifar10", "CIFAR-10", "cifar10", THINGS, (3, 32, 32), "cifar-10-batches-py"),
}


def folder() -> Path | None:
    """The folder that ATELIER_DATA names, or None where it names none."""
    named = os.environ.get("ATELIER_DATA")
    return Path(named).expanduser() if named else None


def present(name: Name = "mnist") -> bool:
    """Whether ATELIER_DATA names a folder with the training pictures of a data set."""
    place = folder()
    return place is not None and _home(DATASETS[name], place, "train") is not None


def pictures(name: Name, place: Path | None, split: str) -> tuple[Tensor, Tensor]:
    """A data set as it lies in `place` or in `place`/`name`: by class, or as torchvision keeps it.

    Args:
        name: of the data set.
        place: the folder; None: ATELIER_DATA names none.
        split: "train" or "test".

    Returns:
        Pictures (N, C, H, W) uint8 (digits white on black), and their classes (N,) int64.

    Raises:
        ParamError: when there is no such folder, or it is laid out otherwise.
    """
    kind = DATASETS[name]
    wanted = f"{split}/{kind.classes[0]}/*.png … {split}/{kind.classes[-1]}/*.png"
    if place is None:
        raise ParamError(f"The pictures are not here: set ATELIER_DATA to a folder with {wanted}, or {kind.theirs}.")
    home = _home(kind, place, split)
    if home is None:
        raise ParamError(f"{place} does not hold {kind.title}'s {split} pictures: it needs {wanted}, or {kind.theirs}.")
    return _read(kind, home, split)


def _home(kind: DataSet, place: Path, split: str) -> Path | None:
    """Where under `place` the pictures lie: a file of torchvision's, or the folder of the classes; None: nowhere."""
    for home in (place / kind.name, place):
        raw = _idx(home, split) if kind.name == "mnist" else home / kind.theirs
        if raw is not None and raw.exists():
            return raw
        if [path.name for path in _classes(home / split)] == list(kind.classes):
            return home / split
    return None


@cache
def _read(kind: DataSet, home: Path, split: str) -> tuple[Tensor, Tensor]:
    if home.is_file():
        packed = np.frombuffer(home.read_bytes(), np.uint8, offset=16).reshape(-1, *kind.shape)
        labels = np.frombuffer((home.parent / f"{_SPLITS[split]}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
        return torch.from_numpy(packed.copy()), torch.from_numpy(labels.astype(np.int64))
    if home.name == kind.theirs:
        import torchvision.datasets

        read = torchvision.datasets.CIFAR10(home.parent, train=split == "train")  # checks the files' hashes
        return torch.as_tensor(read.data).permute(0, 3, 1, 2).contiguous(), torch.as_tensor(read.targets)
    return _by_class(kind, home)


def _by_class(kind: DataSet, split: Path) -> tuple[Tensor, Tensor]:
    names = [  # as text: 60,000 paths would take seconds
        (f"{folder}/{name}", label)
        for label, folder in enumerate(_classes(split))
        for name in sorted(os.listdir(folder))  # noqa: PTH208
        if name.endswith(SUFFIXES)
    ]
    packed = split.parent / f"packed-{split.name}-as-is.npz"  # what the training scripts leave beside their data
    if packed.is_file():
        pixels = np.load(packed)["pictures"]  # (N, H, W, C)
    else:
        mode = "L" if kind.shape[0] == 1 else "RGB"
        with ThreadPoolExecutor() as pool:
            pixels = np.stack([*pool.map(lambda name: _pixels(name, mode), (name for name, _ in names))])
    x = torch.from_numpy(pixels.reshape(*pixels.shape[:3], -1)).permute(0, 3, 1, 2).contiguous()
    if tuple(x.shape[1:]) != kind.shape or len(x) != len(names):
        size = "x".join(map(str, kind.shape[:0:-1]))
        raise ParamError(
            f"{split.parent} holds pictures that are not {size} (or {packed.name} is of others): give {kind.title}."
        )
    return x, torch.tensor([label for _, label in names])


def _classes(split: Path) -> list[Path]:
    return sorted(p for p in split.iterdir() if p.is_dir()) if split.is_dir() else []


def _idx(place: Path, split: str) -> Path | None:
    """torchvision's file of MNIST's pictures, if it is there."""
    places = [base / f"{_SPLITS[split]}-images-idx3-ubyte" for base in (place / "MNIST" / "raw", place / "raw", place)]
    return next((path for path in places if path.is_file()), None)


def _pixels(file: str, mode: str) -> np.ndarray:
    with PIL.Image.open(file) as image:
        return np.asarray(image.convert(mode))


def nearest(x: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """For each of (N, C, H, W) in [0, 1] the closest of `among` (M, C, H, W) uint8, by distance of the pixels.

    Returns:
        Indices (N,) into `among`, and Euclidean distances (N,) with pixels in [0, 1].
    """
    flat = x.flatten(1)
    nearest_of_parts = []
    for start in range(0, len(among), 10_000):
        part = among[start : start + 10_000].flatten(1).float() / 255
        apart, index = torch.cdist(flat, part).min(1)
        nearest_of_parts.append((apart, index + start))
    apart, which = torch.stack([a for a, _ in nearest_of_parts]).min(0)
    indices = torch.stack([i for _, i in nearest_of_parts]).gather(0, which[None])[0]
    return indices, apart
