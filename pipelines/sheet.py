"""Many small pictures as one: a grid on the ground of the page, pixels kept as squares."""

from __future__ import annotations

import math
from collections.abc import Sequence

import PIL.Image
from PIL.Image import Resampling
from torch import Tensor

from pipelines import images

GROUND = (246, 244, 240)
SIDE = 640  # pixels: small pictures are enlarged by a whole number until the grid is about this wide


def grid(
    pictures: Sequence[PIL.Image.Image], columns: int | None = None, gap: int = 4, side: int = SIDE
) -> PIL.Image.Image:
    """Lay `pictures` (all of one size) out row by row.

    Args:
        pictures: at least one, mode RGB.
        columns: pictures in a row; None: as square as can be.
        gap: pixels of ground between two.
        side: about how wide the grid shall be in pixels; pictures are enlarged by whole numbers, never made smaller.

    Returns:
        One picture, mode RGB.
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    scale = max(1, side // (columns * (pictures[0].width + gap)))
    width, height = pictures[0].width * scale, pictures[0].height * scale
    sheet = PIL.Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), GROUND)
    for i, picture in enumerate(pictures):
        place = (gap + i % columns * (width + gap), gap + i // columns * (height + gap))
        sheet.paste(picture.resize((width, height), Resampling.NEAREST), place)
    return sheet


def pictures_of(x: Tensor) -> list[PIL.Image.Image]:
    """(N, 1 or 3, H, W) in [0, 1] as N pictures, mode RGB."""
    return [images.to_image(one.expand(3, -1, -1)) for one in x.detach().float().clamp(0, 1).cpu()]


def preview(x: Tensor, columns: int | None = None) -> Tensor:
    """(N, 1 or 3, H, W) in [0, 1] as the grid's (3, H', W') in [0, 1], for `Progress.preview`."""
    return images.to_tensor(grid(pictures_of(x), columns))[0]
