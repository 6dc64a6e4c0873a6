"""Fetching a pipeline from the hub: what is needed of it and how large that is, then the files, each one verified.

huggingface_hub tells what there is and where it lies, and its cache is where it goes. It drops what arrived when a
connection fails for good, and compares sizes only, so large files come by models.download instead: they go on where
they were cut off, and their sha256 is the one the hub announced. A snapshot counts as present when all of it was right.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from models import hub, weights
from models.download import DownloadError, UnreachableError, download
from models.hub import INDEX, WEIGHTS_FILE
from models.weights import WeightsError, WeightsMissing

log = logging.getLogger(__name__)
Report = Callable[[int, int], None]
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}  # what a disk says
SPARE = 256 << 20  # bytes that stay free on the disk
TEXTS = {".json", ".txt", ".model", ".jinja"}  # configurations and tokenizers
SOLE = "*.safetensors"  # as a name: the only such file of a repository, outside of its folders


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository as the hub describes it."""

    name: str
    bytes: int
    sha256: str | None  # of a large file
    blob: str  # git's digest of a small one


@dataclass(frozen=True)
class Snapshot:
    """What is to be fetched of a repository, at one commit."""

    repo: str
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        """How much that is."""
        return sum(file.bytes for file in self.files)


def look(repo: str, only: Sequence[str] = ()) -> Snapshot:
    """Ask the hub what `repo` consists of; nothing large is downloaded.

    Args:
        repo: OWNER/NAME.
        only: files (or SOLE) and folders of models, to fetch of it; none: what its pipeline needs.

    Raises:
        WeightsMissing: offline, or when the hub does not answer, or has no such repository.
        WeightsError: when it does not hold what `only` names, or no safetensors of it.
    """
    if weights.offline():
        raise hub.missing(repo)
    from huggingface_hub import HfApi

    info = _ask(repo, lambda: HfApi(endpoint=_endpoint()).model_info(repo, files_metadata=True, timeout=20))
    known = {
        s.rfilename: RemoteFile(s.rfilename, s.size or 0, s.lfs.sha256 if s.lfs else None, s.blob_id or "")
        for s in info.siblings or ()
    }
    if only:
        names = [name for one in only for name in files_of(repo, known, one)]
    elif INDEX in known:
        names = files_of_pipeline(known, hub.components(json.loads(_index(repo, info.sha or "main"))))
    else:
        raise WeightsError(f"{repo} holds no {INDEX}: it is no pipeline of diffusers; choose another.")
    if not any(name.endswith(".safetensors") for name in names):
        raise WeightsError(f"{repo} has no safetensors files, and nothing else is loaded: choose another.")
    last = sorted(names, key=lambda name: (name == INDEX, name))  # a pipeline whose index is here is whole
    return Snapshot(repo, info.sha or "main", tuple(known[name] for name in last))


def files_of_pipeline(names: Iterable[str], parts: Iterable[str]) -> list[str]:
    """Of a repository's files those that its parts are loaded from: half precision where there is a choice."""
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(str(PurePosixPath(name).parent), []).append(name)
    return [name for folder in {".", *parts} for name in _loaded_from(folders.get(folder, []))]


def _loaded_from(names: Sequence[str]) -> list[str]:
    """Of the files of one folder those that its model is loaded from."""
    texts = [name for name in names if PurePosixPath(name).suffix in TEXTS and not name.startswith(".")]
    tensors = [name for name in names if WEIGHTS_FILE.fullmatch(PurePosixPath(name).name)]
    return texts + ([name for name in tensors if ".fp16" in name] or tensors)


def files_of(repo: str, names: Collection[str], name: str) -> list[str]:
    """Of a repository's files the one called `name` (SOLE: the only one there), or those of that folder that its model
    is loaded from.

    Raises WeightsError where there are none.
    """
    if name == SOLE:
        top = [other for other in names if "/" not in other and other.endswith(".safetensors")]
        if len(top) != 1:
            raise WeightsError(f"{repo} holds {len(top)} safetensors files: name one, as {repo}#FILE.safetensors.")
        return top
    if name.endswith(".safetensors"):
        if name not in names:
            raise WeightsError(f"{repo} holds no {name}: check the spelling of the file.")
        return [name]
    folder = _loaded_from([other for other in names if str(PurePosixPath(other).parent) == name])
    if not any(other.endswith(".safetensors") for other in folder):
        raise WeightsError(f"{repo} has no safetensors files in {name}, and nothing else is loaded: choose another.")
    return folder


def _index(repo: str, commit: str) -> str:
    """The text of model_index.json: the copy that is here, else one that is not kept, since it has to come last."""
    kept = _home(repo) / "snapshots" / commit / INDEX
    if kept.is_file():
        return kept.read_text("utf-8")
    with tempfile.TemporaryDirectory() as aside:
        return _small(repo, INDEX, commit, Path(aside)).read_text("utf-8")


