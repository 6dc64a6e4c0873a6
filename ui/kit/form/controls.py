"""Settings as components: one set for the form on the page, one for the API; both derived from the method's Params."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

import gradio as gr

from pipelines.params import ParamError, Setting
from ui.kit.form import previews
from ui.kit.i18n import declared, t

PICTURE: dict[str, Any] = {
    "image_mode": None,
    "type": "filepath",
    "format": "png",
}  # our loader decodes, and PNG keeps the record
SOURCES: list[Literal["upload", "webcam", "clipboard"]] = ["upload", "clipboard", "webcam"]

A_PICTURE: dict[str, Any] = {
    "type": "string",
    "description": "a picture: data:image/png;base64,..., or the path or address that an upload to this server gave",
}  # its own schema refers to definitions that a tool's schema has no place for
ANY, MOST_CHIPS = "any", 20  # of a whole number that may be left out: one chip each


def unopened(picture: gr.Image) -> gr.Image:
    """Have `picture` pass its file on as it came: Gradio would open it first, and its errors are no sentences."""
    opened = picture.preprocess
    picture.preprocess = lambda payload: payload.path if payload and payload.path else opened(payload)  # type: ignore[method-assign]
    return picture


def page_component(setting: Setting, picture: Any = None) -> gr.components.Component:
    """The component a visitor sees; `picture` is what a picture input is filled with at first."""
    label, info = declared(setting.label), declared(setting.description)
    match setting.kind:
        case "image":
            photo = gr.Image(
                picture,
                label=label,
                sources=SOURCES,
                interactive=True,
                height=160,
                buttons=[],
                **PICTURE,
            )
            return previews.of_image(unopened(photo))
        case "images":
            gallery = gr.Gallery(
                picture,
                label=label,
                type="filepath",
                sources=SOURCES,
                interactive=True,
                columns=2,
                height=160,
                object_fit="cover",
                format="png",
                file_types=["image", *previews.SUFFIXES],
                buttons=[],
                fit_columns=False,
                elem_id=f"{setting.name}-gallery",
            )
            return previews.of_gallery(gallery)
        case "choice":
            choices = [(declared(choice), choice) for choice in setting.choices]
            if len(choices) <= 3:
                return gr.Radio(choices, value=setting.default, label=label, info=info, min_width=190)
            return gr.Dropdown(choices, value=setting.default, label=label, info=info, min_width=190)
        case "bool":
            return gr.Checkbox(setting.default, label=label, info=info, elem_classes="tick")
        case "int" | "float":
            return number_component(setting, label, info)
        case "text" | "floats":
            text = shown(setting, setting.default)
            return gr.Textbox(text, label=label, info=info, max_lines=1, max_length=setting.letters)


def is_chips(setting: Setting) -> bool:
    """Whether a setting is a row of chips: a whole number of a short range that may be left out."""
    low, high = setting.low, setting.high
    short = low is not None and high is not None and high - low <= MOST_CHIPS
    return setting.kind == "int" and setting.default is None and short


def shown(setting: Setting, value: Any) -> Any:
    """A setting's value as its component holds it; pictures aside."""
    if is_chips(setting):
        return ANY if value is None else str(value)
    return ", ".join(map(str, value or [])) if setting.kind == "floats" else value


def number_component(setting: Setting, label: Any, info: Any) -> gr.components.Component:
    """A slider where the range is short enough to drag through, else a number."""
    low, high, whole = setting.low, setting.high, setting.kind == "int"
    if is_chips(setting):
        numbers = map(str, range(int(low or 0), int(high or 0) + 1))
        chips: list[Any] = [(t("any"), ANY), *((n, n) for n in numbers)]
        return gr.Radio(chips, value=ANY, label=label, info=info, elem_classes="chips", min_width=190)
    wide = low is None or high is None or high - low > (1e6 if whole else 100)
    if low is None or high is None or wide or setting.default is None:  # a slider cannot be empty
        bounds: dict[str, Any] = {"minimum": low, "maximum": high, "precision": 0 if whole else None}
        return gr.Number(setting.default, label=label, info=info, min_width=190, **bounds)
    step = 1.0 if whole else 0.01 if high - low <= 10 else 0.1
    return gr.Slider(low, high, setting.default, step=step, label=label, info=info, buttons=[], min_width=190)


def untouched(component: gr.components.Component) -> gr.components.Component:
    """Have `component` pass its value on as it came: Gradio's own would turn 7 into "7" without a word."""
    component.preprocess = lambda payload: payload  # type: ignore[method-assign]
    return component


