"""Fetching models from the hub with a button: the size before, progress meanwhile, one sentence if it fails."""

from __future__ import annotations

import html
import queue
import threading
from collections.abc import Iterator, Sequence

import gradio as gr

from models import hub, hub_download, imagine_offers
from models.imagine_needs import Need, of_model
from models.weights import WeightsError, WeightsMissing
from ui.i18n import in_words, spoken
from ui.session import KNOWN, PRIVATE
from ui.show import failed_status


def here(repo: str) -> bool:
    """Whether a pipeline is on this machine: a folder that has one, or an id whose fetch was finished."""
    try:
        return (hub.folder(repo) / hub.INDEX).is_file()
    except (WeightsMissing, WeightsError):
        return False


def fetch(needs: Sequence[Need], request: gr.Request | None = None) -> Iterator[str]:
    """Fetch what a run needs, telling how far it is as HTML; ends with a sentence either way."""
    told: queue.Queue[tuple[int, int] | None] = queue.Queue()
    failure: list[Exception] = []

    def work() -> None:
        try:
            hub_download.fetch_all([need.look() for need in needs], lambda done, total: told.put((done, total)))
        except KNOWN as error:
            failure.append(error)
        finally:
            told.put(None)

    names = ", ".join(need.name for need in needs)
    threading.Thread(target=work, daemon=True).start()
    while (step := told.get()) is not None:
        if told.empty():
            done, total = step
            share = 100 * done / max(1, total)
            bar = f'<div class="bar"><i style="width:{share:.1f}%"></i></div>'
            yield f"{html.escape(names)} · {done / 1e6:.0f}/{total / 1e6:.0f} MB{bar}"
    if failure:
        yield failed_status(in_words(str(failure[0]), request))
    else:
        yield f"<span>{html.escape(spoken('Here now: {}', request).format(names))}</span>"


def offers(status: gr.HTML) -> None:
    """A button for each curated model that is not on this machine."""
    for offer in imagine_offers.OFFERS:
        if here(offer.repo):
            continue
        button = gr.Button(f"{offer.title} · {offer.download_bytes / 1e9:.1f} GB ↓", size="sm", min_width=200)

        def start(request: gr.Request, repo: str = offer.repo) -> Iterator[str]:
            yield from fetch([of_model(repo)], request)

        button.click(start, None, [status], show_progress="hidden", concurrency_id="fetch", **PRIVATE)
