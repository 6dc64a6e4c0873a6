"""What the Models tab offers to fetch."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import registry
from ui.tabs import models


def test_a_file_is_offered_once_and_networks_that_need_each_other_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_CACHE", str(tmp_path))
    monkeypatch.delenv("ATELIER_WEIGHTS", raising=False)
    offered = models.absent()
    files = [card.weights.file for cards in offered for card in cards]
    assert len(files) == len(set(files)) and set(files) == {c.weights.file for c in registry.CARDS if c.weights.urls}
    assert ["magenta-style", "magenta-transfer"] in [[card.name for card in cards] for cards in offered]
