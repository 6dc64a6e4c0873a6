"""The left side of Compare: pictures, chips for methods, a drawer of settings for each, and the axes of a grid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import gradio as gr

from pipelines.base import Pipeline
from pipelines.compare import CLASSES, SHARED, CompareParams, plan, usual
from pipelines.params import ParamError, Setting, settings
from ui.kit import tab
from ui.kit.form import controls
from ui.kit.form.classes import follow
from ui.kit.form.examples import CONTENT, STYLE
from ui.kit.i18n import declared, t

FIELDS = {s.name: s for s in settings(CompareParams)}


@dataclass(frozen=True)
class Drawer:
    """One method's own settings, and a line for those that have no control here."""

    name: str
    pipeline: Pipeline[Any]
    settings: tuple[Setting, ...]
    inputs: list[Any]
    more: gr.Textbox
    box: gr.Group

    def text(self, given: Sequence[Any]) -> str:
        """`gatys:lbfgs:steps=20`: what was changed, as the command line takes it. `given` ends with the line."""
        found = controls.values(self.settings, given[:-1])
        known = {s.name: s for s in self.settings}
        changed = {k: v for k, v in found.items() if v != known[k].default and v != ""}
        typed = [part.strip() for part in str(given[-1] or "").split(",") if part.strip()]
        if any("=" not in part for part in typed):
            raise ParamError(f"More settings of {self.name} are {given[-1]!r}: write them as steps=20, seed=3.")
        pairs = [part.partition("=") for part in typed]
        return plan.written(self.name, {**changed, **{k.strip(): v.strip() for k, _, v in pairs}})

    def fill(self, values: Mapping[str, Any], meant: bool) -> list[Any]:
        """Values of the components, for the settings that a plan names; they stay where it is not `meant`."""
        if not meant:
            return [gr.skip()] * (len(self.inputs) + 1)
        variant = plan.variant_of(self.pipeline)
        own = {s.name for s in self.settings} | ({variant.name} if variant else set())
        more = ", ".join(f"{k}={v}" for k, v in values.items() if k not in own)
        return [*(controls.shown(s, _typed(s, values.get(s.name, s.default))) for s in self.settings), more]


def _typed(setting: Setting, value: Any) -> Any:
    """A value from a plan's text as its component takes it."""
    if not isinstance(value, str) or setting.kind not in {"int", "float", "bool"}:
        return value
    return value.lower() in {"true", "1"} if setting.kind == "bool" else float(value)


@dataclass(frozen=True)
class Chips:
    """A row of methods or variants to choose from."""

    kind: str
    offers: tuple[str, ...]
    group: gr.CheckboxGroup


@dataclass(frozen=True)
class Form:
    """All that can be set."""

    mode: gr.Radio
    boxes: dict[str, gr.Column]  # mode -> what only it has
    content: Any
    styles: Any
    chips: list[Chips]
    drawers: list[Drawer]
    common: dict[str, Any]  # name in CompareParams -> component
    table: plan.Table

    @property
    def inputs(self) -> list[Any]:
        """In the order in which `read` takes values and `fill` gives them."""
        own = [c for d in self.drawers for c in (*d.inputs, d.more)]
        rows = [row.group for row in self.chips]
        return [self.mode, self.content, self.styles, *rows, *own, *self.common.values()]

    def read(self, given: Sequence[Any]) -> dict[str, Any]:
        """What the components say, as CompareParams take it. Raises ParamError."""
        values = iter(given)
        mode, content, styles = next(values), next(values), next(values)
        picked = {name for row in self.chips for name in (next(values) or []) if row.kind == mode}
        parts = []
        for drawer in self.drawers:
            own = [next(values) for _ in range(len(drawer.inputs) + 1)]
            if drawer.name in picked:
                parts.append(drawer.text(own))
        found = controls.values([FIELDS[name] for name in self.common], list(values))
        found["methods"] = found.get("methods") or ",".join(parts)
        if not found["methods"]:
            raise ParamError("No method is chosen: choose at least one.")
        if mode == "restyle":
            found.pop("dataset", None)
            paths = [row[0] if isinstance(row, tuple | list) else row for row in styles or []]
            found |= {"content": content, "styles": paths}
        return found

    def fill(self, values: Mapping[str, Any]) -> list[Any]:
        """Values of the components for a plan from a link or a record; `content` and `styles` are files, if any.

        What was chosen in the other mode stays."""
        kinds = "generate" if not values.get("methods") and not values.get("content") else "restyle"
        text = str(values.get("methods") or ",".join(usual(self.table, kinds)))
        found: dict[str, Mapping[str, Any]] = {}
        entries = plan.entries(text, self.table, {})
        for entry in entries:
            variant = plan.variant_of(entry.pipeline)
            value = entry.values.get(variant.name, variant.default) if variant else None
            found[f"{entry.pipeline.name}:{value}" if variant else entry.pipeline.name] = entry.values
        mode = plan.kind_of(self.table[next(iter(found)).partition(":")[0]]) or "restyle"
        own = [v for d in self.drawers for v in d.fill(found.get(d.name, {}), plan.kind_of(d.pipeline) == mode)]
        chips = [
            [name for name in row.offers if name in found] if row.kind == mode else gr.skip() for row in self.chips
        ]
        twice = {"methods": text if len(entries) > len(found) else ""}  # chips hold a method once
        values = {**values, **twice}
        fields = [FIELDS[name] for name in self.common]
        common = [controls.shown(s, _typed(s, values.get(s.name, s.default))) for s in fields]
        if not values.get("dataset"):
            common[list(self.common).index("dataset")] = gr.skip()  # empty is no choice of the chips
        pictures = [values.get("content") or gr.skip(), values.get("styles") or gr.skip()]
        return [mode, *pictures, *chips, *own, *common]

    def others(self, mode: str, picked: Collection[str]) -> str:
        """The methods of a mode that are not chosen, as a plan."""
        return ",".join(name for row in self.chips if row.kind == mode for name in row.offers if name not in picked)


