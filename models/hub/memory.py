"""How much memory a picture takes while it is made, computed before it is.

The factors are bytes of live activations per output pixel at two bytes a number, counted over the modules of diffusers
0.42.1 at their real width on the meta device (benchmarks/imagine_memory.py): the difference between 1024 and 512
pixels, with fused attention, whose output alone is kept.
"""

from __future__ import annotations

import torch

DENOISER = {"unet": 260, "transformer": 445}  # Stable Diffusion 1.5 and 2.1 (XL: 158); Z-Image
DECODER = 1536  # the 84 M decoder that all four curated models have
TILE = 1024  # pixels: larger pictures are decoded in tiles of at most this side
ENCODER = 64 << 20  # bytes: text or image encoder, whatever the size of the picture
FIXED = 128 << 20  # bytes: workspaces of the libraries
STEP = 64  # pixels between the sizes that are tried for a smaller one


def working_bytes(part: str, size: tuple[int, int], batch: int, dtype: torch.dtype) -> int:
    """Activations of a part in bytes, for one picture.

    Args:
        part: name in the pipeline.
        size: width and height in pixels.
        batch: 2 with a negative prompt beside the prompt, else 1.
        dtype: of the numbers.
    """
    pixels, scale = size[0] * size[1], dtype.itemsize / 2
    if part in DENOISER:
        return FIXED + int(DENOISER[part] * pixels * batch * scale)
    if part.startswith("vae"):
        return FIXED + int(DECODER * min(pixels, TILE**2) * scale)
    return FIXED + int(ENCODER * batch * scale)


def largest_size(
    sizes: dict[str, int], ratio: float, batch: int, dtype: torch.dtype, room: int, wanted: int
) -> int | None:
    """The longest side up to `wanted` pixels at which every part fits into `room` bytes; None if none does.

    Args:
        sizes: part -> bytes of its weights on the device (0 for one that is streamed).
        ratio: short side / long side.
    """
    sides: list[int] = [wanted, *range(wanted // STEP * STEP, 0, -STEP)]
    for side in sides:
        size = (side, max(1, round(side * ratio)))
        if all(weights + working_bytes(part, size, batch, dtype) <= room for part, weights in sizes.items()):
            return side
    return None
