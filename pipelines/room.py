"""Whether a run fits into memory, asked before it starts: a refusal names the size that would fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models import memory
from models.cache import OutOfBudget

STEP = 64  # pixels between the sizes that are tried


def require(p: Any, working: Callable[[Any], int], where: torch.device) -> None:
    """Raises OutOfBudget where `working(p)` bytes are more than can be had on `where`. `p` has a `size`."""
    need, free = working(p), memory.free_bytes(where)
    if need <= free:
        return
    said = f"A size of {p.size} needs about {need / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB can be had"
    size = largest(p, working, free)
    if size is None:
        raise OutOfBudget(f"{said}, and no size fits: close other programs, or choose a smaller model.")
    raise OutOfBudget(f"{said}: choose a size of at most {size}.")


def largest(p: Any, working: Callable[[Any], int], free: int) -> int | None:
    """The largest size in steps of STEP pixels, below that of `p`, at which `working` is at most `free`; None: none."""
    sizes = range((p.size - 1) // STEP * STEP, 0, -STEP)
    return next((size for size in sizes if working(p.model_copy(update={"size": size})) <= free), None)