def fetch(snapshot: Snapshot, report: Report | None = None) -> Path:
    """Download and verify; returns the folder.

    `report(bytes_done, bytes_total)` is called often, on this thread; what it raises stops the download, and what
    arrived is kept for the next one.

    Raises:
        WeightsMissing: when the connection does not hold.
        WeightsError: when a file is wrong twice, or the disk is too small.
    """
    try:
        return _fetch(snapshot, report)
    except OSError as error:  # of the disk: the network has errors of its own
        what = f"{hub.cache_folder()} cannot be written ({error.strerror or error})"
        raise WeightsError(f"{snapshot.repo} cannot be kept: {what}. Make room there, or set HF_HUB_CACHE.") from error


def _fetch(snapshot: Snapshot, report: Report | None) -> Path:
    home, total, done = _home(snapshot.repo), snapshot.bytes, 0
    _make_room(home, snapshot)
    for file in snapshot.files:

        def step(count: int, _size: int, before: int = done) -> None:
            if report:
                report(before + count, total)

        (_fetch_large if file.sha256 else _fetch_small)(snapshot, file, step)
        done += file.bytes
        step(0, 0, done)
    main = home / "refs" / "main"
    main.parent.mkdir(parents=True, exist_ok=True)
    main.write_text(snapshot.commit, "utf-8")  # now, and not before, models.hub finds it
    return home / "snapshots" / snapshot.commit


def _fetch_large(snapshot: Snapshot, file: RemoteFile, report: Report) -> None:
    """Into the hub's cache, in its layout: the content by its sha256, the name as a link to it."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    blob = _home(snapshot.repo) / "blobs" / str(file.sha256)
    if not (blob.is_file() and _fault(blob, file) is None):
        url = hf_hub_url(snapshot.repo, file.name, revision=snapshot.commit, endpoint=_endpoint())
        place = _ask(snapshot.repo, lambda: get_hf_file_metadata(url, timeout=20, endpoint=_endpoint())).location
        try:
            download([place or url], blob, file.bytes, lambda part: _fault(part, file), report)
        except UnreachableError as error:
            raise WeightsMissing(
                f"{file.name} of {snapshot.repo} did not arrive whole ({error}): fetch again, what arrived is kept."
            ) from error
        except DownloadError as error:
            raise WeightsError(f"{file.name} of {snapshot.repo} cannot be used: {error}.") from error
    link = _home(snapshot.repo) / "snapshots" / snapshot.commit / file.name
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))


def _fault(path: Path, file: RemoteFile) -> str | None:
    if path.stat().st_size != file.bytes:
        return f"it has {path.stat().st_size} bytes, not {file.bytes}"
    digest = weights.digest(path)
    return None if digest == file.sha256 else f"its sha256 is {digest}, not {file.sha256}"


def _fetch_small(snapshot: Snapshot, file: RemoteFile, _report: Report) -> None:
    for _attempt in range(2):
        path = _small(snapshot.repo, file.name, snapshot.commit)
        data = path.read_bytes()
        if not file.blob or hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == file.blob:
            return
        log.warning("%s of %s is not what the hub says it is", file.name, snapshot.repo)
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    raise WeightsError(f"{file.name} of {snapshot.repo} came damaged twice: try again later, or from another network.")


def _small(repo: str, name: str, commit: str, cache: Path | None = None) -> Path:
    from huggingface_hub import hf_hub_download

    cache = cache or hub.cache_folder()
    return Path(_ask(repo, lambda: hf_hub_download(repo, name, revision=commit, cache_dir=cache, endpoint=_endpoint())))


def _home(repo: str) -> Path:
    return hub.cache_folder() / f"models--{repo.replace('/', '--')}"


def _ask(repo: str, ask: Callable[[], Any]) -> Any:
    """What `ask` returns; the hub's troubles in one sentence."""
    import httpx2
    from huggingface_hub import errors

    try:
        return ask()
    except errors.GatedRepoError as error:
        raise WeightsMissing(
            f"{repo} asks for an agreement: accept it on the hub, set HF_TOKEN, and fetch again."
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise WeightsMissing(f"The hub has no model called {repo}: check the spelling, or set HF_TOKEN.") from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        if getattr(error, "errno", None) in FULL:
            raise
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise WeightsMissing(f"{repo} could not be fetched ({reason}): try again, what arrived is kept.") from error


def _make_room(home: Path, snapshot: Snapshot) -> None:
    home.mkdir(parents=True, exist_ok=True)
    blobs = [home / "blobs" / f"{file.sha256}{end}" for file in snapshot.files if file.sha256 for end in ("", ".part")]
    here = sum(path.stat().st_size for path in blobs if path.is_file())
    free, left = shutil.disk_usage(home).free, max(0, snapshot.bytes - here)
    if free < left + SPARE:
        raise WeightsError(
            f"{snapshot.repo} needs {left / 1e9:.1f} GB more, and {home.parent} has {free / 1e9:.1f}: make room there."
        )


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None
