"""What a run says about the pictures that it was given, where they are not what a method is at its best with."""

from __future__ import annotations

import numpy as np
import PIL.Image
from PIL import ImageFilter
from PIL.Image import Resampling

from pipelines import images
from pipelines.params import Params

SIDE = 256  # pixels: evenness is looked for at this size, where a camera's noise is averaged out
MUCH = 0.4  # share of a picture that is worth a remark: of the photographs that were tried, none had a tenth


def transparent(p: Params) -> list[str]:
    """A remark for each setting with a picture of which `images.load` has laid parts over white."""
    notes: list[str] = []
    for name in type(p).model_fields:
        value = getattr(p, name)
        if any(images.was_transparent(item) for item in (value if isinstance(value, list) else [value])):
            notes.append(f"{name} is transparent in places, which count as white")
    return notes


def even_ground(content: PIL.Image.Image, notes: list[str]) -> None:
    """Add a remark to `notes` where much of the content is one even colour, which any style fills with texture."""
    if (share := even_share(content)) >= MUCH:
        notes.append(f"{share:.0%} of the content is an even ground, where strokes show most: less strength calms it")


def even_share(picture: PIL.Image.Image) -> float:
    """The share of a picture, mode RGB, whose surroundings (5x5 of SIDE pixels) differ by at most 1 of 255: [0, 1]."""
    small = picture.resize(images.fit(*picture.size, min(SIDE, max(picture.size))), Resampling.BOX)
    bands = [
        np.asarray(band.filter(ImageFilter.MaxFilter(5))) - np.asarray(band.filter(ImageFilter.MinFilter(5)))
        for band in small.split()
    ]
    return float((np.max(bands, 0) <= 1).mean())
