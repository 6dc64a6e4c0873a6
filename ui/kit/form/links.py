"""A link that opens a method's tab with the settings of a result; pictures are not in it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import gradio as gr
import PIL.Image

from pipelines.base import Pipeline
from pipelines.params import Params, parse, settings
from ui.kit.form.controls import shown
from ui.kit.i18n import spoken

PICTURES = {"image", "images"}


@dataclass(frozen=True)
class Target:
    """Where the settings of a link go: the line that says so, a form's components, and what makes their values of the
    settings ([]: it has no use for them); it raises ParamError."""

    status: gr.HTML
    inputs: list[Any]
    values: Callable[[Mapping[str, str]], list[Any]]


def link(pipeline: Pipeline[Any], params: Mapping[str, Any], request: gr.Request | None) -> str:
    """An anchor for the settings in a record that are not the defaults."""
    known = [s for s in settings(pipeline.params) if s.kind not in PICTURES and params.get(s.name) is not None]
    changed = {s.name: shown(s, params[s.name]) for s in known if params[s.name] != s.default}
    pictures = any(params.get(s.name) for s in settings(pipeline.params) if s.kind in PICTURES)
    return anchor({"tab": pipeline.name, **changed}, pictures, request)


def anchor(query: Mapping[str, Any], pictures: bool, request: gr.Request | None) -> str:
    """An anchor for a query; `pictures`: it lacks some that went in."""
    text = spoken("Link to these settings, without the pictures" if pictures else "Link to these settings", request)
    return f'<a href="{html.escape("?" + urlencode(query, quote_via=quote, safe=",:.|"))}">{text}</a>'


def parsed(pipeline: Pipeline[Any], query: Mapping[str, str]) -> Params:
    """The settings of a link, with blank pictures where some are needed.

    Raises:
        ParamError: for a setting that there is none of, or a value that it cannot have.
    """
    known = settings(pipeline.params)
    lists = {s.name for s in known if s.kind == "floats"}
    given: dict[str, Any] = {
        name: text.split(",") if name in lists and text else text for name, text in query.items() if text
    }
    blank = PIL.Image.new("RGB", (64, 64))
    stand_in = {s.name: blank if s.kind == "image" else [blank] for s in known if s.kind in PICTURES and s.required}
    params: Params = parse(pipeline.params, {**given, **stand_in})
    return params


def read(pipeline: Pipeline[Any], query: Mapping[str, str]) -> list[Any]:
    """What the components of all settings show by the query of a link; pictures stay as they are. Raises ParamError."""
    params, known = parsed(pipeline, query), settings(pipeline.params)
    return [gr.skip() if s.kind in PICTURES else shown(s, getattr(params, s.name)) for s in known]
