"""One shared cache: a model is built once, kept in RAM, and lent to the device while it is in use.

    with cache.use("unet", "vae", working=2 << 30) as (unet, vae): ...

`use` is the only way to touch a model. It pins all it is asked for in one step, and nothing pinned is ever evicted.
RAM holds the home copy of every model, the device a copy of some; leaving the device is a pointer swap back to home.
When either is full, what was returned longest ago leaves first. Borrowers share a model, so none may change it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from models import device

WORKING_BYTES = 512 << 20  # room for activations, where the caller gives no estimate


class OutOfBudget(RuntimeError):
    """The models asked for do not fit next to the ones in use."""


class Lender(Protocol):
    """What a pipeline borrows from: a ModelCache, or a Borrower, which keeps account."""

    @property
    def device(self) -> torch.device:
        """Where models are lent to."""

    def use(self, *n: str, working: int = ..., move: bool = ...) -> AbstractContextManager[tuple[nn.Module, ...]]: ...


def default_device() -> torch.device:
    """ATELIER_DEVICE, else cuda, else mps, else cpu. Raises ValueError when this machine lacks ATELIER_DEVICE."""
    choices = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    setting = os.environ.get("ATELIER_DEVICE") or choices[0]
    if setting not in choices:
        raise ValueError(f"ATELIER_DEVICE is {setting!r}, but this machine has: {', '.join(choices)}.")
    return torch.device(setting)


def vram_bytes(where: torch.device) -> int:
    """Bytes that new tensors can have on a card; elsewhere the budget of RAM is the limit."""
    return device.free_bytes(where) if where.type == "cuda" else device.UNLIMITED


@dataclass
class Stats:
    """Events since the start. An offloaded model has left the device, a dropped one RAM as well."""

    hits: int = 0
    loads: int = 0
    offloads: int = 0
    drops: int = 0


@dataclass
class Model:
    """A row of the status table. `move_seconds` sums the moves to the device since the model was loaded."""

    name: str
    bytes: int
    pins: int = 0
    resident: bool = False
    hits: int = 0
    load_seconds: float = 0.0
    move_seconds: float = 0.0


@dataclass(eq=False)
class _Entry(Model):
    module: nn.Module = field(kw_only=True)
    homes: list[tuple[Tensor, Tensor]] = field(kw_only=True)  # (the module's tensor, its copy in RAM)
    doomed: bool = False  # dropped while pinned

    def go_home(self) -> None:
        for tensor, home in self.homes:
            tensor.data = home
        self.resident = False


@dataclass(eq=False)
class ModelCache:
    """Budgets are in bytes; without `vram_budget` the limit is what the device has free. A loader builds its module on
    the CPU, with every tensor in a parameter or buffer of its own, and never calls `use`. A model's size shows once it
    is built: during a load, RAM may hold one model more than its budget.
    """

    loaders: Mapping[str, Callable[[], nn.Module]]
    device: torch.device
    ram_budget: int
    vram_budget: int | None = None
    free: Callable[[torch.device], int] = vram_bytes
    move: Callable[[Tensor, torch.device], Tensor] = Tensor.to
    elsewhere: Any = None  # pipelines.base.Elsewhere: runs methods on other machines, and no model is needed here
    stats: Stats = field(default_factory=Stats, init=False)
    _entries: dict[str, _Entry] = field(default_factory=dict, init=False)  # what was returned longest ago comes first
    _failures: dict[str, Future[None]] = field(default_factory=dict, init=False)  # next one of each, for all waiting
    # Two plain locks, taken in this order, neither held across a yield: a generator is resumed on other threads.
    _mover: threading.Lock = field(default_factory=threading.Lock, init=False)  # pinning, loads, moves: seconds
    _state: threading.Lock = field(default_factory=threading.Lock, init=False)  # the fields above: microseconds

    @contextmanager
    def use(self, *names: str, working: int = WORKING_BYTES, move: bool = True) -> Iterator[tuple[nn.Module, ...]]:
        """Lend the models `names`, on the device (or, `move=False`, in RAM), with `working` bytes free for activations,
        on a card as in RAM.
        Raises LookupError, OutOfBudget, or what a loader raised: all who waited for that load get the same exception.
        """
        if unknown := [name for name in names if name not in self.loaders]:
            raise LookupError(f"No model is called {', '.join(unknown)}. Known: {', '.join(sorted(self.loaders))}.")
        pinned: dict[str, _Entry] = {}
        with self._state:
            failures = {name: self._failures.setdefault(name, Future()) for name in names}
        try:
            # A model made in its first borrower's inference mode could not be differentiated through by the next.
            with self._mover, torch.inference_mode(False):
                for name in list(failures):
                    if failures[name].done():
                        failures.pop(name).result()  # raises it
                with self._state:  # pin what is in RAM, before the loads below could push it out
                    pinned |= {name: e for name in names if (e := self._entries.get(name))}
                    for e in pinned.values():
                        e.pins, e.hits, self.stats.hits = e.pins + 1, e.hits + 1, self.stats.hits + 1
                for name in names:
                    if name not in pinned:
                        pinned[name] = self._load(name)
                self._bring(pinned.values() if move else (), working)
            yield tuple(pinned[name].module for name in names)
        finally:
            failures.clear()  # else a failure would hold itself, and half a model, through its traceback to this frame
            with self._state:
                for name, e in pinned.items():
                    e.pins -= 1
                    self._entries[name] = self._entries.pop(name)  # to the end: returned last
                    if e.doomed:
                        self._forget(e)

    def borrower(self) -> Borrower:
        """A view of the cache for one run, which keeps account of what the run borrowed."""
        return Borrower(self)

    def drop(self, name: str) -> None:
        """Forget a model now or, while it is in use, when its last user returns it; until then `use` still lends it."""
        with self._state:
            if e := self._entries.get(name):
                self._forget(e)

    def relieve(self) -> None:
        """Free the device memory that nobody uses: for after a torch.OutOfMemoryError, before a second try."""
        with self._state:
            for e in self._entries.values():
                if e.resident and not e.pins:
                    self._offload(e)
        if self.device.type != "cpu":
            getattr(torch, self.device.type).empty_cache()

    def snapshot(self) -> list[Model]:
        """A copy of the table, returned longest ago first. Never waits for a load or a move."""
        with self._state:
            return [Model(**{f.name: getattr(e, f.name) for f in fields(Model)}) for e in self._entries.values()]

    def _load(self, name: str) -> _Entry:
        start = time.perf_counter()
        try:
            with torch.random.fork_rng(devices=[]):  # first weights are drawn, then overwritten: the run keeps its seed
                module = self.loaders[name]().to("cpu").eval().requires_grad_(False)
            unique = {id(t): t for t in (*module.parameters(), *module.buffers())}  # tied weights count once
            homes = [(t, t.data) for t in unique.values()]
            e = _Entry(name, sum(home.nbytes for _, home in homes), pins=1, module=module, homes=homes)
            self._make_room("RAM", e.bytes)
        except Exception as error:
            with self._state:
                self._failures.pop(name).set_exception(error)
            raise
        e.load_seconds = time.perf_counter() - start
        with self._state:
            self._entries[name] = e
            self.stats.loads += 1
        return e

    def _bring(self, pinned: Iterable[_Entry], working: int) -> None:
        if self.device.type == "cpu" and working > (left := device.available_bytes()):
            raise OutOfBudget(
                f"The activations need {working >> 20} MiB of memory, and {left >> 20} MiB can be had: "
                f"choose a smaller size, or close other programs."
            )
        need = working + sum(e.bytes for e in pinned if not e.resident)
        self._make_room("VRAM", need)
        with suppress(torch.OutOfMemoryError):
            return self._move_in(pinned)
        self.relieve()  # memory was in pieces, or taken by somebody else: try once more
        try:
            self._move_in(pinned)
        except torch.OutOfMemoryError as error:
            raise OutOfBudget(
                f"{self.device} ran out of memory: {need >> 20} MiB needed, and "
                f"{self.free(self.device) >> 20} MiB free. Choose a smaller size or model."
            ) from error

    def _move_in(self, pinned: Iterable[_Entry]) -> None:
        for e in pinned:
            if not e.resident:
                start = time.perf_counter()
                try:
                    for tensor, home in e.homes:
                        tensor.data = self.move(home, self.device)
                except BaseException:
                    e.go_home()  # half a move is undone by the same pointer swap
                    raise
                e.resident, e.move_seconds = True, e.move_seconds + time.perf_counter() - start

    def _make_room(self, place: Literal["RAM", "VRAM"], need: int) -> None:
        """Let the idle leave `place` until `need` bytes are free there; OutOfBudget is raised before any leaves."""
        budget = self.ram_budget if place == "RAM" else self.vram_budget
        free = device.UNLIMITED if place == "RAM" else self.free(self.device)  # unlocked: it may start CUDA
        with self._state:
            kept = [e for e in self._entries.values() if e.resident or place == "RAM"]
            idle = [e for e in kept if not e.pins]
            free = free if budget is None else min(free, budget - sum(e.bytes for e in kept))
            if need > (most := free + sum(e.bytes for e in idle)):
                used = ", ".join(f"{e.name} {e.bytes >> 20} MiB" for e in kept if e.pins) or "nothing"
                raise OutOfBudget(
                    f"{place} has {most >> 20} MiB free of the {need >> 20} MiB needed; in use: {used}. "
                    f"Choose a smaller size or model, or raise ATELIER_{place}_GB."
                )
            for e in idle:
                if free < need:
                    free += e.bytes
                    (self._forget if place == "RAM" else self._offload)(e)

    def _offload(self, e: _Entry) -> None:
        e.go_home()
        self.stats.offloads += 1

    def _forget(self, e: _Entry) -> None:
        e.doomed = e.pins > 0
        if not e.doomed:
            e.go_home()  # a reference that somebody kept shall not hold on to the device
            del self._entries[e.name]
            self.stats.drops += 1


@dataclass(eq=False)
class Borrower:
    """The cache as one run sees it, and what that run has borrowed so far, with the runs that are steps of it."""

    cache: ModelCache
    outer: Borrower | None = None  # of the run that this one is a step of
    names: tuple[str, ...] = ()  # in order of first use
    seconds: float = 0.0  # spent in `use` before its body began: waiting, loading, moving

    @property
    def device(self) -> torch.device:
        """Where models are lent to."""
        return self.cache.device

    def borrower(self) -> Borrower:
        """A view for a run that is a step of this one."""
        return Borrower(self.cache, self)

    @contextmanager
    def use(self, *names: str, working: int = WORKING_BYTES, move: bool = True) -> Iterator[tuple[nn.Module, ...]]:
        """As ModelCache.use."""
        start = time.perf_counter()
        with self.cache.use(*names, working=working, move=move) as modules:
            self._note(names, time.perf_counter() - start)
            yield modules

    def _note(self, names: tuple[str, ...], seconds: float) -> None:
        self.seconds += seconds
        self.names = tuple(dict.fromkeys((*self.names, *names)))
        if self.outer is not None:
            self.outer._note(names, seconds)
