"""The training pictures, where the owner of this machine has them: ATELIER_DATA names their folder.

Nothing here is needed to generate. It is for what compares with real pictures: the nearest training picture beside a
generated one, and precision and recall in `make table`.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from pipelines.params import ParamError

SUFFIXES = (".png", ".jpg", ".jpeg")
_MNIST = {"train": "train", "test": "t10k"}  # torchvision's names for the splits


def folder() -> Path | None:
    """The folder that ATELIER_DATA names, or None where it names none."""
    named = os.environ.get("ATELIER_DATA")
    return Path(named).expanduser() if named else None


def present() -> bool:
    """Whether ATELIER_DATA names a folder with training digits."""
    found = folder()
    return found is not None and (_idx(found, "train") is not None or (found / "train").is_dir())


def digits(place: Path | None, split: str) -> tuple[Tensor, Tensor]:
    """MNIST as it lies in `place`: train/CLASS/*.png and test/CLASS/*.png, or torchvision's MNIST/raw/*-idx3-ubyte.

    Args:
        place: the folder; None: ATELIER_DATA names none.
        split: "train" or "test".

    Returns:
        Pictures (N, 1, 28, 28) uint8, white on black, and their classes (N,) int64.

    Raises:
        ParamError: when there is no such folder, or it is laid out otherwise.
    """
    wanted = "train/0/*.png to train/9/*.png (and test/), or torchvision's MNIST/raw"
    if place is None:
        raise ParamError(f"The training pictures are not here: set ATELIER_DATA to a folder with {wanted}.")
    if _idx(place, split) is None and len(_classes(place / split)) != 10:
        raise ParamError(f"{place} does not hold MNIST's {split} pictures: it needs {wanted}.")
    return _digits(place, split)


@cache
def _digits(place: Path, split: str) -> tuple[Tensor, Tensor]:
    raw = _idx(place, split)
    if raw is not None:
        pictures = np.frombuffer(raw.read_bytes(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
        labels = np.frombuffer((raw.parent / f"{_MNIST[split]}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
        return torch.from_numpy(pictures.copy()), torch.from_numpy(labels.astype(np.int64))
    names = [  # as text: 60,000 paths would take seconds
        (f"{folder}/{name}", label)
        for label, folder in enumerate(_classes(place / split))
        for name in sorted(os.listdir(folder))  # noqa: PTH208
        if name.endswith(SUFFIXES)
    ]
    packed = place / f"packed-{split}-as-is.npz"  # what the training scripts leave beside their data
    if packed.is_file():
        pictures = np.load(packed)["pictures"][..., 0]
    else:
        with ThreadPoolExecutor() as pool:
            pictures = np.stack([*pool.map(_grey, (name for name, _ in names))])
    if pictures.shape[1:] != (28, 28) or len(pictures) != len(names):
        raise ParamError(f"{place} holds pictures that are not 28x28 (or {packed.name} is of others): give MNIST.")
    return torch.from_numpy(pictures)[:, None], torch.tensor([label for _, label in names])


def _classes(split: Path) -> list[Path]:
    return sorted(p for p in split.iterdir() if p.is_dir()) if split.is_dir() else []


def _idx(place: Path, split: str) -> Path | None:
    """torchvision's file of the pictures, if it is there."""
    places = [base / f"{_MNIST[split]}-images-idx3-ubyte" for base in (place / "MNIST" / "raw", place / "raw", place)]
    return next((path for path in places if path.is_file()), None)


def _grey(file: str) -> np.ndarray:
    with PIL.Image.open(file) as image:
        return np.asarray(image.convert("L"))


def nearest(x: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """For each of (N, 1, H, W) in [0, 1] the closest of `among` (M, 1, H, W) uint8, by distance of the pixels.

    Returns:
        Indices (N,) into `among`, and Euclidean distances (N,) with pixels in [0, 1].
    """
    flat = x.flatten(1)
    found = []
    for start in range(0, len(among), 10_000):
        part = among[start : start + 10_000].flatten(1).float() / 255
        apart, index = torch.cdist(flat, part).min(1)
        found.append((apart, index + start))
    apart, which = torch.stack([a for a, _ in found]).min(0)
    indices = torch.stack([i for _, i in found]).gather(0, which[None])[0]
    return indices, apart
