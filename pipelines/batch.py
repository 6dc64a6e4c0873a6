"""Many pictures through one method: a folder or zip in, a folder or zip out; what is there already is skipped."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from models.cache import ModelCache
from pipelines import images
from pipelines.base import Pipeline, Progress, Result, run
from pipelines.params import ParamError, parse

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".avif"})


def is_many(place: Path) -> bool:
    """Whether a content is a folder or a zip."""
    return place.is_dir() or (place.suffix.lower() == ".zip" and zipfile.is_zipfile(place))


@dataclass(frozen=True)
class Source:
    """The pictures in a folder (to any depth) or a zip, by their paths inside it."""

    place: Path

    @cached_property
    def archive(self) -> zipfile.ZipFile:
        """The zip, opened once: its list of files may be long."""
        return zipfile.ZipFile(self.place)

    def names(self) -> list[str]:
        """Paths of pictures, sorted. Raises ParamError when there are none."""
        if self.place.is_dir():
            files = (p.relative_to(self.place).as_posix() for p in self.place.rglob("*") if p.is_file())
        else:
            files = (info.filename for info in self.archive.infolist() if not info.is_dir())
        pictures = sorted(n for n in files if Path(n).suffix.lower() in SUFFIXES and not Path(n).name.startswith("."))
        if not pictures:
            raise ParamError(f"{self.place} holds no pictures: give a folder or zip with PNG or JPEG files.")
        return pictures

    def read(self, name: str) -> bytes:
        """One picture's file. Raises ImageError for one that is too large, or that a zip does not give back whole."""
        if self.place.is_dir():
            with (self.place / name).open("rb") as file:
                data = file.read(images.MAX_BYTES + 1)
        else:
            try:
                with self.archive.open(name) as member:
                    data = member.read(images.MAX_BYTES + 1)  # whatever size it claims
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # RuntimeError: it has a password
                raise images.ImageError(
                    f"{name} cannot be unpacked: make the zip again, without a password."
                ) from error
        if len(data) > images.MAX_BYTES:
            raise images.ImageError(f"{name} is over {images.MAX_BYTES // 10**6} MB: make it smaller.")
        return data


@dataclass(frozen=True)
class Target:
    """A folder, or a zip that grows in a folder beside it and is packed at the end: cut off, it goes on later."""

    place: Path

    @property
    def folder(self) -> Path:
        """Where files are written."""
        return self.place.with_name(f"{self.place.name}.part") if self.zipped else self.place

    @property
    def zipped(self) -> bool:
        """Whether the results end in a zip."""
        return self.place.suffix.lower() == ".zip"

    def present(self) -> set[str]:
        """Names that are there already."""
        there = {p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*.png")}
        if self.zipped and zipfile.is_zipfile(self.place):
            with zipfile.ZipFile(self.place) as archive:
                there |= set(archive.namelist())
        return there

    def write(self, name: str, data: bytes) -> None:
        """Write one file; half a file never has its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(data)
        part.replace(path)

    def close(self) -> None:
        """Pack the zip: what it held before, and what is new."""
        if not self.zipped or not self.folder.is_dir():
            return
        part = self.place.with_name(f"{self.place.name}.tmp")
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as new:
            if zipfile.is_zipfile(self.place):
                with zipfile.ZipFile(self.place) as old:
                    for info in old.infolist():
                        new.writestr(info, old.read(info))
            for path in sorted(self.folder.rglob("*.png")):
                new.write(path, path.relative_to(self.folder).as_posix())
        part.replace(self.place)
        shutil.rmtree(self.folder)


def target_names(names: list[str]) -> dict[str, str]:
    """What each picture's result is called: `a/b.jpg` -> `a/b.png`, or `a/b.jpg.png` where that would be another's.

    Names from a zip cannot lead out of the target: `..` and roots are left out.
    """

    def clean(name: str) -> PurePosixPath:
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in {"/", "..", "."}]
        return PurePosixPath(*(part.replace(":", "_") for part in parts))

    stems = Counter(clean(name).with_suffix(".png") for name in names)
    return {
        name: str(
            clean(name).with_suffix(".png") if stems[clean(name).with_suffix(".png")] == 1 else f"{clean(name)}.png"
        )
        for name in names
    }


@dataclass(frozen=True)
class Done:
    """What became of one picture: its result, None where it was there already, or why there is none."""

    name: str
    number: int
    total: int
    result: Result | None = None
    error: images.ImageError | None = None


def convert(
    pipeline: Pipeline[Any],
    values: Mapping[str, Any],
    source: Source,
    target: Target,
    cache: ModelCache,
    sha256: Callable[[str], str],
) -> Iterator[Progress | Done]:
    """Run a method on every picture of `source` as its content; one that cannot be read does not end the rest.

    Yields:
        The progress of each run, and a Done for each picture. What one leaves behind (codes) serves the next.

    Raises:
        ParamError and what else `run` raises, ImageError for a picture aside.
    """
    names = target_names(source.names())
    there, state = target.present(), None
    for number, (name, written) in enumerate(names.items(), 1):
        if written in there:
            yield Done(name, number, len(names))
            continue
        try:
            content = images.load(source.read(name))
        except images.ImageError as error:
            yield Done(name, number, len(names), error=error)
            continue
        for event in run(pipeline, parse(pipeline.params, {**values, "content": content}), cache, state, sha256):
            if isinstance(event, Result):
                target.write(written, event.png())
                state = event.state if pipeline.repaint else None
                yield Done(name, number, len(names), event)
            else:
                yield event
    target.close()
