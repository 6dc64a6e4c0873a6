"""Any picture of one digit, made the way MNIST's own were: white on black, 20 pixels, its mass in the middle of 28."""

from __future__ import annotations

import numpy as np
import PIL.Image
import torch
from PIL.Image import Resampling
from torch import Tensor

from pipelines.images import ImageError

SIDE, INK = 28, 20  # pixels of the picture, and of the longer side of the digit in it
COLOUR = 24 / 255  # mean difference between channels from which a picture is called colourful
SOLID, FAINT = 0.5, 0.15  # share of the picture that ink may cover, and contrast that it needs at least
NEEDED = "draw one digit, dark on light or light on dark, or give a picture of one"


def prepare(picture: PIL.Image.Image) -> Tensor:
    """A picture of a digit, mode RGB of any size, as MNIST would have it (LeCun et al. 1998): cropped, its longer side
    scaled to 20 pixels, its centre of mass in the middle of 28x28. A 28x28 picture, white on black, is taken as it is.

    Returns:
        (1, 1, 28, 28) in [0, 1], white on black.

    Raises:
        ImageError: when the picture is in colour, empty, or no digit on an even ground.
    """
    pixels = np.asarray(picture, dtype=np.float32) / 255  # (H, W, 3)
    colour = float((pixels.max(2) - pixels.min(2)).mean())
    if colour > COLOUR:
        raise ImageError(f"The picture is in colour, but a digit in black and white is needed: {NEEDED}.")
    grey = pixels.mean(2)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ground = float(np.median(edge))
    if picture.size == (SIDE, SIDE) and ground < 0.05 and grey.max() > FAINT:
        return torch.from_numpy(grey)[None, None]
    ink = np.abs(grey - ground)
    if float(ink.max()) < FAINT:
        raise ImageError(f"The picture is empty, or too faint to see a digit in it: {NEEDED}.")
    ink /= ink.max()
    mask = ink > 0.25
    if mask.mean() > SOLID:
        raise ImageError(f"The picture has no even ground around one digit: {NEEDED}.")
    return torch.from_numpy(centred(crop(ink, mask)))[None, None]


def crop(ink: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The part of `ink` (H, W) in [0, 1] around `mask`, its longer side scaled to 20 pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = INK / max(part.shape)
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    small = PIL.Image.fromarray((part * 255).astype(np.uint8)).resize(size, Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32) / 255


def centred(part: np.ndarray) -> np.ndarray:
    """`part` (h, w) of at most 20 pixels a side in the (28, 28) picture whose middle is its centre of mass."""
    height, width = part.shape
    mass = part.sum()
    y = float((part.sum(1) * (np.arange(height) + 0.5)).sum() / mass)
    x = float((part.sum(0) * (np.arange(width) + 0.5)).sum() / mass)
    top = min(max(round(SIDE / 2 - y), 0), SIDE - height)
    left = min(max(round(SIDE / 2 - x), 0), SIDE - width)
    whole = np.zeros((SIDE, SIDE), np.float32)
    whole[top : top + height, left : left + width] = part
    return whole
