"""What Compare opens on, run once: `python -m benchmarks.opening` writes examples/comparison/.

Default pictures and settings, every method that runs as it is; a picture each, and their costs and scores in one file.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from benchmarks.gallery import EXAMPLES, PAIRS
from models import registry
from models.cache import ModelCache
from pipelines import METHODS
from pipelines.compare import CompareParams, cells, engine
from pipelines.compare.engine import Card
from pipelines.params import parse

log = logging.getLogger(__name__)
FOLDER = EXAMPLES / "comparison"
CONTENT, STYLE = PAIRS[0]
GIVEN: dict[str, dict[str, Any]] = {
    "restyle": {"content": EXAMPLES / "content" / f"{CONTENT}.jpg", "styles": [EXAMPLES / "styles" / f"{STYLE}.jpg"]},
    "generate": {"dataset": "mnist"},
}


def compare(given: dict[str, Any], cache: ModelCache) -> list[Card]:
    """The finished cards of a comparison, the quickest first. Raises the first error of a method."""
    for _ in range(2):  # the first time warms the machine up
        cards = engine.prepare(cells(parse(CompareParams, given), METHODS)[0], cache)
        for _ in engine.perform(cards, cache.borrower()):
            pass
    for card in cards:
        if card.error:
            raise card.error
    return sorted(cards, key=lambda card: card.result.record.seconds.run if card.result else 0.0)


def row(card: Card, file: Path) -> dict[str, Any]:
    """What the page says of a card; its picture goes to `file`."""
    assert card.result is not None
    card.result.picture.save(file, "WEBP", quality=90, method=6)
    record = card.result.record.model_dump(mode="json", exclude={"details"})
    return {"name": card.entry.name, "file": file.name, "scores": card.scores, "record": record}


def main() -> None:
    """Write FOLDER/*.webp and cards.json."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    FOLDER.mkdir(exist_ok=True)
    cache, stored = registry.open_cache(), dict[str, list[dict[str, Any]]]()
    for kind, given in GIVEN.items():
        cards = compare(given, cache)
        stored[kind] = [row(card, FOLDER / f"{card.entry.name.replace(':', '-')}.webp") for card in cards]
        log.info("%s: %s", kind, ", ".join(one["file"] for one in stored[kind]))
    (FOLDER / "cards.json").write_text(json.dumps(stored, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
