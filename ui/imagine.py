"""The Imagine tab: the prompt first, models to choose from with what each needs, and fetching them."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any, cast

import gradio as gr

from models import hub as parts
from models import imagine_offers
from models.cache import ModelCache
from pipelines.base import Pipeline
from ui import hub, tab
from ui.i18n import spoken, t
from ui.session import KNOWN, PRIVATE, QUICK, Stops
from ui.show import failed_status
from ui.tab import Form, Frame

PROMPTS = {  # short name -> what is written into the prompt; the models read English
    "Lighthouse": "a lighthouse on a cliff at dusk, watercolour, soft light",
    "Paper city": "a city made of folded paper, seen from above, studio light",
    "Still life": "a still life with pears and a blue jug, oil on canvas, thick strokes",
    "Night train": "a night train crossing a snowy valley, linocut, two colours",
}


def build(pipeline: Pipeline[Any], cache: ModelCache, stops: Stops, tabs: gr.Tabs) -> Frame:
    """The frame of every method, with the models' panel under the prompt."""
    return tab.build(pipeline, cache, stops, tabs, left=left)


def left(form: Form) -> None:
    """Prompts to start from, the models' panel, and the LoRA upload."""
    inputs = {s.name: c for s, c in zip(form.settings, form.inputs, strict=True)}
    for name, lines in (("prompt", 2), ("model", 1)):
        inputs[name].lines, inputs[name].max_lines = lines, 4 if lines > 1 else 1
        inputs[name].elem_classes = ["wide"]
    with gr.Column(elem_classes="offer"):
        with gr.Row(elem_classes="prompts"):
            for name, prompt in PROMPTS.items():
                button = gr.Button(t(name), size="sm", min_width=70)
                button.click(lambda prompt=prompt: prompt, None, [inputs["prompt"]], **QUICK)
        choices = [(offer.title, offer.repo) for offer in imagine_offers.OFFERS]
        chosen = gr.Radio(choices, value=imagine_offers.DEFAULT, label=t("Models to choose from"))
        told = gr.HTML(elem_classes="status", padding=False)
        fetch = gr.Button(t("Fetch"), size="sm", visible=False)
        progress = gr.HTML("", elem_classes="status", padding=False)
    upload = gr.UploadButton(
        cast(str, t("Upload a LoRA (.safetensors)")), file_types=[".safetensors"], size="sm", elem_classes="lora"
    )
    upload.upload(lambda path: path, [upload], [inputs["lora"]], **QUICK)
    wire(inputs, chosen, told, fetch, progress)


def wire(inputs: dict[str, Any], chosen: gr.Radio, told: gr.HTML, fetch: gr.Button, progress: gr.HTML) -> None:
    """Choosing a model fills its id in and sets the size that it was made for; Fetch brings it."""
    model, size = inputs["model"], inputs["size"]

    def choose(repo: str) -> tuple[str, Any]:
        offer = imagine_offers.KNOWN.get(repo)
        return repo, offer.size if offer else gr.skip()

    def show(repo: str, side: float, request: gr.Request) -> list[Any]:
        return [needs(repo, int(side), request), fetch_button(repo, request), repo if _offered(repo) else None]

    def bring(repo: str, request: gr.Request) -> Iterator[Any]:
        if repo not in imagine_offers.KNOWN and not asked(repo):
            yield sized(repo, request)
            return
        for sentence in hub.fetch(repo.strip(), request):
            yield sentence, gr.update(interactive=False)
        yield sentence, fetch_button(repo, request)

    looked: set[str] = set()  # sizes that were shown: the next press fetches

    def asked(repo: str) -> bool:
        return repo in looked

    def sized(repo: str, request: gr.Request) -> Any:
        try:
            snapshot = hub.look(repo)
        except KNOWN as error:
            return failed_status(str(error)), gr.skip()
        looked.add(repo)
        return "", gr.update(value=spoken("Fetch {} GB", request).format(f"{snapshot.bytes / 1e9:.1f}"))

    panel = [told, fetch, chosen]
    chosen.input(choose, [chosen], [model, size], **QUICK)
    gr.on([model.change, size.change], show, [model, size], panel, **QUICK)
    blocks = gr.context.Context.root_block
    if blocks is not None:
        blocks.load(show, [model, size], panel, **QUICK)
    fetch.click(bring, [model], [progress, fetch], show_progress="hidden", concurrency_id="fetch", **PRIVATE).then(
        show, [model, size], panel, **QUICK
    )


def _offered(repo: str) -> bool:
    return repo in imagine_offers.KNOWN


def needs(repo: str, side: int, request: gr.Request | None) -> str:
    """What a model is good for and what it takes at `side` pixels, as HTML."""
    state = spoken("on this machine" if hub.here(repo) else "not on this machine", request)
    offer = imagine_offers.KNOWN.get(repo)
    if offer is None:
        name = repo if repo.strip() else "–"
        return f"<b>{html.escape(name)}</b><br>{spoken('a model of your own choice', request)} · {state}"
    if not hub.here(repo):
        state = spoken("not on this machine: {} GB to fetch", request).format(f"{offer.download_bytes / 1e9:.1f}")
    least, whole = (f"{count / 1e9:.1f}" for count in offer.device_bytes(side))
    lines = [
        f"{spoken(offer.good_for, request)} · {spoken('licence', request)}: {offer.licence}",
        spoken("made for {} steps, guidance {}, {} pixels", request).format(
            offer.steps, f"{offer.guidance:g}", offer.size
        ),
        spoken("on the device at least {} GB, all of it at once {} GB (computed)", request).format(least, whole),
        state,
    ]
    return f"<b>{html.escape(offer.title)}</b><br>" + "<br>".join(html.escape(line) for line in lines)


def fetch_button(repo: str, request: gr.Request | None) -> Any:
    """Fetch, where there is something to fetch: with its size where that is known."""
    offer = imagine_offers.KNOWN.get(repo)
    if hub.here(repo):
        if offer is None or not hub.lacks_adapter(repo):
            return gr.update(visible=False)
        words = spoken("Fetch {} GB for style pictures", request).format(f"{offer.adapter_bytes / 1e9:.1f}")
    elif not parts.REPO_ID.fullmatch(repo.strip()):
        return gr.update(visible=False)
    elif offer is None:
        words = spoken("How large is it?", request)
    else:
        words = spoken("Fetch {} GB", request).format(f"{offer.download_bytes / 1e9:.1f}")
    return gr.update(visible=True, interactive=True, value=words)
