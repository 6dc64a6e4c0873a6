"""Train: a network made in minutes, by the recipes that made the bundled ones (models/recipes/)."""

from __future__ import annotations

import copy
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from models import device, weights
from models.cache import Lender, OutOfBudget
from models.judge import Judge, examine, read_as_asked
from models.recipes import Recipe, drawn_from
from pipelines.base import SPEED, STOP, Output, Pipeline, Progress, Steps
from pipelines.images import to_image
from pipelines.record import Record
from pipelines.sheet import pictures_of, preview
from pipelines.train import chart
from pipelines.train.data import GREY, Source, open_album, open_source
from pipelines.train.learners import batch_of, learner
from pipelines.train.params import Model, TrainParams

FIRST = 2000  # pictures that a network begins from, and that it is made ready for use with
KEEP = 25  # steps between two copies of all that learns, in case the loss is no number
WATCHED = 0.15  # share of the time that goes into pictures and numbers to look at
WIDE = 730  # pixels of a sheet: ten pictures of 32 are shown twice as large, as those of 28 are
WORKING = 1 << 30  # bytes of activations and gradients
NETWORKS: dict[Model, str] = {  # what is written into a file's header
    "gan": "gan",
    "gan-dense": "gan",
    "vae": "vae",
    "pixelcnn": "pixelcnn",
    "diffusion": "diffusion",
    "stylemix": "stylemix",
    "cnn": "cnn",
}
READ = "read as asked"


@dataclass
class Work:
    """A training under way: all that Continue needs. goal: steps or seconds, as the budget is."""

    recipe: Recipe
    random: torch.Generator
    goal: float
    step: int = 0
    seconds: float = 0.0
    watched: float = 0.0  # seconds of them that went into looking
    numbers: dict[str, float] = field(default_factory=dict)  # of the last look
    sheet: Tensor | None = None
    picture: Tensor | None = None  # (3, H, W): the sheet as one, or the map
    album: Source | None = None  # pictures of one's own: their files may be gone when it goes on
    good: tuple[int, dict[str, Any]] = (0, {})  # a step, and the state of all parts after it

    def done(self, p: TrainParams) -> float:
        """Share of the work that is done."""
        return min(1.0, (self.step if p.steps else self.seconds) / self.goal)

    def keep(self) -> None:
        """Remember all parts, if their weights are numbers."""
        if all(bool(w.isfinite().all()) for w in self.recipe.model.parameters()):
            states = {name: part.state_dict() for name, part in self.recipe.parts().items()}
            self.good = self.step, copy.deepcopy(states)

    def restore(self) -> None:
        """Go back to what was remembered."""
        self.step, states = self.good
        for name, part in self.recipe.parts().items():
            part.load_state_dict(copy.deepcopy(states[name]))


def budget(p: TrainParams) -> float:
    """The goal of one run: steps, or seconds."""
    return p.steps or p.minutes * 60


def generate(p: TrainParams, cache: Lender) -> Steps:
    """Train from nothing."""
    return (yield from train(p, cache, None))


def resume(p: TrainParams, cache: Lender, state: object) -> Steps:
    """Go on exactly where a run was stopped; one that was finished goes on for as long again."""
    work = cast(Work, state)
    if work.done(p) >= 1:
        work.goal += budget(p)
    return (yield from train(p, cache, work))


def train(p: TrainParams, cache: Lender, work: Work | None) -> Steps:
    """Work to the goal; on the device for as long as it takes, between runs on the CPU."""
    album = work.album if work else (yield from open_album(p)) if p.pictures else None
    source = album or open_source(p)
    with cache.use(source.judge or "digits", working=WORKING) as (judge,):
        where = next(judge.parameters()).device
        try:
            work = work or begin(p, source, where)
            work.album = album
            device.move(work, where)
            notes = yield from learn(p, source, cast(Judge, judge), work)
        except (MemoryError, RuntimeError) as error:
            if not device.out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold the tensors that there was no room beside
            count = batch_of(p, source.shape[0])
            less = f"choose a Batch of {max(1, count // 2)} or less, or a smaller network"
            raise OutOfBudget(f"A step with {count} pictures does not fit into memory: {less}.") from error
        finally:
            if work is not None:
                device.move(work, torch.device("cpu"))
    return conclude(p, source, cache, work, notes)


def begin(p: TrainParams, source: Source, where: torch.device) -> Work:
    """A network that knows nothing yet; the seed decides its first weights and all that comes after."""
    random = torch.Generator().manual_seed(p.seed)
    first = source.batch(FIRST, random)[0].to(where)
    with drawn_from(random, where):
        recipe = learner(p, first, source.classes)
    work = Work(recipe, random, budget(p))
    work.keep()
    return work


