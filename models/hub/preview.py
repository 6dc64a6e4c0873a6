"""What latents look like without decoding them: a matrix from a latent's channels to red, green and blue.

The matrix is fitted once a run, by least squares, on a small chart of colours that the model's own encoder turns into
latents. So any model has one, whether its latents have 4 channels or 16, and no step pays for a decoder.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CHART = 128  # pixels a side
PICTURES = 4


@torch.no_grad()
def fit(vae: Any, device: torch.device) -> Tensor:
    """From latents as a pipeline keeps them to colours in [0, 1]: (C + 1, 3) float32 on the CPU, offsets last."""
    colours = chart()
    latents = vae.encode((colours * 2 - 1).to(device, vae.dtype), return_dict=False)[0]
    latents = (latents if isinstance(latents, Tensor) else latents.mode()).float().cpu()
    shift, scale = vae.config.get("shift_factor") or 0.0, vae.config.get("scaling_factor") or 1.0
    seen = _rows((latents - shift) * scale)
    wanted = F.interpolate(colours, latents.shape[-2:], mode="area").permute(0, 2, 3, 1).reshape(-1, 3)
    solution: Tensor = torch.linalg.lstsq(seen, wanted, driver="gelsd").solution
    return solution


def chart() -> Tensor:
    """(4, 3, 128, 128) in [0, 1]: soft fields of colour and hard patches, always the same."""
    noise = torch.Generator().manual_seed(0)
    soft = F.interpolate(torch.rand(2, 3, 5, 5, generator=noise), CHART, mode="bicubic").clamp(0, 1)
    hard = F.interpolate(torch.rand(2, 3, 8, 8, generator=noise), CHART, mode="nearest")
    return torch.cat([soft, hard])


def shown(latents: Tensor, matrix: Tensor, height: int, width: int) -> Tensor:
    """(C, h, w) latents as (3, height, width) in [0, 1]."""
    rows = _rows(latents.detach()[None].float().cpu())
    picture = (rows @ matrix).reshape(1, *latents.shape[-2:], 3).permute(0, 3, 1, 2)
    return F.interpolate(picture, (height, width), mode="bicubic").clamp(0, 1)[0]


def unpacked(pipe: Any, latents: Tensor, height: int, width: int) -> Tensor | None:
    """(C, h, w) from the latents that a pipeline hands to its callback; None where their layout is not known."""
    if latents.ndim == 3 and hasattr(pipe, "_unpack_latents"):
        latents = pipe._unpack_latents(latents, height, width, pipe.vae_scale_factor)
    if latents.ndim == 5 and latents.shape[2] == 1:
        latents = latents[:, :, 0]
    return latents[0] if latents.ndim == 4 else None


def _rows(latents: Tensor) -> Tensor:
    """(N, C, h, w) -> (N h w, C + 1), a one at the end of each row."""
    rows = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    return torch.cat([rows, torch.ones(len(rows), 1)], 1)
