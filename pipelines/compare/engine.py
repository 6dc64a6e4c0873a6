"""Several methods on the same pictures, one after the other, cheapest first: the engine behind Compare.

Each method is run by `pipelines.base.run`, as it is run alone: same settings and seed, same pixels. One that fails
becomes a card with its sentence, and the others go on.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch

from models import device
from models.cache import Borrower, ModelCache, OutOfBudget
from models.weights import WeightsError, WeightsMissing
from pipelines import images, metrics
from pipelines.base import STOP, Progress, Result, advance, run
from pipelines.compare import measured
from pipelines.compare.estimate import Estimates, Prediction, cached_models, trimmed_bytes
from pipelines.compare.plan import Entry
from pipelines.images import ImageError
from pipelines.params import ParamError, Params, limits, parse

log = logging.getLogger(__name__)
KNOWN = (ParamError, ImageError, WeightsMissing, WeightsError, OutOfBudget)
PROBE = 3  # steps that tell how long one takes, where that is not known yet
State = Literal["waiting", "running", "done", "stopped", "failed"]


@dataclass(eq=False)
class Card:
    """One method's place in the comparison, from the plan to the picture."""

    entry: Entry
    params: Params | None = None
    prediction: Prediction = field(default_factory=lambda: Prediction(0.0))
    state: State = "waiting"
    progress: Progress | None = None
    result: Result | None = None
    added: int | None = None  # bytes at its peak on top of what was held before it; None: it ran elsewhere
    scores: dict[str, float] = field(default_factory=dict)
    error: Exception | None = None
    sentence: str = ""  # what went wrong

    @property
    def share(self) -> float:
        """How much of its work is done, in [0, 1]."""
        if self.state in {"done", "failed", "stopped"}:
            return 1.0
        if self.progress is None:
            return 0.0
        return self.progress.share or self.progress.step / max(1, self.progress.total)

    def fail(self, error: Exception) -> None:
        """Make this the card of a method that did not work; what is no known error goes to the log."""
        self.state, self.error = "failed", error
        if isinstance(error, KNOWN):
            self.sentence = str(error)
        elif device.out_of_memory(error):
            self.sentence = device.OUT_OF_MEMORY
        else:
            reference = secrets.token_hex(3)
            log.error("%s failed, reference %s", self.entry.name, reference, exc_info=error)
            self.sentence = f"Something broke in this method. Reference {reference} is in the log."


@dataclass(eq=False)
class Account:
    """The cache as one run sees it, and what that run borrowed: its loading is not its work."""

    cache: ModelCache
    last: Borrower | None = None

    @property
    def device(self) -> torch.device:
        """Where models are lent to."""
        return self.cache.device

    def borrower(self) -> Borrower:
        """A new account for one run."""
        self.last = self.cache.borrower()
        return self.last


Comparison = Generator[Card, str | None, None]


def prepare(entries: Sequence[Entry], cache: ModelCache, estimates: Estimates, sort: bool = True) -> list[Card]:
    """Check every entry's settings and say what it will cost; cheapest first, what cannot run last."""
    cards = []
    for entry in entries:
        card = Card(entry)
        try:
            card.params = parse(entry.pipeline.params, entry.own)
            card.prediction = estimates.predict(entry.pipeline, card.params, cache)
        except KNOWN as error:
            card.fail(error)
        cards.append(card)
    if sort:
        cards.sort(key=lambda c: (c.state == "failed", c.prediction.missing, c.prediction.seconds))
    return cards


def execute(
    cards: Sequence[Card],
    cache: ModelCache,
    estimates: Estimates,
    sha256: Callable[[str], str] = lambda _: "",
    seconds: float = 0.0,
) -> Comparison:
    """Run the cards that wait, in their order; cards that are done stay as they are, so a stopped plan can go on.

    Args:
        cards: changed in place.
        sha256: model name -> digest of its weights, for the records.
        seconds: give each method this long (0: as long as it takes). Methods with steps get as many as fit.

    Yields:
        The card that moved. Sending STOP ends the method in flight with what is there, and leaves the rest waiting.
    """
    for card in cards:
        if card.state not in {"waiting", "running"}:
            continue
        card.state = "running"
        asked = None
        try:
            if seconds:
                card.params = with_steps(card, cache, estimates, seconds)
            asked = yield from follow(card, cache, estimates, sha256, seconds)
            if card.result is not None:
                card.scores = judged(card, card.result, cache)
        except Exception as error:  # one method's failure is its card's business
            card.fail(error)
        asked = (yield card) or asked
        if asked == STOP:
            return


