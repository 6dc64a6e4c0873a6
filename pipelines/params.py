"""A method's parameters, declared once: the form, the flags, the API's schema and the record are derived from them."""

from __future__ import annotations

import reprlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import PIL.Image
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from models.hub import path_of
from pipelines import images

MOST_SEED = 2**31 - 1
MOST_LETTERS = 8000  # of a text that has no length of its own


class ParamError(ValueError):
    """A setting that cannot be used; the text is one sentence that says which, why, and what to do."""


Image = Annotated[
    PIL.Image.Image,
    BeforeValidator(images.load),
    PlainSerializer(images.describe),
    WithJsonSchema({"type": "string", "format": "path", "description": "a picture file"}),
]
"""A picture: given as a path, bytes or PIL image; held as upright sRGB; recorded as size and sha256 of its pixels."""


def drawn(value: Any) -> Any:
    """A random seed for -1, as a number or as text; any other value as it is."""
    return secrets.randbelow(MOST_SEED + 1) if value == -1 or value == "-1" else value


Seed = Annotated[int, BeforeValidator(drawn)]
"""Where the random numbers start: 0 to MOST_SEED; -1 draws one, which the record then names."""


def file_name(text: str) -> str:
    """Of the path of a file its name alone: where it lies on this machine is in no record."""
    path = path_of(text.strip())
    return path.name if path is not None and path.is_file() else text


NamedFile = Annotated[str, PlainSerializer(file_name, when_used="json")]
"""A file of this machine, or what else a text may name; recorded by its name alone."""


def param(
    default: Any = ...,
    *,
    label: str,
    description: str,
    detail: str = "",
    advanced: bool = False,
    when: Mapping[str, Sequence[str]] | None = None,
    suffix: str = "",
    ge: float | None = None,
    le: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
) -> Any:
    """Declare one parameter.

    Args:
        default: the value when none is given; leave it out for a required one.
        label: what the page calls it: its effect, in two or three words.
        description: what it does to the picture, in one sentence, with its unit.
        detail: what only the command line and the API tell as well; the page shows it by its components.
        advanced: kept in the closed part of the form.
        when: settings -> their values with which it matters, or none: any but an empty one. The form has it there then
            alone.
        suffix: of the file that a text may name: the form has an upload for it.
        ge: smallest value.
        le: largest value.
        min_length: fewest items of a list.
        max_length: most items of a list, or letters of a text.
    """
    return Field(
        default,
        title=label,
        description=description,
        ge=ge,
        le=le,
        min_length=min_length,
        max_length=max_length,
        json_schema_extra=cast(Any, {"advanced": advanced, "detail": detail, "when": when or {}, "suffix": suffix}),
    )


def own_weights() -> Any:
    """The setting for a network of one's own in the place of the bundled one."""
    return param(
        "",
        label="Network of your own",
        description="A .safetensors file that Train made; empty: the bundled one",
        max_length=600,
        advanced=True,
        suffix=".safetensors",
    )


