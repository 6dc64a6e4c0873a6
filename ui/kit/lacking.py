"""What a failed run lacks on this machine and a fetch can bring: its name, its size, and the bringing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from models import weights
from models.device import amount
from models.hub import download
from models.hub.download import Report
from models.hub.needs import Need, of_model
from models.weights import Weights, WeightsError, WeightsMissing
from pipelines import dataset
from pipelines.dataset import DataSet
from ui.kit import policy
from ui.kit.i18n import spoken

Lack = Weights | Need | DataSet
Sizes = dict[Lack, int]  # bytes that the hub named to a visitor


def of(error: Exception) -> tuple[Lack, ...]:
    """What the failed run was told to be missing: Weights, Needs, ids on the hub; nothing where no fetch helps."""
    wanted = error.wanted if isinstance(error, WeightsMissing) else ()
    found = [of_model(lack) if isinstance(lack, str) else lack for lack in wanted]
    return tuple(lack for lack in found if isinstance(lack, Lack))


def away(lack: Lack) -> bool:
    """Whether it is still not on this machine."""
    if isinstance(lack, DataSet):
        return not dataset.whole(lack)
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


class Fetched:
    """Bytes that visitors have had fetched since the server began."""

    def __init__(self) -> None:
        self._lock, self._bytes = threading.Lock(), 0

    def add(self, size: int) -> None:
        """Count `size` bytes more. Raises WeightsError where this server does not fetch as many."""
        most = policy.current().fetch_gb
        with self._lock:
            if self._bytes + size > most * 1e9:
                left = amount(max(0, int(most * 1e9) - self._bytes))
                raise WeightsError(f"This server fetches {most:g} GB in all, and {left} of that are left.")
            self._bytes += size


FETCHED = Fetched()


def admit(lacks: Sequence[Lack]) -> None:
    """Raise WeightsError for what this server does not fetch for its visitors."""
    allowed = policy.current().fetch
    if allowed == "none":
        raise WeightsError("This server fetches nothing: run Atelier on a machine of your own for this model.")
    foreign = [lack.name for lack in lacks if isinstance(lack, Need) and lack.bytes is None]
    if allowed == "curated" and foreign:
        raise WeightsError(f"This server fetches the models that its page offers, and {foreign[0]} is none of them.")


def bring(lacks: Sequence[Lack], report: Report) -> None:
    """Fetch one after the other; `report` gets the bytes of all of them together.

    Raises WeightsMissing, WeightsError: also for what this server does not fetch.
    """
    admit(lacks)
    found = [lack.look() if isinstance(lack, Need) else lack for lack in lacks]
    whole, done = sum(what.bytes for what in found), 0
    FETCHED.add(whole)
    for what in found:

        def tell(count: int, _total: int, before: int = done) -> None:
            report(before + count, whole)

        if isinstance(what, Weights):
            weights.fetch(what, tell)
        elif isinstance(what, DataSet):
            dataset.fetch(what, tell)
        else:
            download.fetch(what, tell)
        done += what.bytes