def api_component(setting: Setting) -> gr.components.Component:
    """The invisible component behind one named input of the endpoint: it passes values on as they came (files checked
    by ui/trust.py), so that `typed` and the method's Params say what is wrong with them."""
    name, default = setting.name, setting.default
    match setting.kind:
        case "image":
            return described(unopened(gr.Image(label=name, **PICTURE)), A_PICTURE)
        case "images":
            files = gr.File(label=name, file_count="multiple", type="filepath")
            return described(files, {"type": "array", "items": A_PICTURE})
        case "choice":
            return untouched(gr.Radio(list(setting.choices), value=default, label=name))
        case "bool":
            return untouched(gr.Checkbox(default, label=name))
        case "int" | "float":
            return untouched(gr.Number(default, label=name, precision=0 if setting.kind == "int" else None))
        case "floats":
            numbers = gr.JSON(default, label=name)
            return described(numbers, {"type": "array", "items": {"type": "number"}})
        case "text":
            return untouched(gr.Textbox(default, label=name))


def described(component: gr.components.Component, schema: dict[str, Any]) -> gr.components.Component:
    """Have `component` say to callers that it takes `schema`."""
    component.api_info = lambda: schema  # type: ignore[method-assign]
    return component


KINDS: dict[str, tuple[tuple[type, ...], str]] = {  # what each kind is in JSON, and in words
    "image": ((str,), "a picture"),
    "images": ((list,), "a list of pictures"),
    "choice": ((str,), "a text"),
    "bool": ((bool,), "true or false"),
    "int": ((int, float), "a whole number"),
    "float": ((int, float), "a number"),
    "text": ((str,), "a text"),
    "floats": ((list,), "a list of numbers"),
}


def typed(settings: Sequence[Setting], given: Sequence[Any]) -> dict[str, Any]:
    """What a program sent, as Params take it: what is null is left out, and no value is turned into another kind.

    Raises:
        ParamError: for a value of another kind than the setting's: "7" and true are no numbers; 7.0 is a whole one.
    """
    found = {}
    for setting, value in zip(settings, given, strict=True):
        if value is None:
            continue
        types, words = KINDS[setting.kind]
        items = value if setting.kind == "floats" and isinstance(value, list) else []
        fits = isinstance(value, types) and (setting.kind == "bool" or not isinstance(value, bool))
        if not fits or not all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
            raise ParamError(f"{setting.name} is {json.dumps(value)[:80]}: it must be {words}.")
        found[setting.name] = value
    return found


def values(settings: Sequence[Setting], given: Sequence[Any]) -> dict[str, Any]:
    """What components sent, as Params take it: empty ones are left out, gallery rows and comma lists are unpacked.

    Raises:
        ParamError: for a comma list that is not made of numbers.
    """
    found = {}
    for setting, value in zip(settings, given, strict=True):
        if setting.kind == "images" and isinstance(value, list):
            value = [row[0] if isinstance(row, tuple | list) else row for row in value]
        elif setting.kind == "floats" and isinstance(value, str):
            try:
                value = [float(part) for part in value.split(",") if part.strip()]
            except ValueError:
                raise ParamError(f"{setting.name} is {value!r}: give numbers separated by commas.") from None
        low, high = setting.low, setting.high
        if value is None and setting.default is not None and low is not None and high is not None:
            raise ParamError(f"{setting.name} is empty: give a number from {low:.10g} to {high:.10g}.")
        if value is not None and not (setting.kind == "int" and value == ANY):
            found[setting.name] = value
    return found


_TYPES: dict[str, Any] = {
    "image": str,
    "images": list[str],
    "choice": str,
    "bool": bool,
    "int": int,
    "float": float,
    "text": str,
    "floats": list[float],
}


def named(function: Callable[..., Any], name: str, description: str, settings: Sequence[Setting]) -> Callable[..., Any]:
    """Give `function(request, *values)` the name, signature and docstring that the API and the MCP tool come from."""
    parameters = [
        inspect.Parameter(
            s.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=_TYPES[s.kind],
            default=inspect.Parameter.empty if s.required else s.default or None if s.kind == "images" else s.default,
        )
        for s in sorted(settings, key=lambda s: not s.required)
    ]
    assert [p.name for p in parameters] == [s.name for s in settings]  # required settings are declared first
    function.__name__ = name
    asker = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
    function.__signature__ = inspect.Signature([asker, *parameters])  # type: ignore[attr-defined]
    lines = "\n".join(f"    {s.name}: {s.help}" for s in settings)
    function.__doc__ = f"{description}\n\nArgs:\n{lines}\n"
    return function
