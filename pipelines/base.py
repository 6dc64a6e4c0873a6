"""What a method is, and the one place that runs it: times, measures memory and writes the record."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import PIL.Image
from torch import Tensor

from models import device, own, registry
from models.cache import Borrower, Lender, ModelCache, OutOfBudget
from pipelines import images, record
from pipelines.cost import spread, usual
from pipelines.params import Params
from pipelines.record import Record

P = TypeVar("P", bound=Params)
SPEED: Final = "pictures a second"  # a number of a run that is told, and no curve
STOP: Final = "stop"  # sent into a run: end now and keep what is there
_ONE_AT_A_TIME = threading.RLock()  # a run may be a step of another: Compare runs the methods


@dataclass(frozen=True)
class Progress:
    """One step of a run. Yielding costs nothing: the consumer decides when to convert.

    preview: detached (3, H, W) in [0, 1], the whole picture so far. metrics: numbers or 0-d tensors.
    state: what `Pipeline.resume` needs to go on from here. share: of the whole work, in [0, 1], where steps
    cost unequally.
    """

    step: int
    total: int
    preview: Tensor | None = None
    metrics: dict[str, float | Tensor] = field(default_factory=dict)
    state: Any = None
    share: float | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Output:
    """What a method made.

    images: one by one. metrics: final numbers. notes: remarks for the record (a fallback that was taken, say).
    sheet: all of them in one picture, where there are many; None: the first stands for the run.
    details: JSON for the record: latents, tables.
    records: one for each of `images`, where each was made by a run of its own.
    pack: makes the file that a method has beside its pictures (`Pipeline.file`), with the record inside; None: no file.
    """

    images: list[PIL.Image.Image]
    metrics: dict[str, float | Tensor] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    sheet: PIL.Image.Image | None = None
    details: dict[str, Any] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    pack: Callable[[Record], bytes] | None = None

    def file(self, entry: Record) -> bytes:
        """What `pack` makes with the run's record inside."""
        return self.pack(entry) if self.pack else b""


@dataclass(frozen=True)
class Result:
    """The last thing a run yields. `file`: what the method made beside its pictures, if anything."""

    images: list[PIL.Image.Image]
    record: Record
    state: Any = None
    sheet: PIL.Image.Image | None = None
    records: list[Record] = field(default_factory=list)
    file: bytes = b""

    @property
    def picture(self) -> PIL.Image.Image:
        """The picture that stands for the run: the sheet, or the only one."""
        return self.sheet or self.images[0]

    def png(self, index: int | None = None) -> bytes:
        """`picture`, or picture `index` of many, as PNG with its record inside."""
        entry = self.records[index] if self.records and index is not None else self.record
        return record.png(self.picture if index is None else self.images[index], entry)


Steps = Generator[Progress, str | None, Output]


@dataclass(frozen=True)
class Pipeline(Generic[P]):
    """A method: a name, its parameters and a function. No base class, no discovery."""

    name: str
    title: str
    params: type[P]
    generate: Callable[[P, Lender], Steps]
    resume: Callable[[P, Lender, Any], Steps] | None = None  # go on from a Progress.state
    # A Progress.state as a picture, with the settings of `after`.
    finish: Callable[[P, Any], PIL.Image.Image] | None = None
    file: str = ""  # suffix of the file that it makes beside its pictures
    after: tuple[str, ...] = ()  # settings that can be changed when the run is over, without running again
    variants: str = ""  # the choice whose values are columns of their own in a comparison
    work: Callable[[P], float] = usual  # how long a run takes next to another of this method; any unit above 0
    space: Callable[[P], float] = spread  # how much memory it works in next to another of this method; any unit
    lacks: Callable[[P], str] | None = None  # one sentence about weights that a run needs and this machine lacks
    # Settings shared by a comparison -> those that this method can take.
    suited: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    # Run again with what an earlier run's state remembers (codes of styles): fast enough to follow a slider.
    repaint: Callable[[P, Lender, Any], Steps] | None = None
    judge: str = ""  # the classifier that reads its pictures in a comparison; none: its data set's
    stops: bool = False  # ends by itself, with an Output, when STOP is sent into it after its first step
    # Paint the frames of a film, each (3, H, W) in [0, 1], one by one.
    frames: Callable[[P, Lender, Iterator[Tensor]], Generator[Tensor, None, None]] | None = None

    @property
    def description(self) -> str:
        """First paragraph of the parameters' docstring."""
        return (self.params.__doc__ or "").strip().split("\n\n")[0]


Run = Generator[Progress | Result, str | None, None]
Cache = ModelCache | Borrower  # the whole one, or the account of a run of which another one is a step


class Lost(RuntimeError):
    """What worked on a run elsewhere is gone; one sentence."""


class Elsewhere(Protocol):
    """Other processes that run methods in the place of this one (scale/engine.py)."""

    slots: int  # runs that they take at once

    def takes(self, pipeline: Pipeline[Any]) -> bool:
        """Whether they know this very method."""

    def run(self, pipeline: Pipeline[Any], params: Params, state: Any) -> Run:
        """As `run` below. Raises Lost as well."""


def run(
    pipeline: Pipeline[P], params: P, cache: Cache, state: Any = None, sha256: Callable[[str], str] = lambda _: ""
) -> Run:
    """Run a method: its only caller.

    Args:
        pipeline, params: what to run, and how.
        cache: where models come from.
        state: a `Progress.state` of an earlier run to continue or repaint, where the method can.
        sha256: model name -> digest of its weights, for the record.

    Yields:
        Each Progress, then one Result. Sending STOP ends the run early with what the last preview shows, and without
        a Result where there was none (`advance` sends it); closing the generator abandons it. Either way the models
        are given back.

    Raises:
        ParamError, ImageError, WeightsMissing, OutOfBudget, Lost: one sentence each; anything else is a bug.
    """
    if state is not None and not (pipeline.resume or pipeline.repaint):
        raise ValueError(f"{pipeline.name} cannot be continued.")
    borrower = cache.borrower()
    elsewhere: Elsewhere | None = borrower.cache.elsewhere
    if elsewhere is not None and elsewhere.takes(pipeline):
        return elsewhere.run(pipeline, params, state)
    return _run(pipeline, params, borrower, state, sha256)


