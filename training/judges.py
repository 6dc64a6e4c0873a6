"""What the generators of models/gan.py are trained against: networks that say how real a picture of a class looks.

Spectral normalisation (Miyato et al. 2018, arXiv:1802.05957), the class by projection (Miyato and Koyama 2018,
arXiv:1802.05637). `FeatureDiscriminator` looks at a frozen network's features as well, as in Projected GAN (Sauer et
al. 2021, arXiv:2111.01007): it knows edges and objects from the start, and the generator learns from fewer pictures.
`ProjectedDiscriminator` is theirs more closely: EfficientNet-Lite0 at four scales, mixed at random across channels and
scales, so that no head can look at a few conspicuous channels only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from models import imagenet, registry
from models.vgg import Features

LAYERS = ("conv1_2", "conv2_2", "conv3_4", "conv4_4")  # of vgg-lite, that FeatureDiscriminator looks at
WIDTH = 128  # of the heads
SHIFT = 4  # pixels, of pictures shown to FeatureDiscriminator
ENLARGED = 128  # pixels, side of the pictures that ProjectedDiscriminator shows to EfficientNet-Lite0
MIXED = (64, 64, 128, 256)  # channels of its four scales after the random mixing


class ConvDiscriminator(nn.Module):
    """A picture and a class -> how real it looks: three spectrally normalised convolutions and a projection."""

    def __init__(
        self, widths: tuple[int, int, int] = (32, 64, 128), classes: int = 10, size: int = 28, channels: int = 1
    ) -> None:
        super().__init__()
        sizes = (channels, *widths)
        self.convs = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairwise(sizes))
        flat = widths[-1] * (size // 8) ** 2
        self.score = spectral_norm(nn.Linear(flat, 1))
        self.classes = spectral_norm(nn.Embedding(classes, flat))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(N, channels, size, size) in [0, 1] and (N,) classes -> (N,)."""
        x = x * 2 - 1
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        x = x.flatten(1).float()  # (N, flat)
        return self.score(x)[:, 0] + (x * self.classes(labels)).sum(1)  # type: ignore[no-any-return]


