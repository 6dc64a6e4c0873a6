"""The views of `diffusion`: from noise alone (pictures, how they come about, schedulers, quality), and from a picture
(noised, inverted, walked from to another)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import PIL.Image
import torch
from torch import Tensor

from models.diffusion import (
    SCHEDULERS,
    Moment,
    Scheduler,
    denoise,
    generators_of,
    noise_of,
    pixels,
    plan,
    predict,
    prediction,
    sample,
)
from models.gan import slerp
from models.judge import examine, measure
from pipelines import images
from pipelines.base import Output, Progress, Steps
from pipelines.diffusion.draw import EXPECTED, LEGEND, MOMENTS, Trail, chart, preview_of, strip_of, table
from pipelines.diffusion.params import DiffusionParams, View
from pipelines.diffusion.source import Source, prepared
from pipelines.params import ParamError
from pipelines.sheet import announce, grid, lay, pictures_of

READ = "read as asked"
IN_A_ROW = 8  # pictures in a row of a table
STRIPS = 4  # pictures of which a strip is shown
LADDER = (1, 2, 3, 5, 10, 20, 50, 100, 250, 500, 1000)  # numbers of steps whose quality is measured
OWN_STEPS = 20  # for a picture of its own, where none is given
Metrics = dict[str, float | Tensor]


def labels_of(p: DiffusionParams, source: Source, count: int, others: int | None = None) -> Tensor | None:
    """Class of each picture (count,): the one in the settings, else `others`, or all of them in turn; None where the
    network has none."""
    classes = source.network.classes
    if not classes:
        return None
    label = others if p.label is None else p.label
    turn = torch.arange(count) % classes if label is None else torch.full((count,), label)
    return turn.to(source.device)


def moments(p: DiffusionParams, source: Source, name: Scheduler, steps: int, count: int) -> Iterator[Moment]:
    """A run of `count` pictures from the noise of seed, seed + 1, ... through a scheduler."""
    sources = generators_of([p.seed + i for i in range(count)])
    scheduler = plan(name, source.network.scheduler, steps)
    x = noise_of(source.network.shape, sources).to(source.device) * scheduler.init_noise_sigma
    return denoise(source.network, scheduler, x, labels_of(p, source, count), p.guidance, sources, p.eta)


def calls(source: Source, name: Scheduler, steps: int) -> int:
    """How often a run through a scheduler asks the network about each picture."""
    return len(plan(name, source.network.scheduler, steps).timesteps)


def progress(
    moment: Moment, before: int, total: int, preview: Tensor | None, metrics: Metrics, trail: Trail | None = None
) -> Progress:
    """A moment as progress, `before` of `total` steps being done; the rest as Progress takes it."""
    share = (before + moment.share * moment.steps) / total
    return Progress(before + moment.step, total, preview, metrics, trail, share)


def watch(
    run: Iterator[Moment], before: int = 0, total: int | None = None, trail: Trail | None = None
) -> Generator[Progress, None, Tensor]:
    """Turn moments into progress; returns the finished pictures (N, C, H, W) in [-1, 1].

    Args:
        before: steps of the whole that are done. total: steps of the whole; None: this run is all.
        trail: where moments are kept, handed on as the run's state.
    """
    last: Moment | None = None
    preview: Tensor | None = None
    metrics: Metrics = {}
    for moment in run:
        if moment.whole or preview is None:
            step = moment.expected - last.expected if last and last.whole else torch.zeros(1)
            metrics = {"noise": moment.noise, "change": step.square().mean().sqrt()}
            preview = images.to_tensor(preview_of(moment))[0]
        if trail is not None:
            trail.add(moment)
        last = moment
        yield progress(moment, before, total or moment.steps, preview, metrics, trail)
    assert last is not None  # every plan has a step
    if trail is not None:
        trail.close(last.x)
    return last.x


def read(source: Source, x: Tensor, labels: Tensor | None) -> tuple[Metrics, dict[str, Any]]:
    """What the classifier says of (N, C, H, W) in [-1, 1] made of the classes `labels` (N,): the share read as asked,
    and a row a picture; nothing where there is no classifier."""
    if source.judge is None or labels is None:
        return {}, {}
    sure, reading = examine(source.judge, pixels(x))[1].softmax(1).max(1)
    rows = [
        {"class": int(c), "read": int(i), "sure": round(float(v), 4)}
        for c, i, v in zip(labels, reading, sure, strict=True)
    ]
    return {READ: (reading == labels.cpu()).double().mean()}, {"pictures": rows}


def columns(p: DiffusionParams) -> int | None:
    """Pictures in a row of the grid: one column a class where that fits, else square."""
    return 10 if p.label is None and p.count % 10 == 0 else None


def pictures(p: DiffusionParams, source: Source) -> Steps:
    """`count` pictures of the seeds from `seed` on."""
    trail = Trail(calls(source, p.scheduler, p.steps))
    x = yield from watch(moments(p, source, p.scheduler, p.steps, p.count), trail=trail)
    share, details = read(source, x, labels_of(p, source, p.count))
    results, notes = pictures_of(pixels(x)), list[str]()
    announce(notes, results[0].size, len(results), columns(p))
    return Output(results, share, notes, grid(results, columns(p)), details)


def strip(p: DiffusionParams, source: Source) -> Steps:
    """The way of the first pictures from noise: a row of x_t and a row of what the network expects, for each."""
    count = min(p.count, STRIPS)
    trail = Trail(calls(source, p.scheduler, p.steps))
    x = yield from watch(moments(p, source, p.scheduler, p.steps, count), trail=trail)
    share, details = read(source, x, labels_of(p, source, count))
    return Output(pictures_of(pixels(x)), share, [LEGEND], strip_of(trail, count), details)


def schedulers(p: DiffusionParams, source: Source) -> Steps:
    """The same noise through every scheduler: a row each."""
    count = min(p.count, IN_A_ROW)
    lengths: dict[Scheduler, int] = {name: calls(source, name, p.steps) for name in SCHEDULERS}
    rows: dict[Scheduler, Tensor] = {}
    before, total = 0, sum(lengths.values())
    for name in SCHEDULERS:
        for moment in moments(p, source, name, p.steps, count):
            rows[name] = moment.x if moment.share == 1 else moment.expected
            preview = images.to_tensor(_by_name(rows, lengths))[0]
            yield progress(moment, before, total, preview, {"noise": moment.noise})
        before += lengths[name]
    results = [picture for x in rows.values() for picture in pictures_of(pixels(x))]
    shares = {name: read(source, x, labels_of(p, source, count))[0].get(READ) for name, x in rows.items()}
    details = {
        name: {"calls": lengths[name], READ: None if share is None else float(share)} for name, share in shares.items()
    }
    notes = ["beside each row: its scheduler, and how often the network was asked"]
    return Output(results, {}, notes, _by_name(rows, lengths), {"schedulers": details})


def _by_name(rows: Mapping[Scheduler, Tensor], lengths: Mapping[Scheduler, int]) -> PIL.Image.Image:
    """Every scheduler's row; empty ones for those to come."""
    blank = torch.full_like(next(iter(rows.values())), 0.92)
    pictures = [pictures_of(pixels(rows.get(name, blank))) for name in lengths]
    return table(pictures, [f"{name} · {count}" for name, count in lengths.items()])


