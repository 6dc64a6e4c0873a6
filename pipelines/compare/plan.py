"""What to compare, as a person types it: `gatys:lbfgs,stylize:magenta` and axes such as `strength=0..1x5`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote

from pipelines.base import Pipeline
from pipelines.params import ParamError, Setting, settings

Table = Mapping[str, Pipeline[Any]]
MOST_CELLS = 64
MOST_VALUES = 16


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


@dataclass(frozen=True)
class Axis:
    """A setting and the values it takes along one side of a grid."""

    name: str
    values: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """`strength 0.5` for each value."""
        return tuple(f"{self.name} {value}" for value in self.values)


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
    kind, known = kind_of(pipeline), settings(pipeline.params)
    own = any(params.get(s.name) for s in known if s.kind == "image" and s.name != "content")
    usual = all(params.get(s.name, s.default) == s.default for s in known if s.name == "view")
    return bool(kind) and usual and not own and (kind == "generate" or bool(params.get("content")))


def entries(text: str, table: Table, shared: Mapping[str, Any]) -> list[Entry]:
    """Read `gatys:lbfgs:steps=20,stylize:magenta`.

    Args:
        text: methods by comma; after each, by colon, `setting=value` or a value alone that only one choice has.
            %2C, %3A and so on stand for a comma, a colon in a value; `|` separates the numbers of a list.
        table: the methods there are.
        shared: settings for all; each method takes those it knows.

    Raises:
        ParamError: for a method or a value that is not there.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, *words = (word.strip() for word in part.split(":"))
        if name not in table:
            raise ParamError(f"There is no method named {name}: use one of {', '.join(table)}.")
        pipeline = table[name]
        known = {s.name: s for s in settings(pipeline.params)}
        values = {key: value for key, value in shared.items() if key in known and value not in (None, "", [])}
        for word in filter(None, words):
            key, value = setting_of(pipeline, known, word)
            many = key in known and known[key].kind == "floats"
            values[key] = value.split("|") if many else value
        found.append(Entry(part, pipeline, values))
    if not found:
        raise ParamError(f"methods names none: use one or more of {', '.join(table)}, by comma.")
    return found


def setting_of(pipeline: Pipeline[Any], known: Mapping[str, Setting], word: str) -> tuple[str, str]:
    """`steps=20` -> (steps, 20); `lbfgs` -> (optimizer, lbfgs), the method's own columns first."""
    if "=" in word:
        key, _, value = word.partition("=")
        return key.strip().replace("-", "_"), unquote(value.strip())
    order = sorted(known.values(), key=lambda s: s.name != pipeline.variants)
    for setting in order:
        if word in setting.choices:
            return setting.name, word
    variant = variant_of(pipeline)
    offers = ", ".join(variant.choices) if variant else "setting=value"
    raise ParamError(f"{pipeline.name} has no choice {word}: use one of {offers}, or setting=value.")


def written(name: str, values: Mapping[str, Any]) -> str:
    """The text that `entries` reads back: `gatys:lbfgs` and changed settings."""
    parts = [name]
    for key, value in values.items():
        text = "|".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        parts.append(f"{key}={quote(text, safe=' |.-_')}")
    return ":".join(parts)


def axis(text: str, pipeline: Pipeline[Any]) -> Axis:
    """Read `strength=0.2,0.5,0.8` or `strength=0..1x5` (five values from 0 to 1).

    Raises:
        ParamError: when it is neither, or names no setting of the method.
    """
    name, sign, listed = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    known = {s.name: s for s in settings(pipeline.params)}
    if name not in known:
        raise ParamError(f"There is no setting named {name}: use one of {', '.join(known)}.")
    values = ranged(listed, known[name].kind == "int") if ".." in listed else listed.split(",")
    values = list(dict.fromkeys(v.strip() for v in values if v.strip()))
    if not sign or not values or len(values) > MOST_VALUES:
        raise ParamError(f"The axis {text!r} needs 1 to {MOST_VALUES} values, such as {name}=0.2,0.5,0.8 or 0..1x5.")
    return Axis(name, tuple(values))


def ranged(text: str, whole: bool) -> list[str]:
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


def grid(found: list[Entry], x: str, y: str) -> tuple[list[Entry], tuple[tuple[str, ...], tuple[str, ...]] | None]:
    """Spread entries over an X/Y grid; with X alone, each method is a row.

    Returns:
        The cells row by row, and the labels of columns and rows; the entries as they are where no axis is named.
    """
    if not x and not y:
        return found, None
    if y and len(found) > 1:
        raise ParamError(f"Two axes take one method, not {len(found)}: leave Y empty, or name one method.")
    if not x:
        x, y = y, x
    across = [axis(x, entry.pipeline) for entry in found]
    down = axis(y, found[0].pipeline) if y else None
    rows: list[tuple[Entry, dict[str, str], str]] = [(entry, {}, entry.name) for entry in found]
    if down:
        rows = [(found[0], {down.name: v}, label) for v, label in zip(down.values, down.labels, strict=True)]
    if len(rows) * len(across[0].values) > MOST_CELLS:
        raise ParamError(f"That is {len(rows) * len(across[0].values)} pictures: at most {MOST_CELLS} fit a grid.")
    cells = [
        Entry(
            f"{entry.name} {column}" + (f", {label}" if down else ""),
            entry.pipeline,
            {**entry.values, **extra, across[0].name: value},
            (r, c),
        )
        for r, (entry, extra, label) in enumerate(rows)
        for c, (value, column) in enumerate(zip(across[0].values, across[0].labels, strict=True))
    ]
    return cells, (across[0].labels, tuple(label for _, _, label in rows))
