"""The frames of a run as an animation: GIF or WebP, as Pillow writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import PIL.Image
from torch import Tensor

from pipelines import images
from pipelines.params import ParamError

LONGEST_SIDE = 384  # pixels: an animation is for a talk or a page
MOST_FRAMES = 60


class Frames:
    """Collects at most `MOST_FRAMES` pictures over a run, evenly spread over its steps."""

    def __init__(self) -> None:
        self._pictures: list[PIL.Image.Image] = []
        self._next = 1

    def add(self, step: int, total: int, preview: Tensor) -> None:
        """Take the picture after `step` of `total`, (3, H, W) in [0, 1], where its turn has come."""
        if step >= self._next or step == total:
            self._pictures.append(images.to_image(preview))
            self._next = step + max(1, math.ceil(total / (MOST_FRAMES - 1)))

    def write(self, path: Path) -> None:
        """Write what was collected; see `write`."""
        write(self._pictures, path)


def write(pictures: Sequence[PIL.Image.Image], path: Path) -> None:
    """Write pictures as `.gif` or `.webp`: four seconds, and a pause on the last. Raises ParamError for none."""
    if not pictures:
        raise ParamError("There are no frames to write, because the run showed no previews: leave the animation out.")
    path.parent.mkdir(parents=True, exist_ok=True)
    size = images.fit(*pictures[-1].size, min(LONGEST_SIDE, max(pictures[-1].size)))
    grown = [picture.convert("RGB").resize(size, PIL.Image.Resampling.BICUBIC) for picture in pictures]
    durations = [max(40, 4000 // len(grown))] * (len(grown) - 1) + [1500]
    grown[0].save(path, save_all=True, append_images=grown[1:], duration=durations, loop=0)
