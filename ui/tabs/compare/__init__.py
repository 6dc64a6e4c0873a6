"""The Compare tab: several methods on the same pictures, side by side, with what each one costs."""

from __future__ import annotations

import html
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import gradio as gr
from gradio.context import Context

from models.cache import Borrower, Lender
from pipelines import compare as compare_method
from pipelines import metrics
from pipelines.base import Pipeline, Result, Steps
from pipelines.compare import CompareParams, contact, engine, plan
from pipelines.compare.engine import Card
from pipelines.images import ImageError
from pipelines.params import ParamError, parse, settings
from ui.kit import api, events, tab
from ui.kit.form import keep, links, replay
from ui.kit.form.examples import CONTENT, STYLE
from ui.kit.i18n import in_words, refused, spoken, t
from ui.kit.run import Controls, Server, View, controls_of, follow, on_press, on_stop, pressable
from ui.kit.session import PRIVATE, QUICK, explain, file_in_cache
from ui.kit.show import GONE, failed_status, waiting
from ui.tabs.compare import axes as compare_axes
from ui.tabs.compare import cards as compare_cards
from ui.tabs.compare import form as compare_form
from ui.tabs.compare.cards import Memory
from ui.tabs.compare.form import Form

ROW = ("gallery", "status", "sheet", "pack", "memory", "stamp", "more")


@dataclass(frozen=True)
class Desk:
    """The whole tab."""

    pipeline: Pipeline[Any]
    server: Server
    form: Form
    parts: dict[str, Any]  # what is no setting
    controls: Controls

    @property
    def fit(self) -> keep.Fit:
        """Whether the cards are those of the form; each mode has its own settings."""
        p, form = self.parts, self.form
        return keep.Fit("compare", form.inputs, p["stale"], p["stamp"], p["sheet"], form.places)

    @property
    def link(self) -> links.Target:
        """Where the settings of a link go."""
        return links.Target(self.controls.status, self.form.inputs, self.form.of_link)

    @property
    def cure(self) -> gr.Button:
        """What opens Models, where weights are fetched."""
        return cast(gr.Button, self.parts["cure"])

    @property
    def outputs(self) -> list[Any]:
        """What a comparison updates, in the order of `row`; Run and Stop follow."""
        return [self.parts[name] for name in ROW]

    def cards(self, methods: str | Sequence[plan.Choice], p: CompareParams) -> list[Card]:
        """The cards of a plan with the settings that `p` has for all, before anything is run."""
        entries = plan.entries(methods, self.form.table, compare_method.shared(p)) if methods else []
        return engine.prepare(entries, self.server.cache)

    def absent(self, inputs: Sequence[Any]) -> list[Card]:
        """The methods of the form's mode, chosen or not, that cannot take part with what is set for all of them."""
        values = {"content": CONTENT[0], "styles": STYLE[:1]} if inputs[0] == "restyle" else {}
        with suppress(ParamError, ImageError):  # what is wrong with them is said elsewhere
            shared = {name: value for name, value in self.form.shared(inputs).items() if name in compare_method.SHARED}
            values = compare_method.shared(parse(CompareParams, values | {k: v for k, v in shared.items() if v}))
        offers = ",".join(name for row in self.form.chips if row.kind == inputs[0] for name in row.offers)
        cards = engine.prepare(plan.entries(offers, self.form.table, values), self.server.cache)
        return [card for card in cards if compare_cards.hindrance(card)]

    def prepare(self, values: dict[str, Any]) -> Memory:
        """What the form says as cards to be run."""
        p = parse(CompareParams, values)
        entries, heads = compare_method.cells(p, self.form.table)
        cards = engine.prepare(entries, self.server.cache, sort=heads is None, seconds=p.seconds)
        return Memory(p, cards, heads, pictures=events.names(list(compare_axes.FIELDS.values()), values))