class Params(BaseModel):
    """Base of every method's parameters: frozen, unknown names refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False, str_max_length=MOST_LETTERS
    )


def parse(kind: type[Params], values: Mapping[str, Any]) -> Any:
    """Check `values` against a method's parameters.

    Returns:
        An instance of `kind`.

    Raises:
        ParamError: with one sentence about the first value that does not fit.
    """
    for name, value in values.items():
        if isinstance(value, str) and not value.isascii() and any(0xD800 <= ord(letter) < 0xE000 for letter in value):
            raise ParamError(f"{name} holds half a character: type it again.")
    try:
        return kind(**values)
    except ValidationError as error:
        raise ParamError(_sentence(kind, error.errors()[0])) from error


def _sentence(kind: type[Params], error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"])
    value, what, limits = error.get("input"), error["type"], error.get("ctx", {})
    quoted = reprlib.repr(value)
    if what == "extra_forbidden":
        return f"There is no setting named {name}: use one of {', '.join(kind.model_fields)}."
    if what == "missing" or value is None:
        return f"{name} is missing: {_first(kind, error).description}."
    if isinstance(limits.get("error"), ValueError):
        return f"{name}: {limits['error']}"
    if what in {"too_short", "too_long"}:
        return f"{name} has {limits['actual_length']} items: give {_bounds(_first(kind, error), 'length')}."
    if what == "string_too_long":
        return f"{name} has {len(value)} letters: give at most {limits['max_length']}."
    if what == "literal_error":
        if len(get_args(_first(kind, error).annotation)) == 1:
            return f"{name} is {quoted}: {limits['expected']} is the only one here."
        return f"{name} is {quoted}: choose one of {limits['expected']}."
    bounds = _bounds(_first(kind, error), "value")
    return f"{name} is {quoted}: {error['msg'].lower()}" + (f" (allowed: {bounds})." if bounds else ".")


def _first(kind: type[Params], error: Any) -> FieldInfo:
    return kind.model_fields[str(error["loc"][0])]


def _bounds(info: FieldInfo, of: str) -> str:
    low, high = limits(info, of)
    low = 0 if low is None and of == "length" else low
    return span(low, high) if low is not None and high is not None else ""


def span(low: float, high: float) -> str:
    """`0.25 to 2.5`, `0 to 2147483647`: never in powers of ten."""
    return f"{low:.10g} to {high:.10g}"


def limits(info: FieldInfo, of: str = "value") -> tuple[float | None, float | None]:
    """Smallest and largest value (`of="value"`) or number of items (`of="length"`) of a field; None where open."""
    names = ("ge", "le") if of == "value" else ("min_length", "max_length")
    bounds = {n: getattr(m, n) for m in info.metadata for n in names if hasattr(m, n)}
    return bounds.get(names[0]), bounds.get(names[1])


@dataclass(frozen=True)
class Setting:
    """One field, as the form, the command line and the API need it."""

    name: str
    label: str
    description: str
    kind: Literal["image", "images", "choice", "bool", "int", "float", "text", "floats"]
    default: Any  # None for a required one
    required: bool
    advanced: bool
    low: float | None
    high: float | None
    choices: tuple[str, ...] = ()
    detail: str = ""
    letters: int | None = None  # most of a text
    when: Mapping[str, Sequence[str]] = field(default_factory=dict)
    suffix: str = ""

    def matters(self, values: Mapping[str, Any]) -> bool:
        """Whether it does anything with these values of the other settings."""
        return all(values[name] in those if those else bool(values[name]) for name, those in self.when.items())

    @property
    def help(self) -> str:
        """Description with range and default, for --help and the API (whose schema drops falsy defaults)."""
        limits = f"; {span(self.low, self.high)}" if self.low is not None and self.high is not None else ""
        default = (
            "required" if self.required else f"default {self.default if self.default not in ('', [], ()) else 'none'}"
        )
        sentences = ". ".join(filter(None, (self.description, self.detail)))
        return f"{sentences} ({default}{limits})"


def settings(kind: type[Params]) -> tuple[Setting, ...]:
    """The fields of a method in the order they are declared."""
    return tuple(_setting(name, info) for name, info in kind.model_fields.items())


def _setting(name: str, info: FieldInfo) -> Setting:
    low, high = limits(info)
    longest = limits(info, "length")[1]
    required = info.default is PydanticUndefined and info.default_factory is None
    extra: dict[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    what, choices = _kind(info.annotation)
    if PIL.Image.Image in (info.annotation, *get_args(info.annotation)) and what == "text":
        what = "image"
    return Setting(
        name=name,
        label=info.title or name,
        description=info.description or "",
        kind=what,
        default=None if required else info.get_default(call_default_factory=True),
        required=required,
        advanced=bool(extra.get("advanced")),
        low=low,
        high=high,
        choices=choices,
        detail=extra.get("detail", ""),
        letters=int(longest or MOST_LETTERS) if what == "text" else None,
        when=extra.get("when", {}),
        suffix=extra.get("suffix", ""),
    )


def _kind(annotation: Any) -> tuple[Any, tuple[str, ...]]:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "choice", tuple(map(str, args))
    if origin is list:
        inner = _kind(args[0])[0]
        return {"image": "images", "float": "floats"}[inner], ()
    if origin is tuple:  # of values that are given and recorded as text
        return "text", ()
    if origin is Annotated:
        return _kind(args[0])
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return _kind(next(a for a in args if a is not type(None)))
    kinds = {PIL.Image.Image: "image", bool: "bool", int: "int", float: "float", str: "text"}
    return kinds[annotation], ()


def shares(weights: Sequence[float], styles: int) -> list[float]:
    """Share of each style, adding up to 1; no weights: all the same. Raises ParamError when they do not fit."""
    if not weights:
        return [1 / styles] * styles
    if len(weights) != styles:
        raise ParamError(f"style_weights has {len(weights)} numbers for {styles} styles: give one for each.")
    if min(weights) < 0 or sum(weights) == 0:
        raise ParamError(f"style_weights are {list(weights)}: give numbers from 0 up, at least one above 0.")
    return [weight / sum(weights) for weight in weights]
