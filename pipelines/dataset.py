"""The data sets that generators learned from: what is in them, who judges pictures of them, and where they may lie.

The pictures themselves are needed by nothing that generates. They are for what compares with real ones: the nearest
training picture beside a generated one, and precision and recall in `make table`; ATELIER_DATA names their folder.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from models import own, weights
from models.classifier import CIFAR10 as THINGS
from models.device import amount
from models.download import DownloadError, UnreachableError, download
from models.weights import WeightsError, WeightsMissing
from pipelines.params import ParamError

Name = Literal["mnist", "cifar10"]
KNOWN = "MNIST's digits, or CIFAR-10's photographs of 32 pixels"
NUMBERED = "CIFAR-10: " + ", ".join(f"{i} {name}" for i, name in enumerate(THINGS))
SUFFIXES = (".png", ".jpg", ".jpeg")
_SPLITS = {"train": "train", "test": "t10k"}  # torchvision's names in MNIST's files


@dataclass(frozen=True)
class DataSet:
    """Labelled pictures of one size. `packed`: the files that torchvision fetches them in, and how large each is."""

    name: str
    title: str
    judge: str  # the classifier, in the registry, whose features measure generated pictures; "": there is none
    classes: tuple[str, ...]
    shape: tuple[int, int, int]  # channels, height, width
    theirs: str  # the folder that torchvision keeps it in
    packed: tuple[tuple[str, int], ...]

    @property
    def bytes(self) -> int:
        """How much a fetch brings."""
        return sum(size for _, size in self.packed)


def _idx_files(*sizes: int) -> tuple[tuple[str, int], ...]:
    """Labels come first: where the pictures are, they are there too."""
    files = (f"{split}-{what}.gz" for split in ("train", "t10k") for what in ("labels-idx1-ubyte", "images-idx3-ubyte"))
    return tuple(zip(files, sizes, strict=True))


_DIGITS, _TAR = _idx_files(28881, 9912422, 4542, 1648877), (("cifar-10-python.tar.gz", 170498071),)
DATASETS: dict[Name, DataSet] = {
    "mnist": DataSet("mnist", "MNIST", "digits", tuple("0123456789"), (1, 28, 28), "MNIST/raw", _DIGITS),
    "cifar10": DataSet("cifar10", "CIFAR-10", "cifar10", THINGS, (3, 32, 32), "cifar-10-batches-py", _TAR),
}

GARMENTS = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_PACKED = _idx_files(29515, 26421880, 5148, 4422102)
FASHION = DataSet("fashion", "Fashion-MNIST", "", GARMENTS, (1, 28, 28), "FashionMNIST/raw", _PACKED)  # to train with
SETS = {kind.name: kind for kind in (DATASETS["mnist"], FASHION, DATASETS["cifar10"])}


def check_label(label: int | None, classes: int) -> None:
    """Raises ParamError where a network of one's own does not know the class that is asked for."""
    if label is not None and label >= classes:
        raise ParamError(f"label is {label}, but the network of your own knows the classes 0 to {classes - 1}.")


def check_shape(entry: str, name: Name, shape: tuple[int, ...], classes: int, label: int | None) -> None:
    """Raises ParamError where a network of one's own draws pictures of another shape than those of the data set that is
    named, unless it learned from pictures of one's own, or where it does not know the class that is asked for.

    entry: of the cache. shape: channels, height, width. classes: how many it knows."""
    other = next(
        (kind.title for kind in DATASETS.values() if kind.shape == shape and kind.name != name), "another data set"
    )
    check_label(label, classes)
    if shape != DATASETS[name].shape and own.learned(entry) != "":
        raise ParamError(f"The network of your own does not draw pictures like {DATASETS[name].title}: choose {other}.")


def folder() -> Path:
    """Where data sets lie: the folder that ATELIER_DATA names, else one beside the weights that were fetched."""
    named = os.environ.get("ATELIER_DATA")
    return Path(named).expanduser() if named else weights.cache_folder() / "data"


def whole(kind: DataSet) -> bool:
    """Whether the training and the test pictures of a data set are on this machine."""
    return all(_home(kind, folder(), split) is not None for split in ("train", "test"))


