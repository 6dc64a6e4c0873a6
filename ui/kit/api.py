"""The endpoint of a method for REST, gradio_client and MCP."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from pipelines.base import Pipeline
from pipelines.params import Setting, parse
from ui.kit.form import controls
from ui.kit.press import api_run
from ui.kit.run import RUNS, Server, follow
from ui.kit.session import address_of, event_id, explain, file_in_cache, visitor_of

SECONDS_BETWEEN_UPDATES = 1.0


def build(pipeline: Pipeline[Any], server: Server, settings: Sequence[Setting]) -> None:
    """`/NAME` for REST, gradio_client and MCP: inputs by the settings' names; outputs picture, the file beside it where
    the method makes one, and record."""

    nothing = [None] if pipeline.file else []  # in the place of the file that is made beside the picture

    def call(request: gr.Request, *given: Any) -> Iterator[Any]:
        last, done = time.perf_counter(), False
        try:
            params = parse(pipeline.params, controls.typed(settings, given))
            event = event_id()
            with server.press(None, api_run(event)) as press:
                press.visitor = address_of(request)
                press.streams = [event, visitor_of(request)] if event else []
                for view in follow(server, pipeline, params, press):
                    done = view.result is not None
                    if view.result is not None:
                        told = view.result.record.model_dump(mode="json")
                        files = [file_in_cache(view.result.file, pipeline.file)] if pipeline.file else []
                        yield file_in_cache(view.result.png(), ".png"), *files, told
                    elif time.perf_counter() - last >= SECONDS_BETWEEN_UPDATES:
                        last = time.perf_counter()  # without these a client that went away would not stop the run
                        step = view.progress
                        place = {"step": step.step, "total": step.total} if step else {"ahead": view.ahead}
                        yield view.preview, *nothing, place
        except Exception as error:  # the API's last line: every error becomes a sentence, bugs keep theirs in the log
            raise gr.Error(explain(error), print_exception=False) from error
        if not done:
            raise gr.Error("Stopped before the first step: nothing was made.", print_exception=False)

    with gr.Group(visible=False):
        inputs = [controls.api_component(s) for s in settings]
        picture = gr.Image(label="image", format="png", type="filepath")
        beside = [gr.File(label="file")] if pipeline.file else []
        outputs = [picture, *beside, gr.JSON(label="record")]
        gr.Button(visible=False).click(
            controls.named(call, pipeline.name, pipeline.description, settings),
            inputs,
            outputs,
            api_name=pipeline.name,
            **{**RUNS, "api_visibility": "public"},
        )
