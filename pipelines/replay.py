"""Making a picture again from its record: its settings, and the pictures it was made from, found by their pixels."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import PIL.Image

from pipelines import images, record
from pipelines.base import Pipeline
from pipelines.params import ParamError, parse, settings
from pipelines.record import Record

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".mpo", ".webp", ".heic", ".heif", ".avif", ".tif", ".tiff", ".bmp"}


def restore(path: str, methods: Mapping[str, Pipeline[Any]]) -> tuple[str, dict[str, Any]]:
    """Method and settings that made a picture; pictures it was made from are looked up by their pixels.

    Raises:
        ParamError: when the file holds no record, or one with something else where a picture belongs.
    """
    there, entry = False, record.read(path)
    with suppress(OSError, ValueError):  # a name too long, or with a NUL in it
        there = Path(path).is_file()
    if not there:
        raise ParamError(f"{path} does not exist: give a PNG that Atelier made.")
    if entry is None or entry.pipeline not in methods:
        raise ParamError(f"{path} holds no Atelier record: give a PNG that Atelier made.")
    check_pictures(entry, methods[entry.pipeline])
    return entry.pipeline, dict(entry.params)


def check_pictures(entry: Record, pipeline: Pipeline[Any]) -> None:
    """Raises ParamError where a record has something else in the place of a picture: a path, say, which is not opened.

    A picture is {"width", "height", "sha256"}, or null where it may be left out."""
    for setting in settings(pipeline.params):
        value = entry.params.get(setting.name)
        items = [value] if setting.kind == "image" else value if isinstance(value, list) else [value]
        if setting.kind not in {"image", "images"} or value is None:
            continue
        for item in items:
            kinds = {"width": int, "height": int, "sha256": str}
            if not isinstance(item, dict) or not all(isinstance(item.get(k), kind) for k, kind in kinds.items()):
                raise ParamError(f"The record says {reprlib.repr(item)} where a picture belongs: {setting.name}.")


def recorded(entry: Record, pipeline: Pipeline[Any]) -> dict[str, Any]:
    """Every setting of a method as a record of it says, or its default; pictures as recorded.

    Raises:
        ParamError: with a sentence about the first that no run can have written: an unknown name, another type, a
            number out of its range.
    """
    check_pictures(entry, pipeline)
    known, stand_in = settings(pipeline.params), PIL.Image.new("RGB", (64, 64))
    values = dict(entry.params)
    for setting in known:
        if setting.kind == "image" and values.get(setting.name):
            values[setting.name] = stand_in
        elif setting.kind == "images" and values.get(setting.name):
            values[setting.name] = [stand_in] * len(values[setting.name])
    parse(pipeline.params, values)
    return {s.name: entry.params.get(s.name, s.default) for s in known}


def look_up(values: dict[str, Any], pipeline: Pipeline[Any], near: Path) -> dict[str, Any]:
    """Replace recorded pictures ({"sha256": ...}) by files with those pixels, found near `near` or in examples/."""
    pictured = {s.name for s in settings(pipeline.params) if s.kind in {"image", "images"}}
    known: dict[str, Path] = {}

    def find(name: str, item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        if not known:
            folders = [*(path for path in sorted(EXAMPLES.iterdir()) if path.is_dir()), near, Path.cwd()]
            known.update(by_pixels(file for folder in folders for file in pictures(folder)))
        if item.get("sha256") not in known:
            raise ParamError(
                f"The picture used as {name} ({item.get('width')}x{item.get('height')}) is not here: "
                f"give --{name} FILE."
            )
        return images.load(known[item["sha256"]])

    return {
        name: [find(name, item) for item in value]
        if isinstance(value, list) and name in pictured
        else find(name, value)
        if name in pictured
        else value
        for name, value in values.items()
    }


def by_pixels(files: Iterable[Path]) -> dict[str, Path]:
    """Pictures by the digest of their pixels, the first of equal ones; files that are none are left out."""
    known: dict[str, Path] = {}
    for file in files:
        try:
            known.setdefault(images.digest(images.load(file)), file)
        except images.ImageError:
            continue
    return known


def pictures(folder: Path) -> list[Path]:
    """Picture files directly in `folder`."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
