"""A model as the cache and the page know it: its name, its weights and how it is built from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from models import weights
from models.weights import Weights


@dataclass(frozen=True)
class ModelCard:
    """A model by name: what it is called on the page, its weights file, and the builder that turns it into a module."""

    name: str
    title: str
    weights: Weights
    build: Callable[[Path], nn.Module]

    def load(self) -> nn.Module:
        """Build the module. Raises WeightsMissing where the file is not here, WeightsError where it is wrong."""
        return self.build(weights.locate(self.weights))


def described(kind: Callable[..., nn.Module]) -> Callable[[Path], nn.Module]:
    """A builder for files that describe themselves: `kind(**config)` of the header, then every tensor, strictly."""

    def build(path: Path) -> nn.Module:
        config, tensors = weights.read(path)
        module = kind(**config)
        module.load_state_dict(tensors, strict=True)
        return module

    return build
