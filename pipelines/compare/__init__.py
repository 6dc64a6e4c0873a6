"""Compare as a method of its own, so that the command line, the API and records have it like any other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import PIL.Image
from torch import Tensor

from models import device, registry
from models.cache import Borrower, Lender, ModelCache
from pipelines import images, metrics, record
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.compare import contact, engine, plan
from pipelines.compare.engine import Card
from pipelines.compare.estimate import Estimates, missing_weights
from pipelines.params import MOST_SEED, Image, Params, Seed, param, settings
from pipelines.record import Record, Seconds

UNITS = 1000  # steps that a whole method counts as
SECONDS_BETWEEN_SHEETS = 1.0
PREVIEW = 2048  # pixels: the contact sheet is at most this wide and high while it is made
Heads = tuple[tuple[str, ...], tuple[str, ...]] | None


class CompareParams(Params):
    """Run several methods on the same pictures from the same seed, and lay out what they made and what it cost.

    A method that fails is told with its reason, and the others go on.
    """

    content: Image | None = param(None, label="Content", description="The picture to restyle")
    styles: list[Image] = param(
        [], label="Styles", description="One to three pictures to take the style from", min_length=0, max_length=3
    )
    methods: str = param(
        "",
        label="Methods",
        description="By comma, settings by colon, as in gatys:lbfgs:steps=20; none: all that fit and are here",
    )
    size: int = param(256, ge=64, le=2048, label="Size", description="Longest side of the result in pixels")
    dataset: str = param("", label="Data", description="What it was trained on")
    label: int | None = param(None, ge=0, le=9, label="Class", description="Which class to make; none: any")
    count: int = param(16, ge=1, le=64, label="Count", description="How many pictures")
    seconds: float = param(
        0.0, ge=0, le=3600, label="Same budget", description="Seconds for each method; 0: as long as it takes"
    )
    x: str = param("", label="X axis", description="A setting and its values: strength=0.2,0.5,0.8 or strength=0..1x5")
    y: str = param("", label="Y axis", description="A second setting; without it each method is a row")
    seed: Seed = param(
        0, ge=-1, le=MOST_SEED, label="Seed", description="Start of the random numbers; -1 draws one", advanced=True
    )


def usual(table: plan.Table, kind: str) -> list[str]:
    """Methods and variants of one kind that run as they are: nothing to fetch, nothing to type."""
    names = []
    for pipeline in table.values():
        typed = {s.name for s in settings(pipeline.params) if s.required or s.name == "prompt"} - {"content", "styles"}
        if plan.kind_of(pipeline) == kind and not typed:
            names += [name for name, choice in plan.variants(pipeline).items() if not missing_weights([choice])]
    return names


CLASSES = ("dataset", "label", "count")  # what to generate
SHARED = ("content", "styles", "size", *CLASSES, "seed")  # one setting for all methods that have it


def shared(p: CompareParams) -> dict[str, Any]:
    """The settings that every method of the comparison gets, where it has them."""
    return {name: getattr(p, name) for name in SHARED if p.content is None or name not in CLASSES}


def cells(p: CompareParams, table: plan.Table) -> tuple[list[plan.Entry], Heads]:
    """The plan, and the labels of its axes."""
    methods = p.methods.strip() or ",".join(usual(table, "generate" if p.content is None else "restyle"))
    found = plan.entries(methods, table, shared(p))
    return plan.grid(found, p.x, p.y)


def line_of(card: Card) -> contact.Cell:
    """What the contact sheet says under one card: names and numbers alone, since a picture cannot be translated."""
    if card.result is None:
        so_far = card.progress.preview if card.progress and card.state == "running" else None
        shown = None if so_far is None else images.to_image(so_far)
        return contact.Cell(card.entry.name, shown, warning="x" if card.state == "failed" else "...")
    r = card.result.record
    numbers = [f"{name} {value:.{metrics.MEASURES[name].digits}f}" for name, value in card.scores.items()]
    lines = [f"{r.seconds.run:.1f} s · {r.peak_bytes / 1e9:.1f} GB", ", ".join(r.models), " · ".join(numbers)]
    warning = "" if card.state == "done" else f"{r.steps} ..."
    return contact.Cell(card.entry.name, card.result.picture, tuple(line for line in lines if line), warning)


def drawn(cards: Sequence[Card], heads: Heads) -> PIL.Image.Image:
    """The contact sheet of the cards that have run."""
    measured = [name for name in metrics.MEASURES if any(name in card.scores for card in cards)]
    best = {"higher": 1, "lower": 0}
    about = [f"{n} = {m.how} -> {best[m.better]}" for n, m in metrics.MEASURES.items() if n in measured]
    ordered = sorted(cards, key=lambda c: c.entry.at or (0, 0)) if heads else cards
    return contact.sheet([line_of(card) for card in ordered], len(heads[0]) if heads else None, heads, about)


def generate(p: CompareParams, cache: Lender, table: Mapping[str, Pipeline[Any]]) -> Steps:
    """Run the plan. A step is a thousandth of a method, so that their number is known before they are."""
    borrower = cast(Borrower, cache)
    entries, heads = cells(p, table)
    estimates = Estimates()
    metrics.warm()  # or its seconds would seem to be the first method's
    cards = engine.prepare(entries, borrower.cache, estimates, sort=heads is None)
    total, step, shown, preview = UNITS * len(cards), 0, -SECONDS_BETWEEN_SHEETS, cast(Tensor | None, None)
    stream = engine.execute(cards, borrower.cache, estimates, registry.sha256, p.seconds)
    try:
        for card in stream:
            if card.result is not None:
                told = card.result.record
                borrower.names = tuple(dict.fromkeys((*borrower.names, *told.models)))
                borrower.seconds += told.seconds.load
            moment = time.perf_counter()
            if preview is None or card.result is not None or moment - shown >= SECONDS_BETWEEN_SHEETS:
                small = drawn(cards, heads)
                small.thumbnail((PREVIEW, PREVIEW))
                shown, preview = moment, images.to_tensor(small)[0]
            counts = {"finished": float(sum(c.result is not None for c in cards))}
            reached = int(UNITS * sum(min(1.0, c.share) for c in cards) + 1e-6)
            while step < min(reached, total):
                step += 1
                yield Progress(step, total, preview, dict(counts), share=step / total)
    finally:
        stream.close()
    if (error := engine.all_failed(cards)) is not None:
        raise error
    return finished(cards, heads)


def told(p: CompareParams, cards: Sequence[Card], cache: ModelCache) -> Record:
    """The record of a whole comparison, for its sheet: what `run` writes when Compare is run as a method."""
    records = [card.result.record for card in cards if card.result]
    return Record(
        pipeline="compare",
        params=p.model_dump(mode="json"),
        seed=p.seed,
        models={name: sha256 for r in records for name, sha256 in r.models.items()},
        files={name: file for r in records for name, file in r.files.items()},
        packages={name: package for r in records for name, package in r.packages.items()},
        seconds=Seconds(load=sum(r.seconds.load for r in records), run=sum(r.seconds.run for r in records)),
        steps=UNITS * len(records),
        peak_bytes=max((r.peak_bytes for r in records), default=0),
        device=device.describe(cache.device),
        dtype=str(device.fast_dtype(cache.device)).removeprefix("torch."),
        versions=record.versions(),
        created=record.now(),
        metrics={"finished": float(len(records))},
        notes=[f"{card.entry.name}: {card.sentence}" for card in cards if card.sentence],
        details={"cards": engine.table(cards)},
    )


def finished(cards: Sequence[Card], heads: Heads) -> Output:
    """Every picture with the record of the method that made it, and the contact sheet."""
    results = [card.result for card in cards if card.result is not None]
    pictures = [(image, result.record) for result in results for image in result.images]
    notes = [f"{card.entry.name}: {card.sentence}" for card in cards if card.sentence]
    counts: dict[str, float | Tensor] = {"finished": float(len(results)), "failed": float(len(notes))}
    told = {"cards": engine.table(cards)}
    return Output([i for i, _ in pictures], counts, notes, drawn(cards, heads), told, [r for _, r in pictures])


def table_of(pipeline: Pipeline[CompareParams]) -> dict[str, Pipeline[Any]]:
    """The methods that a Compare of `method` was given."""
    return dict(cast("partial[Steps]", pipeline.generate).keywords["table"])


def method(table: Mapping[str, Pipeline[Any]]) -> Pipeline[CompareParams]:
    """Compare over the methods in `table`."""
    work = partial(generate, table=table)
    return Pipeline("compare", "Compare", CompareParams, work)