def build(pipeline: Pipeline[Any], server: Server) -> Desk:
    """Lay out the tab and wire it."""
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=5, min_width=320):
            form = compare_form.build(compare_method.table_of(pipeline))
            ahead = gr.HTML("", elem_classes="ahead", padding=False)
            cure = gr.Button(t("Fetch the weights in Models"), visible=False)
            run, stop, again = tab.actions()
        with gr.Column(scale=7, min_width=320):
            parts = right_column()
    tab.how_it_works(pipeline)
    parts |= {"ahead": ahead, "cure": cure, "again": again}
    desk = Desk(pipeline, server, form, parts, controls_of(pipeline.name, run, stop, parts["status"]))
    wire_before(desk, wire(desk))
    keep.settings(pipeline.name, form.browser_settings)
    wire_restore(desk)
    api.build(pipeline, server, settings(pipeline.params))
    return desk


def right_column() -> dict[str, Any]:
    """Cards, and what can be taken away."""
    parts: dict[str, Any] = {"stale": tab.stale_mark(), "status": gr.HTML("", elem_classes="status", padding=False)}
    parts["gallery"] = gr.HTML("", elem_classes="gallery picture", padding=False)
    with gr.Row():
        for name, text in (("sheet", "Contact sheet"), ("pack", "All pictures (zip)")):
            parts[name] = gr.DownloadButton(cast(str, t(text)), interactive=False, min_width=120)
        parts["more"] = gr.Button(t("Continue"), interactive=False, min_width=120)
    stamp = gr.Textbox(visible="hidden", show_label=False)  # another one with each result
    return {**parts, "memory": gr.State(time_to_live=1800), "stamp": stamp}


def row(running: bool, memory: Memory | None = None, request: gr.Request | None = None, **values: Any) -> list[Any]:
    """Values for what a comparison updates, by the names in ROW, and whether Continue, Run and Stop can be pressed;
    with `memory` the cards too."""
    if memory is not None:
        memory.running = running
        values = {"gallery": compare_cards.gallery(memory, request), "memory": memory, **values}
    values["more"] = gr.update(interactive=memory is not None and memory.left and not running)
    return [*(values.get(name, gr.skip()) for name in ROW), *pressable(running)]


def progress(memory: Memory, seconds: float, request: gr.Request | None) -> str:
    """`2 of 4 · 12.3 s`, and a bar while methods wait."""
    cards = memory.cards
    done = sum(card.state in {"done", "stopped", "failed"} for card in cards)
    text = f"{spoken('{} of {} methods', request).format(done, len(cards))} · {seconds:.1f} s"
    running = next((card for card in cards if card.state == "running"), None)
    if running is None:
        return html.escape(text)
    share = sum(card.share for card in cards) / len(cards)
    name = html.escape(f"{text} · {compare_cards.title(running, request)}")
    return f'{name}<div class="bar"><i style="width:{100 * share:.1f}%"></i></div>'


def perform(
    desk: Desk, request: gr.Request, token: str, memory: Memory, cards: Sequence[Card], end: Callable[[View], list[Any]]
) -> Iterator[list[Any]]:
    """Run those of the cards that wait, and judge the others: Compare's own run inside the one run protocol.

    `end`: values for the last view, which has the result.
    """
    off, view = gr.update(value=None, interactive=False), View()

    def generate(p: CompareParams, lender: Lender) -> Steps:
        return engine.perform(cards, cast(Borrower, lender), p.seconds, memory.heads)

    with desk.server.press(request, desk.controls.tab, token) as press:
        try:
            yield row(True, memory, request, sheet=off, pack=off, status=spoken("starting", request))
            for view in follow(desk.server, replace(desk.pipeline, generate=generate), memory.params, press):
                memory.preview = view.preview
                if view.result is not None:
                    yield end(view)
                elif view.progress is None:
                    yield row(True, status=waiting(view, request).status)
                else:
                    yield row(True, memory, request, status=progress(memory, view.seconds, request))
            if view.result is None and not press.replaced:  # stopped before its turn
                yield row(False, memory, request, status=spoken("stopped", request))
        except Exception as error:  # the page's last line: every error becomes a sentence
            yield row(False, memory, request, status=failed_status(in_words(explain(error), request)))


def conclude(memory: Memory, request: gr.Request, view: View) -> list[Any]:
    """What can be taken away, a link, and a new stamp, at which the browser keeps the sheet."""
    memory.status = f"{progress(memory, view.seconds, request)}<br>{compare_form.link(memory.params, request)}"
    stamp = secrets.token_hex(4)
    return row(False, memory, request, status=memory.status, stamp=stamp, **downloads(memory, view.result, request))


