"""Pictures of one's own: a zip or a folder as a small data set, each opened by the strict loader.

What is in a zip is outsiders' work: paths in it are names and nothing else, and how many files, bytes and pixels there
are is looked at before any picture is decoded.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import PIL.ImageOps
import torch
from PIL.Image import Resampling
from torch import Tensor

from models.hub import path_of
from pipelines import batch, decoder, images
from pipelines.base import Progress
from pipelines.images import ImageError
from pipelines.params import ParamError

FEWEST, MOST, MOST_CLASSES = 50, 20_000, 100
MOST_BYTES, MOST_PIXELS = 4_000_000_000, 8_000_000_000  # of all files together, unpacked
SECONDS = 0.4  # between two reports
LETTERS = 40  # of a class's name


@dataclass(frozen=True)
class Album:
    """Pictures (N, C, side, side) uint8, their classes (N,) int64, and what these are called; ("",): there is one."""

    pictures: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    @property
    def details(self) -> dict[str, object]:
        """What a record keeps: how many there are of each class, and the sha256 of pixels and classes."""
        digest = hashlib.sha256(self.pictures.numpy().tobytes() + self.labels.numpy().tobytes()).hexdigest()
        counts = torch.bincount(self.labels, minlength=len(self.classes)).tolist()
        return {"pictures": dict(zip(self.classes, counts, strict=True)), "sha256": digest}


def read(text: str, side: int, grey: bool) -> Generator[Progress, str | None, Album]:
    """The pictures in the zip or folder that a person names, their middles cut out square and `side` pixels wide.

    Raises ParamError, ImageError with one sentence for what cannot be learned from.
    """
    source = open_source(text)
    names = source.names()
    if not FEWEST <= len(names) <= MOST:
        raise ParamError(f"pictures has {len(names)} pictures: give {FEWEST} to {MOST}.")
    labels, classes = classes_of(names)
    x = torch.empty(len(names), 1 if grey else 3, side, side, dtype=torch.uint8)
    pixels, told = 0, time.monotonic()
    for i, name in enumerate(names):
        data = source.read(name)
        pixels += area(name, data)
        if pixels > MOST_PIXELS:
            raise ParamError(f"pictures has over {MOST_PIXELS // 10**9} gigapixels: make the pictures smaller.")
        x[i] = square(load(name, data), side, grey)
        if time.monotonic() - told > SECONDS:
            told = time.monotonic()
            yield Progress(0, len(names), share=(i + 1) / len(names))
    return Album(x, labels, classes)


def open_source(text: str) -> batch.Source:
    """The zip or folder of that name. Raises ParamError for anything else, and for too many bytes or files in it."""
    place = path_of(text.strip())
    if place is None or not batch.is_many(place):
        got = "not on this machine" if place is None else "no zip and no folder"
        raise ParamError(f"pictures is {Path(text).name!r}, which is {got}: give a .zip or a folder of pictures.")
    sizes = [0]
    if place.is_file():
        with zipfile.ZipFile(place) as archive:
            sizes += [info.file_size for info in archive.infolist()]
    if sum(sizes) > MOST_BYTES or len(sizes) > 2 * MOST:
        raise ParamError(
            f"pictures holds {len(sizes) - 1} files of {sum(sizes) / 1e9:.1f} GB unpacked: "
            f"give at most {MOST} pictures of {MOST_BYTES // 10**9} GB."
        )
    return batch.Source(place)


def classes_of(names: list[str]) -> tuple[Tensor, tuple[str, ...]]:
    """Classes (N,) and their names: the folders below the one that all pictures lie in, or one class for all.

    Raises ParamError where there are too many.
    """
    folders = [PurePosixPath(name.replace("\\", "/")).parts[:-1] for name in names]
    while len({parts[:1] for parts in folders}) == 1 and folders[0]:
        folders = [parts[1:] for parts in folders]
    firsts = [parts[0] if parts else "" for parts in folders]
    classes = sorted(set(firsts))
    if len(classes) > MOST_CLASSES:
        raise ParamError(f"pictures has {len(classes)} folders, one a class: give 2 to {MOST_CLASSES}, or none.")
    index = {name: i for i, name in enumerate(classes)}
    return torch.tensor([index[name] for name in firsts]), tuple(name[:LETTERS] for name in classes)


def area(name: str, data: bytes) -> int:
    """Pixels of a picture by what its header says; 0 for what the loader will refuse."""
    try:
        with decoder.open_picture(name, data, decoder.kind_of(name, data)) as picture:
            return int(picture.width * picture.height)
    except Exception:  # whatever is wrong with it: the loader says so
        return 0


def load(name: str, data: bytes) -> PIL.Image.Image:
    """A picture. Raises ImageError that names it."""
    try:
        return images.load(data)
    except ImageError as error:
        raise ImageError(str(error).replace("The picture", repr(PurePosixPath(name).name), 1)) from error


def square(picture: PIL.Image.Image, side: int, grey: bool) -> Tensor:
    """(1 or 3, side, side) uint8: the middle of a picture of mode RGB."""
    cut = PIL.ImageOps.fit(picture, (side, side), Resampling.LANCZOS)
    pixels = np.array(cut.convert("L") if grey else cut)
    return torch.from_numpy(pixels).view(side, side, -1).permute(2, 0, 1)
