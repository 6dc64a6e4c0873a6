"""Networks that restyle in one pass, behind one interface: a style is encoded once, then any picture painted in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import device
from models.magenta import StylePredictor, StyleTransformer
from models.stylizer import SHORTEST_SIDE, Stylizer

Restyler = Literal["atelier", "magenta"]
MODELS: dict[Restyler, tuple[str, ...]] = {
    "atelier": ("stylizer",),
    "magenta": ("magenta-style", "magenta-transfer"),
}  # names in the cache
SEEN_SIDE = 256  # pixels: the short side at which both networks were shown styles in training
STATISTICS_SIDE = 768  # pixels: a larger picture is made smaller before its statistics are taken


class Brush(Protocol):
    """A network as the method `stylize` uses it. Pictures are (1, 3, H, W) in [0, 1], codes (1, D)."""

    def encode(self, style: Tensor, scale: float) -> Tensor:
        """The style as a code; `scale` is the size at which it is shown, 1 as in training."""
        ...

    def statistics(self, x: Tensor, code: Tensor) -> Tensor:
        """(1, S): what the norms see of the whole picture, for its tiles and for the frames after it."""
        ...

    def paint(self, x: Tensor, code: Tensor, statistics: Tensor | None = None) -> Tensor:
        """The picture in the style, float32, of the same size."""
        ...


def brush(model: Restyler, modules: Sequence[nn.Module]) -> Brush:
    """The networks `MODELS[model]`, lent by the cache, behind `Brush`."""
    if model == "atelier":
        return Atelier(cast(Stylizer, modules[0]))
    return Magenta(cast(StylePredictor, modules[0]), cast(StyleTransformer, modules[1]))


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """(1, 3, H, W) -> (1, 3, height, width) in [0, 1], smoothed where it shrinks."""
    return F.interpolate(x, (height, width), mode="bilinear", antialias=True).clamp(0, 1)


def with_short_side(x: Tensor, side: float) -> Tensor:
    """Make the short side `side` pixels, the other in proportion."""
    factor = side / min(x.shape[2:])
    return resized(x, *(max(1, round(length * factor)) for length in x.shape[2:]))


def at_most(x: Tensor, side: int) -> Tensor:
    """The picture, made smaller where its longest side is over `side` pixels."""
    factor = side / max(x.shape[2:])
    return x if factor >= 1 else resized(x, *(max(SHORTEST_SIDE, round(n * factor)) for n in x.shape[2:]))


def roomy(x: Tensor) -> Tensor:
    """Repeat the right and bottom edge of a picture that is too small for the networks."""
    height, width = x.shape[2:]
    pads = (0, max(0, SHORTEST_SIDE - width), 0, max(0, SHORTEST_SIDE - height))
    return F.pad(x, pads, mode="replicate") if any(pads) else x


class Atelier:
    """Our own network, in reduced precision where the hardware multiplies it natively."""

    def __init__(self, network: Stylizer) -> None:
        self.network = network

    def encode(self, style: Tensor, scale: float) -> Tensor:
        view = with_short_side(style, SEEN_SIDE * scale).contiguous(memory_format=torch.channels_last)
        with device.autocast(style.device):
            return self.network.encode_style(roomy(view))

    def statistics(self, x: Tensor, code: Tensor) -> Tensor:
        x = roomy(at_most(x, STATISTICS_SIDE)).contiguous(memory_format=torch.channels_last)
        with device.autocast(x.device):
            return self.network.content_statistics(x, code)

    def paint(self, x: Tensor, code: Tensor, statistics: Tensor | None = None) -> Tensor:
        height, width = x.shape[2:]
        x = roomy(x).contiguous(memory_format=torch.channels_last)
        with device.autocast(x.device):
            y: Tensor = self.network(x, code, statistics)
        return y[:, :, :height, :width].float()


class Magenta:
    """Google's networks, in the float32 that their parity with LiteRT is tested in."""

    def __init__(self, predictor: StylePredictor, transformer: StyleTransformer) -> None:
        self.predictor, self.transformer = predictor, transformer

    def encode(self, style: Tensor, scale: float) -> Tensor:
        code: Tensor = self.predictor(squares(style, scale)).mean(0, keepdim=True)
        return code

    def statistics(self, x: Tensor, code: Tensor) -> Tensor:
        return self.transformer.content_statistics(roomy(at_most(x, STATISTICS_SIDE)), code)

    def paint(self, x: Tensor, code: Tensor, statistics: Tensor | None = None) -> Tensor:
        height, width = x.shape[2:]
        y: Tensor = self.transformer(roomy(x), code, statistics)
        return y[:, :, :height, :width]


def squares(style: Tensor, scale: float) -> Tensor:
    """The style at `scale` in the squares that Magenta's predictor takes: (N, 3, 256, 256).

    At scale 1 it is Google's own preparation: short side 256, the middle. Larger ones are cut into overlapping squares;
    smaller ones are continued in mirrors.
    """
    side = max(SHORTEST_SIDE, round(SEEN_SIDE * scale))
    x = with_short_side(style, side)
    top, left = ((length - side) // 2 for length in x.shape[2:])
    x = x[:, :, top : top + side, left : left + side]
    while x.shape[-1] < SEEN_SIDE:
        x = torch.cat([x, x.flip(3)], 3)
        x = torch.cat([x, x.flip(2)], 2)[:, :, :SEEN_SIDE, :SEEN_SIDE]
    count = -(-x.shape[-1] // SEEN_SIDE)
    at = [round(i * (x.shape[-1] - SEEN_SIDE) / max(1, count - 1)) for i in range(count)]
    return torch.cat([x[:, :, a : a + SEEN_SIDE, b : b + SEEN_SIDE] for a in at for b in at])
