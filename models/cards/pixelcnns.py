"""Autoregressive models, pixel by pixel."""

from __future__ import annotations

from models.card import ModelCard

CARDS: tuple[ModelCard, ...] = ()
