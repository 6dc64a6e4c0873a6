"""What to compare, as a person types it: `gatys:lbfgs,stylize:magenta` and axes such as `strength=0..1x5`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticKnownError

from pipelines.base import Pipeline
from pipelines.params import MOST_LETTERS, ParamError, Setting, file_name, settings

Table = Mapping[str, Pipeline[Any]]
MOST_CELLS = 64
MOST_VALUES = 16
Heads = tuple[tuple[str, ...], tuple[str, ...]] | None  # labels of the columns and rows of a grid


@dataclass(frozen=True)
class Choice:
    """A method to compare. words: values whose settings are plain from them, such as lbfgs; settings: its others."""

    method: str
    words: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """`gatys:lbfgs:steps=20`."""
        return self._text(str)

    @property
    def name(self) -> str:
        """The same for others to read: a file of this machine by its name alone."""
        return self._text(file_name)

    def _text(self, worded: Callable[[str], str]) -> str:
        pairs = (
            (k, "|".join(map(str, v)) if isinstance(v, list | tuple) else worded(str(v)))
            for k, v in self.settings.items()
        )
        return ":".join([self.method, *self.words, *(f"{k}={quote(v, safe=' |.-_/')}" for k, v in pairs)])


@dataclass(frozen=True)
class Entry:
    """One method with its settings; `at` is its row and column in an X/Y grid."""

    name: str
    pipeline: Pipeline[Any]
    values: Mapping[str, Any]
    at: tuple[int, int] | None = None

    @property
    def own(self) -> dict[str, Any]:
        """Those of `values` that the method can take."""
        return self.pipeline.suited(self.values) if self.pipeline.suited else dict(self.values)


def variant_of(pipeline: Pipeline[Any]) -> Setting | None:
    """The choice whose values are columns of their own, where a method has one."""
    return next((s for s in settings(pipeline.params) if s.name == pipeline.variants), None)


def variants(pipeline: Pipeline[Any]) -> dict[str, str]:
    """What a method offers for comparison: name (`gatys:lbfgs`) -> the variant's value; its own name if it has one
    only."""
    setting = variant_of(pipeline)
    return {f"{pipeline.name}:{c}": c for c in setting.choices} if setting else {pipeline.name: ""}


def kind_of(pipeline: Pipeline[Any]) -> Literal["restyle", "generate", ""]:
    """What a method can be compared in: restyling a picture, making one of a class, or neither."""
    fields = set(pipeline.params.model_fields)
    return "restyle" if {"content", "styles"} <= fields else "generate" if {"dataset", "count"} <= fields else ""


def comparable(pipeline: Pipeline[Any], params: Mapping[str, Any]) -> bool:
    """Whether a result can stand in a comparison: one that restyled a content, or that shows pictures of a class and
    began with none of one's own. `params`: its recorded settings."""
    kind, fields = kind_of(pipeline), settings(pipeline.params)
    own = any(params.get(s.name) for s in fields if s.kind == "image" and s.name != "content")
    usual = all(params.get(s.name, s.default) == s.default for s in fields if s.name == "view")
    return bool(kind) and usual and not own and (kind == "generate" or bool(params.get("content")))


def read(text: Any) -> Any:
    """`gatys:lbfgs:steps=20,stylize:magenta` as choices; what is no text stays as it is.

    Methods by comma; after each, by colon, `setting=value` or a value alone that only one choice has. %2C, %3A and so
    on stand for a comma, a colon in a value; `|` separates the numbers of a list.
    """
    if not isinstance(text, str):
        return text
    if len(text) > MOST_LETTERS:
        raise PydanticKnownError("string_too_long", {"max_length": MOST_LETTERS})
    choices = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, *words = map(str.strip, part.split(":"))
        pairs = [word.partition("=") for word in words if "=" in word]
        own = {key.strip().replace("-", "_"): unquote(value.strip()) for key, _, value in pairs}
        choices.append(Choice(name, tuple(word for word in words if word and "=" not in word), own))
    return tuple(choices)


def write(choices: Sequence[Choice]) -> str:
    """The text that `read` reads."""
    return ",".join(map(str, choices))


def recorded(choices: Sequence[Choice]) -> str:
    """The text that a record keeps."""
    return ",".join(choice.name for choice in choices)


Choices = Annotated[
    tuple[Choice, ...], BeforeValidator(read), PlainSerializer(recorded), WithJsonSchema({"type": "string"})
]
"""Methods to compare: given and recorded as text, held as values."""


