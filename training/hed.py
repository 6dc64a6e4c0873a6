"""Measure what `models.hed.ACTIVATIONS` says: the mean activation of each layer of the package's VGG-16.

    python -m training.hed

Over the photographs and styles of examples/, 256 pixels long, with average pooling; prints the constants.
"""

from __future__ import annotations

from pathlib import Path

import torch

from models import hed, weights
from models.cards.features import VGG16_HED
from models.vgg import Features
from pipelines import images

SIDE = 256  # pixels
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@torch.no_grad()
def mean_activations(network: Features) -> tuple[float, ...]:
    """Mean of each layer's activations over the example pictures, each picture counting alike."""
    pictures = sorted((*EXAMPLES.glob("content/*.jpg"), *EXAMPLES.glob("styles/*.jpg")))
    sums = torch.zeros(len(network.layers), dtype=torch.float64)
    for path in pictures:
        found = network(images.to_tensor(images.load(path), SIDE), network.layers, "average")
        sums += torch.tensor([float(found[name].double().mean()) for name in network.layers], dtype=torch.float64)
    return tuple((sums / len(pictures)).tolist())


def main() -> None:
    """Print the constants, to four digits."""
    raw = hed.assemble(hed.read(weights.locate(VGG16_HED)))
    print(", ".join(f"{mean:.4g}" for mean in mean_activations(raw)))


if __name__ == "__main__":
    main()
