"""Generators trained against a discriminator, the style-mixing one among them."""

from __future__ import annotations

from models.card import ModelCard

CARDS: tuple[ModelCard, ...] = ()
