"""A small hub on loopback that answers huggingface_hub: the files of a repository, by range, cut or wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = {".safetensors", ".bin"}  # stored by sha256, as the hub does


@dataclass
class Fault:
    """What goes wrong with a file: the connection ends after `cut_after` bytes, or others come; for `times` GETs."""

    cut_after: int | None = None
    wrong: bool = False
    times: int = 1


@dataclass
class State:
    repos: dict[str, Path] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)  # by file name
    later: dict[str, Fault] = field(default_factory=dict)  # once those are over
    got: list[tuple[str, str | None]] = field(default_factory=list)  # GETs of files: name, Range


class FakeHub(ThreadingHTTPServer):
    """Serves folders as repositories, at one commit."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = State()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def files_of(folder: Path) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}


class Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        state = self.server.state
        for repo, folder in state.repos.items():
            if path.startswith(f"/api/models/{repo}"):
                self.send_json(self.description(repo, folder))
                return
            if path.startswith(f"/{repo}/resolve/"):
                name = path.removeprefix(f"/{repo}/resolve/").partition("/")[2]
                if name in files_of(folder):
                    self.send_file(name, folder / name, body)
                    return
        self.send_json({"error": "Repository not found"}, 401, {"X-Error-Code": "RepoNotFound"})

    def description(self, repo: str, folder: Path) -> dict[str, Any]:
        siblings = []
        for name, path in files_of(folder).items():
            data = path.read_bytes()
            row: dict[str, Any] = {"rfilename": name, "size": len(data)}
            row["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if path.suffix in LARGE:
                row["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            siblings.append(row)
        return {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}

    def send_json(self, found: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(found).encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def send_file(self, name: str, path: Path, body: bool) -> None:
        data, asked, start = path.read_bytes(), self.headers.get("Range"), 0
        etag = hashlib.sha256(data).hexdigest() if path.suffix in LARGE else hashlib.sha1(data).hexdigest()
        size = len(data)
        fault = self.fault(name) if body else None
        if body:
            self.server.state.got.append((name, asked))
        if fault and fault.wrong:
            data = bytes(byte ^ 255 for byte in data)
        if asked:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(size - start))
        if path.suffix in LARGE:
            self.send_header("X-Linked-Size", str(size))
            self.send_header("X-Linked-ETag", f'"{etag}"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        if body:
            end = size if fault is None or fault.cut_after is None else min(size, start + fault.cut_after)
            with suppress(ConnectionError):
                self.wfile.write(data[start:end])
            if end < size:
                self.close_connection = True
                self.connection.shutdown(2)

    def fault(self, name: str) -> Fault | None:
        state = self.server.state
        for faults in (state.faults, state.later):
            if (found := faults.get(name)) and found.times:
                found.times -= 1
                return found
        return None

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving() -> Iterator[FakeHub]:
    """A hub that runs until the block ends."""
    with FakeHub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)
