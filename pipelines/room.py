"""Whether a run fits into memory, asked before it starts: a refusal names the size that would fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models import device
from models.cache import OutOfBudget

STEP = 64  # pixels between the sizes that are tried


def require(p: Any, working: Callable[[Any], int], where: torch.device, name: str = "size") -> None:
    """Raises OutOfBudget where `working(p)` bytes are more than can be had on `where`. `name`: the setting of `p` that
    is its longest side in pixels."""
    need, free = working(p), device.free_bytes(where)
    if need <= free:
        return
    said = (
        f"A {name} of {getattr(p, name)} needs about {need / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB can be had"
    )
    size = largest(p, working, free, name)
    if size is None:
        raise OutOfBudget(f"{said}, and no size fits: close other programs, or choose a smaller model.")
    raise OutOfBudget(f"{said}: choose a {name} of at most {size}.")


def largest(p: Any, working: Callable[[Any], int], free: int, name: str = "size") -> int | None:
    """The largest `name` in steps of STEP pixels, below that of `p`, whose `working` is at most `free`; None: none."""
    sizes = range((getattr(p, name) - 1) // STEP * STEP, 0, -STEP)
    return next((size for size in sizes if working(p.model_copy(update={name: size})) <= free), None)