def judged(card: Card, result: Result, cache: ModelCache) -> dict[str, float]:
    """The card's scores: next to the pictures of the comparison, also those that its method could not take."""
    content, styles = card.entry.values.get("content"), card.entry.values.get("styles") or []
    if content is None and not styles:
        now = metrics.of_generated(result.images, getattr(card.params, "label", None), cache)
        return now | (measured.of(result.record, card.params) if card.params else {})
    return metrics.scores(
        result.picture, None if content is None else images.load(content), [images.load(s) for s in styles], cache
    )


def follow(
    card: Card, cache: ModelCache, estimates: Estimates, sha256: Callable[[str], str], seconds: float
) -> Generator[Card, str | None, str | None]:
    """Run one card's method to its end, or to STOP, or until it has worked for `seconds`; returns STOP if it was."""
    assert card.params is not None
    account, held, before = Account(cache), trimmed_bytes(cache.device), cached_models(cache)
    stream = run(card.entry.pipeline, card.params, cast(ModelCache, account), sha256=sha256)
    spent, asked, end = 0.0, None, False
    try:
        while True:
            start = time.perf_counter()
            event = advance(stream, stop=end and card.progress is not None)
            spent += time.perf_counter() - start
            if event is None or isinstance(event, Result):
                break
            card.progress = event
            working = spent - (account.last.seconds if account.last else 0.0)
            said = yield card
            asked = said or asked
            end = asked == STOP or bool(seconds and working >= seconds and event.step < event.total)
    finally:
        stream.close()
    if event is None:  # stopped before there was anything to see
        card.state, card.progress = "waiting", None
        return asked
    whole = card.progress is None or event.record.steps >= card.progress.total
    card.result, card.progress = replace(event, state=None), None  # a run's tensors are not kept
    card.state = "done" if whole or asked != STOP else "stopped"
    loaded = sum(size for name, size in cached_models(cache).items() if name not in before)
    card.added = max(0, event.record.peak_bytes - held)
    if whole:
        estimates.learn(card.entry.pipeline, card.params, event.record, max(0, card.added - loaded), cache)
    return asked


def with_steps(card: Card, cache: ModelCache, estimates: Estimates, seconds: float) -> Params:
    """The card's settings with as many steps as fit into `seconds`; a method that was never measured is tried first.

    Methods without steps are left as they are: they take what they take.
    """
    assert card.params is not None
    pipeline, p = card.entry.pipeline, card.params
    info = type(p).model_fields.get("steps")
    if info is None:
        return p
    if not estimates.predict(pipeline, p, cache).measured:
        trial = Card(card.entry, p.model_copy(update={"steps": PROBE}))
        for _ in follow(trial, cache, estimates, lambda _: "", 0.0):
            pass
    low, high = limits(info)
    steps, most = int(low or 1), int(high or 1)

    def fits(steps: int) -> bool:
        return estimates.predict(pipeline, p.model_copy(update={"steps": steps}), cache).seconds <= seconds

    while steps < most and fits(min(most, 2 * steps)):
        steps = min(most, 2 * steps)
    top = min(most, 2 * steps) + 1
    while top - steps > 1:
        middle = (steps + top) // 2
        steps, top = (middle, top) if fits(middle) else (steps, middle)
    return p.model_copy(update={"steps": steps})


def table(cards: Sequence[Card]) -> list[dict[str, Any]]:
    """The comparison as JSON: settings, costs and scores of each card, and what its numbers mean."""
    return [
        {
            "name": card.entry.name,
            "state": card.state,
            "predicted_seconds": round(card.prediction.seconds, 3),
            "scores": card.scores,
            "error": card.sentence or None,
            "record": card.result.record.model_dump(mode="json") if card.result else None,
        }
        for card in cards
    ]


def all_failed(cards: Sequence[Card]) -> Exception | None:
    """The first failure, when nothing worked at all."""
    return None if any(card.result for card in cards) else next((c.error for c in cards if c.error), None)
