"""What the device is, what it computes fastest in, how much memory there is, and what a run takes of it."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

UNLIMITED = 1 << 62
ROOT = Path("/")
OURS = ("models.", "pipelines.")  # whose objects `tensors_in` looks into, beside optimisers


@cache
def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively (AMX, AVX-512 BF16, CUDA from capability 8), else float32.

    Asked of the hardware rather than timed, so that the same machine always makes the same pixels.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float32
    if device.type == "cpu":
        native: list[Callable[[], bool]] = [
            getattr(torch.cpu, name, lambda: False) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        ]
        return torch.bfloat16 if any(probe() for probe in native) else torch.float32
    return torch.float32


def autocast(device: torch.device) -> torch.autocast:
    """Context in which convolutions run in `fast_dtype`. Enter it for each step: never hold it across a yield."""
    dtype = fast_dtype(device)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


@contextmanager
def one_thread() -> Iterator[None]:
    """Context for products of a few thousand numbers: waiting for other threads costs far more than they save, and a
    hundred times more where something else keeps the cores busy. Enter it for each step: never hold it across a yield.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe(device: torch.device) -> str:
    """`cpu (x86_64, 2 threads)` or `cuda (NVIDIA H100)`."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a time stamp means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def reset_peak(device: torch.device) -> None:
    """Start a new high-water mark of memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with suppress(OSError):  # a container may forbid it: then the mark is the process's largest
            Path("/proc/self/clear_refs").write_text("5")


def peak_bytes(device: torch.device) -> int:
    """Most memory held since `reset_peak`: on the card, or resident in this process where the work is done on the CPU.

    Outside Linux, and where a container forbids it, that mark cannot be reset: then it is the largest so far.
    """
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "linux":
        line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))


OUT_OF_MEMORY = "The device ran out of memory: choose a smaller size."


def out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: on a card, in RAM by way of PyTorch (a plain RuntimeError there), or in Python."""
    refused = type(error) is RuntimeError and ("DefaultCPUAllocator" in str(error) or "out of memory" in str(error))
    return refused or isinstance(error, torch.OutOfMemoryError | MemoryError)


class Peak:
    """The most memory held while it watches, in `bytes`. The device has one mark for everybody: a watch within another
    tells that one what the mark stood at before it was reset."""

    def __init__(self) -> None:
        self.bytes = 0

    @contextmanager
    def watch(self, device: torch.device) -> Iterator[None]:
        """Watch what the body does. Enter it for each step: never hold it across a yield."""
        if (around := _WATCHING.get()) is not None:
            around.bytes = max(around.bytes, peak_bytes(device))
        reset_peak(device)
        token = _WATCHING.set(self)
        try:
            yield
        finally:
            _WATCHING.reset(token)
            self.bytes = max(self.bytes, peak_bytes(device))


_WATCHING: ContextVar[Peak | None] = ContextVar("watching", default=None)


def free_bytes(where: torch.device) -> int:
    """Bytes that new tensors can have: free on the card and what torch holds there unused, else `available_bytes`."""
    if where.type != "cuda":
        return available_bytes()
    free, _ = torch.cuda.mem_get_info(where)
    return int(free + torch.cuda.memory_reserved(where) - torch.cuda.memory_allocated(where))


def held_bytes(where: torch.device) -> int:
    """Bytes this process holds now: on the card, or in RAM where the work is done on the CPU."""
    if where.type == "cuda":
        return int(torch.cuda.memory_allocated(where))
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_bytes(where)
    return int(next(row for row in status.read_text().splitlines() if row.startswith("VmRSS")).split()[1]) * 1024


def trim(where: torch.device) -> None:
    """Give back what earlier work has left behind, or a run's memory would hide in its place."""
    if where.type == "cpu" and sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library has nothing to trim
            ctypes.CDLL(None).malloc_trim(0)


def amount(count: int) -> str:
    """Bytes in a unit that suits them: `2.6 GB`, `144 MB`, `0.3 MB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.{0 if count >= 1e7 else 1}f} MB"


def available_bytes(root: Path = ROOT) -> int:
    """Bytes of RAM that can be had without swapping: free on the machine and left in its control groups, whichever is
    less. UNLIMITED where the system does not say. `root`: where /proc and /sys are."""
    rooms = [_room(group, *names) for group, names in _groups(root)]
    try:
        rows = (root / "proc/meminfo").read_text().splitlines()
        rooms.append(int(next(row for row in rows if row.startswith("MemAvailable")).split()[1]) * 1024)
    except (OSError, StopIteration, ValueError, IndexError):
        pass
    return max(0, min(rooms, default=UNLIMITED))


def _groups(root: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """The control groups that hold this process, and those above them, with the names of their files: version 2, or 1.

    In a container the path may be the machine's, of which only the top is there.
    """
    two = ("memory.max", "memory.current", "inactive_file")
    one = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    try:
        rows = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for row in rows:
        _, controllers, path = [*row.split(":", 2), "", ""][:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        top, names = (root / "sys/fs/cgroup/memory", one) if controllers else (root / "sys/fs/cgroup", two)
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top):
                yield folder, names


def _room(group: Path, limit: str, usage: str, reclaimable: str) -> int:
    """Bytes left in a control group; files that it has read and can forget count as free."""
    try:
        most, held = int((group / limit).read_text()), int((group / usage).read_text())
        rows = (row.split() for row in (group / "memory.stat").read_text().splitlines())
        return most - held + next((int(value) for name, value in rows if name == reclaimable), 0)
    except (OSError, ValueError):  # no such file, or "max": no limit
        return UNLIMITED


def tensors_in(value: Any, known: set[int] | None = None) -> Iterator[Tensor]:
    """Every tensor in `value` once, in lists, mappings, optimisers and our own objects."""
    known = set() if known is None else known
    if id(value) in known or isinstance(value, str | bytes | int | float | None):
        return
    known.add(id(value))
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for pair in list(value.items()):
            yield from tensors_in(pair, known)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from tensors_in(item, known)
    elif isinstance(value, torch.optim.Optimizer):
        yield from tensors_in([value.param_groups, value.state], known)
    elif is_dataclass(value) or type(value).__module__.startswith(OURS):
        yield from tensors_in(list(getattr(value, "__dict__", {}).values()), known)


def bytes_in(value: Any) -> int:
    """Bytes of the tensors in `value`."""
    return sum(tensor.nbytes for tensor in tensors_in(value))


def move(value: Any, where: torch.device) -> None:
    """Have the tensors in `value` on `where`, each of them the same object as before; their gradients are dropped.

    Single numbers stay where they are: optimisers want some of theirs on the CPU, and they mix with any device.
    """
    for tensor in list(tensors_in(value)):
        if tensor.ndim and tensor.device.type != where.type:
            tensor.grad = None
            tensor.data = tensor.data.to(where)
