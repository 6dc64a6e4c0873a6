"""The pictures of a run side by side while they are made: one row a picture, one column a variant."""

from __future__ import annotations

import math

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines import images, sheet

MOST = 2048  # pixels: the canvas of many pictures is at most this wide and high


class Wall:
    """A canvas that fills up; alone on it, a picture has no frame."""

    def __init__(self, size: tuple[int, int], count: int, variants: int) -> None:
        """`size`: width and height of one picture in pixels."""
        self.variants, self.many = variants, count * variants > 1
        self.columns = variants if variants > 1 else math.ceil(math.sqrt(count))
        self.size = sheet.place(size, count * variants, self.columns, sheet.GAP, MOST) if self.many else size
        self._pictures: dict[tuple[int, int], PIL.Image.Image] = {}
        rows = math.ceil(count * variants / self.columns)
        gap = sheet.GAP * self.many
        width, height = self.columns * (self.size[0] + gap) + gap, rows * (self.size[1] + gap) + gap
        ground = torch.tensor(sheet.GROUND).float().div(255).view(3, 1, 1)
        self._canvas = ground.expand(3, height, width).clone()

    def show(self, row: int, column: int, picture: Tensor) -> None:
        """Hang a picture (3, H, W) in [0, 1], finished or not, at its place."""
        gap, number = sheet.GAP * self.many, row * self.variants + column
        y, x = divmod(number, self.columns)
        top, left = gap + y * (self.size[1] + gap), gap + x * (self.size[0] + gap)
        if picture.shape[1:] != (self.size[1], self.size[0]):
            picture = F.interpolate(picture[None], (self.size[1], self.size[0]), mode="area")[0]
        self._canvas[:, top : top + self.size[1], left : left + self.size[0]] = picture

    def put(self, row: int, column: int, picture: PIL.Image.Image) -> None:
        """A finished picture."""
        self._pictures[row, column] = picture
        self.show(row, column, images.to_tensor(picture)[0])

    def preview(self) -> Tensor:
        """(3, H, W) in [0, 1]: the whole wall as it is now."""
        return self._canvas.clone()

    def pictures(self) -> list[PIL.Image.Image]:
        """The finished ones: of each row its variants, side by side."""
        return [self._pictures[key] for key in sorted(self._pictures)]

    def sheet(self) -> PIL.Image.Image:
        """All in one picture."""
        return sheet.grid(self.pictures(), self.columns, sheet.GAP, side=0)