def both(kind: DataSet) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training and test pictures, as `pictures` gives them. Raises WeightsMissing where they are not here."""
    if not whole(kind):
        raise WeightsMissing(
            f"{kind.title} ({amount(kind.bytes)}) is not on this machine: fetch it, run "
            f"`python cli.py weights {kind.title}`, or set ATELIER_DATA to a folder that holds {kind.theirs}.",
            kind,
        )
    return pictures(kind, folder(), "train"), pictures(kind, folder(), "test")


def fetch(kind: DataSet, report: Callable[[int, int], None]) -> Path:
    """Download a data set from where torchvision has it, each file checked by the md5 that it knows; gives the folder.

    `report(bytes_done, bytes_total)` is called often; what it raises stops the download, and what arrived is kept.

    Raises:
        WeightsMissing: offline, or when no source answers.
        WeightsError: when the sources give a wrong file twice, or the folder cannot take it.
    """
    if weights.offline():
        raise WeightsMissing(
            f"{kind.title} is not on this machine, and ATELIER_OFFLINE forbids the download: unset it."
        )
    home, done = folder() / kind.theirs, 0
    if whole(kind):
        return home
    report(0, kind.bytes)
    addresses = _addresses(kind)
    for file, size in kind.packed:
        target, (urls, md5) = home.parent / file, addresses[file]

        def step(count: int, _size: int, before: int = done) -> None:
            report(before + count, kind.bytes)

        try:
            if not (home / target.stem).exists():
                download(urls, target, size, partial(_fault, size=size, md5=md5), step)
                _unpack(target, home)
        except UnreachableError as error:
            raise WeightsMissing(f"{kind.title}: {error}. Fetch again: what arrived is kept.") from error
        except (DownloadError, OSError) as error:
            raise WeightsError(f"{kind.title}: {error}. Downloads go to {home.parent} (ATELIER_DATA).") from error
        done += size
    report(done, done)
    return home


def _addresses(kind: DataSet) -> dict[str, tuple[list[str], str]]:
    """Of each packed file, where torchvision fetches it, and its md5."""
    import torchvision.datasets

    names = {"mnist": "MNIST", "fashion": "FashionMNIST", "cifar10": "CIFAR10"}
    theirs: Any = getattr(torchvision.datasets, names[kind.name])
    if hasattr(theirs, "mirrors"):
        return {file: ([mirror + file for mirror in theirs.mirrors], md5) for file, md5 in theirs.resources}
    return {theirs.filename: ([theirs.url], theirs.tgz_md5)}


def _fault(path: Path, size: int, md5: str) -> str | None:
    """What is wrong with a file, in words; None if it is the one."""
    if path.stat().st_size != size:
        return f"it has {path.stat().st_size} bytes, not {size}"
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return None if digest == md5 else f"its md5 is {digest}, not {md5}"


def _unpack(packed: Path, home: Path) -> None:
    """What is in a file of torchvision's, whole or not at all, as it is kept; the file itself goes."""
    with tempfile.TemporaryDirectory(dir=packed.parent) as folder:
        if packed.suffixes[-2:] == [".tar", ".gz"]:
            with tarfile.open(packed) as archive:
                archive.extractall(folder, filter="data")
            (Path(folder) / home.name).replace(home)
        else:
            home.mkdir(exist_ok=True)
            with gzip.open(packed) as source, (Path(folder) / packed.stem).open("wb") as target:
                shutil.copyfileobj(source, target)
            (Path(folder) / packed.stem).replace(home / packed.stem)
    packed.unlink()


def present(name: Name = "mnist") -> bool:
    """Whether the training pictures of a data set are on this machine."""
    return _home(DATASETS[name], folder(), "train") is not None


def pictures(name: Name | DataSet, place: Path, split: str) -> tuple[Tensor, Tensor]:
    """A data set as it lies in `place` or in `place`/`name`: by class, or as torchvision keeps it.

    Args:
        name: of the data set, or the data set itself.
        place: the folder.
        split: "train" or "test".

    Returns:
        Pictures (N, C, H, W) uint8 (digits white on black), and their classes (N,) int64.

    Raises:
        ParamError: when there is no such folder, or it is laid out otherwise.
    """
    kind = name if isinstance(name, DataSet) else DATASETS[name]
    wanted = f"{split}/{kind.classes[0]}/*.png … {split}/{kind.classes[-1]}/*.png"
    home = _home(kind, place, split)
    if home is None:
        raise ParamError(
            f"{place} does not hold {kind.title}'s {split} pictures: set ATELIER_DATA to a folder with {wanted}, "
            f"or {kind.theirs}."
        )
    return _read(kind, home, split)


def _home(kind: DataSet, place: Path, split: str) -> Path | None:
    """Where under `place` the pictures lie: a file of torchvision's, or the folder of the classes; None: nowhere."""
    for home in (place / kind.name, place):
        raw = _idx(home, kind, split) if kind.theirs.endswith("raw") else home / kind.theirs
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


def _idx(place: Path, kind: DataSet, split: str) -> Path | None:
    """torchvision's file of a data set's pictures, if it is there; MNIST's may lie bare."""
    homes = (place / kind.theirs, *((place / "raw", place) if kind.name in {"mnist", place.name} else ()))
    return next((path for home in homes if (path := home / f"{_SPLITS[split]}-images-idx3-ubyte").is_file()), None)


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
