"""The axes of Compare's grid: a setting from a menu, and the values that it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from pipelines.base import Pipeline
from pipelines.compare import CompareParams, plan
from pipelines.params import Setting, settings
from ui.kit.i18n import declared, in_words, t
from ui.kit.session import QUICK
from ui.words import ENGLISH

FIELDS = {s.name: s for s in settings(CompareParams)}


@dataclass(frozen=True)
class Axis:
    """A setting from a menu, and the values that a grid gives it."""

    menu: gr.Dropdown
    values: gr.Dropdown

    @staticmethod
    def text(name: str | None, values: Sequence[str] | None) -> str:
        """As a plan takes it."""
        return f"{name}={','.join(values or [])}" if name else ""

    @staticmethod
    def fill(text: str, pipeline: Pipeline[Any]) -> list[Any]:
        """Values of both components. Raises ParamError."""
        labels = plan.axis(text, pipeline) if text else {}
        return [text.partition("=")[0].strip().replace("-", "_"), [label.partition(" ")[2] for label in labels]]


def axis_row(setting: Setting) -> Axis:
    """A menu of settings, which the methods fill, and chips for values."""
    label, none = declared(setting.label), (t("none"), "")
    with gr.Row():
        info = declared(setting.description) if setting.name == "y" else None
        menu = gr.Dropdown([none], value="", label=label, info=info, allow_custom_value=True, min_width=180)
        values = gr.Dropdown(
            [], value=[], label=t("Values"), multiselect=True, allow_custom_value=True, min_width=190, scale=2
        )
    return Axis(menu, values)


def begin(axis: Axis, inputs: Sequence[Any], pipelines: Callable[[Sequence[Any]], Sequence[Pipeline[Any]]]) -> None:
    """Have a setting that is chosen bring values to begin with. `pipelines`: the methods that `inputs` choose."""

    def suggest(request: gr.Request, *given: Any) -> Any:
        setting = next((s for s in variable(pipelines(given[:-1])) if s.name == given[-1]), None)
        values = usual_values(setting) if setting else []
        return gr.update(choices=[(worded(value, request), value) for value in values], value=values)

    axis.menu.input(suggest, [*inputs, axis.menu], [axis.values], **QUICK)


def variable(pipelines: Sequence[Pipeline[Any]]) -> list[Setting]:
    """The settings that all these methods have and whose values can be named, in the range that all of them take."""
    kinds = {"choice", "bool", "int", "float"}
    rows = [{s.name: s for s in settings(p.params) if s.kind in kinds} for p in pipelines]
    columns = [[row[name] for row in rows if name in row] for name in (rows[0] if rows else ())]
    return [narrowed(c) for c in columns if len(c) == len(rows) and len({s.choices for s in c}) == 1]


def narrowed(same: Sequence[Setting]) -> Setting:
    """One setting for several that are called the same: its range is theirs, its default the comparison's."""
    lows, highs = (
        [end for end in ends if end is not None] for ends in zip(*((s.low, s.high) for s in same), strict=True)
    )
    default = FIELDS[same[0].name].default if same[0].name in FIELDS and not same[0].choices else same[0].default
    return replace(same[0], low=max(lows, default=None), high=min(highs, default=None), default=default)


def usual_values(setting: Setting) -> list[str]:
    """Values to begin with: all choices, a unit's ends and middle, else half of the default, itself, and twice it."""
    if setting.kind in {"choice", "bool"}:
        return list(setting.choices) or ["false", "true"]
    low, high, default = setting.low or 0, setting.high, setting.default
    steps = [0, 0.5, 1] if (low, high) == (0, 1) else [default / 2, default, default * 2] if default else [0, 1, 2]
    fitting = dict.fromkeys(min(max(step, low), step if high is None else high) for step in steps)
    return [str(int(step)) if setting.kind == "int" else f"{step:g}" for step in fitting]


def worded(text: str, request: gr.Request | None) -> str:
    """A choice in the reader's words; what was typed may be none, and stays."""
    words = in_words(text, request) if text else ""
    return ENGLISH.get(words, words)
