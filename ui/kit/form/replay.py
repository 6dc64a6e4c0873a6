"""A picture made here gives a form its settings back, and says which of its pictures are not here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines import record, replay
from pipelines.base import Pipeline
from pipelines.params import ParamError, Setting, settings
from pipelines.record import Record
from ui.kit.form import controls
from ui.kit.form.examples import CONTENT, DIGITS, RESULTS, STYLE
from ui.kit.i18n import refused, spoken

Paths = Mapping[str, str]  # of pictures, by the digest of their pixels


def recorded(path: str, methods: Mapping[str, Pipeline[Any]], otherwise: str, request: gr.Request) -> Record:
    """The record in a dropped file, every setting in it of a kind that its method takes.

    Raises:
        gr.Error: with the sentence `otherwise` where it holds none of `methods`, or what is wrong with it.
    """
    found = record.read(path)
    if found is None or found.pipeline not in methods:
        raise refused(otherwise, request)
    try:
        return found.model_copy(update={"params": replay.recorded(found, methods[found.pipeline])})
    except ParamError as error:
        raise refused(f"The record in {Path(path).name} cannot be used. {error}", request) from error


@cache
def examples() -> dict[str, Path]:
    """The examples by the digest of their pixels."""
    return replay.by_pixels((*CONTENT, *STYLE, *DIGITS, RESULTS / "gatys.png"))


def known_pictures(*given: Any) -> dict[str, str]:
    """Pictures by the digest of their pixels: the examples, and what picture inputs hold now."""
    rows = [row[0] if isinstance(row, tuple | list) else row for value in given for row in rows_of(value)]
    # An input may hold anything: a run says what is wrong with it.
    return {digest: str(path) for digest, path in (replay.by_pixels(map(Path, rows)) | examples()).items()}


def rows_of(value: Any) -> list[Any]:
    """What a picture input holds, as a list."""
    return value if isinstance(value, list) else [value] if value else []


def restored(setting: Setting, value: Any, known: Paths) -> Any:
    """A recorded value for its component; of pictures those that are here: no other may stand in for them."""
    if setting.kind == "image":
        return known.get(value["sha256"]) if value else None
    if setting.kind == "images":
        return [known[item["sha256"]] for item in value if item["sha256"] in known] or None
    return controls.shown(setting, value)


@dataclass(frozen=True)
class Absence:
    """A picture that a record names and that is not here; sizes in pixels."""

    setting: Setting
    width: int
    height: int


def absences(told: Record, pipeline: Pipeline[Any], known: Paths) -> list[Absence]:
    """The recorded pictures of a method that are not among `known`."""
    pictures = [(s, item) for s in settings(pipeline.params) if s.kind in {"image", "images"}
                for item in rows_of(told.params.get(s.name))]  # fmt: skip
    return [Absence(s, p["width"], p["height"]) for s, p in pictures if p["sha256"] not in known]


def sentence(absent: Sequence[Absence], request: gr.Request | None) -> str:
    """What was given back, in the reader's language; a picture that is not here is named by its place and size."""
    if not absent:
        return spoken("Settings restored.", request)
    if [a.setting.name for a in absent] == ["content"]:
        text = spoken("Settings restored; the photograph ({} x {}) is not here: choose it.", request)
        return text.format(absent[0].width, absent[0].height)
    names = ", ".join(f"{spoken(a.setting.label, request)} ({a.width} x {a.height})" for a in absent)
    return spoken("Settings restored; these pictures are not here: {}. Choose them.", request).format(names)


def say(absent: Sequence[Absence], request: gr.Request | None) -> str:
    """`sentence`, which also comes up over the page where something is to be chosen."""
    text = sentence(absent, request)
    if absent:
        gr.Warning(text, title="")
    return text
