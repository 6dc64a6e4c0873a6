"""How long until the page answers and is seen, against an empty page that imports torch, and until the first picture is
there; and what its configuration weighs."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client, handle_file

from benchmarks.common import PAIRS, ROOT, content, spread, style, table

ROUNDS = 3
VISITS = 5  # of each page: how soon it is seen is the median of these
PATIENCE = 300  # seconds for a page to answer, and for a run to end
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_SSR_MODE": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Times:
    """Seconds, one for each round."""

    empty: list[float] = field(default_factory=list)  # start of the process to the first HTTP 200
    page: list[float] = field(default_factory=list)  # the same
    preview: list[float] = field(default_factory=list)  # first HTTP 200 to the first picture through /gatys
    result: list[float] = field(default_factory=list)  # first HTTP 200 to the end of that call
    empty_paint: list[float] = field(default_factory=list)  # of a visitor's browser, navigation to first content
    paint: list[float] = field(default_factory=list)  # the same
    config: list[bytes] = field(default_factory=list)  # of the page: JSON

    @property
    def ratio(self) -> float:
        """Median of the page over median of the empty one."""
        return statistics.median(self.page) / statistics.median(self.empty)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(script: str) -> Iterator[tuple[str, float]]:
    """Run `script --port FREE` from the repository's root; its address, and seconds until `/` answered with 200.

    Raises RuntimeError with the end of the script's output when it ends early or PATIENCE is over.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryFile("w+") as log, httpx.Client(timeout=10, trust_env=False) as web:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, script, "--port", str(port)],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **QUIET},
        )  # fmt: skip
        try:
            while not answers(web, url):
                if process.poll() is not None or time.perf_counter() - start > PATIENCE:
                    log.seek(0)
                    raise RuntimeError(f"{script} did not answer at {url}:\n{log.read()[-2000:]}")
                time.sleep(0.01)
            yield url, time.perf_counter() - start
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(web: httpx.Client, url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        return web.get(url).status_code == 200
    except httpx.TransportError:
        return False


def first_paints(url: str, visits: int) -> list[float]:
    """Seconds from navigation to the first contentful paint of as many new visitors; none without Chromium here."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    seconds: list[float] = []
    if chromium is None:
        return seconds
    entries = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(visits):
            page = browser.new_page()
            page.goto(url, timeout=1000 * PATIENCE)
            page.wait_for_function(f"{entries}.length", timeout=1000 * PATIENCE)
            seconds.append(page.evaluate(entries)[0] / 1000)
            page.close()
        browser.close()
    return seconds


def seen(url: str, visits: int) -> list[float]:
    """`first_paints` on a thread of its own: Playwright has a loop of events there."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(first_paints, url, visits).result()


def first_run(url: str, settings: dict[str, Any]) -> tuple[float, float]:
    """Seconds to the first picture, and to the end, of a first call of /gatys: connect, upload, run, download."""
    start = time.perf_counter()
    photograph, painting = PAIRS[0]
    preview: float | None = None
    with tempfile.TemporaryDirectory() as folder:
        client = Client(url, verbose=False, analytics_enabled=False, download_files=folder)
        pictures = {"content": handle_file(content(photograph)), "styles": [handle_file(style(painting))]}
        job = client.submit(**pictures, **settings, api_name="/gatys")
        while not job.done() and time.perf_counter() - start < PATIENCE:
            if preview is None and job.outputs():
                preview = time.perf_counter() - start
            time.sleep(0.02)
        picture, _record = job.result(timeout=1)
        seconds = time.perf_counter() - start
        if not Path(picture).stat().st_size:
            raise RuntimeError("/gatys answered with an empty picture.")
        client.close()
    return preview or seconds, seconds


def measure(quick: bool = False) -> Times:
    """ROUNDS of both pages, taking turns at being first; quick: one with a toy run, whose numbers mean nothing."""
    times, visits = Times(), 1 if quick else -(-VISITS // ROUNDS)
    settings = {"size": 64, "steps": 2} if quick else {}
    for turn in range(1 if quick else ROUNDS):
        print(f"startup: round {turn + 1} ...", file=sys.stderr)
        for script in ("app.py", "benchmarks/empty_page.py")[:: -1 if turn % 2 else 1]:
            with served(script) as (url, seconds):
                (times.paint if script == "app.py" else times.empty_paint).extend(seen(url, visits))
                if script == "app.py":
                    times.page.append(seconds)
                    times.config.append(httpx.get(f"{url}config", trust_env=False, timeout=PATIENCE).content)
                    preview, result = first_run(url, settings)
                    times.preview.append(preview)
                    times.result.append(result)
                else:
                    times.empty.append(seconds)
    return times


def report(t: Times) -> str:
    """The table for the README."""
    rows = [
        ("empty page that imports torch: start to first HTTP 200", spread(t.empty), "1"),
        ("Atelier: start to first HTTP 200", spread(t.page), f"{t.ratio:.2f}"),
        ("from there to the first preview through the API (told once a second)", spread(t.preview), ""),
        ("from there to the first default result, connection, upload and download included", spread(t.result), ""),
    ]
    if t.paint:
        ratio = statistics.median(t.paint) / statistics.median(t.empty_paint)
        rows += [
            (
                f"empty page: navigation to first contentful paint, {len(t.empty_paint)} visits",
                spread(t.empty_paint),
                "1",
            ),
            (f"Atelier: the same, {len(t.paint)} visits", spread(t.paint), f"{ratio:.2f}"),
        ]
    raw = t.config[0]
    sizes = f"{len(raw) / 1000:.0f} kB, {len(gzip.compress(raw)) / 1000:.0f} kB by gzip"
    return table(("what", f"seconds, median of {len(t.page)}", "ratio"), [*rows, ("Atelier: configuration", sizes, "")])