def _run(pipeline: Pipeline[P], params: P, borrower: Borrower, state: Any, sha256: Callable[[str], str]) -> Run:
    """`run` in this process."""
    go_on = pipeline.resume or pipeline.repaint
    resumed = go_on(params, borrower, state) if state is not None and go_on else None
    steps = resumed or pipeline.generate(params, borrower)
    last, output, seconds, peak, account = Progress(0, 0), None, 0.0, device.Peak(), _account(borrower)
    sent = cast(str | None, None)
    visible = last
    try:
        while output is None:
            with _ONE_AT_A_TIME:  # not held across our own yield: a consumer may resume on another thread
                start = time.perf_counter()
                event = _next(steps, peak, borrower.cache, sent)
                seconds += time.perf_counter() - start
            if isinstance(event, Output):
                output = event
                continue
            last = event
            visible = last if last.preview is not None else visible
            if (sent := (yield last)) == STOP and not (pipeline.stops and last.step):
                break
    finally:
        steps.close()
    if output is None:
        last = visible
        output = _stopped(pipeline, params, last)
    if output is None:
        return
    entry = _record(pipeline, params, borrower, (seconds, peak.bytes, account(peak.bytes)), last, output, sha256)
    yield Result(output.images, entry, last.state, output.sheet, output.records, output.file(entry))


def _account(borrower: Borrower) -> Callable[[int], int]:
    """For a run that begins: from the process's peak, the bytes of it that are the run's own. Those are what it added,
    and the models it uses that were there before."""
    cache = borrower.cache
    held = device.held_bytes(cache.device)
    loaded = {model.name: model.bytes for model in cache.snapshot() if model.resident}
    return lambda peak: max(0, peak - held) + sum(loaded.get(name, 0) for name in borrower.names)


def _stopped(pipeline: Pipeline[P], params: P, last: Progress) -> Output | None:
    """What there is of a run that was stopped after `last`; None: nothing was seen yet."""
    if last.preview is None:
        return None
    finished = pipeline.finish(params, last.state) if pipeline.finish else images.to_image(last.preview)
    return Output([finished], last.metrics, [*last.notes, f"stopped after step {last.step} of {last.total}"])


def _next(steps: Steps, peak: device.Peak, cache: ModelCache, sent: str | None) -> Progress | Output:
    """The run's next step, or what it made. Raises OutOfBudget where memory ran out."""
    try:
        with peak.watch(cache.device):
            return steps.send(sent)
    except StopIteration as end:
        device.synchronise(cache.device)
        result: Output = end.value
        return result
    except (MemoryError, RuntimeError) as error:
        if not device.out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold the tensors that there was no room beside
        cache.relieve()
        raise OutOfBudget(device.OUT_OF_MEMORY) from error


def advance(stream: Run, stop: bool = False) -> Progress | Result | None:
    """What a run that has begun comes to next; `stop`: end it with what is there. None: it is over, and where it was
    stopped before there was anything to see, it has no Result."""
    try:
        return stream.send(STOP if stop else None)
    except StopIteration:
        return None


def between_steps() -> AbstractContextManager[Any]:
    """No step of any run is taken meanwhile: for imports on a thread of their own. Two threads that import the same
    large library at once may each get half of it ("cannot import name 'AutoModel' from 'transformers'")."""
    return _ONE_AT_A_TIME


def _record(
    pipeline: Pipeline[Any],
    params: Params,
    borrower: Borrower,
    cost: tuple[float, int, int],
    last: Progress,
    output: Output,
    sha256: Callable[[str], str],
) -> Record:
    places = {name: place for name in borrower.names if (place := registry.place(name))}
    seconds, peak_bytes, own_bytes = cost
    metrics = {name: float(value) for name, value in {**last.metrics, **output.metrics}.items()}
    return Record(
        pipeline=pipeline.name,
        params=params.model_dump(mode="json"),
        seed=getattr(params, "seed", None),
        models={own.public(name): sha256(name) for name in borrower.names},
        files={name: place.path.name for name, place in places.items()},
        packages={name: place.package for name, place in places.items() if place.package},
        seconds=record.Seconds(load=round(borrower.seconds, 3), run=round(seconds - borrower.seconds, 3)),
        steps=last.step,
        peak_bytes=peak_bytes,
        own_bytes=own_bytes,
        device=device.describe(borrower.device),
        dtype=str(device.fast_dtype(borrower.device)).removeprefix("torch."),
        versions=record.versions(),
        created=record.now(),
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
        notes=[*output.notes, *_transparent(params), *_unjudged(params, borrower.names)],
        details=output.details,
    )


def _unjudged(p: Params, names: Iterable[str]) -> list[str]:
    """A remark where a network of one's own draws what the judge of the run's data set does not know."""
    data = getattr(p, "dataset", "")
    return [] if all(own.judged(name, data) for name in names) else [own.UNJUDGED]


def _transparent(p: Params) -> list[str]:
    """A remark for each setting with a picture of which `images.load` has laid parts over white."""
    notes: list[str] = []
    for name in type(p).model_fields:
        value = getattr(p, name)
        if any(images.was_transparent(item) for item in (value if isinstance(value, list) else [value])):
            notes.append(f"{name} is transparent in places, which count as white")
    return notes
