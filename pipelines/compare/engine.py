"""Several methods on the same pictures, one after the other, cheapest first: the engine behind Compare.

Each method is run by `pipelines.base.run`, as it is run alone: same settings and seed, same pixels. One that fails
becomes a card with its sentence, and the others go on.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from bisect import bisect
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache as memo
from typing import Any, Literal

import PIL.Image
from torch import Tensor

from models import device, own, registry, weights
from models.cache import Borrower, ModelCache, OutOfBudget
from models.weights import WeightsError, WeightsMissing
from pipelines import images, metrics
from pipelines.base import STOP, Lost, Output, Pipeline, Progress, Result, Steps, advance, run
from pipelines.compare import contact, estimate
from pipelines.compare.estimate import Prediction
from pipelines.compare.plan import Entry, Heads, kind_of
from pipelines.dataset import DATASETS
from pipelines.images import ImageError
from pipelines.params import ParamError, Params, limits, parse

log = logging.getLogger(__name__)
KNOWN = (ParamError, ImageError, WeightsMissing, WeightsError, OutOfBudget, Lost)
UNITS = 1000  # steps that a whole method counts as
PROBE = 3  # steps that tell how long one takes, where that is not known yet
TABLE = weights.BUNDLED / "table.json"  # what `make table` measured of bundled generators, over thousands of pictures
# Those of pipelines/metrics.py that are too slow to take at once.
TABLE_MEASURES = ("distance", "precision", "recall", "nats")
FREE = {"seed", "label", "count", "dataset", "model"}  # settings that do not change how good pictures are
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
        return min(1.0, self.progress.share or self.progress.step / max(1, self.progress.total))

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


def prepare(entries: Sequence[Entry], cache: ModelCache, sort: bool = True, seconds: float = 0.0) -> list[Card]:
    """Check every entry's settings and say what it will cost; cheapest first, what cannot run last. `seconds`: given to
    each method, as `perform` does."""
    cards = []
    for entry in entries:
        card = Card(entry)
        try:
            card.params = parse(entry.pipeline.params, entry.own)
            within = fitting(entry.pipeline, card.params, cache, seconds) if seconds else card.params
            card.prediction = estimate.predict(entry.pipeline, within, cache)
        except KNOWN as error:
            card.fail(error)
        cards.append(card)
    if sort:
        cards.sort(key=lambda c: (c.state == "failed", c.prediction.missing, c.prediction.seconds))
    return cards


def perform(cards: Sequence[Card], lender: Borrower, seconds: float = 0.0, heads: Heads = None) -> Steps:
    """Run the cards that wait, in their order, and judge what has no scores yet; cards that are done stay as they are,
    so a stopped plan can go on.

    Args:
        cards: changed in place.
        lender: the cache, which keeps account of what the methods borrow.
        seconds: give each method this long (0: as long as it takes). Methods with steps get as many as fit.
        heads: labels of the axes, where the cards are the cells of a grid.

    Yields:
        Progress whose step is a thousandth of a method, so that their number is known before they are. Sending STOP
        ends the method in flight with what is there, and leaves the rest waiting.
    """
    if any("content" in card.entry.values for card in cards):  # what else is judged needs no library
        metrics.warm()  # or its seconds would seem to be the first method's
    step, total, stop = 0, UNITS * len(cards), False
    for card in cards:
        with closing(work(card, lender, seconds)) as moves:
            for _ in moves:
                preview = card.progress.preview if card.progress else None
                counts = {"finished": float(sum(one.result is not None for one in cards))}
                reached = min(total, int(UNITS * sum(one.share for one in cards) + 1e-6))
                while step < reached and not stop:
                    step += 1
                    if (yield Progress(step, total, preview, dict(counts), share=step / total)) == STOP:
                        stop, card.state = True, "stopped" if card.state == "running" else card.state
        if stop:
            break
    return outcome(cards, heads)


def work(card: Card, lender: Borrower, seconds: float) -> Generator[None]:
    """Run a card's method where it waits, and judge its result; yields whenever it has moved."""
    try:
        if card.state in {"waiting", "running"}:
            card.state = "running"
            if seconds:
                card.params = with_steps(card, lender, seconds)
            yield from follow(card, lender, seconds)
        if card.result is not None and not card.scores:
            card.scores = score(card, card.result, lender.cache)
    except Exception as error:  # one method's failure is its card's business
        card.fail(error)
    if card.state in {"done", "failed"}:
        yield


def follow(card: Card, lender: Borrower, seconds: float) -> Generator[None]:
    """Run a card's method to its end, or until its state is "stopped", or until it has worked for `seconds`."""
    assert card.params is not None
    cache = lender.cache
    device.trim(cache.device)
    held, before = device.held_bytes(cache.device), estimate.cached_models(cache)
    stream = run(card.entry.pipeline, card.params, lender, sha256=registry.sha256)
    spent, enough = -lender.seconds, False  # loading is not its work
    with closing(stream):
        while True:
            start = time.perf_counter()
            event = advance(stream, stop=enough and card.progress is not None)
            spent += time.perf_counter() - start
            if event is None or isinstance(event, Result):
                break
            card.progress = event
            yield
            late = bool(seconds) and spent - lender.seconds >= seconds and event.step < event.total
            enough = late or card.state == "stopped"
    if event is None:  # stopped before there was anything to see
        card.state, card.progress = "waiting", None
        return
    whole = card.progress is None or event.record.steps >= card.progress.total
    card.result, card.progress = replace(event, state=None), None  # a run's tensors are not kept
    card.state = "done" if whole or card.state != "stopped" else "stopped"
    if cache.elsewhere is None:
        loaded = sum(size for name, size in estimate.cached_models(cache).items() if name not in before)
        card.added = max(0, event.record.peak_bytes - held)
        if whole:
            estimate.learn(card.entry.pipeline, card.params, event.record, max(0, card.added - loaded), cache)