def entries(choices: str | Sequence[Choice], table: Table, shared: Mapping[str, Any]) -> list[Entry]:
    """The methods that are chosen, each with its settings.

    Args:
        choices: as values, or as text.
        table: the methods there are.
        shared: settings for all; each method takes those it knows.

    Raises:
        ParamError: for a method or a value that is not there.
    """
    rows = []
    for choice in read(choices):
        if choice.method not in table:
            raise ParamError(f"There is no method named {choice.method}: use one of {', '.join(table)}.")
        pipeline = table[choice.method]
        fields = {s.name: s for s in settings(pipeline.params)}
        values = {key: value for key, value in shared.items() if key in fields and value not in (None, "", [])}
        values |= {setting_of(pipeline, word): word for word in choice.words}
        values |= {key: typed(fields.get(key), value) for key, value in choice.settings.items()}
        rows.append(Entry(choice.name, pipeline, values))
    if not rows:
        raise ParamError(f"methods names none: use one or more of {', '.join(table)}, by comma.")
    return rows


def typed(setting: Setting | None, value: Any) -> Any:
    """A value from text as its setting holds it; what cannot be read stays, and the method says what is wrong."""
    kind = setting.kind if setting and isinstance(value, str) else "text"
    with suppress(ValueError):
        if kind == "floats":
            return [float(part) for part in value.split("|")]
        if kind in {"int", "float", "bool"}:
            return json.loads(value.lower())
    return value


def setting_of(pipeline: Pipeline[Any], word: str) -> str:
    """The setting that has the choice `word`, the method's own columns first."""
    order = sorted(settings(pipeline.params), key=lambda s: s.name != pipeline.variants)
    for setting in order:
        if word in setting.choices:
            return setting.name
    variant = variant_of(pipeline)
    offers = ", ".join(variant.choices) if variant else "setting=value"
    raise ParamError(f"{pipeline.name} has no choice {word}: use one of {offers}, or setting=value.")


def axis(text: str, pipeline: Pipeline[Any]) -> dict[str, dict[str, Any]]:
    """Read `strength=0.2,0.5,0.8` or `strength=0..1x5` (five values from 0 to 1): label -> setting and value.

    Raises:
        ParamError: when it is neither, or names no setting of the method.
    """
    name, sign, listed = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    fields = {s.name: s for s in settings(pipeline.params)}
    if name not in fields:
        raise ParamError(f"There is no setting named {name}: use one of {', '.join(fields)}.")
    values = span(listed, fields[name].kind == "int") if ".." in listed else listed.split(",")
    values = [value.strip() for value in values if value.strip()]
    if not sign or not values or len(values) > MOST_VALUES:
        raise ParamError(f"The axis {text!r} needs 1 to {MOST_VALUES} values, such as {name}=0.2,0.5,0.8 or 0..1x5.")
    return {f"{name} {value}": {name: typed(fields[name], value)} for value in values}


def span(text: str, whole: bool) -> list[str]:
    """`0..1x5` -> 0, 0.25, 0.5, 0.75, 1; whole numbers are rounded."""
    ends, _, count = text.replace("×", "x").partition("x")
    low, _, high = ends.partition("..")
    try:
        first, last, many = float(low), float(high), int(count or 5)
    except ValueError:
        raise ParamError(f"The range {text!r} cannot be read: write first..last x how many, such as 0..1x5.") from None
    if not 2 <= many <= MOST_VALUES:
        raise ParamError(f"The range {text!r} has {many} values: give 2 to {MOST_VALUES}.")
    steps = [first + (last - first) * i / (many - 1) for i in range(many)]
    return [str(round(v)) if whole else f"{round(v, 6):g}" for v in steps]


def grid(methods: list[Entry], x: str, y: str) -> tuple[list[Entry], Heads]:
    """Spread entries over an X/Y grid; with X alone, each method is a row.

    Returns:
        The cells row by row, and the labels of columns and rows; the entries as they are where no axis is named.
    """
    if not x and not y:
        return methods, None
    if y and len(methods) > 1:
        raise ParamError(f"Two axes take one method, not {len(methods)}: leave Y empty, or name one method.")
    if not x:
        x, y = y, x
    rows: list[tuple[Entry, str, dict[str, Any]]] = [(entry, entry.name, {}) for entry in methods]
    if y:
        rows = [(methods[0], label, value) for label, value in axis(y, methods[0].pipeline).items()]
    cells = [
        Entry(
            f"{entry.name} {column}" + (f", {label}" if y else ""),
            entry.pipeline,
            {**entry.values, **own, **value},
            (r, c),
        )
        for r, (entry, label, own) in enumerate(rows)
        for c, (column, value) in enumerate(axis(x, entry.pipeline).items())
    ]
    if len(cells) > MOST_CELLS:
        raise ParamError(f"That is {len(cells)} pictures: at most {MOST_CELLS} fit a grid.")
    return cells, (tuple(axis(x, methods[0].pipeline)), tuple(label for _, label, _ in rows))