def learn(p: TrainParams, source: Source, judge: Judge, work: Work) -> Generator[Progress, str | None, list[str]]:
    """Step by step to the goal, or to STOP; returns what is to be said of the way."""
    recipe, watch = work.recipe, look(p, source, judge, work)
    count, first, begun = batch_of(p, source.shape[0]), work.step, work.seconds
    while (done := work.done(p)) < 1:
        start = time.perf_counter()
        x, labels = (part.to(recipe.where) for part in source.batch(count, work.random))
        losses = recipe.step(x, labels, done, work.random)
        work.step += 1
        if not bool(torch.stack([*losses.values()]).isfinite().all()):
            step, rate = work.step, recipe.optimizer.param_groups[0]["highest"]
            work.restore()
            return [
                f"at step {step} the loss was no number: the network is as it was after step {work.good[0]}; "
                f"choose a rate below {rate:g}, such as {rate / 10:g}"
            ]
        if work.step % KEEP == 0:
            work.keep()
        watch_in_turn(work, watch)
        work.seconds += time.perf_counter() - start
        done = work.done(p)
        speed = count * (work.step - first) / (work.seconds - begun)
        total = round(work.goal) if p.steps else round(work.step / done)
        numbers: dict[str, float | Tensor] = {**losses, **work.numbers, SPEED: speed}
        if (yield Progress(work.step, total, work.picture, numbers, work, done)) == STOP:  # there since the first step
            return [f"stopped after step {work.step} of {total}"]
    return []


def watch_in_turn(work: Work, watch: Iterator[None]) -> None:
    """Look a little further, as long as looking has had no more than its share of the time; at once at the first step.
    What is looked at changes nothing of what is learned."""
    while work.picture is None or work.watched <= WATCHED * work.seconds:
        start = time.perf_counter()
        next(watch)
        spent = time.perf_counter() - start
        work.watched += spent
        if work.picture is not None:
            return


def look(p: TrainParams, source: Source, judge: Judge, work: Work) -> Iterator[None]:
    """Held-out pictures, then the same seeds' samples, again and again, a short piece of work at a time."""
    while True:
        held = [part[: work.recipe.held].to(work.recipe.where) for part in source.held]
        work.numbers |= work.recipe.held_out(*held)
        yield
        for sheet in work.recipe.samples(p.seed):
            work.sheet, work.picture = sheet, picture_of(work.recipe, sheet, held)
            yield
        work.numbers |= read(source, judge, work)


def read(source: Source, judge: Judge, work: Work) -> dict[str, float]:
    """Share of the sheet that the data's judge reads as asked, where there is one and a class was asked for."""
    if not source.judge or not work.recipe.asked or work.sheet is None:
        return {}
    asked, _ = work.recipe.row_by_row(len(work.sheet) // work.recipe.columns)
    return {READ: read_as_asked(examine(judge, work.sheet)[1], asked)}


def picture_of(recipe: Recipe, sheet: Tensor, held: Sequence[Tensor]) -> Tensor:
    """What there is to see, (3, H, W) in [0, 1]: the map of a code of two numbers, else the sheet row by row."""
    if getattr(recipe.network, "latent", 0) == 2:
        return chart.draw(recipe.network, *held)
    return preview(sheet, recipe.columns, WIDE)


def conclude(p: TrainParams, source: Source, cache: Lender, work: Work, notes: list[str]) -> Output:
    """The network as it is after a step, made ready for use: a sheet of what it draws, its numbers, and its file."""
    recipe = work.recipe
    with cache.use(source.judge or "digits", working=WORKING) as (judge,):
        where = next(judge.parameters()).device
        device.move(work, where)
        try:
            recipe.finish(*(x.to(where) for x in source.batch(FIRST, torch.Generator().manual_seed(1))))
            held = [part[: recipe.held].to(where) for part in source.held]
            numbers = recipe.held_out(*held)
            *_, work.sheet = recipe.samples(p.seed)
            work.picture = picture_of(recipe, work.sheet, held)
            numbers |= read(source, cast(Judge, judge), work)
        finally:
            device.move(work, torch.device("cpu"))
    tensors = {name: weights.half(tensor) for name, tensor in recipe.network.state_dict().items()}

    def pack(record: Record) -> bytes:
        header = {"network": NETWORKS[p.model], "record": record.model_dump_json()}
        return weights.pack(recipe.config, tensors, header)

    if source.details and p.model in GREY:
        notes.append("your pictures were learned in grey, 28 pixels wide and high")
    elif source.details and source.shape[2] < int(p.side):
        notes.append(f"your pictures were learned {source.shape[2]} pixels wide and high: this network draws no others")
    sheet = to_image(work.picture)
    return Output(pictures_of(work.sheet), {**numbers}, notes, sheet, details={**source.details}, pack=pack)


PIPELINE = Pipeline(
    "train", "Train", TrainParams, generate, resume=resume, stops=True, file=".safetensors", work=budget
)
