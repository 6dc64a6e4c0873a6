"""Replicas and workers of scale/ on this machine: `python -m benchmarks.scale [--quick]` (needs requirements-ray.txt).

Two replicas answer a crowd while one of them is killed; the same crowd in a simulation of the queue; what Ray adds to a
run; many small pictures with a worker killed midway; two workers against one.
"""

from __future__ import annotations

import argparse
import heapq
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from ray import serve

from benchmarks import common
from models import registry
from models.cache import ModelCache
from pipelines import PIPELINES, record
from pipelines.base import Result, run
from pipelines.params import parse
from scale import batch, replica
from scale.engine import Engine
from scale.serve import begin

ROOT = Path(__file__).resolve().parent.parent
STYLE = ROOT / "examples" / "styles" / "ink.jpg"
REPLICAS = 2
RESTART_SECONDS = 60.0  # until Ray has a replica again, at most


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    clients: int  # that ask at once
    alone: int  # runs that a median is of
    pictures: int  # of the batch with a worker killed
    few: int  # of the batches that are compared
    settings: dict[str, Any]  # of a client's run


WHOLE = Size(32, 15, 1000, 300, {"count": 64, "view": "pictures", "steps": 10, "scheduler": "ddim"})
QUICK = Size(6, 3, 24, 12, {"count": 1, "view": "pictures", "steps": 4, "scheduler": "ddim"})


def once(cache: ModelCache, settings: dict[str, Any], seed: int) -> tuple[float, Result]:
    """Seconds of a run of the digit diffusion, and its result."""
    pipeline, start = PIPELINES["diffusion"], time.perf_counter()
    *_, result = run(pipeline, parse(pipeline.params, {**settings, "seed": seed}), cache, sha256=registry.sha256)
    assert isinstance(result, Result)
    return time.perf_counter() - start, result


def processes(title: str) -> list[int]:
    """Of this machine, by what Ray calls them."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended
            continue
        if text.startswith("ray::") and title in text:
            found.append(int(place.parent.name))
    return found


@contextmanager
def killing(title: str, seconds: float) -> Iterator[list[int]]:
    """Kill one of those processes `seconds` from now, while the block runs."""
    killed: list[int] = []

    def kill() -> None:
        for process in processes(title)[:1]:
            os.kill(process, signal.SIGKILL)
            killed.append(process)

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield killed
    finally:
        timer.cancel()


def crowd(cache: ModelCache, size: Size) -> tuple[float, int, int]:
    """Seconds until all clients have their right pictures, how many of them have, and how many were begun again."""
    right, again = list[bool](), list[bool]()
    want = {seed: once_here(size.settings, seed).picture.tobytes() for seed in (0, size.clients - 1)}

    def ask(seed: int) -> None:
        _, result = once(cache, size.settings, seed)
        right.append(result.record.seed == seed and want.get(seed) in (None, result.picture.tobytes()))
        again.append(bool(result.record.notes))

    start = time.perf_counter()
    clients = [threading.Thread(target=ask, args=(seed,)) for seed in range(size.clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return time.perf_counter() - start, sum(right), sum(again)


def at_once(cache: ModelCache, size: Size, clients: int) -> list[float]:
    """Seconds of `size.alone` runs, of which as many are made at once as there are clients."""
    with ThreadPoolExecutor(clients) as pool:
        return [seconds for seconds, _ in pool.map(partial(once, cache, size.settings), range(size.alone))]


def once_here(settings: dict[str, Any], seed: int) -> Result:
    """The same run in this process."""
    return once(registry.open_cache(), settings, seed)[1]


def simulate(clients: int, replicas: int, seconds: float, lost: float | None = None, back: float = 0.0) -> float:
    """Seconds until the last of `clients` runs of `seconds` each has ended, on replicas that take one at a time.

    lost: when one replica is killed, and its run begun again; back: seconds until there is another in its place.
    """
    free = [0.0] * replicas
    heapq.heapify(free)
    last, gone = 0.0, lost
    waiting = clients
    while waiting:
        begin_at = heapq.heappop(free)
        end = begin_at + seconds
        if gone is not None and begin_at <= gone < end:  # this one is killed under the run
            heapq.heappush(free, gone + back)
            gone = None
            continue
        waiting -= 1
        last = max(last, end)
        heapq.heappush(free, end)
    return last


def pictures(folder: Path, count: int) -> Path:
    """So many small photographs of noise."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for i in range(count):
        noise = PIL.Image.fromarray((random.random((12, 16, 3)) * 255).astype(np.uint8))
        noise.resize((64, 48), PIL.Image.Resampling.BICUBIC).save(folder / f"{i:04d}.jpg")
    return folder


