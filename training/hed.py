"""Measure what `models.hed.ACTIVATIONS` says: the mean activation of each layer of the package's VGG-16.

    python -m training.hed

Over the photographs and styles of examples/, 256 pixels long, with average pooling; prints the constants.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from models import hed, registry, weights
from models.vgg import Features

SIDE = 256  # pixels
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def picture(path: Path) -> Tensor:
    """(1, 3, H, W) in [0, 1], at most `SIDE` pixels long."""
    with PIL.Image.open(path) as file:
        small = file.convert("RGB")
    small.thumbnail((SIDE, SIDE), PIL.Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(small, np.float32) / 255).permute(2, 0, 1)[None]


@torch.no_grad()
def mean_activations(network: Features) -> tuple[float, ...]:
    """Mean of each layer's activations over the example pictures, each picture counting alike."""
    pictures = sorted((*EXAMPLES.glob("content/*.jpg"), *EXAMPLES.glob("styles/*.jpg")))
    sums = torch.zeros(len(network.layers), dtype=torch.float64)
    for path in pictures:
        found = network(picture(path), network.layers, "average")
        sums += torch.tensor([float(found[name].double().mean()) for name in network.layers], dtype=torch.float64)
    return tuple((sums / len(pictures)).tolist())


def main() -> None:
    """Print the constants, to four digits."""
    raw = hed.build(weights.locate(registry.MODELS["vgg16-hed"].weights), (1.0,) * len(hed.ACTIVATIONS))
    print(", ".join(f"{mean:.4g}" for mean in mean_activations(raw)))


if __name__ == "__main__":
    main()
