"""Classifiers: the digit classifier that judges the generators, and the one of CIFAR-10 that Explore looks into."""

from __future__ import annotations

from models.card import ModelCard

CARDS: tuple[ModelCard, ...] = ()
