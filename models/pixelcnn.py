"""Gated PixelCNN (van den Oord et al. 2016, arXiv:1606.05328) for black-and-white digits.

A picture is drawn pixel by pixel, row after row, and each pixel's probability depends on those before it alone. Two
stacks of convolutions see all of them and nothing else: the vertical stack the rows above (so there is no blind spot),
the horizontal stack what is left of the pixel in its own row, with the vertical stack's view added at every layer.

Departures from the paper: the gate is `a * sigmoid(b)` (Dauphin et al. 2017, arXiv:1612.08083; a third cheaper here
than tanh times sigmoid), the vertical stack has residual connections too, the first layer learns a map of places, and
convolutions that reach only backwards take the place of masked ones: no product is computed to be thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import device

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
        view = gate(self.down(F.pad(above, (0, 0, 1, 0))), for_above)
        both = self.right(F.pad(left, (1, 0))) + self.across(view)
        return above + view, left + self.out(gate(both, for_left))


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


@dataclass(frozen=True)
class Drawing:
    """The pictures after some pixels: `x` (N, 1, H, W) of 0 and 1, `chance` (N, 1, H, W) in [0, 1] of being white when
    each was decided; both are 0 where nothing is decided yet, and change as the drawing goes on."""

    pixels: int
    x: Tensor
    chance: Tensor


def noise_for(module: PixelCNN, count: int, seed: int) -> Tensor:
    """(N, H, W) uniform in [0, 1): a pixel is white where its noise is below its probability."""
    return torch.rand(count, module.side, module.side, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def draw(
    module: PixelCNN,
    labels: Tensor,
    noise: Tensor,
    temperature: float = 1.0,
    start: Tensor | None = None,
    known: int = 0,
) -> Iterator[Drawing]:
    """Draw N pictures at once; yields after each pixel that is drawn.

    What each convolution already computed is kept (Ramachandran et al. 2017, arXiv:1704.06001): a row costs the
    vertical stack one row, a pixel costs the horizontal stack one column.

    Args:
        module: the network.
        labels: (N,) classes.
        noise: (N, H, W) in [0, 1), from `noise_for`.
        temperature: divides the logits; below 1 the likelier colour wins more often.
        start: (N, 1, H, W) of 0 and 1 whose first `known` rows are taken as they are.
        known: rows to take from `start`.
    """
    labels, noise = labels.to(module.bias.device), noise.to(module.bias)
    memory = _Memory(module, labels)
    x, chance = beginning(module, labels, temperature, start, known)
    for i in range(module.side):
        with device.one_thread():
            memory.start_row(x, i)
        for j in range(module.side if i >= known else 0):
            with device.one_thread():
                logit = memory.logit(x, i, j)
            chance[:, 0, i, j] = (logit / temperature).sigmoid()
            x[:, 0, i, j] = noise[:, i, j] < chance[:, 0, i, j]
            yield Drawing(i * module.side + j + 1, x, chance)


def beginning(
    module: PixelCNN, labels: Tensor, temperature: float, start: Tensor | None, known: int
) -> tuple[Tensor, Tensor]:
    """`x` and `chance` of a Drawing with `known` rows of `start`: one pass tells how likely all of them were."""
    x, chance = module.bias.new_zeros(2, len(labels), 1, module.side, module.side)
    if start is not None and known:
        x[:, :, :known] = start[:, :, :known]
        chance[:, :, :known] = (module(x, labels)[:, :, :known] / temperature).sigmoid()
    return x, chance


def sample(module: PixelCNN, labels: Tensor, seed: int, temperature: float = 1.0, batch: int = 250) -> Tensor:
    """(N, 1, 28, 28) of 0 and 1, one for each class of `labels` (N,); the same seed gives the same pictures."""
    noise = noise_for(module, len(labels), seed)
    done = []
    for label, part in zip(torch.split(labels, batch), torch.split(noise, batch), strict=True):
        for drawing in draw(module, label, part, temperature):
            last = drawing.x
        done.append(last)
    return torch.cat(done)


class _Memory:
    """What the convolutions have computed so far, and their weights as matrices."""

    def __init__(self, module: PixelCNN, labels: Tensor) -> None:
        self.module = module
        shifts = [layer.classes(labels).chunk(2, 1) for layer in module.layers]  # type: ignore[operator]
        self.for_above = [above[..., None, None] for above, _ in shifts]
        self.for_left = [left[..., None] for _, left in shifts]
        width = module.left.out_channels
        n, layers = len(labels), len(module.layers)
        self.row_before = labels.new_zeros(layers, n, width, 1, module.side, dtype=module.bias.dtype)
        self.left_before = labels.new_zeros(layers, n, width, dtype=module.bias.dtype)
        self.across: list[Tensor] = []  # what the vertical stack says to each layer of the horizontal one, (N, 2C, W)
        self.first = module.left.weight.flatten(1).t()  # (reach, C)
        # (2C in: pixel before and this one, 2C out) and (C in, C out)
        self.right = [layer.right.weight[:, :, 0].permute(2, 1, 0).flatten(0, 1) for layer in module.layers]  # type: ignore[union-attr,index]
        self.out = [layer.out.weight[:, :, 0, 0].t() for layer in module.layers]  # type: ignore[union-attr,index]
        self.hidden, self.last = (conv.weight[:, :, 0, 0].t() for conv in (module.hidden, module.last))

    def start_row(self, x: Tensor, i: int) -> None:
        """Run the vertical stack over row i, which looks at rows above it alone."""
        module, reach = self.module, self.module.reach
        rows = F.pad(x, (0, 0, reach, 0))[:, :, i : i + reach]  # i - reach to i - 1
        above = module.above(rows) + module.place[0][:, i : i + 1]  # (N, C, 1, W)
        self.across = []
        for index, layer in enumerate(module.layers):
            pair = torch.cat([self.row_before[index], above], 2)
            view = gate(layer.down(pair), self.for_above[index])  # type: ignore[operator]
            self.across.append(layer.across(view)[:, :, 0] + self.for_left[index])  # type: ignore[operator]
            self.row_before[index] = above
            above = above + view
        self.left_before.zero_()

    def logit(self, x: Tensor, i: int, j: int) -> Tensor:
        """(N,): the logit of pixel (i, j), from the pixels before it in its row and what the rows above said."""
        module, reach = self.module, self.module.reach
        before = F.pad(x[:, 0, i, max(0, j - reach) : j], (max(0, reach - j), 0))  # (N, reach)
        left = before @ self.first + (module.left.bias + module.place[1][:, i, j])  # type: ignore[operator]
        for index, layer in enumerate(module.layers):
            pair = torch.cat([self.left_before[index], left], 1)
            value, opening = torch.addmm(self.across[index][:, :, j], pair, self.right[index]).chunk(2, 1)
            self.left_before[index] = left
            left = left + torch.addmm(layer.out.bias, value * opening.sigmoid(), self.out[index])  # type: ignore[union-attr,arg-type]
        # Not module.head: as convolutions of one pixel these two would take as long as all the rest.
        hidden = F.silu(torch.addmm(module.hidden.bias, F.silu(left), self.hidden))  # type: ignore[arg-type]
        return torch.addmm(module.last.bias, hidden, self.last)[:, 0] + module.bias[0, i, j]  # type: ignore[arg-type]
