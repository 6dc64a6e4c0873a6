"""Fetching models from the hub with a button: the size before, progress meanwhile, one sentence if it fails."""

from __future__ import annotations

import html
import queue
import threading
from collections.abc import Iterator

import gradio as gr

from models import hub, hub_download, imagine_offers
from models.hub_download import Snapshot
from models.weights import WeightsError, WeightsMissing
from ui.i18n import spoken
from ui.session import KNOWN, PRIVATE
from ui.show import failed_status


def here(repo: str) -> bool:
    """Whether a pipeline is on this machine: a folder that has one, or an id whose fetch was finished."""
    try:
        return (hub.folder(repo) / hub.INDEX).is_file()
    except (WeightsMissing, WeightsError):
        return False


def lacks_adapter(repo: str) -> bool:
    """Whether the IP-Adapter that goes with a curated model is still to be fetched."""
    offer = imagine_offers.KNOWN.get(repo)
    if offer is None or offer.adapter is None:
        return False
    try:
        hub.file(offer.adapter.repo, offer.adapter.file)
        hub.files(offer.adapter.repo, offer.adapter.encoder)
    except (WeightsMissing, WeightsError):
        return True
    return False


def look(repo: str) -> Snapshot:
    """What the next fetch for `repo` brings: its pipeline or, where that is here, the IP-Adapter that goes with it.

    Raises:
        WeightsMissing, WeightsError: as models.hub_download.look.
    """
    repo, offer = repo.strip(), imagine_offers.KNOWN.get(repo.strip())
    if offer is not None and offer.adapter is not None and here(repo):
        return hub_download.look(offer.adapter.repo, (offer.adapter.file, offer.adapter.encoder))
    return hub_download.look(repo)


def fetch(repo: str, request: gr.Request | None = None) -> Iterator[str]:
    """Fetch a pipeline, telling how far it is as HTML; ends with a sentence either way."""
    told: queue.Queue[tuple[int, int] | None] = queue.Queue()
    failure: list[Exception] = []

    def work() -> None:
        try:
            hub_download.fetch(look(repo), lambda done, total: told.put((done, total)))
        except KNOWN as error:
            failure.append(error)
        finally:
            told.put(None)

    threading.Thread(target=work, daemon=True).start()
    while (step := told.get()) is not None:
        if told.empty():
            done, total = step
            share = 100 * done / max(1, total)
            bar = f'<div class="bar"><i style="width:{share:.1f}%"></i></div>'
            yield f"{html.escape(repo)} · {done / 1e6:.0f}/{total / 1e6:.0f} MB{bar}"
    if failure:
        yield failed_status(str(failure[0]))
    else:
        yield html.escape(spoken("{} is here now", request).format(repo))


def offers(status: gr.HTML) -> None:
    """A button for each curated model that is not on this machine."""
    for offer in imagine_offers.OFFERS:
        if here(offer.repo):
            continue
        button = gr.Button(f"{offer.title} · {offer.download_bytes / 1e9:.1f} GB ↓", min_width=160)

        def start(request: gr.Request, repo: str = offer.repo) -> Iterator[str]:
            yield from fetch(repo, request)

        button.click(start, None, [status], show_progress="hidden", concurrency_id="fetch", **PRIVATE)
