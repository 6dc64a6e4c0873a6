"""torchvision's VGG-19 with its head: ImageNet's thousand classes, where the official weights are present."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from models import weights
from models.vgg import IMAGENET_MEAN, IMAGENET_STD


class ImageNet(nn.Module):
    """A torchvision network in two halves: pictures to the deepest feature maps, and those to logits.

    Args:
        network: a torchvision VGG, with `features`, `avgpool` and `classifier`.
        classes: the names of its classes, in order.
    """

    mean: Tensor
    std: Tensor
    SIDE = 224  # pixels
    layer = "conv5_4"  # what `look` returns

    def __init__(self, network: nn.Module, classes: list[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.features: nn.Sequential = network.features[:-1]  # type: ignore[index, assignment]  # without the last pool
        self.head = nn.Sequential(network.features[-1], network.avgpool, nn.Flatten(), network.classifier)  # type: ignore[index, arg-type]
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def look(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB in [0, 1], usually 224x224, to the last convolution's maps after its ReLU."""
        found: Tensor = self.features((x - self.mean) / self.std)
        return found

    def read(self, maps: Tensor) -> Tensor:
        """The maps of `look` to logits (N, classes)."""
        logits: Tensor = self.head(maps)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to logits (N, classes)."""
        return self.read(self.look(x))


def build(path: Path) -> nn.Module:
    """VGG-19 from torchvision's own file of weights."""
    import torchvision.models  # 10 s: only when such a model is asked for

    network = torchvision.models.vgg19(weights=None, init_weights=False)
    network.load_state_dict(weights.read_pickle(path), strict=True)
    return ImageNet(network, classes())


def classes() -> list[str]:
    """Names of ImageNet's thousand classes, in order."""
    import torchvision.models

    names: list[str] = torchvision.models.VGG19_Weights.IMAGENET1K_V1.meta["categories"]
    return names
