"""Gated PixelCNN (van den Oord et al. 2016, arXiv:1606.05328) for black-and-white digits.

A picture is drawn pixel by pixel, row after row, and each pixel's probability depends on those before it alone. Two
stacks of convolutions see all of them and nothing else: the vertical stack the rows above (so there is no blind spot),
the horizontal stack what is left of the pixel in its own row, with the vertical stack's view added at every layer.

Departures from the paper: the gate is `a * sigmoid(b)` (Dauphin et al. 2017, arXiv:1612.08083; a third cheaper here
than tanh times sigmoid), the vertical stack has residual connections too, the first layer learns a map of places, and
convolutions that reach only backwards take the place of masked ones: no product is computed to be thrown away.
Drawing with what earlier pixels left behind instead of whole passes is models/pixelcnn_draw.py.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 28  # pixels


class Gated(nn.Module):
    """One layer of both stacks.

    `above` (N, width, H, W): what the vertical stack knows of the rows before each row; `left` (N, width, H, W): what
    the horizontal stack knows of the pixels before each pixel. Both are returned, seeing one row and one pixel further.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(width, 2 * width, (2, 3), padding=(0, 1))  # rows i - 1 and i of `above`
        self.across = nn.Conv2d(width, 2 * width, 1, bias=False)  # from the vertical stack to the horizontal one
        self.right = nn.Conv2d(width, 2 * width, (1, 2), bias=False)  # pixels j - 1 and j of `left`
        self.out = nn.Conv2d(width, width, 1)
        self.classes = nn.Embedding(classes, 4 * width)
        nn.init.normal_(self.classes.weight, std=0.05)

    def forward(self, above: Tensor, left: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        for_above, for_left = self.classes(labels)[..., None, None].chunk(2, 1)
        seen = gate(self.down(F.pad(above, (0, 0, 1, 0))), for_above)
        found = self.right(F.pad(left, (1, 0))) + self.across(seen)
        return above + seen, left + self.out(gate(found, for_left))


def gate(x: Tensor, shift: Tensor) -> Tensor:
    """(N, 2C, ...) -> (N, C, ...): one half times the sigmoid of the other, both shifted by what the class says."""
    value, opening = (x + shift.to(x.dtype)).chunk(2, 1)
    return value * opening.sigmoid()


class PixelCNN(nn.Module):
    """Black-and-white pictures of 28x28 pixels and their class -> the logit of each pixel being white."""

    def __init__(
        self, width: int = 32, layers: int = 4, reach: int = 5, hidden: int = 64, classes: int = 10, side: int = SIDE
    ) -> None:
        """Args: channels of each stack; gated layers; rows above and pixels aside that the first layer sees; channels
        before the logit; classes; side of the picture in pixels."""
        super().__init__()
        self.reach, self.side, self.count = reach, side, classes
        self.above = nn.Conv2d(1, width, (reach, 2 * reach + 1), padding=(0, reach))
        self.left = nn.Conv2d(1, width, (1, reach))
        self.place = nn.Parameter(torch.zeros(2, width, side, side))  # of the vertical and the horizontal stack
        self.layers = nn.ModuleList(Gated(width, classes) for _ in range(layers))
        self.hidden = nn.Conv2d(width, hidden, 1)
        self.last = nn.Conv2d(hidden, 1, 1)
        self.bias = nn.Parameter(torch.zeros(1, side, side))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(N, 1, side, side) of 0 and 1, and (N,) classes -> logits (N, 1, side, side)."""
        reach = self.reach
        above = self.above(F.pad(x, (0, 0, reach, 0))[:, :, :-1])  # rows i - reach to i - 1
        left = self.left(F.pad(x, (reach, 0))[..., :-1])  # pixels j - reach to j - 1
        above, left = (
            (stack + place.to(stack.dtype)).contiguous(memory_format=torch.channels_last)
            for stack, place in zip((above, left), self.place, strict=True)
        )
        for layer in self.layers:
            above, left = layer(above, left, labels)
        return self.head(left).float() + self.bias

    def head(self, left: Tensor) -> Tensor:
        """The horizontal stack (N, width, H, W) -> logits (N, 1, H, W), without the bias of each place."""
        return self.last(F.silu(self.hidden(F.silu(left))))  # type: ignore[no-any-return]


def binarise(x: Tensor, seed: int) -> Tensor:
    """Black and white by chance (N, 1, H, W), a pixel of grey g being white with probability g: "dynamic" binarisation
    (Salakhutdinov and Murray 2008), which published nats on MNIST are measured on."""
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed))
    return (noise.to(x.device) < x).float()


def surprise(module: PixelCNN, x: Tensor, labels: Tensor) -> Tensor:
    """-log p of each pixel in nats, (N, 1, H, W), of pictures of 0 and 1 and their classes (N,)."""
    return F.binary_cross_entropy_with_logits(module(x, labels), x, reduction="none")


@torch.no_grad()
def nats(module: PixelCNN, x: Tensor, labels: Tensor, seed: int, batch: int = 100) -> Tensor:
    """-log p(x | class) in nats, (N,), of (N, 1, 28, 28) in [0, 1], binarised with `seed`, and classes (N,)."""
    black_or_white = binarise(x, seed)
    pairs = zip(torch.split(black_or_white, batch), torch.split(labels, batch), strict=True)
    return torch.cat([surprise(module, one, label).sum((1, 2, 3)) for one, label in pairs])


@torch.no_grad()
def nats_of_classes(module: PixelCNN, x: Tensor) -> Tensor:
    """-log p(x | class) in nats for every class, (N, classes), of pictures (N, 1, H, W) of 0 and 1.

    With ten equally likely classes, -log p(x) is `log 10 - logsumexp(-nats, 1)`.
    """
    labels = torch.arange(module.count, device=x.device)
    return torch.stack([surprise(module, x, label.expand(len(x))).sum((1, 2, 3)) for label in labels], 1)
