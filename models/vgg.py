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
WIDTHS = (64, 128, 256, 512, 512)  # channels of VGG's blocks
DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}  # convolutions in each


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
        activations: dict[str, Tensor] = {}
        x = (x - self.mean) / self.std
        for name, step in self.steps.items():
            if len(activations) == len(set(layers)):
                break
            x = step(x, pooling) if isinstance(step, Pool) else step(x)
            if name in layers:
                activations[name] = x
        return activations


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


def filled(network: Features, tensors: Iterable[Tensor]) -> Features:
    """`network`, in VGG's layout, with the numbers of `tensors`: weight and bias of each convolution, shallow to deep.

    Raises ValueError or RuntimeError where their number or a shape is another.
    """
    network.load_state_dict(dict(zip(network.state_dict(), tensors, strict=True)))
    return network


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


def torchvision_network(name: Literal["vgg16", "vgg19", "squeezenet1_1"]) -> Callable[[Path], nn.Module]:
    """A builder for one of torchvision's networks, from torchvision's own file of weights."""

    def build(path: Path) -> nn.Module:
        state = {name: value for name, value in weights.read_pickle(path).items() if name.startswith("features.")}
        if name in DEPTHS:
            return filled(vgg_lite(WIDTHS, DEPTHS[name], IMAGENET_MEAN, IMAGENET_STD), state.values())
        import torchvision.models  # 10 s: only when such a model is asked for

        layers = torchvision.models.squeezenet1_1(weights=None).features
        layers.load_state_dict({name.removeprefix("features."): value for name, value in state.items()})
        return from_torchvision_squeezenet(layers)

    return build


def lpips_squeeze(path: Path) -> nn.Module:
    """LPIPS (Zhang et al. 2018, arXiv:1801.03924) over SqueezeNet 1.1: torchmetrics' module and heads, the network
    itself from the file at `path`.

    torchmetrics would download them itself, unasked; so its network starts random and is filled from our file.
    The module takes two pictures (1, 3, H, W) in [-1, 1] and gives (1, 1, 1, 1), 0 for equal ones.
    """
    from torchmetrics.functional.image.lpips import _LPIPS  # heavy: torchvision and transformers come with it

    module: nn.Module = _LPIPS(pretrained=True, net="squeeze", pnet_rand=True)
    network, tensors = module.get_submodule("net"), weights.read_pickle(path)
    network.load_state_dict({name: tensors["features." + name.split(".", 2)[2]] for name in network.state_dict()})
    return module  # a name of the network: slices.K.INDEX.rest
