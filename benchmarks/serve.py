"""How a server holds under many visitors, against one visitor alone in the same run: all on this machine, clients too.

S is the median time of one request alone. Every answer is checked to be the one asked for, by the seed in its record.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client

from benchmarks.common import table
from benchmarks.startup import PATIENCE, served
from pipelines import record

ALONE = 10  # requests that S is the median of
CROWDS = ((16, 5), (32, 3))  # clients x requests
GREEDY = 50  # runs that one address queues before another asks for one
WHOLE: dict[str, Any] = {"count": 100}  # of a request: as many pictures as the GAN makes at once
QUICK: dict[str, Any] = {"count": 2}
HEALTHZ_SECONDS = 0.1  # between two


@dataclass
class Crowd:
    """What happened to `clients` that asked `requests` times each."""

    clients: int
    requests: int
    connecting: list[float] = field(default_factory=list)  # seconds, of those that connected
    answers: list[float] = field(default_factory=list)  # seconds, of the right ones
    wrong: int = 0
    errors: list[str] = field(default_factory=list)
    healthz: list[float] = field(default_factory=list)  # seconds, meanwhile


@dataclass(frozen=True)
class Load:
    """S, the crowds, and what one visitor's queue delays another by; in seconds."""

    alone: list[float]
    crowds: list[Crowd]
    behind: float
    greedy: int

    @property
    def single(self) -> float:
        """S."""
        return statistics.median(self.alone)


def p95(values: Sequence[float]) -> float:
    """The 95th percentile; nan of nothing."""
    return sorted(values)[max(0, -(-95 * len(values) // 100) - 1)] if values else float("nan")


def ask(client: Client, seed: int, settings: dict[str, Any]) -> bool:
    """One picture of the GAN; whether it is the one that was asked for."""
    picture, told = client.predict(**settings, seed=seed, api_name="/gan")
    inside = record.read(Path(picture))
    return bool(told["seed"] == seed and inside is not None and inside.seed == seed)


def together(functions: Sequence[Callable[[], None]]) -> None:
    """Run all at once, each on a thread of its own."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)


def crowd(url: str, clients: int, requests: int, settings: dict[str, Any]) -> Crowd:
    """Connect all clients at once, then let each ask for one picture after the other."""
    told, ended = Crowd(clients, requests), threading.Event()
    connected: list[Client] = []

    def connect() -> None:
        start = time.perf_counter()
        try:
            connected.append(Client(url, verbose=False, analytics_enabled=False))
            told.connecting.append(time.perf_counter() - start)
        except Exception as error:  # a lost client is what is counted here
            told.errors.append(repr(error))

    def visit(client: Client, first: int) -> None:
        for seed in range(first, first + requests):
            start = time.perf_counter()
            try:
                if ask(client, seed, settings):
                    told.answers.append(time.perf_counter() - start)
                else:
                    told.wrong += 1
            except Exception as error:
                told.errors.append(repr(error))

    def watch() -> None:
        with httpx.Client(base_url=url, trust_env=False) as web:
            while not ended.wait(HEALTHZ_SECONDS):
                start = time.perf_counter()
                web.get("/healthz").raise_for_status()
                told.healthz.append(time.perf_counter() - start)

    together([connect] * clients)
    watcher = threading.Thread(target=watch)
    watcher.start()
    together([lambda c=c, i=i: visit(c, 1000 * i) for i, c in enumerate(connected)])  # type: ignore[misc]
    ended.set()
    watcher.join()
    return told


def queued(url: str, runs: int, settings: dict[str, Any]) -> float:
    """Seconds of one request from one address, asked for behind `runs` of another address."""

    def begin(web: httpx.Client, visitor: str, seed: int) -> str:
        asked = {**settings, "seed": seed}
        answer = web.post("/gradio_api/call/v2/gan", json=asked, headers={"X-Forwarded-For": visitor})
        return str(answer.raise_for_status().json()["event_id"])

    with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as web:
        events = [begin(web, "203.0.113.1", seed) for seed in range(runs)]
        readers = [threading.Thread(target=web.get, args=[f"/gradio_api/call/gan/{event}"]) for event in events]
        for reader in readers:
            reader.start()
        start = time.perf_counter()
        web.get(f"/gradio_api/call/gan/{begin(web, '203.0.113.2', 0)}").raise_for_status()
        seconds = time.perf_counter() - start
        for reader in readers:
            reader.join(PATIENCE)
    return seconds


def measure(quick: bool = False) -> Load:
    """One server for all; quick: few clients and small pictures, whose numbers mean nothing."""
    settings = QUICK if quick else WHOLE
    with served("app.py") as (url, _):
        client = Client(url, verbose=False, analytics_enabled=False)
        ask(client, 0, settings)  # loads the model
        alone = []
        for seed in range(2 if quick else ALONE):
            start = time.perf_counter()
            ask(client, seed, settings)
            alone.append(time.perf_counter() - start)
        crowds = []
        for clients, requests in ((2, 2),) if quick else CROWDS:
            print(f"serve: {clients} clients x {requests} ...", file=sys.stderr)
            crowds.append(crowd(url, clients, requests, settings))
        greedy = 3 if quick else GREEDY
        return Load(alone, crowds, queued(url, greedy, settings), greedy)


def report(load: Load) -> str:
    """The table for docs/operations.md."""
    rows = [("one request alone: S", f"{load.single:.2f} s, n = {len(load.alone)}", "")]
    for one in load.crowds:
        name, asked = f"{one.clients} clients x {one.requests}", one.clients * one.requests
        rows += [
            (f"{name}: connected at once", f"{len(one.connecting)} in {max(one.connecting, default=0):.1f} s", ""),
            (f"{name}: right, wrong, failed", f"{len(one.answers)}, {one.wrong}, {len(one.errors)} of {asked}", ""),
            (f"{name}: p95 of an answer", f"{p95(one.answers):.1f} s",
             f"{p95(one.answers) / one.clients / load.single:.2f} x clients x S"),
            (f"{name}: p95 of /healthz meanwhile", f"{1000 * p95(one.healthz):.0f} ms", ""),
        ]  # fmt: skip
    rows.append((f"one request behind {load.greedy} of another address", f"{load.behind:.2f} s",
                 f"{load.behind / load.single:.1f} x S"))  # fmt: skip
    return table(("what", "measured", "ratio"), rows)