def build(table: plan.Table) -> Form:
    """Lay out the left column."""
    kinds = [kind for kind in ("restyle", "generate") if any(plan.kind_of(p) == kind for p in table.values())]
    names = {"restyle": t("Restyle a picture"), "generate": t("Generate")}
    mode = gr.Radio(
        [(names[k], k) for k in kinds],
        value=kinds[0],
        show_label=False,
        container=False,
        visible=len(kinds) > 1,
        label=t("Compare"),
        elem_classes="modes",
    )
    chips: list[Chips] = []
    with gr.Column(visible=kinds[0] == "restyle") as restyle:
        with gr.Row():
            content, styles = (picture(name) for name in ("content", "styles"))
        chips += chip_rows(table, "restyle")
        size = controls.page_component(FIELDS["size"])
    common: dict[str, Any] = {"size": size}
    with gr.Column(visible=kinds[0] == "generate") as generate:
        chips += chip_rows(table, "generate")
        common["dataset"] = datasets(table)
        common |= {name: controls.page_component(FIELDS[name]) for name in ("label", "count")}
        follow(common)
    drawers = drawer_rows(table, [name for row in chips for name in row.group.value])
    with gr.Accordion(t("Grid, budget and seed"), open=False):
        common |= {name: controls.page_component(FIELDS[name]) for name in ("x", "y", "seconds", "methods", "seed")}
    boxes = {"restyle": restyle, "generate": generate}
    form = Form(mode, boxes, content, styles, chips, drawers, common, table)
    mode.change(
        lambda chosen: [gr.update(visible=chosen == name) for name in boxes],
        [mode],
        list(boxes.values()),
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return form


def picture(name: str) -> Any:
    """A picture input with its strip of examples, the first filled in."""
    setting, files = FIELDS[name], [str(path) for path in (CONTENT if name == "content" else STYLE)]
    with gr.Column(min_width=200):
        component = controls.page_component(setting, files[:1] if setting.kind == "images" else files[0])
        tab.strip(component, setting, files)
    return component


def chip_rows(table: plan.Table, kind: str) -> list[Chips]:
    """One row a method with variants, and one for all that have none; those that run as they are, are chosen."""
    rows: list[Chips] = []
    alone: dict[str, str] = {}
    here = usual(table, kind)
    for pipeline in (p for p in table.values() if plan.kind_of(p) == kind):
        offers = plan.variants(pipeline)
        if len(offers) > 1:
            rows.append(chip_row(kind, pipeline.title, offers, here))
        else:
            alone |= dict.fromkeys(offers, pipeline.title)
    return [*rows, chip_row(kind, "Others" if rows else "Methods", alone, here)] if alone else rows


def chip_row(kind: str, title: str, offers: Mapping[str, str], here: Collection[str]) -> Chips:
    """A row under its title; `offers`: name in a plan -> what the chip says."""
    choices, chosen = (
        [(declared(text), name) for name, text in offers.items()],
        [name for name in offers if name in here],
    )
    group = gr.CheckboxGroup(choices, value=chosen, label=declared(title), elem_classes="methods")
    return Chips(kind, tuple(offers), group)


def datasets(table: plan.Table) -> gr.Radio:
    """What generators were trained on: every choice that one of them has."""
    fields = [s for p in table.values() for s in settings(p.params) if s.name == "dataset"]
    choices = list(dict.fromkeys(choice for s in fields for choice in s.choices))
    first = choices[0] if choices else ""
    return gr.Radio([(declared(c), c) for c in choices], value=first, label=t("Data"), info=t("What it was trained on"))


def drawer_rows(table: plan.Table, chosen: Sequence[str]) -> list[Drawer]:
    """A closed part with the main settings of each chosen method."""
    drawers = []
    with gr.Accordion(t("Settings of each method"), open=False):
        for pipeline in (p for p in table.values() if plan.kind_of(p)):
            taken = {*shared_by(pipeline), pipeline.variants}
            own = [s for s in settings(pipeline.params) if s.name not in taken and not s.advanced]
            own = [s for s in own if s.kind not in {"image", "images"}]
            for name, choice in plan.variants(pipeline).items():
                with gr.Group(visible=name in chosen, elem_classes="drawer") as box:
                    with gr.Row(elem_classes="drawer-name"):
                        gr.Markdown(declared(pipeline.title), container=False)
                        if choice:
                            gr.Markdown(declared(choice), container=False)
                    with gr.Row():
                        inputs = [controls.page_component(s) for s in own]
                    more = gr.Textbox(
                        label=t("More settings"),
                        placeholder="tv_weight=3, seed=1",
                        max_lines=1,
                        info=t("Any other setting by its name on the command line, by comma"),
                    )
                drawers.append(Drawer(name, pipeline, tuple(own), inputs, more, box))
    return drawers


def shared_by(pipeline: Pipeline[Any]) -> set[str]:
    """The settings of a method that a comparison sets for all."""
    return set(SHARED) - set(CLASSES if plan.kind_of(pipeline) == "restyle" else ())


def written(values: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The query string of a link that fills the form like this; `pictures` are names of examples."""
    plain = {k: v for k, v in values.items() if k in FIELDS and k not in {"content", "styles"}}
    kept = {k: v for k, v in plain.items() if v != FIELDS[k].default}
    return "?" + "&".join(f"{k}={quote(str(v), safe=',:.|')}" for k, v in {**kept, **pictures}.items())
