"""Layers of a feature network, and weights of several styles, as a person types them."""

from __future__ import annotations

from collections.abc import Sequence

from models.vgg import Features
from pipelines.params import ParamError


def layer_weights(text: str, network: Features) -> dict[str, float]:
    """`"conv1_1:2,conv3_1"` -> {"conv1_1": 2.0, "conv3_1": 1.0}. Raises ParamError for unknown layers, bad numbers."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition(":")
        if name not in network.layers:
            raise ParamError(f"There is no layer {name} in this network: choose from {', '.join(network.layers)}.")
        try:
            found[name] = float(number or 1)
        except ValueError:
            raise ParamError(f"The weight of {name} is {number!r}: give a number, such as {name}:0.5.") from None
        if not 0 < found[name] < float("inf"):
            raise ParamError(f"The weight of {name} is {number}: give a number above 0.")
    return found


def shares(weights: Sequence[float], styles: int) -> list[float]:
    """Share of each style, adding up to 1; no weights: all the same. Raises ParamError when they do not fit."""
    if not weights:
        return [1 / styles] * styles
    if len(weights) != styles:
        raise ParamError(f"style_weights has {len(weights)} numbers for {styles} styles: give one for each.")
    if min(weights) < 0 or sum(weights) == 0:
        raise ParamError(f"style_weights are {list(weights)}: give numbers from 0 up, at least one above 0.")
    return [weight / sum(weights) for weight in weights]


def usual_weights(layers: Sequence[str]) -> dict[str, float]:
    """Each style layer counts twice the next deeper one, which keeps strokes clean.

    This differs from Gatys et al. (2015), who weigh all alike; crowsonkb/style-transfer-pytorch quarters each time.
    """
    return {name: 0.5**depth for depth, name in enumerate(layers)}
