"""The whole page: a masthead, one tab a method, and the Models tab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import gradio as gr

from models.cache import ModelCache
from pipelines import PIPELINES
from ui.kit import tab
from ui.kit.i18n import I18N, declared, t
from ui.kit.run import Server
from ui.kit.session import QUICK
from ui.server import kept_seconds
from ui.tabs import compare, diffusion, explore, gan, imagine, models, pixelcnn, stylemix, stylize, vae
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
}


def build(cache: ModelCache) -> Page:
    """The page as Blocks, not launched; start-up loads no model."""
    server = Server(cache)
    frames: dict[str, Any] = {}
    with Page(title="Atelier", analytics_enabled=False) as page:
        with gr.Row(elem_classes="masthead"):
            gr.Markdown(t("# Atelier"), container=False)
            gr.Markdown(t("Ways of making images, side by side"), container=False)
        with gr.Tabs() as tabs:
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
        if {"explore", "gatys"} <= set(frames):
            looks.link(frames["explore"], frames["gatys"])
    page.shared, page.kept_seconds = server, kept_seconds()
    page.queue(api_open=False, max_size=64)
    return cast(Page, page)
