"""A model as the cache and the page know it: its name, its weights and how it is built from them.

What each file is, where it comes from and its sha256 stand in cards.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from models import weights
from models.weights import Weights

FILE = Path(__file__).with_name("cards.json")
Builder = Callable[[Path], nn.Module]


@dataclass(frozen=True)
class ModelCard:
    """A model by name: what it is called on the page, its weights file, and the builder that turns it into a module."""

    name: str
    title: str
    weights: Weights
    build: Builder

    def load(self) -> nn.Module:
        """Build the module. Raises WeightsMissing where the file is not here, WeightsError where it is wrong."""
        return self.build(weights.locate(self.weights))


def described(kind: Callable[..., nn.Module]) -> Builder:
    """A builder for files that describe themselves: `kind(**config)` of the header, then every tensor, strictly."""

    def build(path: Path) -> nn.Module:
        config, tensors = weights.read(path)
        module = kind(**config)
        module.load_state_dict(tensors, strict=True)
        return module

    return build


def cards(builders: Mapping[str, Builder]) -> tuple[ModelCard, ...]:
    """The models of `builders`, which says how each is built from the file that cards.json describes, in that order.

    A model that is another one's file under its own name says so with "as".
    """
    rows: dict[str, dict[str, Any]] = json.loads(FILE.read_text("utf-8"))

    def weights_of(name: str) -> Weights:
        row = rows[name]
        return replace(weights_of(row["as"]), name=name) if "as" in row else _weights(name, row)

    return tuple(ModelCard(name, rows[name]["title"], weights_of(name), build) for name, build in builders.items())


def _weights(name: str, row: Mapping[str, Any]) -> Weights:
    twin = _weights(name, row["twin"]) if "twin" in row else None
    known = {key: value for key, value in row.items() if key not in ("title", "urls", "twin")}
    return Weights(name=name, urls=tuple(row.get("urls", ())), twin=twin, **known)
