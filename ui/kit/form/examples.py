"""The example pictures that the page offers, in the order in which it shows them."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "examples"
CONTENT = sorted((FOLDER / "content").glob("*.jpg"))
STYLE = sorted((FOLDER / "styles").glob("*.jpg"), key=lambda path: (path.stem != "impasto", path.stem))
DIGITS = sorted((FOLDER / "digits").glob("*.png"))
RESULTS = FOLDER / "results"  # NAME.png: what a method makes of the first pair
COMPARISON = FOLDER / "comparison"  # what Compare opens on, by benchmarks/opening.py
