"""What the benchmarks share: example pictures, the line about the machine, and tables in markdown."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PAIRS = (("astronaut", "impasto"), ("cat", "wave"), ("coffee", "mosaic"))


def content(name: str) -> Path:
    """An example photograph."""
    return EXAMPLES / "content" / f"{name}.jpg"


def style(name: str) -> Path:
    """An example style."""
    return EXAMPLES / "styles" / f"{name}.jpg"


def pictures_in(folder: Path, most: int | None = None) -> list[Path]:
    """The first `most` pictures of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})[:most]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def spread(values: Sequence[float]) -> str:
    """`5.12 (5.03 to 5.31)`: the median, and smallest and largest where there are several."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def machine() -> str:
    """Processor, cores, its bf16 units, torch, threads, date and load: one line to put above a table."""
    probes = {"AMX": "_is_amx_tile_supported", "AVX-512 BF16": "_is_avx512_bf16_supported"}
    found = {unit: getattr(torch.cpu, probe, lambda: False)() for unit, probe in probes.items()}
    units = [f"{unit} {'yes' if there else 'no'}" for unit, there in found.items()]
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{processor()}, {cores()} cores, {', '.join(units)}"
        f"{card}, torch {torch.__version__}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"{datetime.now(timezone.utc):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}"
    )


def busy() -> bool:
    """Whether something else uses the processor: timings are worth nothing then."""
    return os.getloadavg()[0] > cores() / 4


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name for itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
