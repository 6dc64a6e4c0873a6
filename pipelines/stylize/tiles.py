"""Painting a large picture piece by piece: overlapping tiles, feathered into each other, on the network's own grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

WHOLE = 1024  # pixels: a picture whose longest side is no longer is painted in one piece
TILE, OVERLAP = 768, 128  # pixels
GRID = 8  # pixels: tiles start at its multiples, where a network with strides up to 8 has its own grid
BORDER = OVERLAP // 4  # pixels at a tile's inner edges that are thrown away: they were painted without neighbours


def starts(length: int, tile: int = TILE, overlap: int = OVERLAP) -> list[int]:
    """Where tiles begin along a side of `length` pixels: evenly, at multiples of GRID, `overlap` or more shared."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) // GRID * GRID for i in range(count)]


def spans(length: int, whole: int = WHOLE, tile: int = TILE) -> list[tuple[int, int]]:
    """First and last-but-one pixel of each tile along a side; one span when the side is not cut."""
    if length <= whole:
        return [(0, length)]
    at = starts(length, tile)
    return [(a, length if a == at[-1] else a + tile) for a in at]


def boxes(height: int, width: int, whole: int = WHOLE, tile: int = TILE) -> list[tuple[int, int, int, int]]:
    """(top, bottom, left, right) of each tile, row by row; a single one up to `whole` pixels on the longest side."""
    limit = whole if max(height, width) <= whole else tile
    rows, columns = spans(height, limit, tile), spans(width, limit, tile)
    return [(*row, *column) for row in rows for column in columns]


def feather(first: int, last: int, length: int) -> Tensor:
    """(last - first,) weights along one side of a tile: 1 inside, falling to 0 where a neighbour takes over."""
    weights = torch.ones(last - first)
    ramp = ((torch.arange(OVERLAP) - BORDER + 0.5) / (OVERLAP - 2 * BORDER)).clamp(0, 1)
    if first > 0:
        weights[:OVERLAP] *= ramp
    if last < length:
        weights[-OVERLAP:] *= ramp.flip(0)
    return weights


def paint(x: Tensor, brush: Callable[[Tensor], Tensor], whole: int = WHOLE, tile: int = TILE) -> Iterator[Tensor]:
    """Paint x (1, 3, H, W) with `brush` (same shape out), tile by tile.

    Yields:
        (1, 3, H, W) after each of `boxes(H, W)`: what is painted, and x where it is not yet.
    """
    height, width = x.shape[2:]
    places = boxes(height, width, whole, tile)
    if len(places) == 1:
        yield brush(x)
        return
    done, weight = torch.zeros_like(x), torch.zeros_like(x[:, :1])
    for top, bottom, left, right in places:
        share = (feather(top, bottom, height)[:, None] * feather(left, right, width)).to(x)
        done[:, :, top:bottom, left:right] += brush(x[:, :, top:bottom, left:right]) * share
        weight[:, :, top:bottom, left:right] += share
        yield torch.where(weight > 0, done / weight.clamp(min=1e-6), x)
