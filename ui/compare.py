"""The Compare tab: several methods on the same pictures, side by side, with what each one costs."""

from __future__ import annotations

import html
import json
import threading
from pathlib import Path
from typing import Any, cast

import gradio as gr
import PIL.Image
from gradio.context import Context

from models.cache import ModelCache
from pipelines import compare, compare_method, metrics, record
from pipelines.base import Pipeline
from pipelines.compare_method import CompareParams
from pipelines.estimate import Estimates
from pipelines.params import parse, settings
from ui import api, compare_cards, compare_form, compare_past, tab
from ui.compare_form import Form
from ui.compare_run import Server, Stage, wire
from ui.examples import RESULTS
from ui.i18n import t
from ui.session import PRIVATE, QUICK, Stops, explain
from ui.show import failed_status
from ui.words import HOW_TO


def build(pipeline: Pipeline[Any], cache: ModelCache, stops: Stops, _tabs: gr.Tabs) -> None:
    """Lay out the tab and wire it."""
    table = compare_method.table_of(pipeline)
    server = Server(table, cache, stops, Estimates())
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=5, min_width=320):
            form = compare_form.build(table)
            ahead = gr.HTML("", elem_classes="ahead", padding=False)
            with gr.Row(elem_classes="actions"):
                run = gr.Button(t("Run"), variant="primary", size="lg", elem_classes="run", scale=3)
                stop = gr.Button(t("Stop"), size="lg", scale=1, interactive=False)
            again = gr.File(
                label=t("Drop a contact sheet made here to get its settings back"), height=110, file_types=[".png"],
                elem_classes="restore",
            )
        with gr.Column(scale=7, min_width=320):
            stage = right_column()
    with gr.Accordion(t("How it works"), open=False):
        for part in HOW_TO[pipeline.name]:
            gr.Markdown(part if isinstance(part, str) else t(part[0]), latex_delimiters=tab.LATEX, container=False)
    ended = wire(server, form, stage, run, stop)
    wire_before(server, form, stage, ahead, again, ended)
    api.build(pipeline, cache, stops, settings(pipeline.params))


def right_column() -> Stage:
    """Cards, and what can be taken away."""
    status = gr.HTML("", elem_classes="status", padding=False)
    gallery = gr.HTML(example(), elem_classes="gallery picture", padding=False)
    with gr.Row():
        sheet = gr.DownloadButton(cast(str, t("Contact sheet")), interactive=False, min_width=120)
        pack = gr.DownloadButton(cast(str, t("All pictures (zip)")), interactive=False, min_width=120)
        more = gr.Button(t("Continue"), interactive=False, min_width=120)
    links = gr.HTML("", padding=False)
    with gr.Accordion(t("Your last comparisons, kept in this browser"), open=False):
        past = gr.HTML("", padding=False)
    return Stage(gallery, status, sheet, pack, more, links, past, compare_past.state(), gr.State(time_to_live=1800))


def example() -> str:
    """What the page shows before the first run."""
    path = RESULTS / "compare.png"
    if not path.exists():
        return ""
    with PIL.Image.open(path) as picture:
        address = compare_past.thumbnail(picture.convert("RGB"), 1200)
    return f'<figure class="example"><img src="{address}" alt=""></figure>'


def wire_before(
    server: Server, form: Form, stage: Stage, ahead: gr.HTML, again: gr.File, ended: list[Any]
) -> None:
    """What happens before a run: forecasts, drawers, settings from a link, a record, a browser that comes back."""
    boxes = [drawer.box for drawer in form.drawers]

    def foresee(request: gr.Request, *given: Any) -> list[Any]:
        picked = {name for value in given if isinstance(value, list) for name in value if isinstance(name, str)}
        shown = [gr.update(visible=drawer.name in picked) for drawer in form.drawers]
        try:
            p = parse(CompareParams, form.read(given))
            entries, heads = compare_method.cells(p, server.table)
            cards = compare.prepare(entries, server.cache, server.estimates, sort=heads is None)
            return [compare_cards.forecast(cards, request), *shown]
        except Exception as error:
            return [failed_status(explain(error)), *shown]

    def arrive(request: gr.Request, runs: Any) -> list[Any]:
        threading.Thread(target=metrics.warm, name="measures", daemon=True).start()
        words = f'<div hidden data-words="{html.escape(json.dumps(compare_cards.words(request)))}"></div>'
        values = compare_past.opened(dict(request.query_params))
        filled = form.fill(values) if values else [gr.skip()] * len(form.inputs)
        return [words + compare_past.drawn(runs, request), *filled]

    def restore(path: str | None) -> list[Any]:
        found = record.read(path) if path else None
        if found is None or found.pipeline != "compare":
            raise gr.Error(
                f"{Path(path or 'The file').name} is no contact sheet: drop the PNG that Contact sheet gave you.",
                print_exception=False,
            )
        return form.fill(compare_past.recorded(found.params))

    root = Context.root_block
    assert root is not None
    changes = [c.change for c in form.inputs]
    gr.on(changes, foresee, form.inputs, [ahead, *boxes], trigger_mode="always_last", **QUICK)
    root.load(arrive, [stage.runs], [stage.past, *form.inputs], **QUICK).then(
        foresee, form.inputs, [ahead, *boxes], **QUICK
    )
    for event in ended:
        event.then(foresee, form.inputs, [ahead, *boxes], **QUICK)
    again.upload(restore, [again], form.inputs, show_progress="hidden", **PRIVATE)
