"""How long a run takes next to another of the same method, in any unit: what predictions are scaled by."""

from __future__ import annotations

from pipelines.params import Params

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
