"""A method's tab, the same frame for all: what goes in on the left, what comes out on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import gradio as gr

from pipelines.base import Pipeline
from pipelines.compare.plan import kind_of
from pipelines.params import MOST_SEED, Setting, settings
from ui.kit import api, events
from ui.kit.form import controls, keep, links
from ui.kit.form.examples import CONTENT, RESULTS, STYLE
from ui.kit.i18n import declared, t
from ui.kit.run import Server, controls_of
from ui.kit.session import QUICK
from ui.words import HOW_TO

LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]


@dataclass(frozen=True)
class Form:
    """The left column: settings and their components, in one order."""

    settings: tuple[Setting, ...]
    inputs: list[Any]
    filled: dict[str, Any] = field(default_factory=dict)  # of a picture: the event of its strip, for what follows it


@dataclass(frozen=True)
class Stage:
    """The right column."""

    live: gr.Image
    compare: gr.ImageSlider
    status: gr.HTML
    download: gr.DownloadButton
    more: gr.Button
    send: gr.Button  # to Compare; ui/tabs/compare/send.py wires it
    as_content: gr.Button
    same_seed: gr.Button
    vary: gr.Button
    curve: gr.HTML
    film: gr.Image
    film_button: gr.Button
    record: gr.JSON
    after: tuple[Any, ...]  # settings that can be changed when the run is over
    folds: tuple[gr.Accordion, gr.Accordion, gr.Accordion]  # around curve, film, record: there when filled
    stale: gr.HTML  # there while the form says something else than what made the picture: keep.Fit
    cures: tuple[gr.Button, gr.Button, gr.Button]  # of the failed state: a smaller size, Fetch, the defaults
    memory: gr.State  # show.Memory: what Continue, colours and the film need
    wanted: gr.State  # what the failed run lacks and Fetch brings -> bytes, None where only the hub knows

    @property
    def outputs(self) -> list[Any]:
        """What a run updates, in the order of `show.Update.row`; Run and Stop follow."""
        shown = [self.live, self.compare, self.status, self.download, self.more, self.curve, self.record]
        made = [self.send, self.as_content, self.film_button, self.same_seed, self.vary]
        return [*shown, self.memory, self.wanted, *made, *self.folds, *self.cures]


@dataclass(frozen=True)
class Frame:
    """A tab that was laid out: for the tabs that hand something to each other."""

    form: Form
    stage: Stage
    run: gr.Button
    stop: gr.Button
    follow: events.Follow
    link: links.Target


def build(
    pipeline: Pipeline[Any],
    server: Server,
    left: Callable[[Form], None] | None = None,
    right: Callable[[Stage], None] | None = None,
    offered: Sequence[Path] = CONTENT,
) -> Frame:
    """Lay out the tab of `pipeline` and wire its events and its endpoint.

    Args:
        pipeline, server: the method, and what runs it.
        left, right: add a method's own controls under the settings and under the picture, inside the columns.
        offered: example pictures under an input for one picture.
    """
    found = settings(pipeline.params)
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=5, min_width=320):
            form = left_column(found, offered)
            if left:
                left(form)
            run, stop, again = actions()
        with gr.Column(scale=7, min_width=320):
            stage = right_column(pipeline, found)
            if right:
                right(stage)
    how_it_works(pipeline)
    controls_ = controls_of(pipeline.name, run, stop, stage.status)
    follow = events.wire(pipeline, server, form, stage, controls_, again)
    keep.settings(pipeline.name, {s.name: c for s, c in zip(form.settings, form.inputs, strict=True)})
    api.build(pipeline, server, form.settings)
    link = links.Target(stage.status, form.inputs, partial(links.read, pipeline))
    return Frame(form, stage, run, stop, follow, link)


def actions() -> tuple[gr.Button, gr.Button, gr.File]:
    """At the foot of a left column: Run, Stop, and where a picture gives its settings back."""
    with gr.Row(elem_classes="actions"):
        run = gr.Button(t("Run"), variant="primary", size="lg", elem_classes="run", scale=3)
        stop = gr.Button(t("Stop"), size="lg", scale=1, interactive=False)
        gr.HTML(t("Run: Ctrl+Enter"), elem_classes="keys", padding=False)
    label = t("Drop a picture made here to get its settings back")
    return run, stop, gr.File(label=label, height=110, file_types=[".png"], elem_classes="restore")


def how_it_works(pipeline: Pipeline[Any]) -> None:
    """The method's short text for a student, behind a closed door; a new method may have none yet."""
    parts = HOW_TO.get(pipeline.name, ())
    with gr.Accordion(t("How it works"), open=False, visible=bool(parts)):
        for part in parts:
            gr.Markdown(part if isinstance(part, str) else t(part[0]), latex_delimiters=LATEX, container=False)


