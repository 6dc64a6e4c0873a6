"""What the Models tab offers to fetch."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import registry, weights
from models.hub import offers
from ui.kit import hub
from ui.tabs import models


@pytest.mark.usefixtures("no_packages")
def test_a_file_is_offered_once_and_networks_that_need_each_other_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_CACHE", str(tmp_path))
    monkeypatch.delenv("ATELIER_WEIGHTS", raising=False)
    offered = models.fetchable()
    files = [card.weights.file for cards in offered for card in cards]
    assert len(files) == len(set(files)) and set(files) == {c.weights.file for c in registry.CARDS if c.weights.urls}
    assert ["magenta-style", "magenta-transfer"] in [[card.name for card in cards] for cards in offered]


def test_a_button_goes_once_its_file_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    groups = models.fetchable()
    line, *buttons = models.offers(groups)
    assert line["visible"] and [b["visible"] for b in buttons[: len(groups)]] == [
        bool(models.absent(c)) for c in groups
    ]
    place = next(i for i, cards in enumerate(groups) if cards[0].name == "vgg19")
    assert buttons[place]["value"].endswith(" MB ↓") and "VGG-19" in buttons[place]["value"]
    real, fetched = weights.present, {groups[place][0].weights}
    monkeypatch.setattr(weights, "present", lambda w: w in fetched or real(w))
    line, *buttons = models.offers(groups)
    assert not buttons[place]["visible"] and line["visible"]
    fetched |= {card.weights for cards in groups for card in cards}
    repo = offers.OFFERS[0].repo
    monkeypatch.setattr(hub, "here", lambda name: name == repo)
    line, *buttons = models.offers(groups)
    assert not line["visible"] and [button["visible"] for button in buttons[len(groups) :]] == [
        offer.repo != repo for offer in offers.OFFERS
    ]
