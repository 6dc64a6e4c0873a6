"""The models' panel of the Imagine tab: what the settings need, how much of it is missing, and the button for it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from models.device import amount
from models.hub import offers
from models.hub.needs import Need, of_model
from pipelines.imagine import plan
from pipelines.imagine.params import ImagineParams
from ui.kit import fetching
from ui.kit.i18n import in_words, spoken
from ui.kit.lacking import Sizes, asked_for, caption, size_of
from ui.kit.session import KNOWN, PRIVATE, QUICK
from ui.kit.show import failed_status
from ui.kit.tab import Form

NAMING = ("model", "also", "adapter", "lora", "styles")  # settings that decide what is read


def wire(form: Form, chosen: gr.Radio, told: gr.HTML, fetch: gr.Button, progress: gr.HTML) -> Callable[[Any], Any]:
    """Choosing a model fills its id in and sets the size that it was made for; Fetch brings what is missing. Returns
    what has the panel follow one more event."""
    inputs = {s.name: c for s, c in zip(form.settings, form.inputs, strict=True)}
    model, size, named = inputs["model"], inputs["size"], [inputs[name] for name in NAMING]
    asked = gr.State({})

    def choose(repo: str) -> tuple[str, Any]:
        offer = offers.KNOWN.get(repo)
        return repo, offer.size if offer else gr.skip()

    def show(request: gr.Request, sizes: Sizes, side: float, repo: str, *others: Any) -> list[Any]:
        """The panel: what it says, its button, and which of the offered models is marked."""
        known = repo if repo in offers.KNOWN else None
        try:
            found = needs(repo, *others)
        except KNOWN as error:
            trouble = failed_status(in_words(str(error), request))
            return [f"{described(repo, int(side), sizes, request)}<br>{trouble}", gr.update(visible=False), known]
        lines = [described(repo, int(side), sizes, request)]
        lines += [beside(need, sizes, request) for need in found if need.text != repo.strip()]
        return ["<br>".join(lines), button(missing(found), sizes, request), known]

    def bring(request: gr.Request, sizes: Sizes, *given: Any) -> Iterator[Any]:
        try:
            away = missing(needs(*given))
            if any(size_of(need, sizes) is None for need in away):
                sizes = asked_for(away, sizes)
                yield "", button(away, sizes, request), sizes  # the size first: the next press fetches
                return
        except KNOWN as error:
            yield failed_status(in_words(str(error), request)), gr.skip(), gr.skip()
            return
        for sentence in fetching.fetch(away, request):
            yield sentence, gr.update(interactive=False), gr.skip()
        yield sentence, button(missing(away), sizes, request), gr.skip()

    panel = [told, fetch, chosen]
    chosen.input(choose, [chosen], [model, size], **QUICK)
    moments = [c.change for c in (size, *named)]
    if (blocks := gr.context.Context.root_block) is not None:
        moments.append(blocks.load)  # one event for all: the answer to the first must not come after that to the last
    gr.on(moments, show, [asked, size, *named], panel, trigger_mode="always_last", **QUICK)
    form.filled["styles"].then(show, [asked, size, *named], panel, **QUICK)  # an empty Gallery's first is no change
    options: dict[str, Any] = {"show_progress": "hidden", "concurrency_id": "fetch", **PRIVATE}
    fetch.click(bring, [asked, *named], [progress, fetch, asked], **options).then(
        show, [asked, size, *named], panel, **QUICK
    )
    return lambda event: event(show, [asked, size, *named], panel, **QUICK)


def needs(model: str, also: str, adapter: str, lora: str, styles: Any) -> list[Need]:
    """What a run with these settings reads. Raises ParamError, WeightsError."""
    given: dict[str, Any] = {"model": model, "also": also, "adapter": adapter, "lora": lora, "styles": styles or []}
    return plan.needs(ImagineParams.model_construct(**given))  # unread: that there are pictures is enough


def missing(found: Sequence[Need]) -> list[Need]:
    """Those that the hub can be asked for, and that are not on this machine."""
    return [need for need in found if need.fetchable and need.fault() is not None]


def button(away: Sequence[Need], sizes: Sizes, request: gr.Request | None) -> Any:
    """Fetch, where there is something to fetch: with its size where that is known."""
    if not away:
        return gr.update(visible=False)
    return gr.update(visible=True, interactive=True, value=caption(away, sizes, request))


def state(need: Need, sizes: Sizes, request: gr.Request | None) -> str:
    """Whether it is here and, where that is known, how much a fetch would bring."""
    if need.fault() is None:
        return spoken("on this machine", request)
    size = size_of(need, sizes) if need.fetchable else None
    if size is None:
        return spoken("not on this machine", request)
    return spoken("not on this machine: {} to fetch", request).format(amount(size))


def beside(need: Need, sizes: Sizes, request: gr.Request | None) -> str:
    """A second model, an IP-Adapter or a LoRA in one line, as HTML."""
    text, told = html.escape(need.name), html.escape(state(need, sizes, request))
    return f"<small>{text} · {told}</small>" if need.fault() is None else f"{text} · <b>{told}</b>"


def described(repo: str, side: int, sizes: Sizes, request: gr.Request | None) -> str:
    """What a model is good for and what it takes at `side` pixels, as HTML."""
    offer, told = offers.KNOWN.get(repo), html.escape(state(of_model(repo.strip()), sizes, request))
    if offer is None:
        name = repo if repo.strip() else "–"
        return f"<b>{html.escape(name)}</b><br>{spoken('a model of your own choice', request)} · {told}"
    least, whole = (f"{count / 1e9:.1f}" for count in offer.device_bytes(side))
    small = [
        spoken("made for {} steps, guidance {}, {} pixels", request).format(
            offer.steps, f"{offer.guidance:g}", offer.size
        ),
        spoken("on the device at least {} GB, all of it at once {} GB (computed)", request).format(least, whole),
        f"{spoken('licence', request)}: {offer.licence}",
    ]
    lines = [f"<b>{html.escape(offer.title)}</b> · {html.escape(spoken(offer.good_for, request))}"]
    lines += [f"<small>{html.escape(line)}</small>" for line in small]
    return "<br>".join([*lines, f"<b>{told}</b>"])
