"""Whether a run fits into memory, asked before it starts: a refusal names the size that would fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from models import memory
from models.cache import Lender, OutOfBudget
from models.hub.turns import owner

STEP = 64  # pixels between the sizes that are tried


@contextmanager
def lend(
    cache: Lender, names: tuple[str, ...], p: Any, working: Callable[[Any], int], name: str = "size"
) -> Iterator[tuple[nn.Module, ...]]:
    """`cache.use` for a run of `p`, whose activations take `working(p)` bytes: refused like `require`, in RAM before
    anything is loaded."""
    where = owner(cache).device
    if where.type != "cuda":
        require(p, working, where, name)
    with cache.use(*names, working=working(p)) as modules:
        require(p, working, where, name)
        yield modules


def require(p: Any, working: Callable[[Any], int], where: torch.device, name: str = "size") -> None:
    """Raises OutOfBudget where `working(p)` bytes are more than can be had on `where`. `name`: the setting of `p` that
    is its longest side in pixels."""
    need, free = working(p), memory.free_bytes(where)
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
