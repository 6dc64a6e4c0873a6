"""Feature networks behind one interface: the bundled vgg-lite, and torchvision's VGG-19, VGG-16 and SqueezeNet 1.1.

VGG: Simonyan and Zisserman 2014, arXiv:1409.1556. SqueezeNet: Iandola et al. 2016, arXiv:1602.07360.
Layers are named as in Gatys et al. (arXiv:1508.06576): conv4_2 is the second convolution of block 4, after its ReLU.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import weights

Pooling = Literal["max", "average"]
CONTENT_LAYERS = ("conv4_2",)
STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pool(nn.Module):
    """Max or average pooling over the same windows, chosen at each call: the module is shared between methods."""

    def __init__(self, kernel: int = 2, ceil_mode: bool = False) -> None:
        super().__init__()
        self.kernel, self.ceil_mode = kernel, ceil_mode

    def forward(self, x: Tensor, pooling: Pooling) -> Tensor:
        pool = F.max_pool2d if pooling == "max" else F.avg_pool2d
        return pool(x, self.kernel, 2, ceil_mode=self.ceil_mode)


class Features(nn.Module):
    """A convolutional network that returns the activations of the layers asked for.

    Args:
        steps: (name, module) in order; a `Pool` has a name starting with "pool", everything else ends in a ReLU.
        mean, std: what the network's training subtracted and divided by, per colour.
        content, style: the layers used when a method names none.
        stem: smallest side in pixels that the first layer takes.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        steps: Iterable[tuple[str, nn.Module]],
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
        content: tuple[str, ...] = CONTENT_LAYERS,
        style: tuple[str, ...] = STYLE_LAYERS,
        stem: int = 1,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.steps = nn.ModuleDict(dict(steps))
        self.content, self.style = content, style
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names that `forward` can return, shallow to deep."""
        return tuple(name for name in self.steps if not name.startswith("pool"))

    def smallest(self, layers: Collection[str]) -> int:
        """Smallest side in pixels of a picture that still reaches the deepest of `layers`."""
        deepest = max((list(self.steps).index(name) for name in layers), default=0)
        return int(self.stem * 2 ** sum(name.startswith("pool") for name in list(self.steps)[: deepest + 1]))

    def forward(self, x: Tensor, layers: Collection[str], pooling: Pooling = "max") -> dict[str, Tensor]:
        """Activations of `layers`.

        Args:
            x: (N, 3, H, W) sRGB in [0, 1].
            layers: names from `self.layers`.
            pooling: "max" as the network was trained, "average" as Gatys et al. advise for smoother pictures.

        Returns:
            Layer name -> (N, C, H', W'), not negative.

        Raises:
            ValueError: when a layer is unknown or the picture too small for the deepest one.
        """
        if unknown := [name for name in layers if name not in self.layers]:
            raise ValueError(f"There is no layer {unknown[0]}: choose from {', '.join(self.layers)}.")
        if min(x.shape[-2:]) < (least := self.smallest(layers)):
            raise ValueError(
                f"Input is {x.shape[-1]}x{x.shape[-2]} but must be at least {least}x{least}: choose a larger size."
            )
        found: dict[str, Tensor] = {}
        x = (x - self.mean) / self.std
        for name, step in self.steps.items():
            if len(found) == len(set(layers)):
                break
            x = step(x, pooling) if isinstance(step, Pool) else step(x)
            if name in layers:
                found[name] = x
        return found


def edge_conv(conv: nn.Conv2d) -> nn.Conv2d:
    """The same 3x3 convolution with its border repeated instead of zero: fewer artefacts at the picture's edge."""
    conv.padding_mode = "replicate"
    conv._reversed_padding_repeated_twice = [1, 1, 1, 1]  # what Conv2d pads by itself in this mode
    return conv


def vgg_lite(
    widths: tuple[int, ...], depths: tuple[int, ...], mean: tuple[float, ...], std: tuple[float, ...]
) -> Features:
    """An untrained network in VGG's layout: `depths[i]` convolutions of `widths[i]` channels in block i + 1."""
    steps: list[tuple[str, nn.Module]] = []
    channels = 3
    for block, (width, depth) in enumerate(zip(widths, depths, strict=True), 1):
        if block > 1:
            steps.append((f"pool{block - 1}", Pool()))
        for i in range(1, depth + 1):
            conv = nn.Conv2d(channels, width, 3, padding=1, padding_mode="zeros" if steps else "replicate")
            steps.append((f"conv{block}_{i}", nn.Sequential(conv, nn.ReLU())))
            channels = width
    return Features(steps, tuple(mean), tuple(std))


def from_torchvision_vgg(layers: nn.Sequential) -> Features:
    """`torchvision.models.vgg16/vgg19(...).features` behind this module's interface."""
    steps: list[tuple[str, nn.Module]] = []
    block, i = 1, 0
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            i += 1
            steps.append((f"conv{block}_{i}", nn.Sequential(edge_conv(layer) if not steps else layer, nn.ReLU())))
        elif isinstance(layer, nn.MaxPool2d):
            steps.append((f"pool{block}", Pool()))
            block, i = block + 1, 0
    return Features(steps)


def from_torchvision_squeezenet(layers: nn.Sequential) -> Features:
    """`torchvision.models.squeezenet1_1(...).features` behind this module's interface: conv1, fire2 ... fire9."""
    steps: list[tuple[str, nn.Module]] = [("conv1", nn.Sequential(layers[0], nn.ReLU()))]
    pools, fires = 0, 1
    for layer in layers[2:]:
        if isinstance(layer, nn.MaxPool2d):
            pools += 1
            steps.append((f"pool{pools}", Pool(3, ceil_mode=True)))
        else:
            fires += 1
            steps.append((f"fire{fires}", layer))
    return Features(steps, content=("fire5",), style=("conv1", "fire2", "fire4", "fire6", "fire8"), stem=4)


def torchvision_network(name: str) -> Callable[[Path], nn.Module]:
    """A builder for one of torchvision's networks by its function's name."""

    def build(path: Path) -> nn.Module:
        import torchvision.models  # 10 s: only when such a model is asked for

        module = getattr(torchvision.models, name)(weights=None, **({"init_weights": False} if "vgg" in name else {}))
        module.load_state_dict(weights.read_pickle(path), strict=True)
        adapt = from_torchvision_vgg if "vgg" in name else from_torchvision_squeezenet
        return adapt(module.features)

    return build