def left_column(found: Sequence[Setting], offered: Sequence[Path] = CONTENT) -> Form:
    """Pictures with their example strips, the main settings, and the advanced ones behind a closed door."""
    inputs: dict[str, Any] = {}
    filled: dict[str, Any] = {}
    pictures = [s for s in found if s.kind in {"image", "images"}]
    with gr.Row(visible=bool(pictures)):
        for setting in pictures:
            with gr.Column(min_width=140):
                files = [str(path) for path in (offered if setting.kind == "image" else STYLE)]
                first = None
                if setting.required:  # the first click works: examples are filled in
                    first = files[:1] if setting.kind == "images" else next(iter(files), None)
                inputs[setting.name] = controls.page_component(setting, first)
                filled[setting.name] = strip(inputs[setting.name], setting, files)
    with gr.Row(elem_classes="main-settings"):
        for setting in found:
            if setting not in pictures and not setting.advanced:
                inputs[setting.name] = control(setting)
    advanced = [s for s in found if s.advanced and s not in pictures]
    with gr.Accordion(t("Advanced"), open=False, visible=bool(advanced)):
        for setting in advanced:
            inputs[setting.name] = control(setting)
    form = Form(tuple(found), [inputs[s.name] for s in found], filled)
    what_matters(form)
    return form


def what_matters(form: Form) -> None:
    """Have those settings there that do something with what is chosen."""
    inputs = {s.name: c for s, c in zip(form.settings, form.inputs, strict=True)}
    leaders = list(dict.fromkeys(name for s in form.settings for name in s.when))
    led = [s for s in form.settings if s.when]
    places = [place_of(s, inputs[s.name]) for s in led]
    if not led:
        return

    def there(*chosen: Any) -> dict[Any, Any]:
        values = dict(zip(leaders, chosen, strict=True))
        return {place: gr.update(visible=s.matters(values)) for s, place in zip(led, places, strict=True)}

    at_first = {name: inputs[name].value for name in leaders}
    for setting, place in zip(led, places, strict=True):
        place.visible = setting.matters(at_first)
    watched = [inputs[name] for name in leaders]
    gr.on([leader.change for leader in watched], there, watched, places, **QUICK)


def place_of(setting: Setting, component: Any) -> Any:
    """What is hidden with a setting: with a picture its strip, with a file its upload."""
    return component.parent if setting.kind in {"image", "images"} or setting.suffix else component


def control(setting: Setting) -> Any:
    """A setting's component, with what helps to fill it."""
    if setting.name == "seed":
        return seed_row(setting)
    if not setting.suffix:
        return controls.page_component(setting)
    with gr.Column(min_width=190):
        text = controls.page_component(setting)
        upload = gr.UploadButton(cast(str, t("Upload a file")), file_types=[setting.suffix], size="sm")
    upload.upload(lambda path: path, [upload], [text], **QUICK)
    return text


def seed_row(setting: Setting) -> Any:
    """The number, and a dice beside it."""
    with gr.Row(elem_classes="seed"):
        number = controls.page_component(setting)
        dice = gr.Button(t("Throw a dice"), min_width=44, scale=0, elem_classes="dice")
    dice.click(None, None, [number], js=f"() => Math.floor(Math.random() * {MOST_SEED})", **QUICK)
    return number


