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

from pipelines import compare as compare_method
from pipelines import metrics
from pipelines.base import Pipeline
from pipelines.compare import CompareParams, engine, plan
from pipelines.compare.engine import Card
from pipelines.compare.estimate import Estimates
from pipelines.params import ParamError, parse, settings
from ui.kit import api, tab
from ui.kit.form import replay
from ui.kit.form.examples import RESULTS
from ui.kit.i18n import in_words, refused, spoken, t
from ui.kit.run import Server, controls_of
from ui.kit.session import PRIVATE, QUICK, explain
from ui.kit.show import failed_status
from ui.tabs.compare import cards as compare_cards
from ui.tabs.compare import form as compare_form
from ui.tabs.compare import past as compare_past
from ui.tabs.compare.form import Form
from ui.tabs.compare.run import Desk, Stage, wire


def build(pipeline: Pipeline[Any], server: Server) -> Desk:
    """Lay out the tab and wire it."""
    table = compare_method.table_of(pipeline)
    estimates = Estimates()
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=5, min_width=320):
            form = compare_form.build(table)
            ahead = gr.HTML("", elem_classes="ahead", padding=False)
            fetch = gr.Button(t("Fetch the weights in Models"), visible=False)
            run, stop, again = tab.actions()
        with gr.Column(scale=7, min_width=320):
            stage = right_column()
    tab.how_it_works(pipeline)
    desk = Desk(server, table, estimates, form, stage, controls_of(pipeline.name, run, stop, stage.status), fetch)
    wire_before(desk, ahead, wire(desk))
    wire_restore(pipeline, form, stage, again)
    api.build(pipeline, server, settings(pipeline.params))
    return desk


def right_column() -> Stage:
    """Cards, and what can be taken away."""
    status = gr.HTML("", elem_classes="status", padding=False)
    gallery = gr.HTML("", elem_classes="gallery picture", padding=False)
    with gr.Row():
        sheet = gr.DownloadButton(cast(str, t("Contact sheet")), interactive=False, min_width=120)
        pack = gr.DownloadButton(cast(str, t("All pictures (zip)")), interactive=False, min_width=120)
        more = gr.Button(t("Continue"), interactive=False, min_width=120)
    links = gr.HTML("", padding=False)
    with gr.Accordion(t("Your last comparisons, kept in this browser"), open=False):
        past = gr.HTML("", padding=False)
    return Stage(gallery, status, sheet, pack, more, links, past, compare_past.state(), gr.State(time_to_live=1800))


def example(request: gr.Request | None) -> str:
    """What the page shows before the first run."""
    path = RESULTS / "compare.png"
    if not path.exists():
        return ""
    with PIL.Image.open(path) as picture:
        address = compare_past.thumbnail(picture.convert("RGB"), 1200)
    caption = spoken("Example result", request)
    return f'<figure class="example"><figcaption>{caption}</figcaption><img src="{address}" alt="{caption}"></figure>'


def wire_before(desk: Desk, ahead: gr.HTML, ended: list[Any]) -> None:
    """What happens before a run: forecasts, drawers, settings from a link, a browser that comes back."""
    server, form, stage, fetch = desk.server, desk.form, desk.stage, desk.cure
    boxes = [drawer.box for drawer in form.drawers]

    def foresee(request: gr.Request, *given: Any) -> list[Any]:
        picked = {name for value in given if isinstance(value, list) for name in value if isinstance(name, str)}
        shown = [gr.update(visible=drawer.name in picked) for drawer in form.drawers]
        try:
            p = parse(CompareParams, form.read(given))
            entries, heads = compare_method.cells(p, desk.table)
            cards = engine.prepare(entries, server.cache, desk.estimates, sort=heads is None)
            absent = [card for card in others(p, form.others(given[0], picked)) if card.prediction.missing]
            missing = any(card.prediction.missing for card in cards)
            return [compare_cards.forecast(cards, absent, request), gr.update(visible=missing), *shown]
        except Exception as error:
            return [failed_status(in_words(explain(error), request)), gr.update(visible=False), *shown]

    def others(p: CompareParams, methods: str) -> list[Card]:
        found = plan.entries(methods, desk.table, compare_method.shared(p)) if methods else []
        return engine.prepare(found, server.cache, desk.estimates)

    def arrive(request: gr.Request, runs: Any) -> list[Any]:
        threading.Thread(target=metrics.warm, name="measures", daemon=True).start()
        words = f'<div hidden data-words="{html.escape(json.dumps(compare_cards.words(request)))}"></div>'
        values = compare_past.opened(dict(request.query_params))
        filled = form.fill(values) if values else [gr.skip()] * len(form.inputs)
        return [words + compare_past.drawn(runs, request), example(request), *filled]

    root = Context.root_block
    assert root is not None
    changes = [c.change for c in form.inputs]
    gr.on(changes, foresee, form.inputs, [ahead, fetch, *boxes], trigger_mode="always_last", **QUICK)
    root.load(arrive, [stage.runs], [stage.past, stage.gallery, *form.inputs], **QUICK).then(
        foresee, form.inputs, [ahead, fetch, *boxes], **QUICK
    )
    for event in ended:
        event.then(foresee, form.inputs, [ahead, fetch, *boxes], **QUICK)


def wire_restore(pipeline: Pipeline[Any], form: Form, stage: Stage, again: gr.File) -> None:
    """A contact sheet, or a picture of one method, gives its settings back."""
    methods = {"compare": pipeline, **form.table}
    places = {"content": form.content, "styles": form.styles}

    def restore(path: str | None, request: gr.Request, *given: Any) -> list[Any]:
        name = Path(path or "The file").name
        said = f"{name} holds no settings of a comparison: drop a contact sheet, or a picture that was made here."
        told = replay.recorded(path or "", methods, said, request)
        known = replay.known_pictures(*given)
        try:
            values = compare_past.recorded(told, form.table, known)
            filled = form.fill(values)
        except ParamError as error:  # the plan of a comparison is text, which a record may have any of
            raise refused(f"The record in {name} cannot be used. {error}", request) from error
        absent = [a for a in replay.absences(told, methods[told.pipeline], known) if a.setting.name in places]
        for name in {a.setting.name for a in absent}:  # what is there now may not stand in
            filled[next(i for i, c in enumerate(form.inputs) if c is places[name])] = values[name] or None
        return [replay.say(absent, request), *filled]

    again.upload(restore, [again, *places.values()], [stage.status, *form.inputs], show_progress="hidden", **PRIVATE)
