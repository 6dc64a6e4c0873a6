"""The real page: `python app.py` in a process of its own, on a free port of 127.0.0.1, with no network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
CONTENT = ROOT / "examples" / "content" / "cat.jpg"
STYLE = ROOT / "examples" / "styles" / "ink.jpg"
START_SECONDS = 180  # a busy machine takes long over the imports


@dataclass(frozen=True)
class Served:
    """Where the page is served, the file that its log goes to, and its process."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the server, if it has not ended yet."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free(port: int = 0) -> int:
    """`port` once nobody listens there, or one that is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return int(probe.getsockname()[1])


@contextmanager
def local(port: int = 0, auth: list[tuple[str, str]] | None = None, root_path: str = "") -> Iterator[str]:
    """The page served by this process until the block ends, where the process itself is not what is tested.

    auth: names and passwords of those who may see it; None: everybody. root_path: where a proxy serves it.
    """
    import app
    from models import registry
    from ui import page, server, trust

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", folder)
        server.environment()
        demo, port = page.build(registry.open_cache()), free(port)
        flags = Namespace(host="127.0.0.1", port=port, share=False, mcp=False, auth=auth, root_path=root_path)
        app.launch(demo, flags, {"middleware": server.middleware(), "exception_handlers": trust.HANDLERS})
        trust.answer_in_parts(demo)
        yield f"http://127.0.0.1:{port}"
        demo.close(verbose=False)


@contextmanager
def serve(folder: Path, *flags: str, **variables: str) -> Iterator[Served]:
    """Start the page and wait until it answers; end it afterwards.

    folder: takes its log and its temp folder. variables: more of the environment.
    """
    port = free()
    log = folder / "page.log"
    environment = {
        **os.environ,
        "ATELIER_OFFLINE": "1",
        "TMPDIR": str(folder),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),  # as this process: the same pixels on both sides
        "OMP_WAIT_POLICY": "PASSIVE",  # the browser needs the processor as well
        **variables,
    }
    command = [sys.executable, "app.py", "--port", str(port), *flags]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    page = Served(f"http://127.0.0.1:{port}", log, process)
    try:
        wait_for(page)
        yield page
    finally:
        page.stop()


def wait_for(page: Served) -> None:
    """Return when the server says that it is there, and /healthz answers.

    Raises RuntimeError with the log's end when the process ends or takes too long.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and page.process.poll() is None:
        if "Atelier is at" in page.log.read_text():
            assert httpx.get(f"{page.url}/healthz", timeout=30).status_code == 200
            return
        time.sleep(0.1)
    raise RuntimeError(f"The page did not start ({page.process.poll()}): {page.log.read_text()[-2000:]}")
