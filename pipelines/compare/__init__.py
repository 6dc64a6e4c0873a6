"""Compare as a method of its own, so that the command line, the API and records have it like any other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from pydantic import ConfigDict

from models.cache import Borrower, Lender
from pipelines.base import Pipeline, Steps
from pipelines.compare import engine, plan
from pipelines.compare.estimate import missing_weights
from pipelines.compare.plan import Choices, Heads
from pipelines.params import MOST_SEED, Image, Params, Seed, param, settings


class CompareParams(Params):
    """Run several methods on the same pictures from the same seed, and lay out what they made and what it cost.

    A method that fails is told with its reason, and the others go on.
    """

    model_config = ConfigDict(validate_default=True)

    content: Image | None = param(None, label="Content", description="The picture to restyle")
    styles: list[Image] = param(
        [], label="Styles", description="One to three pictures to take the style from", min_length=0, max_length=3
    )
    methods: Choices = param(
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
    methods = p.methods or ",".join(usual(table, "generate" if p.content is None else "restyle"))
    return plan.grid(plan.entries(methods, table, shared(p)), p.x, p.y)


def generate(p: CompareParams, cache: Lender, table: plan.Table) -> Steps:
    """Run the plan. Raises what went wrong first, when nothing worked at all."""
    lender = cast(Borrower, cache)
    entries, heads = cells(p, table)
    cards = engine.prepare(entries, lender.cache, sort=heads is None, seconds=p.seconds)
    output = yield from engine.perform(cards, lender, p.seconds, heads)
    errors = [card.error for card in cards if card.error]
    if errors and not output.images:
        raise errors[0]
    return output


def table_of(pipeline: Pipeline[CompareParams]) -> dict[str, Pipeline[Any]]:
    """The methods that a Compare of `method` was given."""
    return dict(cast("partial[Steps]", pipeline.generate).keywords["table"])


def method(table: Mapping[str, Pipeline[Any]]) -> Pipeline[CompareParams]:
    """Compare over the methods in `table`."""
    return Pipeline("compare", "Compare", CompareParams, partial(generate, table=table), stops=True)