def painted(content: Path, out: Path, workers: int) -> dict[str, Any]:
    """What scale.batch tells of them, stylized."""
    return batch.convert("stylize", {"styles": [str(STYLE)], "size": 64}, str(content), out, workers)


def serving(size: Size) -> list[list[str]]:
    """Rows about Ray Serve."""
    local, remote = registry.open_cache(), registry.open_cache()
    start = time.perf_counter()
    remote.elsewhere = Engine(replica.deploy((REPLICAS, REPLICAS)))
    ready = time.perf_counter() - start
    for cache in (local, remote, remote):
        once(cache, size.settings, 0)
    pairs = [(once(local, size.settings, i)[0], once(remote, size.settings, i)[0]) for i in range(size.alone)]
    here, there = (statistics.median(column) for column in zip(*pairs, strict=True))
    both = statistics.median(at_once(remote, size, REPLICAS))  # they share this machine's memory and caches
    calm, answered, _ = crowd(remote, size)
    foretold = simulate(size.clients, REPLICAS, both)
    with killing("ServeReplica", calm / 3) as killed:
        rough, kept, again = crowd(remote, size)
    bounds = [simulate(size.clients, REPLICAS, both, calm / 3, back) for back in (0.0, RESTART_SECONDS)]
    return [
        [f"{REPLICAS} replicas are ready", f"{ready:.0f} s", "Serve's own start included"],
        ["one run in this process", f"{1000 * here:.0f} ms", f"median of {size.alone}"],
        ["the same on a replica", f"{1000 * there:.0f} ms", f"{there / here:.2f} x, median of {size.alone}"],
        [
            f"{REPLICAS} at once, each",
            f"{1000 * both:.0f} ms",
            f"{both / there:.2f} x one alone, median of {size.alone}",
        ],
        [
            f"{size.clients} clients, {REPLICAS} replicas",
            f"{calm:.1f} s",
            f"{answered} of {size.clients} right; simulated {foretold:.1f} s",
        ],
        [
            f"the same, {len(killed)} replica killed",
            f"{rough:.1f} s",
            f"{kept} of {size.clients} right, {again} begun again; simulated {bounds[0]:.1f} to {bounds[1]:.1f} s",
        ],
    ]


def batches(size: Size, folder: Path) -> list[list[str]]:
    """Rows about Ray Data."""
    many, few = pictures(folder / "many", size.pictures), pictures(folder / "few", size.few)
    rates = {}
    for workers in (1, REPLICAS):
        report = painted(few, folder / f"few{workers}", workers)
        rates[workers] = report["pictures_a_second"]
    with killing("MapWorker", 20.0 if size is WHOLE else 12.0) as killed:
        report = painted(many, folder / "painted", REPLICAS)
    made = sorted((folder / "painted").glob("*.png"))
    whole = sum(record.read(path) is not None for path in made)
    return [
        [
            f"{size.few} pictures, 1 worker and {REPLICAS}",
            f"{rates[1]:.1f} and {rates[REPLICAS]:.1f} pictures/s",
            f"{rates[REPLICAS] / rates[1]:.2f} x",
        ],
        [
            f"{size.pictures} pictures, {len(killed)} worker killed",
            f"{report['seconds']:.0f} s",
            f"{whole} whole, {len(made) - whole} not, {report['made']} told",
        ],
    ]


def main() -> None:
    """The machine and one table, to standard output."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="toy sizes: tries the code, the numbers mean nothing")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{common.machine()}{' (--quick: the numbers mean nothing)' if flags.quick else ''}\n", flush=True)
    if common.busy() and not flags.quick:
        print("Something else keeps this machine busy: run again when it is idle.", file=sys.stderr)
    size = QUICK if flags.quick else WHOLE
    begin()
    rows = serving(size)
    serve.delete(replica.APPLICATION)  # its replicas have the processors
    with tempfile.TemporaryDirectory() as folder:
        rows += batches(size, Path(folder))
    print(common.table(["what", "measured", "beside"], rows))


if __name__ == "__main__":
    main()