def quality(p: DiffusionParams, source: Source) -> Steps:
    """Feature distance against the number of steps, measured now over `measured` pictures for each."""
    if source.judge is None:
        raise ParamError(f"No classifier here knows what {source.name} makes: leave model empty to measure quality.")
    steps = [s for s in LADDER if s < p.steps] + [p.steps]
    lengths = {s: calls(source, p.scheduler, s) for s in steps}
    labels = labels_of(p, source, p.measured)
    points: list[tuple[int, float]] = []
    rows: list[list[PIL.Image.Image]] = []
    scores: list[dict[str, float]] = []
    last: Metrics = {}
    before, total = 0, sum(lengths.values())
    for s in steps:
        for moment in moments(p, source, p.scheduler, s, p.measured):
            now = pictures_of(pixels(moment.expected[:IN_A_ROW]))
            preview = images.to_tensor(_ladder(points, [*rows, now], steps, p))[0]
            yield progress(moment, before, total, preview, {"noise": moment.noise, **last})
        before += lengths[s]
        score = measure(source.judge, pixels(moment.x), None if labels is None else labels.cpu())
        points.append((s, max(score.distance, 1e-6)))
        rows.append(pictures_of(pixels(moment.x[:IN_A_ROW])))
        scores.append({"steps": s, "distance": score.distance, READ: score.read_as_asked or 0.0})
        last = {"distance": score.distance}
    note = f"the curve: feature distance by steps, over {p.measured} pictures each; too few for published numbers"
    results = [picture for row in rows for picture in row]
    last[READ] = scores[-1][READ]
    return Output(results, last, [note], _ladder(points, rows, steps, p), {"pictures": p.measured, "quality": scores})


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


def clean(picture: PIL.Image.Image | None, p: DiffusionParams, source: Source, strict: bool) -> Tensor:
    """(1, C, H, W) in [-1, 1]: `picture`, or one of the network's own, of the seed."""
    if picture is not None:
        return prepared(picture, source, strict)
    classes = source.network.classes
    if not classes:
        raise ParamError(f"picture is missing: give one for {source.name}, whose own pictures take long to make.")
    label = p.seed % classes if p.label is None else p.label
    own = sample(source.network, torch.tensor([label]), p.seed, min(OWN_STEPS, source.trained_steps))
    return (own * 2 - 1).to(source.device)


