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
MOST = 4096  # pixels: no grid is wider or higher, pictures on it are made smaller; 50 MB as RGB
GAP = 4  # pixels of ground between two pictures


def place(
    size: tuple[int, int], count: int, columns: int | None = None, gap: int = GAP, most: int = MOST
) -> tuple[int, int]:
    """Width and height that each of `count` pictures of `size` has on a grid at most `most` pixels wide and high."""
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    shares = ((most - gap) / n - gap for n in (columns, rows))
    scale = min(1.0, *(room / side for room, side in zip(shares, size, strict=True)))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def announce(notes: list[str], size: tuple[int, int], count: int, columns: int | None = None) -> None:
    """Add a remark to `notes` where pictures of `size` are smaller on their grid than one by one."""
    width, height = place(size, count, columns)
    if (width, height) != size:
        notes.append(
            f"the sheet is at most {MOST} pixels wide and high: on it each picture is {width}x{height}, "
            f"one by one {size[0]}x{size[1]}"
        )


def grid(
    pictures: Sequence[PIL.Image.Image], columns: int | None = None, gap: int = GAP, side: int = SIDE
) -> PIL.Image.Image:
    """Lay `pictures` (all of one size) out row by row.

    Args:
        pictures: at least one, mode RGB.
        columns: pictures in a row; None: as square as can be.
        gap: pixels of ground between two.
        side: about how wide the grid shall be in pixels: small pictures are enlarged, by a whole number.

    Returns:
        One picture, mode RGB, at most MOST pixels wide and high.
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    scale = max(1, side // (columns * (pictures[0].width + gap)))
    size = (pictures[0].width * scale, pictures[0].height * scale)
    width, height = place(size, len(pictures), columns, gap)
    how = Resampling.NEAREST if (width, height) == size else Resampling.LANCZOS
    sheet = PIL.Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), GROUND)
    for i, picture in enumerate(pictures):
        corner = (gap + i % columns * (width + gap), gap + i // columns * (height + gap))
        sheet.paste(picture.resize((width, height), how), corner)
    return sheet


def pictures_of(x: Tensor) -> list[PIL.Image.Image]:
    """(N, 1 or 3, H, W) in [0, 1] as N pictures, mode RGB."""
    return [images.to_image(one.expand(3, -1, -1)) for one in x.detach().float().clamp(0, 1).cpu()]


def preview(x: Tensor, columns: int | None = None) -> Tensor:
    """(N, 1 or 3, H, W) in [0, 1] as the grid's (3, H', W') in [0, 1], for `Progress.preview`."""
    return images.to_tensor(grid(pictures_of(x), columns))[0]