class MlpDiscriminator(nn.Module):
    """A picture and a class -> how real it looks, by dense layers with dropout."""

    def __init__(
        self, widths: tuple[int, ...] = (512, 256), classes: int = 10, size: int = 28, channels: int = 1
    ) -> None:
        super().__init__()
        self.classes = classes
        sizes = (channels * size * size + classes, *widths)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.score = nn.Linear(sizes[-1], 1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(N, channels, size, size) in [0, 1] and (N,) classes -> (N,)."""
        x = torch.cat([x.flatten(1) * 2 - 1, F.one_hot(labels, self.classes).to(x)], 1)
        for layer in self.hidden:
            x = F.dropout(F.leaky_relu(layer(x), 0.2), 0.3, self.training)
        return self.score(x)[:, 0].float()  # type: ignore[no-any-return]


class Head(nn.Module):
    """Features (N, C, H, W) and a class -> how real each of 4x4 places looks."""

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        halvings = max(0, (side // 4).bit_length() - 1)
        sizes = (channels, *(WIDTH >> i for i in reversed(range(halvings))))  # 32, 64, 128 from 32 pixels on
        self.convs = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairwise(sizes))
        self.convs.append(spectral_norm(nn.Conv2d(sizes[-1], WIDTH, 3, padding=1)))
        self.score = spectral_norm(nn.Conv2d(WIDTH, 1, 1))
        self.classes = spectral_norm(nn.Embedding(classes, WIDTH))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:  # (N, 16)
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        wanted = (x.float() * self.classes(labels)[..., None, None]).sum(1, keepdim=True)
        return (self.score(x).float() + wanted).flatten(1)


class FeatureDiscriminator(nn.Module):
    """A colour picture and a class -> how real it looks, place by place, to a head over its pixels and one over each
    of four layers of vgg-lite. Pictures are shifted at random first, made and real ones alike (Zhao et al. 2020,
    arXiv:2006.10738). The frozen network is no part of its state."""

    def __init__(self, classes: int = 10, size: int = 32, channels: int = 3) -> None:
        super().__init__()
        self.frozen = [registry.MODELS["vgg-lite"].load().eval().requires_grad_(False)]  # in a list: not a child
        shapes = [(x.shape[1], x.shape[2]) for x in self.look(torch.zeros(1, channels, size, size))]
        self.heads = nn.ModuleList(Head(width, side, classes) for width, side in shapes)

    @staticmethod
    def altered(x: Tensor) -> Tensor:
        """Made and real pictures alike, before they are looked at."""
        return shifted(x)

    def look(self, x: Tensor) -> list[Tensor]:
        """The picture in [-1, 1], and what the frozen network makes of it."""
        network = self.frozen[0].to(x.device, memory_format=torch.channels_last)
        assert isinstance(network, Features)
        found = network(x, LAYERS)
        return [x * 2 - 1, *(found[name] for name in LAYERS)]

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(N, 3, size, size) in [0, 1] and (N,) classes -> (N, heads x 16)."""
        seen = self.look(self.altered(x))
        return torch.cat([head(part, labels) for head, part in zip(self.heads, seen, strict=True)], 1)


class Mixing(nn.Module):
    """Random, frozen mixing of features at four scales: across channels by 1x1 convolutions, then from the deepest
    scale up across scales by 3x3 ones (section 3.2 of Projected GAN). Part of the state: a resumed run needs the same.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int] = MIXED) -> None:
        super().__init__()
        self.across = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(channels, widths, strict=True))
        below = (*widths[1:], widths[-1])
        self.up = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(below, widths, strict=True))
        for conv in (*self.across, *self.up):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
            nn.init.zeros_(conv.bias)
            conv.requires_grad_(False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(N, C_i, H_i, W_i), large to small -> (N, widths[i], H_i, W_i), in the same order."""
        mixed: list[Tensor] = []
        below: Tensor | None = None
        for i in reversed(range(len(maps))):
            x = self.across[i](maps[i])
            if below is not None:
                x = x + F.interpolate(below, x.shape[-2:], mode="bilinear")
            below = self.up[i - 1](x) if i else None
            mixed.insert(0, x)
        return mixed


class ProjectedDiscriminator(FeatureDiscriminator):
    """As FeatureDiscriminator, but through EfficientNet-Lite0 at ENLARGED pixels and `Mixing`; pictures are shifted and
    their colours altered first. `state_dict` holds the mixing, and not the frozen network."""

    def __init__(self, classes: int = 10, size: int = 32, channels: int = 3) -> None:
        nn.Module.__init__(self)
        del channels
        self.frozen = [registry.MODELS["efficientnet-lite0"].load().eval().requires_grad_(False)]
        self.mixing = Mixing(imagenet.WIDTHS)
        shapes = [(x.shape[1], x.shape[2]) for x in self.look(torch.zeros(1, 3, size, size))]
        self.heads = nn.ModuleList(Head(width, side, classes) for width, side in shapes)

    @staticmethod
    def altered(x: Tensor) -> Tensor:
        """Shifted, and brightness, saturation and contrast changed a little."""
        return coloured(shifted(x))

    def look(self, x: Tensor) -> list[Tensor]:
        """The picture in [-1, 1], and the mixed features of its enlargement."""
        network = self.frozen[0].to(x.device)
        assert isinstance(network, imagenet.EfficientNetLite0)
        large = F.interpolate(x, (ENLARGED, ENLARGED), mode="bilinear")
        return [x * 2 - 1, *self.mixing(network.scales(large))]


def coloured(x: Tensor) -> Tensor:
    """(N, 3, H, W), each picture's brightness, saturation and contrast changed at random (arXiv:2006.10738)."""
    r = torch.rand(3, len(x), 1, 1, 1, device=x.device)
    x = x + (r[0] - 0.5) * 0.5
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * r[1] * 2
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (r[2] + 0.5)


def shifted(x: Tensor) -> Tensor:
    """(N, C, H, W), each picture moved by up to SHIFT pixels; what comes in repeats the edge."""
    n, _, height, width = x.shape
    dy, dx = (torch.randint(0, 2 * SHIFT + 1, (n, 1), device=x.device) for _ in range(2))
    rows = (torch.arange(height, device=x.device) + dy - SHIFT).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) + dx - SHIFT).clamp(0, width - 1)
    which = torch.arange(n, device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


JUDGES: dict[str, type[nn.Module]] = {
    "conv": ConvDiscriminator,
    "mlp": MlpDiscriminator,
    "features": FeatureDiscriminator,
    "projected": ProjectedDiscriminator,
}


def discriminator(kind: str, **config: Any) -> nn.Module:
    """A discriminator by name; `config` has classes, size and channels."""
    return JUDGES[kind](**config)
