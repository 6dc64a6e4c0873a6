"""Download one file so that nothing but the right file ever gets its final name.

Knows nothing of models: `models.weights` decides what to fetch, and what a failure means to a person.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)

Report = Callable[[int, int], None]

TIMEOUT = httpx.Timeout(30.0, connect=10.0)  # seconds without a byte, not for the whole file
FRUITLESS_TRIES = 3  # in a row; a try that brought bytes does not count
PAUSE_SECONDS = 0.5
SPARE_BYTES = 64 << 20


class DownloadError(RuntimeError):
    """The file could not be had; the subclass says why."""


class UnreachableError(DownloadError):
    """No source gave the whole file. What arrived is kept, and the next download goes on from there."""


class UnwritableError(DownloadError):
    """The folder cannot take the file: no permission, or not enough room."""


class WrongFileError(DownloadError):
    """A source gives something else than the file asked for."""

    def __init__(self, url: str, fault: str) -> None:
        super().__init__(f"{url} gives another file: {fault}")
        self.url = url


def download(
    urls: Sequence[str], target: Path, size: int, find_fault: Callable[[Path], str | None], report: Report
) -> None:
    """Put the file of `size` bytes that the first working one of `urls` gives at `target`.

    It grows as `target` + ".part" beside it and is renamed only when `find_fault(part)` returns None. A wrong file is
    deleted and fetched once more, from another source where there is one. One thread of one process downloads at a
    time; the others wait, and find the file there.

    `report(bytes_done, size)` is called often, by those who wait too, with a `bytes_done` that grows unless a server
    makes us start anew. What it raises ends the download and keeps the part. Raises a DownloadError.
    """
    try:
        _download(urls, target, size, find_fault, report)
    except OSError as error:  # of the disk, at whatever moment: httpx has errors of its own for the network
        place = error.filename or target.parent
        raise UnwritableError(f"{place} cannot be written ({error.strerror or error})") from error


def _download(
    urls: Sequence[str], target: Path, size: int, find_fault: Callable[[Path], str | None], report: Report
) -> None:
    part = _part(target)
    _make_room(part, size)
    with _alone(target, size, report):
        if target.is_file() and find_fault(target) is None:  # fetched by the one we waited for
            report(size, size)
            return
        try:
            _fetch_from_any(urls, part, size, find_fault, report)
        except WrongFileError as wrong:
            logger.warning("%s; fetching once more", wrong)
            wrong_last = [*(url for url in urls if url != wrong.url), wrong.url]
            _fetch_from_any(wrong_last, part, size, find_fault, report)
        part.replace(target)
        _discard(part)


def remove_stale(folder: Path, seconds: float) -> list[Path]:
    """Delete the parts in `folder` that nothing was written to for `seconds`; return those deleted."""
    stale: list[Path] = []
    for part in sorted(folder.glob("*.part")):
        # A lock that is taken: somebody goes on with it right now.
        with suppress(Timeout, FileNotFoundError), FileLock(_lock_file(part.with_suffix("")), timeout=0):
            if time.time() - part.stat().st_mtime > seconds:
                _discard(part)
                stale.append(part)
    return stale


def _fetch_from_any(
    urls: Sequence[str], part: Path, size: int, find_fault: Callable[[Path], str | None], report: Report
) -> None:
    """Fill `part` from the first of `urls` that can, and check it. Raises UnreachableError or WrongFileError."""
    problems = []
    with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
        for url in urls:
            try:
                _fill(client, url, part, size, report)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problems.append(f"{url}: {str(error) or type(error).__name__}".splitlines()[0])
                logger.warning("No download from %s", problems[-1])
                continue
            fault = find_fault(part)
            if fault is not None:
                raise _rejected(part, url, fault)
            return
    raise UnreachableError("no download from " + "; ".join(problems))


def _fill(client: httpx.Client, url: str, part: Path, size: int, report: Report) -> None:
    """Append to `part` until it has `size` bytes, asking again after each cut as long as that brings more."""
    if _size(part) > size:
        _discard(part)
    best, fruitless = _size(part), 0
    while _size(part) < size:
        trouble: httpx.TransportError = httpx.RemoteProtocolError("the server ended the file early")
        try:
            _append(client, url, part, size, report)
        except httpx.TransportError as error:
            trouble = error
        have = _size(part)
        fruitless = 0 if have > best else fruitless + 1
        best = max(best, have)
        if have < size and fruitless == FRUITLESS_TRIES:
            raise trouble
        if have < size:
            logger.info("%s stopped at %d of %d bytes (%s): asking for the rest", url, have, size, trouble)
            time.sleep(PAUSE_SECONDS * fruitless)
    with part.open("rb+") as file:
        os.fsync(file.fileno())


def _append(client: httpx.Client, url: str, part: Path, size: int, report: Report) -> None:
    """One GET, for the bytes that `part` lacks; a server that sends the whole file instead makes it start anew."""
    have = _size(part)
    with client.stream("GET", url, headers=_headers(url, part)) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _rejected(part, url, f"it has no more than {have} bytes, not {size}")
        answer.raise_for_status()
        start, total = _extent(answer)
        if total not in (None, size):  # a login page, say: the part stays as it is
            raise WrongFileError(url, f"it has {total} bytes, not {size}")
        _remember_tag(part, url, answer.headers.get("ETag"))
        report(start, size)
        done = start
        with part.open("ab" if start else "wb") as file:
            for chunk in answer.iter_raw():
                done += len(chunk)
                if done > size:
                    break
                file.write(chunk)
                report(done, size)
    if done > size:
        raise _rejected(part, url, f"it has more than {size} bytes")


def _headers(url: str, part: Path) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}  # the hash is of the file as it is stored
    have = _size(part)
    if have:
        headers["Range"] = f"bytes={have}-"
        tag_file = _tag_file(part)
        tag_url, _, tag = tag_file.read_text("utf-8").partition("\n") if tag_file.exists() else ("", "", "")
        if tag and tag_url == url:
            headers["If-Range"] = tag
    return headers


def _remember_tag(part: Path, url: str, tag: str | None) -> None:
    if tag and not tag.startswith("W/"):  # a weak tag does not promise equal bytes (RFC 9110, 13.1.5)
        _tag_file(part).write_text(f"{url}\n{tag}", "utf-8")
    else:
        _tag_file(part).unlink(missing_ok=True)


def _extent(answer: httpx.Response) -> tuple[int, int | None]:
    """Where the body starts in the file, and how long the whole file is (None: the server does not say)."""
    if answer.status_code == httpx.codes.PARTIAL_CONTENT:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match is None:
            raise httpx.RemoteProtocolError("a partial answer without Content-Range")
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


@contextmanager
def _alone(target: Path, size: int, report: Report) -> Iterator[None]:
    """Hold the lock of `target` against threads and processes; report the holder's progress while waiting."""
    lock = FileLock(_lock_file(target))
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            report(min(_size(_part(target)), size), size)
    try:
        yield
    finally:
        lock.release()


def _make_room(part: Path, size: int) -> None:
    folder = part.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise UnwritableError(f"{folder} cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise UnwritableError(f"{folder} cannot be written to")
    needed = size - _size(part) + SPARE_BYTES
    if free < needed:
        raise UnwritableError(f"{folder} has {free / 1e6:.0f} MB free, needed are {needed / 1e6:.0f}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # also when the holder of the lock renames it while we look
        return 0


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _lock_file(target: Path) -> Path:
    return target.with_name(target.name + ".lock")


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _rejected(part: Path, url: str, fault: str) -> WrongFileError:
    _discard(part)
    return WrongFileError(url, fault)
