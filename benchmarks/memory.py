"""Most memory resident during a run at 1024 px, each in a process of its own, against plain fp32 single-scale Adam."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice

import torch

from benchmarks import baseline
from benchmarks.common import PAIRS, ROOT, content, style, table
from models import device, registry
from pipelines import images
from pipelines.base import Progress, run
from pipelines.gatys import PIPELINE, GatysParams

CPU = torch.device("cpu")
SIZE, STEPS = 1024, 12  # coarse to fine spends three of these at the full size
BASELINE_STEPS = 3


@dataclass(frozen=True)
class Row:
    """One process, in bytes of resident memory."""

    what: str
    size: int
    steps: int
    loaded: int  # peak with torch imported and the network loaded
    peak: int  # peak with the run


def work(what: str, size: int, steps: int) -> Row:
    """Run here and look at this process's memory: call it in a fresh one. `what`: default or plain."""
    photograph, painting = PAIRS[0]
    p = GatysParams(
        content=images.load(content(photograph)), styles=[images.load(style(painting))], size=size, steps=steps
    )
    cache = registry.open_cache()
    registry.warm(cache)
    loaded = device.peak_bytes(CPU)
    device.reset_peak(CPU)
    if what == "default":
        for event in run(PIPELINE, p, cache):
            if isinstance(event, Progress) and event.preview is not None:
                images.to_image(event.preview)
    else:
        for _ in islice(baseline.paint(baseline.objective(p, cache.device)), steps):
            pass
    return Row(what, size, steps, loaded, device.peak_bytes(CPU))


def measure(quick: bool = False) -> list[Row]:
    """The default run, then the baseline; quick: at toy size, where the numbers mean nothing."""
    size = 128 if quick else SIZE
    plan = {"default": 4 if quick else STEPS, "plain": BASELINE_STEPS}
    rows = []
    for what, steps in plan.items():
        print(f"memory: {what} ...", file=sys.stderr)
        command = [sys.executable, "-m", "benchmarks.memory", what, str(size), str(steps)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True, timeout=1200)
        rows.append(Row(**json.loads(done.stdout)))
    return rows


def report(rows: list[Row]) -> str:
    """The table for the README."""
    names = {"default": "default run, vgg-lite", "plain": "plain fp32 single-scale Adam, vgg-lite"}
    lines = [
        (
            names[r.what], f"{r.size} px", str(r.steps), f"{r.loaded / 1e9:.2f}", f"{r.peak / 1e9:.2f}",
            f"{r.peak / rows[-1].peak:.2f}",
        )
        for r in rows
    ]  # fmt: skip
    return table(("run", "size", "steps", "before, GB", "peak RSS, GB", "ratio"), lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("default", "plain"))
    parser.add_argument("size", type=int)
    parser.add_argument("steps", type=int)
    print(json.dumps(vars(work(**vars(parser.parse_args())))))
