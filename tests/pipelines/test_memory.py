"""What memory can be had: the machine's and the container's, and what a run says that needs more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

from models import device
from models.cache import ModelCache, OutOfBudget
from pipelines import cost, gatys
from pipelines.base import run
from pipelines.gatys import GatysParams
from pipelines.params import parse

GB = 1 << 30


def machine(root: Path, **files: str) -> Path:
    """A file system with these files: `__` stands for a slash, and a machine of 64 GB."""
    texts = {"proc__meminfo": f"MemTotal: 1 kB\nMemAvailable: {64 << 20} kB\n", **files}
    for name, text in texts.items():
        path = root / name.replace("__", "/").replace("memory_", "memory.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_container_of_version_2(tmp_path: Path) -> None:
    group = {"sys__fs__cgroup__a__memory_max": str(4 * GB), "sys__fs__cgroup__a__memory_current": str(3 * GB),
             "sys__fs__cgroup__a__memory_stat": f"anon 5\ninactive_file {GB // 2}\n"}  # fmt: skip
    inner = {"sys__fs__cgroup__a__b__memory_max": "max\n", "sys__fs__cgroup__a__b__memory_current": "7"}
    assert device.available_bytes(machine(tmp_path, proc__self__cgroup="0::/a/b\n", **group, **inner)) == 3 * GB // 2


def test_a_container_of_version_1_that_sees_its_top_alone(tmp_path: Path) -> None:
    top = "sys__fs__cgroup__memory__memory_"
    files = {f"{top}limit_in_bytes": str(2 * GB), f"{top}usage_in_bytes": str(GB),
             f"{top}stat": "total_inactive_file 24\n"}  # fmt: skip
    rows = "11:cpu:/\n4:memory:/docker/0123\n0::/\n"
    assert device.available_bytes(machine(tmp_path, proc__self__cgroup=rows, **files)) == GB + 24


def test_a_machine_without_limits(tmp_path: Path) -> None:
    assert device.available_bytes(machine(tmp_path, proc__self__cgroup="0::/\n")) == 64 * GB
    assert device.available_bytes(machine(tmp_path / "1", proc__self__cgroup="odd\n\n:::")) == 64 * GB
    assert device.available_bytes(tmp_path / "nothing") == device.UNLIMITED
    unlimited = {"sys__fs__cgroup__memory__memory_limit_in_bytes": str((1 << 63) - 4096)}
    assert device.available_bytes(machine(tmp_path / "2", proc__self__cgroup="4:memory:/", **unlimited)) == 64 * GB


def test_what_is_free_reads_the_containers_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available_bytes", lambda: 123)
    assert device.free_bytes(torch.device("cpu")) == 123


def test_working_memory_counts_the_shape_and_how_large_styles_are_shown(style: PIL.Image.Image) -> None:
    def needed(**changes: Any) -> float:
        wide = PIL.Image.new("RGB", (400, 100))
        values = {"content": style, "styles": [style], "size": 2048, **changes}
        return (
            gatys.working_bytes(parse(GatysParams, {"content": wide, **values} if "content" in changes else values))
            / 1e9
        )

    assert 5 <= needed(style_scale=2.5) <= 9 and needed(style_scale=2.5, model="vgg19") > 20
    assert needed() < 5 and needed(style_scale=2.5, styles=[style] * 5) > 4 * needed(style_scale=2.5)
    assert needed(content=PIL.Image.new("RGB", (400, 100))) < needed() / 2


def test_a_run_that_cannot_fit_is_refused_before_it_starts(
    cache: ModelCache, content: PIL.Image.Image, style: PIL.Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "available_bytes", lambda: GB // 4)
    p = parse(GatysParams, {"content": content, "styles": [style], "size": 2048, "steps": 1})
    with pytest.raises(OutOfBudget) as caught:
        next(run(gatys.PIPELINE, p, cache))
    text = str(caught.value)
    assert text.startswith(
        "A size of 2048 needs about 2.8 GB of memory, and 0.3 GB can be had: choose a size of at most "
    )
    fitting = int(text.rpartition(" ")[2].rstrip("."))
    assert 64 < fitting < 2048 and fitting % 64 == 0
    next(run(gatys.PIPELINE, p.model_copy(update={"size": fitting}), cache)).step  # noqa: B018
    monkeypatch.setattr(device, "available_bytes", lambda: 1000)
    with pytest.raises(OutOfBudget, match="and no size fits: close other programs, or choose a smaller model"):
        next(run(gatys.PIPELINE, p, cache))
    assert cost.largest(p, lambda q: q.size, 700) == 640
