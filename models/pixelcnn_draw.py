"""Drawing with a PixelCNN: 784 decisions, one after the other.

`draw_naively` asks the whole network once a pixel. `draw` keeps what each convolution already computed (Ramachandran
et al. 2017, arXiv:1704.06001): a row costs the vertical stack one row, a pixel costs the horizontal stack one column.
Both make the same picture from the same noise, up to rounding at the seventh digit of a probability.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models import device
from models.pixelcnn import PixelCNN, gate


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
    given: Tensor | None = None,
    known: int = 0,
) -> Iterator[Drawing]:
    """Draw N pictures at once; yields after each pixel that is drawn.

    Args:
        module: the network.
        labels: (N,) classes.
        noise: (N, H, W) in [0, 1), from `noise_for`.
        temperature: divides the logits; below 1 the likelier colour wins more often.
        given: (N, 1, H, W) of 0 and 1 whose first `known` rows are taken as they are.
        known: rows to take from `given`.
    """
    labels, noise = labels.to(module.bias.device), noise.to(module.bias)
    memory = _Memory(module, labels)
    x, chance = _begun(module, labels, temperature, given, known)
    for i in range(module.side):
        with device.one_thread():
            memory.start_row(x, i)
        for j in range(module.side if i >= known else 0):
            with device.one_thread():
                logit = memory.logit(x, i, j)
            chance[:, 0, i, j] = (logit / temperature).sigmoid()
            x[:, 0, i, j] = noise[:, i, j] < chance[:, 0, i, j]
            yield Drawing(i * module.side + j + 1, x, chance)


@torch.no_grad()
def draw_naively(
    module: PixelCNN,
    labels: Tensor,
    noise: Tensor,
    temperature: float = 1.0,
    given: Tensor | None = None,
    known: int = 0,
) -> Iterator[Drawing]:
    """As `draw`, by one pass of the whole network for each pixel."""
    labels, noise = labels.to(module.bias.device), noise.to(module.bias)
    x, chance = _begun(module, labels, temperature, given, known)
    for i in range(known, module.side):
        for j in range(module.side):
            chance[:, 0, i, j] = (module(x, labels)[:, 0, i, j] / temperature).sigmoid()
            x[:, 0, i, j] = noise[:, i, j] < chance[:, 0, i, j]
            yield Drawing(i * module.side + j + 1, x, chance)


def _begun(
    module: PixelCNN, labels: Tensor, temperature: float, given: Tensor | None, known: int
) -> tuple[Tensor, Tensor]:
    """`x` and `chance` of a Drawing with `known` rows of `given`: one pass tells how likely all of them were."""
    x, chance = module.bias.new_zeros(2, len(labels), 1, module.side, module.side)
    if given is not None and known:
        x[:, :, :known] = given[:, :, :known]
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
            seen = gate(layer.down(pair), self.for_above[index])  # type: ignore[operator]
            self.across.append(layer.across(seen)[:, :, 0] + self.for_left[index])  # type: ignore[operator]
            self.row_before[index] = above
            above = above + seen
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
