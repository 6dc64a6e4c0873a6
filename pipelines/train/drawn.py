"""Digits, and textures, drawn by code: endless, offline, never twice the same. They look like MNIST's and are none.

A digit is a few strokes, each a chain of straight pieces. Strokes are bent, slanted, turned and stretched at random and
drawn with a pen of random width: a pixel's ink falls with its distance to the nearest piece. As in MNIST the longer
side is about 20 of 28 pixels, white on black, and the middle of the ink is the middle of the picture.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

SIDE, INK = 28, 20.0  # pixels of the picture, and of the longer side of the digit in it
TEXTURE = 32  # pixels
CLASSES = tuple("0123456789")
PIECES = 28  # straight pieces of a digit
CHUNK = 8  # digits at once: what is computed of them stays in the processor's cache
Stroke = list[tuple[float, float]]


def arc(x: float, y: float, wide: float, high: float, start: float, end: float) -> Stroke:
    """Part of an ellipse around (x, y), angles in degrees from the right, clockwise; y points down."""
    angles = [math.radians(start + (end - start) * i / 24) for i in range(25)]
    return [(x + wide * math.cos(a), y + high * math.sin(a)) for a in angles]


# Label -> ways to write it, each a few strokes in a square from (0, 0) to (1, 1).
STROKES: dict[int, list[list[Stroke]]] = {
    0: [[arc(0.5, 0.5, 0.30, 0.48, -80, 280)], [arc(0.5, 0.5, 0.38, 0.48, -60, 285)]],
    1: [[[(0.5, 0.02), (0.5, 0.98)]], [[(0.34, 0.20), (0.52, 0.02), (0.5, 0.98)]]],
    2: [
        [[*arc(0.48, 0.27, 0.30, 0.25, -165, 35), (0.18, 0.95), (0.84, 0.93)]],
        [[*arc(0.48, 0.26, 0.28, 0.24, -160, 50), (0.34, 0.76), *arc(0.27, 0.86, 0.11, 0.10, -60, -300), (0.88, 0.95)]],
    ],
    3: [
        [[*arc(0.45, 0.26, 0.28, 0.24, -150, 85), *arc(0.45, 0.72, 0.32, 0.25, -85, 150)]],
        [[(0.2, 0.05), (0.74, 0.05), (0.46, 0.40), *arc(0.45, 0.68, 0.32, 0.28, -80, 145)]],
    ],
    4: [
        [[(0.30, 0.04), (0.20, 0.52), (0.84, 0.50)], [(0.72, 0.06), (0.66, 0.98)]],
        [[(0.60, 0.03), (0.12, 0.64), (0.88, 0.64)], [(0.64, 0.06), (0.64, 0.98)]],
    ],
    5: [
        [[(0.80, 0.04), (0.30, 0.05), (0.26, 0.42), *arc(0.44, 0.68, 0.32, 0.28, -105, 145)]],
        [[(0.34, 0.06), (0.28, 0.44), *arc(0.46, 0.69, 0.30, 0.28, -110, 140)], [(0.34, 0.06), (0.84, 0.05)]],
    ],
    6: [
        [[(0.66, 0.03), (0.40, 0.24), *arc(0.48, 0.69, 0.27, 0.28, -170, 190)]],
        [[*arc(0.76, 0.66, 0.56, 0.62, -110, -180), *arc(0.47, 0.72, 0.27, 0.24, -185, 165)]],
    ],
    7: [
        [[(0.16, 0.06), (0.84, 0.05), (0.42, 0.98)]],
        [[(0.16, 0.12), (0.30, 0.05), (0.82, 0.06), (0.60, 0.45), (0.48, 0.98)]],
        [[(0.16, 0.06), (0.84, 0.05), (0.40, 0.98)], [(0.40, 0.50), (0.78, 0.48)]],
    ],
    8: [
        [[*arc(0.5, 0.26, 0.25, 0.23, 90, 450), *arc(0.5, 0.74, 0.29, 0.24, -90, 270)]],
        [[(0.72, 0.14), *arc(0.5, 0.25, 0.24, 0.22, -40, -200), (0.5, 0.47), *arc(0.5, 0.75, 0.26, 0.22, -30, 200),
          (0.5, 0.47), (0.74, 0.14)]],
    ],
    9: [
        [[*arc(0.48, 0.29, 0.27, 0.26, -10, 350), (0.74, 0.30), (0.64, 0.98)]],
        [[*arc(0.47, 0.28, 0.28, 0.25, -20, 340), (0.75, 0.24), (0.76, 0.55), *arc(0.48, 0.66, 0.28, 0.30, 0, 110)]],
    ],
}  # fmt: skip


def even(stroke: Stroke, pieces: int) -> Tensor:
    """A stroke as `pieces` + 1 points at even distances, (pieces + 1, 2)."""
    points = torch.tensor(stroke)
    along = torch.cat([torch.zeros(1), (points[1:] - points[:-1]).norm(dim=1).cumsum(0)])
    place = torch.linspace(0, float(along[-1]), pieces + 1)
    after = torch.searchsorted(along, place).clamp(1, len(along) - 1)
    share = (place - along[after - 1]) / (along[after] - along[after - 1]).clamp(min=1e-9)
    between: Tensor = torch.lerp(points[after - 1], points[after], share[:, None])
    return between


@cache
def book() -> tuple[Tensor, Tensor]:
    """Every way of writing as pieces, (ways, PIECES, 2 ends, x and y); and the first way of each class, (11,)."""
    ways, first = [], [0]
    for label in range(len(CLASSES)):
        for strokes in STROKES[label]:
            rest = PIECES // len(strokes)
            chains = [
                even(stroke, rest if i else PIECES - rest * (len(strokes) - 1)) for i, stroke in enumerate(strokes)
            ]
            ways.append(torch.cat([torch.stack([chain[:-1], chain[1:]], 1) for chain in chains]))
        first.append(len(ways))
    return torch.stack(ways), torch.tensor(first)


def batch(count: int, random: torch.Generator, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Draw digits.

    Args:
        count: how many.
        random: on the CPU.
        labels: (count,) classes; None: any.

    Returns:
        Pictures (count, 1, 28, 28) in [0, 1], white on black, and their classes (count,).
    """
    if labels is None:
        labels = torch.randint(len(CLASSES), (count,), generator=random)
    ways, first = book()
    chance = torch.rand(count, 8, generator=random)
    which = first[labels] + (chance[:, 0] * (first[labels + 1] - first[labels])).long()
    bent = bend(ways[which], torch.rand(count, 2, 4, generator=random))
    width = 1.5 + 1.9 * chance[:, 1]
    ends = place(turn(bent, chance), width, chance)
    return ink(ends, width, 0.5 + 0.6 * chance[:, 2]), labels