def forward(p: DiffusionParams, source: Source) -> Steps:
    """Noise a picture more and more, as in training; below each, what the network still makes of it."""
    x0 = clean(p.picture, p, source, strict=False)
    scheduler = plan("ddpm", source.network.scheduler, 1)
    labels = labels_of(p, source, 1, source.network.classes)
    count = max(2, min(p.count, MOMENTS))
    times = [round(i * (source.trained_steps - 1) / (count - 1)) for i in range(count)]
    noise = noise_of(source.network.shape, generators_of([p.seed])).to(source.device)
    noisy: list[Tensor] = []
    expected: list[Tensor] = []
    for step, t in enumerate(times, 1):
        noisy.append(scheduler.add_noise(x0, noise, torch.tensor([t], device=source.device)))
        with torch.no_grad():
            output = predict(source.network, noisy[-1], t, labels, p.guidance)
        a = scheduler.alphas_cumprod[t]
        expected.append(prediction(scheduler, output, noisy[-1], a)[0])
        off = (expected[-1] - x0).square().mean().sqrt()
        metrics: Metrics = {"noise": (1 - float(a)) ** 0.5, "off": off}
        yield Progress(step, count, images.to_tensor(_noised(noisy, expected, times))[0], metrics)
    results = [picture for x in noisy for picture in pictures_of(pixels(x))]
    return Output(results, metrics, [LEGEND], _noised(noisy, expected, times), {"times": times})


def _noised(noisy: list[Tensor], expected: list[Tensor], times: list[int]) -> PIL.Image.Image:
    """A row of noisy pictures over a row of expected ones, empty where they are still to come."""
    blank = [torch.full_like(noisy[0], 0.92)] * (len(times) - len(noisy))
    rows = [pictures_of(pixels(torch.cat([*row, *blank]))) for row in (noisy, expected)]
    return table(rows, ["x_t", EXPECTED], [f"t = {t}" for t in times])


def to_noise(
    p: DiffusionParams, source: Source, x: Tensor, total: int, trail: Trail | None
) -> Generator[Progress, None, Tensor]:
    """DDIM backwards: the noise (N, C, H, W) from which DDIM makes the pictures `x` again. No guidance: it has no way
    back."""
    scheduler = plan("ddim", source.network.scheduler, p.steps)
    labels = labels_of(p, source, len(x), source.network.classes)
    run = denoise(source.network, scheduler, x, labels, inverse=True)
    return (yield from watch(run, 0, total, trail))


def invert(p: DiffusionParams, source: Source) -> Steps:
    """A picture to its noise by DDIM backwards, and from that noise to a picture again."""
    x0 = clean(p.picture, p, source, strict=True)
    there, back = Trail(p.steps), Trail(p.steps)
    noise = yield from to_noise(p, source, x0, 2 * p.steps, there)
    scheduler = plan("ddim", {**source.network.scheduler, "clip_sample": False}, p.steps)
    run = denoise(source.network, scheduler, noise, labels_of(p, source, 1, source.network.classes))
    again = yield from watch(run, p.steps, 2 * p.steps, back)
    columns = min(MOMENTS, len(there.times))
    (first, _), (second, expected) = (trail.rows(0, columns)[0] for trail in (there, back))
    error = (pixels(again) - pixels(x0)).square().mean().clamp(min=1e-12)
    metrics: Metrics = {"psnr": -10 * error.log10(), "spread of the noise": noise.std()}
    sheet = table([first, second, expected], ["x_0 .. x_T", "x_T .. x_0", EXPECTED])
    results = [pictures_of(pixels(x))[0] for x in (x0, noise, again)]
    notes = ["the pictures are: given, its noise, made again", "rows: to noise, and back, and what is expected there"]
    return Output(results, metrics, notes, sheet)


def interpolate(p: DiffusionParams, source: Source) -> Steps:
    """`count` pictures on the great arc between the noises of two pictures, or of two seeds, made by DDIM."""
    if p.count < 2:
        raise ParamError(f"count is {p.count}: a walk between two pictures has at least 2.")
    pair = (p.picture, p.second)
    ready = [prepared(picture, source, strict=True) for picture in pair if picture is not None]
    own = noise_of(source.network.shape, generators_of([p.seed, p.seed + 1])).to(source.device)
    before = p.steps if ready else 0
    total = before + p.steps
    ends = list(torch.split(own, 1))
    if ready:
        noises = yield from to_noise(p, source, torch.cat(ready), total, None)
        places = [i for i, picture in enumerate(pair) if picture is not None]
        for place, noise in zip(places, torch.split(noises, 1), strict=True):
            ends[place] = noise
    shares = [i / (p.count - 1) for i in range(p.count)]
    walk = torch.cat([slerp(ends[0].flatten(1), ends[1].flatten(1), s).view_as(ends[0]) for s in shares])
    scheduler = plan("ddim", source.network.scheduler, p.steps)
    guidance = 1.0 if ready else p.guidance
    labels = labels_of(p, source, p.count, source.network.classes)
    run = denoise(source.network, scheduler, walk, labels, guidance)
    x = yield from watch(run, before, total, Trail(p.steps))
    results = pictures_of(pixels(x))
    return Output(results, sheet=grid(results, min(p.count, 8)), details={"shares": shares})


VIEWS: dict[View, Callable[[DiffusionParams, Source], Steps]] = {
    "pictures": pictures,
    "strip": strip,
    "schedulers": schedulers,
    "quality": quality,
    "forward": forward,
    "invert": invert,
    "interpolate": interpolate,
}
