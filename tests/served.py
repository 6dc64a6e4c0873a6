"""The real page: `python app.py` in a process of its own, on a free port of 127.0.0.1, with no network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import torch

ROOT = Path(__file__).resolve().parent.parent
CONTENT = ROOT / "examples" / "content" / "cat.jpg"
STYLE = ROOT / "examples" / "styles" / "ink.jpg"
START_SECONDS = 180  # a busy machine takes long over the imports


@dataclass(frozen=True)
class Served:
    """Where the page is served, the file that its log goes to, and the process."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]


@contextmanager
def serve(folder: Path, *flags: str) -> Iterator[Served]:
    """Start the page and wait until it answers; end it afterwards. `folder` takes its log and its temp folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "page.log"
    environment = {
        **os.environ,
        "ATELIER_OFFLINE": "1",
        "TMPDIR": str(folder),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),  # as this process: the same pixels on both sides
        "OMP_WAIT_POLICY": "PASSIVE",  # the browser needs the processor as well
    }
    command = [sys.executable, "app.py", "--port", str(port), *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        page = Served(f"http://127.0.0.1:{port}", log, process)
        wait_for(page, process)
        yield page
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(page: Served, process: subprocess.Popen[bytes]) -> None:
    """Return when /healthz answers. Raises RuntimeError with the log's end when the process ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{page.url}/healthz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"The page did not start ({process.poll()}): {page.log.read_text()[-2000:]}")
