"""The endpoint of a method for REST, gradio_client and MCP."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from pipelines.base import Pipeline
from pipelines.params import Setting, parse
from ui.kit import controls
from ui.kit.run import RUNS, Press, Server, follow
from ui.kit.session import KNOWN, file_in_cache

SECONDS_BETWEEN_UPDATES = 1.0


def build(pipeline: Pipeline[Any], server: Server, settings: Sequence[Setting]) -> None:
    """`/NAME` for REST, gradio_client and MCP: inputs by the settings' names; outputs picture and record."""

    def call(request: gr.Request, *given: Any) -> Iterator[Any]:
        del request
        told = time.perf_counter()
        try:
            params = parse(pipeline.params, controls.values(settings, given))
            for view in follow(server, pipeline, params, Press()):
                if view.result is not None:
                    yield file_in_cache(view.result.png(), ".png"), view.result.record.model_dump(mode="json")
                elif time.perf_counter() - told >= SECONDS_BETWEEN_UPDATES:
                    told = time.perf_counter()  # without these a client that went away would not stop the run
                    progress = view.progress
                    yield (
                        view.preview,
                        {"step": progress.step, "total": progress.total} if progress else {"ahead": view.ahead},
                    )
        except KNOWN as error:
            raise gr.Error(str(error), print_exception=False) from error

    with gr.Group(visible=False):
        inputs = [controls.api_component(s) for s in settings]
        outputs = [gr.Image(label="image", format="png", type="filepath"), gr.JSON(label="record")]
        gr.Button(visible=False).click(
            controls.named(call, pipeline.name, pipeline.description, settings),
            inputs,
            outputs,
            api_name=pipeline.name,
            **{**RUNS, "api_visibility": "public"},
        )
