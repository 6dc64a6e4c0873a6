"""The whole page: a masthead, one tab a method, and the Models tab."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl

import gradio as gr

from models.cache import ModelCache
from pipelines import PIPELINES
from pipelines.params import ParamError
from ui.kit import tab
from ui.kit.form import keep
from ui.kit.form.examples import CONTENT, STYLE
from ui.kit.i18n import I18N, declared, in_browser, in_words, spoken, t
from ui.kit.line import Turns
from ui.kit.run import Server
from ui.kit.session import QUICK
from ui.kit.show import failed_status
from ui.server import kept_seconds
from ui.tabs import compare, diffusion, explore, gan, imagine, models, pixelcnn, stylemix, stylize, train, vae
from ui.tabs.compare import send
from ui.tabs.explore import looks
from ui.trust import Page

__all__ = ["I18N", "build"]
# Method -> its own tab; the others have tab.build's.
BUILDERS: dict[str, Callable[..., Any]] = {
    "compare": compare.build,
    "stylize": stylize.build,
    "gan": gan.build,
    "stylemix": stylemix.build,
    "vae": vae.build,
    "pixelcnn": pixelcnn.build,
    "diffusion": diffusion.build,
    "imagine": imagine.build,
    "explore": explore.build,
    "train": train.build,
}
GROUPS = {  # name -> its tabs; a method that is in none stands with the generators
    "Restyle": ("compare", "gatys", "stylize", "imagine"),
    "Generate": ("compare", "gan", "stylemix", "vae", "pixelcnn", "diffusion"),
    "Look inside": ("explore", "train"),
    "Models": ("models",),
}


def build(cache: ModelCache) -> Page:
    """The page as Blocks, not launched; start-up loads no model."""
    server = Server(cache, Turns(slots=cache.elsewhere.slots if cache.elsewhere else 1))
    frames: dict[str, Any] = {}
    with Page(title="Atelier", analytics_enabled=False) as page:
        masthead()
        with gr.Tabs(overflow_behavior="wrap", elem_classes="rooms") as tabs:
            for pipeline in PIPELINES.values():
                with gr.Tab(declared(pipeline.title), id=pipeline.name):
                    layout: Callable[..., Any] = BUILDERS.get(pipeline.name, tab.build)
                    frames[pipeline.name] = layout(pipeline, server)
            with gr.Tab(t("Models"), id="models"):
                models.build(server, page)
        for name in {"compare", "explore"} & set(frames):
            frames[name].cure.click(lambda: gr.Tabs(selected="models"), None, [tabs], **QUICK)
        if "compare" in frames:
            send.link(frames["compare"], frames, tabs)
        if "train" in frames:
            train.link(frames["train"], frames, tabs)
        if "explore" in frames:
            looks.keep_settings(frames["explore"])
        if {"explore", "gatys"} <= set(frames):
            looks.link(frames["explore"], frames["gatys"])
        open_links(frames, tabs, page)
    page.shared, page.kept_seconds = server, kept_seconds()
    page.queue(api_open=False, max_size=64)
    return cast(Page, page)


def masthead() -> None:
    """The title, and the groups of tabs."""
    with gr.Row(elem_classes="masthead"):
        gr.Markdown(t("# Atelier"), container=False)
        gr.Markdown(t("Ways of making images, side by side"), container=False)
        navigation()


def navigation() -> None:
    """The groups of tabs, the drawer of results, and a way to Run for keyboards."""
    known = {name for tabs in GROUPS.values() for name in tabs}
    others = tuple(name for name in PIPELINES if name not in known)
    groups = json.dumps({name: (*tabs, *(others if name == "Generate" else ())) for name, tabs in GROUPS.items()})
    words = ", ".join(f"{json.dumps(name)}: {in_browser(name)}" for name in GROUPS)
    names = ", ".join(f"{json.dumps(path.stem)}: {in_browser(path.stem)}" for path in (*CONTENT, *STYLE))
    words += f", last: {in_browser('Last results')}, names: {{{names}}}"
    gr.HTML(
        t("Skip to Run"),
        html_template='<a class="skip" href="#run">${value}</a><nav></nav>',
        js_on_load=f"atelier.navigation(element, {groups}, {{{words}}})",
        elem_classes="groups",
        apply_default_css=False,
    )


def open_links(frames: Mapping[str, Any], tabs: gr.Tabs, page: gr.Blocks) -> None:
    """Have `?tab=gan&count=4` open that tab with these settings, or say in a sentence why it cannot.

    The browser asks where the address has such settings: an answer touches every form.
    """
    places = {name: (frame.link.status, *frame.link.inputs) for name, frame in frames.items()}
    outputs = [tabs, *(place for own in places.values() for place in own)]

    def opened(query: str, request: gr.Request) -> Any:
        settings = dict(parse_qsl(query.removeprefix("?")))
        name = settings.pop("tab", "compare")
        if name not in {*frames, "models"}:
            return [gr.skip()] * len(outputs)
        rows: dict[Any, Any] = {tabs: gr.Tabs(selected=name)}
        known = PIPELINES[name].params.model_fields if name in frames else ()
        if given := {key: text for key, text in settings.items() if key in known}:
            try:
                values = frames[name].link.values(given)
                said = spoken("Settings of the link. Pictures are not in it.", request)
            except ParamError as error:
                values = [gr.skip()] * len(frames[name].link.inputs)
                said = failed_status(in_words(str(error), request))
            rows |= dict(zip(places[name], [said, *values], strict=True)) if values else {}
        return rows

    query = gr.Textbox("", visible="hidden", show_label=False)
    asked = "/[?&](tab|methods)=/.test(location.search)"
    page.load(None, None, [query], js=f"() => [{asked} ? location.search : {keep.STAYS}]", **QUICK)
    query.change(opened, [query], outputs, **QUICK)
