"""What the page says, as data: one JSON file a language.

en.json holds the short text of each method for a student, paragraph by paragraph, and what English readers see of
choices whose names are made for the command line. zh.json holds the Chinese of every English text, by where it stands:
what all tabs share, a method's own, the models', and what can go wrong (with {} for what varies, {0}, {1}... in its
order there); and the same short texts, with null for an equation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def _read(language: str) -> dict[str, Any]:
    return json.loads((HERE / f"{language}.json").read_text("utf-8"))  # type: ignore[no-any-return]


_EN, _ZH = _read("en"), _read("zh")
ENGLISH: dict[str, str] = _EN["choices"]
SENTENCES: dict[str, str] = _ZH["errors"]
# What a network is trained as -> experiments: two lines of text, and the settings that differ from the defaults.
EXPERIMENTS: dict[str, list[tuple[str, dict[str, Any]]]] = _EN["experiments"]
# Method -> equations, and paragraphs as (English, Chinese).
HOW_TO: dict[str, tuple[str | tuple[str, str], ...]] = {
    method: tuple(
        (english, chinese) if chinese else english
        for english, chinese in zip(texts, _ZH["how_to"][method], strict=True)
    )
    for method, texts in _EN["how_to"].items()
}
CHINESE: dict[str, str] = {
    english: chinese
    for place, words in _ZH.items()
    if place not in {"errors", "how_to"}
    for english, chinese in words.items()
} | {part[0]: part[1] for texts in HOW_TO.values() for part in texts if isinstance(part, tuple)}