def downloads(memory: Memory, result: Result | None, request: gr.Request) -> dict[str, Any]:
    """The contact sheet and the zip as files; none where nothing has worked."""
    if result is None or not result.images:
        return {}
    pictures = {"sheet.png": replace(result, sheet=compare_cards.sheet(memory, request)).png()}
    for number, (card, own) in enumerate(((c, c.result) for c in memory.cards if c.result), 1):
        name = f"{number:02d}-{compare_cards.file_name(card)}"
        pictures[f"{name}.png"] = own.png()
        if own.sheet is not None:
            pictures |= {f"{name}/{i:03d}.png": own.png(i) for i in range(len(own.images))}
    pack = contact.bundle(pictures, result.record.model_dump(mode="json"))
    name = f"{memory.file_name}-seed{result.record.seed}"
    files = {"sheet": file_in_cache(pictures["sheet.png"], ".png", name), "pack": file_in_cache(pack, ".zip", name)}
    return {name: gr.update(value=path, interactive=True) for name, path in files.items()}


def take_over(cards: list[Card], earlier: Memory | None) -> None:
    """Results that were sent here stay where the settings are still theirs, instead of being made again."""
    arrivals = [card for card in earlier.cards if card.added is None and card.state == "done"] if earlier else []
    for card in cards:
        params = card.params.model_dump(mode="json") if card.params else None
        same = next((one for one in arrivals if one.result and one.result.record.params == params), None)
        if same and same.entry.pipeline is card.entry.pipeline:
            card.state, card.result, card.scores = "done", same.result, same.scores


def wire(desk: Desk) -> list[Any]:
    """Run, Stop and Continue; returns the events after which costs are paths better."""
    form, controls = desk.form, desk.controls

    def start(request: gr.Request, token: str, earlier: Memory | None, *inputs: Any) -> Iterator[list[Any]]:
        try:
            memory = desk.prepare(form.read(inputs))
        except Exception as error:  # the page's last line: every error becomes a sentence
            yield row(False, status=failed_status(in_words(explain(error), request)))
            return
        able = [card for card in memory.cards if card.state != "failed" and not card.prediction.missing]
        if memory.heads is None and able:  # the chips of the others are grey, with why
            memory.cards = able
        if not memory.params.seconds:
            take_over(memory.cards, earlier)
        yield from perform(desk, request, token, memory, memory.cards, partial(conclude, memory, request))

    def go_on(request: gr.Request, token: str, memory: Memory | None) -> Iterator[list[Any]]:
        if memory is None:
            yield row(False, status=failed_status(in_words(GONE, request)))
            return
        for card in memory.cards:
            if card.state == "stopped":
                card.state, card.result = "waiting", None
                memory.addresses.pop(card, None)
        yield from perform(desk, request, token, memory, memory.cards, partial(conclude, memory, request))

    on_stop(desk.server, controls)
    inputs, fit = [desk.parts["memory"]], desk.fit
    fit.wire()
    fit.on(controls.run.click, "begin")
    fit.on(desk.parts["more"].click, "again")
    ended = [
        on_press(controls, [controls.run.click], start, [*inputs, *form.inputs], desk.outputs),
        on_press(controls, [desk.parts["more"].click], go_on, inputs, desk.outputs),
    ]
    for event in ended:
        fit.on(event.then, "end")
    return ended


def foresee(desk: Desk, request: gr.Request, inputs: Sequence[Any]) -> list[Any]:
    """What the form says, before it is run: what it will cost, who cannot take part, what axes there may be."""
    form = desk.form
    ticked, absent = form.ticked(inputs), desk.absent(inputs)
    reasons = {card.entry.name: compare_cards.hindrance(card) for card in absent}
    others = [card for card in absent if card.entry.name not in ticked]
    last = [*menus(form, inputs, request), *folds(form, ticked, request)]
    try:
        cards = desk.prepare(form.read(inputs)).cards
    except Exception as error:
        sentence = failed_status(in_words(explain(error), request))
        return [sentence + compare_cards.forecast([], others, reasons, request), gr.update(visible=False), *last]
    reasons |= {compare_form.chip(c.entry): text for c in cards if (text := compare_cards.hindrance(c))}
    missing = gr.update(visible=any(card.prediction.missing for card in cards))
    return [compare_cards.forecast(cards, others, reasons, request), missing, *last]


