"""Making a picture again from its record: its settings, and the pictures it was made from, found by their pixels."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import PIL.Image

from pipelines import images, record
from pipelines.base import Pipeline
from pipelines.params import ParamError, settings

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def restore(path: str, methods: Collection[str]) -> tuple[str, dict[str, Any]]:
    """Method and settings that made a picture; pictures it was made from are looked up by their pixels.

    Raises:
        ParamError: when the file holds no record, or a picture is found neither beside it nor among the examples.
    """
    if not Path(path).is_file():
        raise ParamError(f"{path} does not exist: give a PNG that Atelier made.")
    found = record.read(path)
    if found is None or found.pipeline not in methods:
        raise ParamError(f"{path} holds no Atelier record: give a PNG that Atelier made.")
    return found.pipeline, dict(found.params)


def look_up(values: dict[str, Any], pipeline: Pipeline[Any], near: Path) -> dict[str, Any]:
    """Replace recorded pictures ({"sha256": ...}) by files with those pixels, found near `near` or in examples/."""
    wanted = {s.name for s in settings(pipeline.params) if s.kind in {"image", "images"}}
    known: dict[str, PIL.Image.Image] = {}

    def find(name: str, item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        if not known:
            for file in [*sorted(EXAMPLES.rglob("*.jpg")), *pictures(near), *pictures(Path.cwd())]:
                try:
                    image = images.load(file)
                except images.ImageError:
                    continue
                known.setdefault(images.digest(image), image)
        if item.get("sha256") not in known:
            raise ParamError(
                f"The picture used as {name} ({item.get('width')}x{item.get('height')}) is not here: "
                f"give --{name} FILE."
            )
        return known[item["sha256"]]

    return {
        name: [find(name, item) for item in value]
        if isinstance(value, list) and name in wanted
        else find(name, value)
        if name in wanted
        else value
        for name, value in values.items()
    }


def pictures(folder: Path) -> list[Path]:
    """Picture files directly in `folder`."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp"})
