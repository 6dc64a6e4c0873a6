"""How much memory there is for a run: on the card, or on this machine and in the container that holds it; in words."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from models import device

UNLIMITED = 1 << 62
ROOT = Path("/")


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
        return device.peak_bytes(where)
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

    In a container the path may be the machine's, of which only the top is seen.
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