def textures(count: int, random: torch.Generator) -> Tensor:
    """(count, 3, 32, 32) in [0, 1]: stripes of two colours, bent by a slow wave."""
    one, two = torch.rand(2, count, 3, 1, 1, generator=random)
    angle, wide, phase, bent = torch.rand(4, count, 1, 1, generator=random)
    y, x = torch.linspace(0, 1, TEXTURE)[:, None], torch.linspace(0, 1, TEXTURE)
    along = x * (math.pi * angle).cos() + y * (math.pi * angle).sin()
    across = y * (math.pi * angle).cos() - x * (math.pi * angle).sin()
    waves = (1 + 5 * wide) * along + phase + 0.4 * bent * (2 * math.pi * (across + 2 * phase)).sin()
    striped: Tensor = torch.lerp(one, two, 0.2 + 0.3 * (1 + (2 * math.pi * waves).sin())[:, None])
    return striped


def bend(ends: Tensor, chance: Tensor) -> Tensor:
    """(N, PIECES, 2, 2) moved by one slow wave for x and one for y; chance: (N, 2, 4) in [0, 1)."""
    x, y = ends.unbind(-1)
    waves = []
    for amplitude, across, down, phase in (part.T[..., None, None] for part in chance.unbind(1)):
        angle = 2 * math.pi * ((across - 0.5) * 1.6 * x + (down - 0.5) * 1.6 * y + phase)
        waves.append(0.09 * amplitude * angle.sin())
    return ends + torch.stack(waves, -1)


