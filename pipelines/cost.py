"""What a run costs: how long it takes next to another of its method, and whether it fits into memory, asked before it
starts: a refusal names the size that would fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from models import device
from models.cache import Lender, OutOfBudget
from pipelines.params import Params

STEP = 64  # pixels between the sizes that are tried
FIXED = 0.012  # megapixels: what a step costs however small the picture is (vgg-lite, 64 to 512 px, one thread)
SMALL = 28**2 / 1e6  # megapixels of a digit: of methods that know neither size nor content


def megapixels(p: Params) -> float:
    """Area of a result: from `size` and the shape of `content`, where the method has them; else a digit's."""
    size, content = getattr(p, "size", None), getattr(p, "content", None)
    if not size and content is not None:
        return float(content.width * content.height / 1e6)
    if not size:
        return SMALL
    shape = min(content.size) / max(content.size) if content is not None else 1.0
    return float(size) ** 2 * shape / 1e6


def usual(p: Params) -> float:
    """Area times steps times pictures, for methods that say nothing else."""
    steps, count = getattr(p, "steps", None) or 1, getattr(p, "count", None) or 1
    return float((FIXED + megapixels(p)) * steps * count)


def spread(p: Params) -> float:
    """Area times pictures: what memory grows with, for methods that say nothing else."""
    return float(megapixels(p) * (getattr(p, "count", None) or 1))


@contextmanager
def lend(
    cache: Lender, names: tuple[str, ...], p: Any, working: Callable[[Any], int], name: str = "size"
) -> Iterator[tuple[nn.Module, ...]]:
    """`cache.use` for a run of `p`, whose activations take `working(p)` bytes: refused like `require`, in RAM before
    anything is loaded."""
    where = cache.device
    if where.type != "cuda":
        require(p, working, where, name)
    with cache.use(*names, working=working(p)) as modules:
        require(p, working, where, name)
        yield modules


def require(p: Any, working: Callable[[Any], int], where: torch.device, name: str = "size") -> None:
    """Raises OutOfBudget where `working(p)` bytes are more than can be had on `where`. `name`: the setting of `p` that
    is its longest side in pixels."""
    need, free = working(p), device.free_bytes(where)
    if need <= free:
        return
    need_and_free = (
        f"A {name} of {getattr(p, name)} needs about {need / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB can be had"
    )
    size = largest(p, working, free, name)
    if size is None:
        raise OutOfBudget(f"{need_and_free}, and no size fits: close other programs, or choose a smaller model.")
    raise OutOfBudget(f"{need_and_free}: choose a {name} of at most {size}.")


def largest(p: Any, working: Callable[[Any], int], free: int, name: str = "size") -> int | None:
    """The largest `name` in steps of STEP pixels, below that of `p`, whose `working` is at most `free`; None: none."""
    sizes = range((getattr(p, name) - 1) // STEP * STEP, 0, -STEP)
    return next((size for size in sizes if working(p.model_copy(update={name: size})) <= free), None)
