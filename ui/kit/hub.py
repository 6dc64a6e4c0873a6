"""The hub's curated models: which of them are here, and a button for each of the others."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from models import hub
from models.hub import offers as imagine_offers
from models.hub.needs import of_model
from models.weights import WeightsError, WeightsMissing
from ui.kit import fetching
from ui.kit.session import PRIVATE


def here(repo: str) -> bool:
    """Whether a pipeline is on this machine: a folder that has one, or an id whose fetch was finished."""
    try:
        return (hub.folder(repo) / hub.INDEX).is_file()
    except (WeightsMissing, WeightsError):
        return False


def offers(status: gr.HTML) -> None:
    """A button for each curated model that is not on this machine."""
    for offer in imagine_offers.OFFERS:
        if here(offer.repo):
            continue
        button = gr.Button(f"{offer.title} · {offer.download_bytes / 1e9:.1f} GB ↓", size="sm", min_width=200)

        def start(request: gr.Request, repo: str = offer.repo) -> Iterator[str]:
            yield from fetching.fetch([of_model(repo)], request)

        button.click(start, None, [status], show_progress="hidden", concurrency_id="fetch", **PRIVATE)