def strip(target: Any, setting: Setting, files: list[str]) -> Any:
    """Thumbnails under a picture input: one click fills it. Returns that event."""
    many = setting.kind == "images"
    thumbnails = gr.Gallery(
        [(file, Path(file).stem) for file in files],  # ui/scripts/page.js translates the names
        columns=max(5, len(files)),
        height="auto",
        allow_preview=False,
        show_label=False,
        interactive=False,
        object_fit="cover",
        elem_classes="strip",
        buttons=[],
        label=declared(setting.label),
    )

    def choose(event: gr.SelectData) -> Any:
        path = files[min(event.index, len(files) - 1)]
        return [path] if many else path

    return thumbnails.select(choose, None, target, show_progress="hidden", queue=False, api_visibility="private")


def right_column(pipeline: Pipeline[Any], found: Sequence[Setting]) -> Stage:
    """The picture, what it cost, and what can be done with it."""
    live, compare = picture(RESULTS / f"{pipeline.name}.png")
    stale = stale_mark()
    status = gr.HTML("", elem_classes="status", padding=False)
    with gr.Row(elem_classes="cures"):
        texts = ("Use half the size", "Fetch", "Go back to the defaults")
        smaller, fetch, defaults = (gr.Button(t(text), visible=False) for text in texts)
    after = after_row(pipeline, found)
    with gr.Row(elem_classes="made"):
        plain: dict[str, Any] = {"interactive": False, "min_width": 120, "size": "md"}
        download = gr.DownloadButton(cast(str, t("Download PNG")), **plain)
        more = gr.Button(t("Continue"), visible=pipeline.resume is not None, **plain)
        send = gr.Button(t("Send to Compare"), visible=bool(kind_of(pipeline)), **plain)
        as_content = gr.Button(t("Use as content"), **plain)
        seeded = any(s.name == "seed" for s in found)
        same_seed = gr.Button(t("Use this seed"), visible=seeded, **plain)
        vary = gr.Button(t("Variations"), visible=seeded and not pipeline.file, **plain)  # four trainings are no sketch
    with gr.Accordion(t("Curve"), open=False, visible=False) as curve_fold:
        curve = gr.HTML("", elem_classes="curve", padding=False)
    with gr.Accordion(t("Frames"), open=False, visible=False) as film_fold:
        film_button = gr.Button(t("Make an animation of the run"), interactive=False)
        film = gr.Image(
            label=t("Animation"), type="filepath", format="webp", interactive=False, buttons=["download"], visible=False
        )
    with gr.Accordion(t("Record (JSON)"), open=False, visible=False, elem_classes="record") as record_fold:
        record = gr.JSON(show_label=False)
    return Stage(
        live=live,
        compare=compare,
        status=status,
        download=download,
        more=more,
        send=send,
        as_content=as_content,
        same_seed=same_seed,
        vary=vary,
        curve=curve,
        film=film,
        film_button=film_button,
        record=record,
        after=after,
        folds=(curve_fold, film_fold, record_fold),
        stale=stale,
        cures=(smaller, fetch, defaults),
        memory=gr.State(time_to_live=1800),
        wanted=gr.State({}),
    )


def stale_mark() -> gr.HTML:
    """Says that the settings are no longer those of the result; keep.Fit shows it."""
    words = t("Out of date: the settings have changed since. Press Run.")
    return gr.HTML(words, elem_classes="stale", padding=False, visible=False)


def picture(example: Path) -> tuple[gr.Image, gr.ImageSlider]:
    """Where the picture is seen while it is made, with an example at first, and the slider that replaces it."""
    shown = str(example) if example.exists() else None
    live = gr.Image(
        shown,
        label=t("Example result") if shown else t("Result"),
        format="png",
        type="filepath",
        interactive=False,
        elem_classes="picture",
        buttons=["fullscreen"],
    )
    compare = gr.ImageSlider(
        label=cast(str, t("Before and after")),
        visible=False,
        type="filepath",
        elem_classes="picture",
        buttons=["fullscreen"],
        slider_position=0,  # on the result: a drag shows the photograph
    )
    return live, compare


def after_row(pipeline: Pipeline[Any], found: Sequence[Setting]) -> tuple[Any, ...]:
    """Settings that change the finished picture without a new run; shown once there is one."""
    if not pipeline.after or pipeline.repaint:  # then the form's own settings act at once
        return ()
    with gr.Accordion(t("Change without running again"), open=False), gr.Row():
        return tuple(controls.page_component(s) for s in found if s.name in pipeline.after)
