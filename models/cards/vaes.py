"""Variational autoencoders."""

from __future__ import annotations

from models.card import ModelCard

CARDS: tuple[ModelCard, ...] = ()
