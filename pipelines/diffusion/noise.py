"""The views of `diffusion` that start from noise alone: pictures, how they come about, schedulers, quality."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import PIL.Image
import torch
from torch import Tensor

from models import schedulers
from models.diffusion import Moment, denoise, generators_of, noise_of, pixels
from models.judge import examine, measure
from pipelines import images
from pipelines.base import Output, Progress, Steps
from pipelines.diffusion.draw import LEGEND, Trail, chart, preview_of, strip_of, table
from pipelines.diffusion.params import DiffusionParams
from pipelines.diffusion.source import Source
from pipelines.params import ParamError
from pipelines.sheet import announce, grid, lay, pictures_of

READ = "read as asked"
IN_A_ROW = 8  # pictures in a row of a table
STRIPS = 4  # pictures of which a strip is shown
LADDER = (1, 2, 3, 5, 10, 20, 50, 100, 250, 500, 1000)  # numbers of steps whose quality is measured


def classes(p: DiffusionParams, source: Source, count: int) -> Tensor | None:
    """Class of each picture (count,): the one asked for, else all of them in turn; None where there are none."""
    if not source.network.classes:
        return None
    found = torch.arange(count) % source.network.classes if p.label is None else torch.full((count,), p.label)
    return found.to(source.device)


def moments(p: DiffusionParams, source: Source, name: schedulers.Name, steps: int, count: int) -> Iterator[Moment]:
    """A run of `count` pictures from the noise of seed, seed + 1, ... through a scheduler."""
    sources = generators_of([p.seed + i for i in range(count)])
    plan = schedulers.build(name, source.network.scheduler, steps)
    x = noise_of(source.network.shape, sources).to(source.device) * plan.init_noise_sigma
    return denoise(source.network, plan, x, classes(p, source, count), p.guidance, sources, p.eta)


def progress(
    moment: Moment, before: int, total: int, shown: Tensor | None, told: dict[str, float | Tensor], trail: Any = None
) -> Progress:
    """A moment as progress, `before` of `total` steps being done; the rest as Progress takes it."""
    share = (before + moment.share * moment.steps) / total
    return Progress(before + moment.step, total, shown, told, trail, share)


def watch(
    run: Iterator[Moment], before: int = 0, total: int | None = None, trail: Trail | None = None
) -> Generator[Progress, None, Tensor]:
    """Turn moments into progress; returns the finished pictures (N, C, H, W) in [-1, 1].

    Args:
        before: steps of the whole that are done. total: steps of the whole; None: this run is all.
        trail: where moments are kept, handed on as the run's state.
    """
    last: Moment | None = None
    shown: Tensor | None = None
    told: dict[str, float | Tensor] = {}
    for moment in run:
        if moment.whole or shown is None:
            moved = (moment.guess - last.guess).square().mean().sqrt() if last and last.whole else torch.zeros(())
            told, shown = {"noise": moment.noise, "change": moved}, images.to_tensor(preview_of(moment))[0]
        if trail is not None:
            trail.add(moment)
        last = moment
        yield progress(moment, before, total or moment.steps, shown, told, trail)
    assert last is not None  # every plan has a step
    if trail is not None:
        trail.close(last.x)
    return last.x


def read(source: Source, x: Tensor, asked: Tensor | None) -> tuple[dict[str, float | Tensor], list[dict[str, Any]]]:
    """What the classifier says of (N, C, H, W) in [-1, 1]: the share read as asked, and a row a picture."""
    if source.judge is None or asked is None:
        return {}, []
    found = examine(source.judge, pixels(x))[1].softmax(1).max(1)
    rows = [
        {"class": int(c), "read": int(i), "sure": round(float(v), 4)}
        for c, i, v in zip(asked, found.indices, found.values, strict=True)
    ]
    return {READ: (found.indices == asked.cpu()).double().mean()}, rows


def columns(p: DiffusionParams) -> int | None:
    """Pictures in a row of the grid: one column a class where that fits, else square."""
    return 10 if p.label is None and p.count % 10 == 0 else None


def pictures(p: DiffusionParams, source: Source) -> Steps:
    """`count` pictures of the seeds from `seed` on."""
    calls = schedulers.build(p.scheduler, source.network.scheduler, p.steps)
    trail = Trail(len(calls.timesteps))
    run = moments(p, source, p.scheduler, p.steps, p.count)
    x = yield from watch(run, trail=trail)
    share, rows = read(source, x, classes(p, source, p.count))
    made, notes = pictures_of(pixels(x)), list[str]()
    announce(notes, made[0].size, len(made), columns(p))
    return Output(made, share, notes, grid(made, columns(p)), {"pictures": rows} if rows else {})


def strip(p: DiffusionParams, source: Source) -> Steps:
    """The way of the first pictures from noise: a row of x_t and a row of what the network expects, for each."""
    count = min(p.count, STRIPS)
    plan = schedulers.build(p.scheduler, source.network.scheduler, p.steps)
    trail = Trail(len(plan.timesteps))
    x = yield from watch(moments(p, source, p.scheduler, p.steps, count), trail=trail)
    share, found = read(source, x, classes(p, source, count))
    sheet = strip_of(trail, count)
    return Output(pictures_of(pixels(x)), share, [LEGEND], sheet, {"pictures": found} if found else {})


def schedulers_side_by_side(p: DiffusionParams, source: Source) -> Steps:
    """The same noise through every scheduler: a row each."""
    count = min(p.count, IN_A_ROW)
    plans = {n: schedulers.build(n, source.network.scheduler, p.steps).timesteps for n in schedulers.NAMES}
    calls: dict[str, int] = {name: len(times) for name, times in plans.items()}
    done: dict[str, Tensor] = {}
    before, total = 0, sum(calls.values())
    for name in schedulers.NAMES:
        for moment in moments(p, source, name, p.steps, count):
            done[name] = moment.x if moment.share == 1 else moment.guess
            drawn = images.to_tensor(_by_name(done, calls))[0]
            yield progress(moment, before, total, drawn, {"noise": moment.noise})
        before += calls[name]
    made = [picture for x in done.values() for picture in pictures_of(pixels(x))]
    shares = {name: read(source, x, classes(p, source, count))[0].get(READ) for name, x in done.items()}
    details = {"schedulers": {n: {"calls": calls[n], READ: None if s is None else float(s)} for n, s in shares.items()}}
    notes = ["beside each row: its scheduler, and how often the network was asked"]
    return Output(made, {}, notes, _by_name(done, calls), details)


def _by_name(found: Mapping[str, Tensor], calls: Mapping[str, int]) -> PIL.Image.Image:
    """Every scheduler's row; empty ones for those to come."""
    blank = torch.full_like(next(iter(found.values())), 0.92)
    rows = [pictures_of(pixels(found.get(name, blank))) for name in calls]
    return table(rows, [f"{name} · {count}" for name, count in calls.items()])