def with_steps(card: Card, lender: Borrower, seconds: float) -> Params:
    """The card's settings with as many steps as fit into `seconds`; a method that was never measured is tried first.

    Methods without steps are left as they are: they take what they take.
    """
    assert card.params is not None
    pipeline, p, cache = card.entry.pipeline, card.params, lender.cache
    if "steps" in type(p).model_fields and not estimate.predict(pipeline, p, cache).measured:
        for _ in follow(Card(card.entry, p.model_copy(update={"steps": PROBE})), lender, 0.0):
            pass
    return fitting(pipeline, p, cache, seconds)


def fitting(pipeline: Pipeline[Any], p: Params, cache: ModelCache, seconds: float) -> Params:
    """`p` with as many steps as fit into `seconds` by what runs have cost so far; unchanged where there are none."""
    info = type(p).model_fields.get("steps")
    if info is None:
        return p
    low, high = limits(info)

    def late(steps: int) -> bool:
        return estimate.predict(pipeline, p.model_copy(update={"steps": steps}), cache).seconds > seconds

    first, last = int(low or 1), int(high or 1)
    return p.model_copy(update={"steps": max(first, first - 1 + bisect(range(first, last + 1), False, key=late))})


def score(card: Card, result: Result, cache: ModelCache) -> dict[str, float]:
    """The card's scores: next to the pictures of the comparison, also those that its method could not take."""
    content, styles = card.entry.values.get("content"), card.entry.values.get("styles") or []
    if content is not None or styles:
        return metrics.scores(
            result.picture, None if content is None else images.load(content), [images.load(s) for s in styles], cache
        )
    if kind_of(card.entry.pipeline) != "generate" or own.UNJUDGED in result.record.notes:
        return {}
    p: Any = card.params
    judge = card.entry.pipeline.judge or DATASETS[p.dataset].judge
    return metrics.of_generated(result.images, judge, p.label, cache) | table_scores(card, result)


def table_scores(card: Card, result: Result) -> dict[str, float]:
    """What `make table` found of the generator that made a picture; nothing where its weights are not those that were
    measured, or its settings others."""
    row = next((rows()[digest] for digest in result.record.models.values() if digest in rows()), {})
    if card.params is None or card.params.model_dump(exclude=FREE, exclude_defaults=True) != row.get("settings", {}):
        return {}
    return {name: float(row[name]) for name in TABLE_MEASURES if row.get(name) is not None}


@memo
def rows() -> dict[str, dict[str, Any]]:
    """Rows of the table by the sha256 of the weights."""
    listed = json.loads(TABLE.read_text("utf-8")).values() if TABLE.is_file() else ()
    return {row["sha256"]: row for row in listed if row.get("sha256")}


def outcome(cards: Sequence[Card], heads: Heads) -> Output:
    """Every picture with the record of the method that made it, and the contact sheet; how each card came out, as JSON,
    is in the details."""
    results = [card.result for card in cards if card.result is not None]
    pictures = [(image, result.record) for result in results for image in result.images]
    notes = [f"{card.entry.name}: {card.sentence}" for card in cards if card.sentence]
    table = [
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
    counts: dict[str, float | Tensor] = {"finished": float(len(results)), "failed": float(len(notes))}
    return Output(
        [i for i, _ in pictures], counts, notes, sheet(cards, heads), {"cards": table}, [r for _, r in pictures]
    )


def sheet(cards: Sequence[Card], heads: Heads) -> PIL.Image.Image:
    """The contact sheet of the cards that have run: names and numbers alone, since a picture cannot be translated."""
    best = {"higher": 1, "lower": 0}
    names = {name for card in cards for name in card.scores}
    legend = [f"{n} = {m.how} -> {best[m.better]}" for n, m in metrics.MEASURES.items() if n in names]
    return contact.sheet([cell(card) for card in cards], len(heads[0]) if heads else None, heads, legend)


def cell(card: Card, title: str = "", say: Callable[[str], str] = str) -> contact.Cell:
    """What the contact sheet says under one card: `title`, or its name in the plan; `say` names a score."""
    title = title or card.entry.name
    if card.result is None:
        return contact.Cell(title, None, warning="x" if card.state == "failed" else "...")
    r = card.result.record
    numbers = [f"{say(name)} {value:.{metrics.MEASURES[name].digits}f}" for name, value in card.scores.items()]
    lines = [f"{r.seconds.run:.1f} s · {device.amount(r.own_bytes)}", ", ".join(r.models), " · ".join(numbers)]
    warning = "" if card.state == "done" else f"{r.steps} ..."
    return contact.Cell(title, card.result.picture, tuple(line for line in lines if line), warning)