def turn(ends: Tensor, chance: Tensor) -> Tensor:
    """(N, PIECES, 2, 2) stretched, slanted to the right more often than to the left, and turned."""
    wide, slant, angle = 0.65 + 0.5 * chance[:, 3], -0.15 + 0.6 * chance[:, 4], 0.3 * (chance[:, 5] - 0.5)
    cosine, sine = angle.cos(), angle.sin()
    turned = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)  # (N, 2, 2)
    slanted = torch.stack([torch.stack([wide, -slant], 1), torch.tensor([0.0, 1.0]).expand(len(wide), 2)], 1)
    standing: Tensor = (ends - 0.5) @ (turned @ slanted).mT[:, None]
    return standing


def place(ends: Tensor, width: Tensor, chance: Tensor) -> Tensor:
    """(N, PIECES, 2, 2) in pixels: with its ink about INK on the longer side, the middle of its ink in the middle."""
    points = ends.flatten(1, 2)
    size = (points.amax(1) - points.amin(1)).amax(1)  # (N,)
    ends = ends * ((INK - 1.5 * chance[:, 6] - width) / size)[:, None, None, None]
    lengths = (ends[:, :, 1] - ends[:, :, 0]).norm(dim=2, keepdim=True)  # (N, PIECES, 1)
    middle = (ends.mean(2) * lengths).sum(1) / lengths.sum(1)
    moved: Tensor = ends + (SIDE / 2 - middle)[:, None, None]
    low = moved.flatten(1, 2).amin(1) - width[:, None] / 2 - 1  # nothing is cut off
    high = SIDE - moved.flatten(1, 2).amax(1) - width[:, None] / 2 - 1
    inside: Tensor = moved - (low.clamp(max=0) - high.clamp(max=0))[:, None, None]
    return inside


def ink(ends: Tensor, width: Tensor, soft: Tensor) -> Tensor:
    """(N, 1, 28, 28) in [0, 1] from pieces (N, P, 2, 2) in pixels; width and softness of the pen, (N,), in pixels."""
    along = torch.arange(SIDE) + 0.5
    pixels = torch.stack([along.repeat(SIDE), along.repeat_interleave(SIDE), torch.ones(SIDE * SIDE)], 1)  # (784, 3)
    distance = torch.cat([distances(part, pixels) for part in torch.split(ends, CHUNK)])
    shade = ((width[:, None] / 2 - distance) / soft[:, None] + 0.5).clamp(0, 1)
    return shade.view(-1, 1, SIDE, SIDE)


def distances(ends: Tensor, pixels: Tensor) -> Tensor:
    """(N, M) from each of `pixels` (M, 3), x, y and 1, to the nearest of the pieces (N, P, 2, 2)."""
    start, piece = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]  # (N, P, 2)
    square = piece.square().sum(2, keepdim=True)
    # Where along a piece its nearest point to a pixel lies, and the square of the distance: linear in x, y, x^2 + y^2
    unit = piece / square.clamp(min=1e-6)
    share = pixels @ torch.cat([unit, -(unit * start).sum(2, keepdim=True)], 2).mT  # (N, M, P)
    far = pixels @ torch.cat([-2 * start, start.square().sum(2, keepdim=True)], 2).mT
    bound = share.clamp(0, 1)
    far += share.mul_(-2).add_(bound).mul_(bound).mul_(square.mT)
    nearest: Tensor = far.amin(2) + pixels[:, :2].square().sum(1)
    return nearest.clamp(min=0).sqrt()