def quality(p: DiffusionParams, source: Source) -> Steps:
    """Feature distance against the number of steps, measured now over `measured` pictures for each."""
    if source.judge is None:
        raise ParamError(f"No classifier here knows what {source.name} makes: leave model empty to measure quality.")
    steps = [s for s in LADDER if s < p.steps] + [p.steps]
    plans = {s: len(schedulers.build(p.scheduler, source.network.scheduler, s).timesteps) for s in steps}
    asked = classes(p, source, p.measured)
    points: list[tuple[int, float]] = []
    rows: list[list[PIL.Image.Image]] = []
    table_of: list[dict[str, float]] = []
    last: dict[str, float | Tensor] = {}
    before, total = 0, sum(plans.values())
    for s in steps:
        for moment in moments(p, source, p.scheduler, s, p.measured):
            now = pictures_of(pixels(moment.guess[:IN_A_ROW]))
            drawn = images.to_tensor(_ladder(points, [*rows, now], steps, p))[0]
            yield progress(moment, before, total, drawn, {"noise": moment.noise, **last})
        before += plans[s]
        found = measure(source.judge, pixels(moment.x), None if asked is None else asked.cpu())
        points.append((s, max(found.distance, 1e-6)))
        rows.append(pictures_of(pixels(moment.x[:IN_A_ROW])))
        table_of.append({"steps": s, "distance": found.distance, READ: found.read_as_asked or 0.0})
        last = {"distance": found.distance}
    note = f"the curve: feature distance by steps, over {p.measured} pictures each; too few for published numbers"
    made = [picture for row in rows for picture in row]
    last[READ] = table_of[-1][READ]
    return Output(made, last, [note], _ladder(points, rows, steps, p), {"pictures": p.measured, "quality": table_of})


def _ladder(
    points: list[tuple[int, float]], rows: list[list[PIL.Image.Image]], steps: list[int], p: DiffusionParams
) -> PIL.Image.Image:
    """The chart above the first pictures of each number of steps."""
    below = table(rows, [str(s) for s in steps[: len(rows)]])
    if not points:
        return below
    above = chart(points, f"{p.scheduler} · {p.measured}")
    sheet = lay([[above], [below]], 0)[0]
    return sheet.crop((0, 0, above.width, sheet.height))  # a table may be a few pixels wider
