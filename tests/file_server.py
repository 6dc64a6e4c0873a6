"""A real file server on loopback, and an isolated cache folder, for the tests of weights."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models import download, weights
from models.weights import Weights

BODY = bytes(range(256)) * 2048  # 512 KiB
WRONG = BODY[::-1]
FILE = "net.pth"


@dataclass
class Answer:
    body: bytes = BODY
    status: int = 200
    ranges: bool = True
    cut_at: int | None = None  # close the connection after this many bytes of the body
    length: bool = True
    piece_seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    """Gives the answers of `script[path]` in order, the last one for ever, and notes each GET."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: dict[str, list[Answer]] = {}
        self.seen: list[tuple[str, str | None, str | None]] = []  # path, Range, If-Range

    def url(self, name: str, *answers: Answer) -> str:
        self.script[f"/{name}"] = list(answers)
        return f"http://127.0.0.1:{self.server_port}/{name}"

    @property
    def ranges(self) -> list[str | None]:
        return [asked for _, asked, _ in self.seen]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.seen.append((self.path, asked, self.headers.get("If-Range")))
        answers = self.server.script[self.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        body, status, tag = answer.body, answer.status, self.headers.get("If-Range")
        headers = dict(answer.headers)
        if asked and answer.ranges and status == 200 and tag in (None, headers.get("ETag")):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        sent = body[: answer.cut_at]
        with suppress(ConnectionError):  # the client hung up: it cancelled, or had seen enough
            for start in range(0, len(sent), 1 << 16):
                self.wfile.write(sent[start : start + (1 << 16)])
                time.sleep(answer.piece_seconds)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def isolate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that is not there yet and an empty weights/; nothing of the environment reaches the test."""
    for name in ("ATELIER_WEIGHTS", "ATELIER_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("ATELIER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "BUNDLED", tmp_path / "bundled")
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)
    return tmp_path / "cache"


def record(*urls: str, body: bytes = BODY, digits: int = 64) -> Weights:
    digest = sha256(body).hexdigest()[:digits]
    return Weights("net", FILE, digest, len(body), "CC0-1.0", "this test", "none", urls)


def put(folder: Path, body: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(body)
    return folder / FILE


def names(folder: Path) -> set[str]:
    """What lies in the folder, but for lock files, which the platform may or may not keep."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}
