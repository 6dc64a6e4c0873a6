"""The left side of Compare: pictures, chips for methods, and a fold of settings for each; axes.py has a grid's axes.

What it says is also in a link, and in the record of every picture; both fill it again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from pipelines import images
from pipelines.base import Pipeline
from pipelines.compare import CLASSES, SHARED, CompareParams, plan, usual
from pipelines.compare.plan import Choice
from pipelines.params import ParamError, Setting, parse, settings
from pipelines.record import Record
from ui.kit import tab
from ui.kit.form import controls, links, replay
from ui.kit.form.classes import follow
from ui.kit.form.examples import CONTENT, STYLE
from ui.kit.i18n import declared, t
from ui.kit.session import QUICK
from ui.tabs.compare.axes import FIELDS, Axis, axis_row, begin, variable

NUMBERS = {"int", "float", "bool"}


@dataclass(frozen=True)
class Drawer:
    """One method's own settings, and a line for those that have no control here."""

    name: str
    pipeline: Pipeline[Any]
    settings: tuple[Setting, ...]
    inputs: list[Any]
    more: gr.Textbox
    box: gr.Accordion

    def choice(self, inputs: Sequence[Any]) -> Choice:
        """The method with what was changed. `inputs` ends with the line."""
        values = controls.values(self.settings, inputs[:-1])
        changed = {s.name: values[s.name] for s in self.settings if values.get(s.name, "") not in (s.default, "")}
        typed = [part.partition("=") for part in str(inputs[-1] or "").split(",") if part.strip()]
        if any(not sign for _, sign, _ in typed):
            raise ParamError(f"More settings of {self.name} are {inputs[-1]!r}: write them as steps=20, seed=3.")
        method, *words = self.name.split(":")
        more = {name.strip().replace("-", "_"): value.strip() for name, _, value in typed}
        return Choice(method, tuple(words), {**changed, **more})

    def fill(self, values: Mapping[str, Any], meant: bool) -> list[Any]:
        """Values of the components, for the settings that a plan names; they stay where it is not `meant`."""
        if not meant:
            return [gr.skip()] * (len(self.inputs) + 1)
        wrong = [s for s in self.settings if s.kind in NUMBERS and isinstance(values.get(s.name), str)]
        if wrong:
            name, words = wrong[0].name, controls.KINDS[wrong[0].kind][1]
            raise ParamError(f'{name} is "{values[name]}": it must be {words}.')
        own = {*(s.name for s in self.settings), self.pipeline.variants}
        more = ", ".join(f"{k}={v}" for k, v in values.items() if k not in own)
        return [*(controls.shown(s, values.get(s.name, s.default)) for s in self.settings), more]


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
    content: Any
    styles: Any
    chips: list[Chips]
    drawers: list[Drawer]
    common: dict[str, Any]  # name in CompareParams -> component
    axes: dict[str, Axis]  # likewise
    table: plan.Table

    @property
    def browser_settings(self) -> dict[str, Any]:
        """What a browser keeps, by names of their own."""
        rows = {f"methods {number}": row.group for number, row in enumerate(self.chips)}
        own = {f"{d.name} {s.name}": c for d in self.drawers for s, c in zip(d.settings, d.inputs, strict=True)}
        more = {f"{drawer.name} more": drawer.more for drawer in self.drawers}
        axes = {
            f"{name} {part}": getattr(axis, part) for name, axis in self.axes.items() for part in ("menu", "values")
        }
        pictures = {"content": self.content, "styles": self.styles}
        return {"mode": self.mode, **pictures, **rows, **own, **more, **self.common, **axes}

    @property
    def inputs(self) -> list[Any]:
        """In the order in which `read` takes values and `fill` gives them."""
        own = [c for d in self.drawers for c in (*d.inputs, d.more)]
        rows = [row.group for row in self.chips]
        axes = [part for axis in self.axes.values() for part in (axis.menu, axis.values)]
        return [self.mode, self.content, self.styles, *rows, *own, *self.common.values(), *axes]

    @property
    def places(self) -> dict[str, list[int]]:
        """Mode -> where in `inputs` that stand which count in it."""
        own = [plan.kind_of(d.pipeline) for d in self.drawers for _ in (*d.inputs, d.more)]
        common = ["restyle" if name == "size" else "generate" if name in CLASSES else "" for name in self.common]
        kinds = ["", "restyle", "restyle", *(row.kind for row in self.chips), *own, *common, *[""] * 2 * len(self.axes)]
        return {mode: [i for i, kind in enumerate(kinds) if kind in ("", mode)] for mode in ("restyle", "generate")}

    def ticked(self, inputs: Sequence[Any]) -> list[str]:
        """The chips of the mode that are chosen. `inputs` may end after the last row of chips."""
        rows = zip(self.chips, inputs[3:], strict=False)
        return [name for row, names in rows if row.kind == inputs[0] for name in names or []]

    def shared(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """What is set for all methods, without what spreads them over a grid. Raises ParamError."""
        mode, content, styles = inputs[:3]
        end = len(inputs) - 2 * len(self.axes)
        rest = inputs[end - len(self.common) : end]
        values = controls.values([FIELDS[name] for name in self.common], rest)
        if mode == "restyle":
            values.pop("dataset", None)
            paths = [row[0] if isinstance(row, tuple | list) else row for row in styles or []]
            values |= {"content": content, "styles": paths}
        return values

    def read(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """What the components say, as CompareParams take it. Raises ParamError."""
        names, rest = self.ticked(inputs), iter(inputs[3 + len(self.chips) :])
        rows = [(drawer, [next(rest) for _ in range(len(drawer.inputs) + 1)]) for drawer in self.drawers]
        choices = tuple(drawer.choice(own) for drawer, own in rows if drawer.name in names)
        values = self.shared(inputs)
        values["methods"] = plan.read(values.get("methods") or "") or choices
        if not values["methods"]:
            raise ParamError("No method is chosen: choose at least one.")
        ends = iter(inputs[len(inputs) - 2 * len(self.axes) :])
        for axis, name, steps in ((axis, next(ends), next(ends)) for axis in self.axes):
            if name and name not in {s.name for s in variable(self.pipelines(inputs))}:
                raise ParamError(
                    f"{self.label(name)} is no setting of every chosen method: choose another one, or none."
                )
            values[axis] = Axis.text(name, steps)
        return values

    def label(self, name: str) -> str:
        """What the page calls a setting."""
        return next((s.label for p in self.table.values() for s in settings(p.params) if s.name == name), name)

    def fill(self, values: Mapping[str, Any]) -> list[Any]:
        """Values of the components for a plan from a link or a record; `content` and `styles` are files, if any.

        What was chosen in the other mode stays."""
        kind = "restyle" if values.get("methods") or values.get("content") else "generate"
        choices = values.get("methods") or plan.read(",".join(usual(self.table, kind)))
        entries = plan.entries(choices, self.table, {})
        rows = {chip(entry): entry.values for entry in entries}
        mode = plan.kind_of(entries[0].pipeline) or "restyle"
        own = [v for d in self.drawers for v in d.fill(rows.get(d.name, {}), plan.kind_of(d.pipeline) == mode)]
        chips = [[name for name in row.offers if name in rows] if row.kind == mode else gr.skip() for row in self.chips]
        twice = plan.write(choices) if len(entries) > len(rows) else ""  # chips hold a method once
        common = [
            controls.shown(FIELDS[name], twice if name == "methods" else values.get(name, FIELDS[name].default))
            for name in self.common
        ]
        if not values.get("dataset"):
            common[list(self.common).index("dataset")] = gr.skip()  # empty is no choice of the chips
        pictures = [values.get("content") or gr.skip(), values.get("styles") or gr.skip()]
        axes = [v for name in self.axes for v in Axis.fill(values.get(name, ""), entries[0].pipeline)]
        return [mode, *pictures, *chips, *own, *common, *axes]

    def of_link(self, query: Mapping[str, str]) -> list[Any]:
        """Values of the components for the settings of a link; [] where it names no methods. Raises ParamError."""
        values = of_link(query)
        return self.fill(values) if values else []

    def pipelines(self, inputs: Sequence[Any]) -> list[Pipeline[Any]]:
        """The methods that are chosen, each once."""
        return [self.table[name] for name in dict.fromkeys(name.split(":")[0] for name in self.ticked(inputs))]


def chip(entry: plan.Entry) -> str:
    """The name of the chip that stands for an entry: its method, and its variant where there are some."""
    variant = plan.variant_of(entry.pipeline)
    value = entry.values.get(variant.name, variant.default) if variant else None
    return f"{entry.pipeline.name}:{value}" if variant else entry.pipeline.name


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
        axes = {name: axis_row(FIELDS[name]) for name in ("x", "y")}
        common |= {name: controls.page_component(FIELDS[name]) for name in ("seconds", "methods", "seed")}
    boxes = {"restyle": restyle, "generate": generate}
    mode.change(
        lambda chosen: [gr.update(visible=chosen == name) for name in boxes], [mode], list(boxes.values()), **QUICK
    )
    form = Form(mode, content, styles, chips, drawers, common, axes, table)
    for axis in axes.values():
        begin(axis, [mode, content, styles, *(row.group for row in chips)], form.pipelines)
    return form


def picture(name: str) -> Any:
    """A picture input with its strip of examples, the first filled in."""
    setting, files = FIELDS[name], [str(path) for path in (CONTENT if name == "content" else STYLE)]
    with gr.Column(min_width=140):
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
    """A closed part with a fold for the main settings of each chosen method; their titles follow with the forecast."""
    drawers = []
    with gr.Accordion(t("Settings of each method"), open=False, elem_classes="drawers"):
        for pipeline in (p for p in table.values() if plan.kind_of(p)):
            taken = {*shared_by(pipeline), pipeline.variants}
            own = [s for s in settings(pipeline.params) if s.name not in taken and (s.suffix or not s.advanced)]
            own = [s for s in own if s.kind not in {"image", "images"}]
            for name in plan.variants(pipeline):
                shown: dict[str, Any] = {"visible": name in chosen, "elem_id": f"settings-{name}"}
                with gr.Accordion(declared(pipeline.title), open=False, **shown) as box:
                    with gr.Row():
                        inputs = [tab.control(s) for s in own]
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


def link(p: CompareParams, request: gr.Request | None) -> str:
    """An anchor that reopens the page with these settings; pictures of one's own are not in it."""
    values = p.model_dump(mode="json", exclude={"content", "styles"})
    values = {name: value for name, value in values.items() if value != FIELDS[name].default}
    examples, own = replay.examples(), False
    for name, pictures, among in (("content", [p.content] if p.content else [], CONTENT), ("styles", p.styles, STYLE)):
        paths = [examples.get(images.digest(picture)) for picture in pictures]
        if all(path in among for path in paths):
            values |= {name: ",".join(path.stem for path in paths if path)} if paths else {}
        else:
            own = True
    return links.anchor({"tab": "compare", **values}, own, request)


def of_link(query: Mapping[str, str]) -> dict[str, Any] | None:
    """The settings in a query string, or None where it names no methods. Raises ParamError."""
    texts = {name: query[name] for name in FIELDS if name in query and name not in {"content", "styles"}}
    if "methods" not in texts:
        return None
    p = parse(CompareParams, texts)
    values = {name: getattr(p, name) for name in texts}
    names = query.get("styles", "").split(",")
    values["content"] = next((str(path) for path in CONTENT if path.stem == query.get("content")), None)
    return values | {"styles": [str(path) for stem in names for path in STYLE if path.stem == stem]}


def of_record(record: Record, table: plan.Table, paths: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The settings in a record, of a contact sheet or of one method's picture; pictures are looked up by their pixels.

    `paths`: digest -> path of the pictures that are here; None: the examples."""
    paths = replay.known_pictures() if paths is None else paths
    params = record.params
    values = {name: value for name, value in params.items() if name in FIELDS}
    if record.pipeline in table:
        pipeline = table[record.pipeline]
        common, variant = shared_by(pipeline), pipeline.variants
        values = {name: value for name, value in values.items() if name in common and fits(name, value)}
        own = {
            s.name: params[s.name]
            for s in settings(pipeline.params)
            if s.name in params and s.name not in {*values, variant} and s.kind not in {"image", "images"}
            and (params[s.name] != s.default or s.name in common)
        }  # fmt: skip
        values["methods"] = (Choice(record.pipeline, (params[variant],) if variant else (), own),)
    values["methods"] = plan.read(values.get("methods", ""))
    values["content"] = paths.get((params.get("content") or {}).get("sha256", ""))
    return values | {"styles": [paths[s["sha256"]] for s in params.get("styles", []) if s["sha256"] in paths]}


def fits(name: str, value: Any) -> bool:
    """Whether all methods of a comparison can take this value: Stylise alone knows a size of 0, say."""
    low, high = FIELDS[name].low, FIELDS[name].high
    return not isinstance(value, int | float) or ((low is None or value >= low) and (high is None or value <= high))
