"""The hub's curated models: which of them are here, and a button for each of the others, as long as it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from models import hub
from models.hub import offers as imagine_offers
from models.hub.needs import of_model
from models.weights import WeightsError, WeightsMissing
from ui.kit import fetching


def here(repo: str) -> bool:
    """Whether a pipeline is on this machine: a folder that has one, or an id whose fetch was finished."""
    try:
        return (hub.folder(repo) / hub.INDEX).is_file()
    except (WeightsMissing, WeightsError):
        return False


def buttons() -> list[gr.Button]:
    """One for each curated model, in their order; hidden where the model is on this machine."""
    return [
        gr.Button(
            f"{offer.title} · {offer.download_bytes / 1e9:.1f} GB ↓",
            size="sm",
            min_width=200,
            visible=not here(offer.repo),
        )
        for offer in imagine_offers.OFFERS
    ]


def offers() -> list[Any]:
    """Values for `buttons`: there as long as there is something to fetch."""
    return [gr.update(visible=not here(offer.repo)) for offer in imagine_offers.OFFERS]


def starts() -> list[Callable[[gr.Request], Iterator[str]]]:
    """What each of `buttons` does."""

    def fetching_of(repo: str) -> Callable[[gr.Request], Iterator[str]]:
        def start(request: gr.Request) -> Iterator[str]:
            yield from fetching.fetch([of_model(repo)], request)

        return start

    return [fetching_of(offer.repo) for offer in imagine_offers.OFFERS]
