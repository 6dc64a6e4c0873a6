"""What the device is, what it computes fastest in, and how much memory a run took on it."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import torch


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


def held_bytes(where: torch.device) -> int:
    """Bytes this process holds now: on the card, or in RAM where the work is done on the CPU."""
    if where.type == "cuda":
        return int(torch.cuda.memory_allocated(where))
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_bytes(where)
    return int(next(row for row in status.read_text().splitlines() if row.startswith("VmRSS")).split()[1]) * 1024


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
