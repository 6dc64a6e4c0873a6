"""Ten pairs of pictures for tests of networks that restyle: contents and styles from scikit-image's wheel."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

PICTURES = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "hubble_deep_field",
    "brick",
    "grass",
    "gravel",
    "retina",
    "immunohistochemistry",
)
PAIRS = [(content, PICTURES[(i + 5) % 10]) for i, content in enumerate(PICTURES)]


@cache
def picture(name: str, height: int, width: int) -> Tensor:
    """(1, 3, H, W) in [0, 1], from the pictures inside scikit-image's wheel."""
    from skimage import data

    pixels = torch.from_numpy(np.asarray(getattr(data, name)()).copy()).float() / 255
    x = pixels[..., :3].permute(2, 0, 1) if pixels.ndim == 3 else pixels.expand(3, -1, -1)
    return F.interpolate(x[None], (height, width), mode="bilinear", antialias=True).clamp(0, 1)


def psnr(a: Tensor, b: Tensor) -> float:
    """Of pictures in [0, 1], in dB."""
    return float(-10 * torch.log10((a - b).square().mean()))
