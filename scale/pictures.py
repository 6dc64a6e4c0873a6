"""What a worker of scale/batch.py needs: where pictures come from, and what is made of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import httpx
import pyarrow.fs
import torch

from models import registry
from pipelines import PIPELINES, images
from pipelines.base import Result, run
from pipelines.batch import SUFFIXES, Source, Target, is_many
from pipelines.params import ParamError, parse

SECONDS = 60  # for an address to answer


class Pictures(Protocol):
    """Where pictures come from; sent to every worker."""

    def names(self) -> list[str]:
        """Of the pictures, sorted. Raises ParamError when there are none."""

    def read(self, name: str) -> bytes:
        """One picture's file. Raises ImageError."""


@dataclass(frozen=True)
class Bucket:
    """The pictures below an address that Arrow knows: s3://, gs://, hdfs://."""

    address: str

    @cached_property
    def place(self) -> tuple[Any, str]:
        """The file system, and the path in it. Raises ParamError."""
        try:
            return pyarrow.fs.FileSystem.from_uri(self.address)  # type: ignore[no-any-return]
        except (ValueError, OSError) as error:
            raise ParamError(f"content is {self.address}, which cannot be opened: {error}.") from error

    def names(self) -> list[str]:
        system, root = self.place
        infos = system.get_file_info(pyarrow.fs.FileSelector(root, recursive=True))
        files = (PurePosixPath(info.path).relative_to(root).as_posix() for info in infos if info.is_file)
        if not (names := sorted(name for name in files if PurePosixPath(name).suffix.lower() in SUFFIXES)):
            raise ParamError(f"{self.address} holds no pictures: give a place with PNG or JPEG files.")
        return names

    def read(self, name: str) -> bytes:
        system, root = self.place
        try:
            with system.open_input_stream(f"{root}/{name}") as file:
                return bytes(file.read(images.MAX_BYTES + 1))
        except OSError as error:
            raise images.ImageError(f"{name} cannot be read: {error}") from error


@dataclass(frozen=True)
class Addresses:
    """Pictures of the web, by a file with an address a line."""

    place: Path

    def names(self) -> list[str]:
        lines = self.place.read_text("utf-8").split()
        if not lines or not all(line.startswith(("https://", "http://")) for line in lines):
            raise ParamError(f"{self.place} is no list of addresses: give one https:// address a line.")
        return sorted(set(lines))

    def read(self, name: str) -> bytes:
        data = bytearray()
        try:
            with httpx.stream("GET", name, timeout=SECONDS, follow_redirects=True) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > images.MAX_BYTES:
                        break
        except httpx.HTTPError as error:
            raise images.ImageError(f"{name} did not come: {error}") from error
        return bytes(data)


def source_of(content: str) -> Pictures:
    """Where the pictures of `--content` are. Raises ParamError."""
    if "://" in content:
        return Bucket(content)
    place = Path(content)
    if is_many(place):
        return Source(place.resolve())
    if place.suffix == ".txt" and place.is_file():
        return Addresses(place.resolve())
    raise ParamError(f"content is {content}: give a folder, a zip, s3://BUCKET/FOLDER, or a .txt of addresses.")


class Worker:
    """Makes one picture after the other, in a process of its own, on its own ModelCache."""

    def __init__(self, method: str, values: Mapping[str, Any], source: Pictures, out: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        self.pipeline, self.values, self.source, self.target = PIPELINES[method], values, source, Target(out)
        self.cache, self.state = registry.open_cache(), None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Makes the picture `row["name"]` as `row["written"]`; with `error`, a sentence, for one that is not usable."""
        try:
            content = images.load(self.source.read(row["name"]))
        except images.ImageError as error:
            return {**row, "error": str(error)}
        params = parse(self.pipeline.params, {**self.values, "content": content})
        *_, result = run(self.pipeline, params, self.cache, self.state, registry.sha256)
        assert isinstance(result, Result)
        self.state = result.state if self.pipeline.repaint else None
        self.target.write(row["written"], result.png())
        return {**row, "error": ""}
