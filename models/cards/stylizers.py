"""Networks that restyle in one pass: ours, and Magenta's where its files are present."""

from __future__ import annotations

from models.card import ModelCard

CARDS: tuple[ModelCard, ...] = ()