def menus(form: Form, inputs: Sequence[Any], request: gr.Request) -> list[Any]:
    """The settings that an axis may have; a second one is for one method alone."""
    offers, names = compare_axes.variable(form.pipelines(inputs)), form.ticked(inputs)
    choices = [(spoken("none", request), ""), *((spoken(s.label, request), s.name) for s in offers)]
    rows = [choices, choices if len(names) == 1 else choices[:1]]
    return [gr.update(choices=row) for row in rows]


def folds(form: Form, ticked: Sequence[str], request: gr.Request) -> list[Any]:
    """The settings of the chosen methods."""
    cards = [Card(plan.entries(drawer.name, form.table, {})[0]) for drawer in form.drawers]
    names = [compare_cards.title(card, request) for card in cards]
    return [gr.update(visible=d.name in ticked, label=n) for d, n in zip(form.drawers, names, strict=True)]


def wire_before(desk: Desk, ended: list[Any]) -> None:
    """What happens before a run: forecasts, drawers, settings from a link, a browser that comes back."""
    form, parts = desk.form, desk.parts
    axes = [axis.menu for axis in form.axes.values()]
    outputs = [parts["ahead"], desk.cure, *axes, *(drawer.box for drawer in form.drawers)]

    def ahead(request: gr.Request, *inputs: Any) -> list[Any]:
        return foresee(desk, request, inputs)

    def arrive(request: gr.Request, *inputs: Any) -> list[Any]:
        threading.Thread(target=metrics.warm, name="measures", daemon=True).start()
        return [compare_cards.gallery(compare_cards.stored(inputs[0], form.table), request), *ahead(request, *inputs)]

    def show(request: gr.Request, kind: str, memory: Memory | None) -> Any:
        if memory is None or (memory.kind != kind and not memory.busy):
            memory = compare_cards.stored(kind, form.table)
        return [gr.skip()] * 2 if memory.busy else [compare_cards.gallery(memory, request), memory.status]

    root = Context.root_block
    assert root is not None
    changes = [c.change for c in form.inputs]
    gr.on(changes, ahead, form.inputs, outputs, trigger_mode="always_last", **QUICK)
    desk.fit.on(root.load, "example")  # before the browser fills in what it kept
    root.load(arrive, form.inputs, [parts["gallery"], *outputs], **QUICK)
    form.mode.change(show, [form.mode, parts["memory"]], [parts["gallery"], parts["status"]], **QUICK)
    for event in ended:
        event.then(ahead, form.inputs, outputs, **QUICK)


def wire_restore(desk: Desk) -> None:
    """A contact sheet, or a picture of one method, gives its settings back."""
    form = desk.form
    methods = {desk.pipeline.name: desk.pipeline, **form.table}
    places = {"content": form.content, "styles": form.styles}

    def restore(path: str | None, request: gr.Request, *inputs: Any) -> list[Any]:
        name = Path(path or "The file").name
        otherwise = f"{name} holds no settings of a comparison: drop a contact sheet, or a picture that was made here."
        origin = replay.recorded(path or "", methods, otherwise, request)
        paths = replay.known_pictures(*inputs)
        try:
            values = compare_form.of_record(origin, form.table, paths)
            filled = form.fill(values)
        except ParamError as error:  # the plan of a comparison is text, which a record may have any of
            raise refused(f"The record in {name} cannot be used. {error}", request) from error
        absent = [a for a in replay.absences(origin, methods[origin.pipeline], paths) if a.setting.name in places]
        for name in {a.setting.name for a in absent}:  # what is there now may not stand in
            filled[form.inputs.index(places[name])] = values[name] or None
        return [replay.say(absent, request), *filled]

    inputs = [desk.parts["again"], *places.values()]
    outputs = [desk.parts["status"], *form.inputs]
    desk.parts["again"].upload(restore, inputs, outputs, show_progress="hidden", **PRIVATE)
