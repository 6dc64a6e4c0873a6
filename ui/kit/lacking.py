"""What a failed run lacks on this machine and a fetch can bring: its name, its size, and the bringing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models import weights
from models.device import amount
from models.hub import download
from models.hub.download import Report
from models.hub.needs import Need, of_model
from models.weights import Weights, WeightsMissing
from ui.kit.i18n import spoken

Lack = Weights | Need
Sizes = dict[Lack, int]  # bytes that the hub named to a visitor


def of(error: Exception) -> tuple[Lack, ...]:
    """What the failed run was told to be missing: Weights, Needs, ids on the hub; nothing where no fetch helps."""
    wanted = error.wanted if isinstance(error, WeightsMissing) else ()
    found = [of_model(lack) if isinstance(lack, str) else lack for lack in wanted]
    return tuple(lack for lack in found if isinstance(lack, Lack))


def away(lack: Lack) -> bool:
    """Whether it is still not on this machine."""
    return not weights.present(lack) if isinstance(lack, Weights) else lack.fault() is not None


def size_of(lack: Lack, sizes: Sizes) -> int | None:
    """Bytes that a fetch brings, where that is known by now."""
    return sizes.get(lack, lack.bytes)


def asked_for(lacks: Sequence[Lack], sizes: Sizes) -> Sizes:
    """`sizes` with those that only the hub knows. Raises WeightsMissing, WeightsError."""
    unknown = [lack for lack in lacks if isinstance(lack, Need) and size_of(lack, sizes) is None]
    return sizes | {need: need.look().bytes for need in unknown}


def caption(lacks: Sequence[Lack], sizes: Sizes, request: Any) -> str:
    """What the button is called: `Fetch 548 MB`, or a question where the size has to be asked for first."""
    known = [size_of(lack, sizes) for lack in lacks]
    if None in known:
        return spoken("Fetch: how large is it?", request)
    return spoken("Fetch {}", request).format(amount(sum(size or 0 for size in known)))


def bring(lacks: Sequence[Lack], report: Report) -> None:
    """Fetch one after the other; `report` gets the bytes of all of them together.

    Raises WeightsMissing, WeightsError.
    """
    found = [lack if isinstance(lack, Weights) else lack.look() for lack in lacks]
    whole, done = sum(what.bytes for what in found), 0
    for what in found:

        def tell(count: int, _total: int, before: int = done) -> None:
            report(before + count, whole)

        if isinstance(what, Weights):
            weights.fetch(what, tell)
        else:
            download.fetch(what, tell)
        done += what.bytes
