"""The Spacefile, the README front matter made from it, and a push against a hub on loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from scripts import execute
from spacefile import Spacefile

from publish import check, front_matter, load_spacefile, read_readme

REPO = Path(__file__).resolve().parent.parent
BODY = "\n# Atelier\r\n\nA page.\n\n---\n\ntrailing spaces  \n画室 \n\n"
WEIGHTS = b"\x00\x01weights" * 1000
WANTED = {"app.py", "cli.py", "models/vgg.py", "pipelines/gatys.py", "ui/tab.py", "weights/vgg.safetensors"}
WANTED |= {"examples/a/wave.png", "requirements.txt", "README.md", "LICENSE", "Spacefile"}
DECOYS = {".env", "secret.txt", "publish.py", "tests/test_a.py", "runs/log.txt", "models/.token", "weights/vgg.part"}
DECOYS |= {"models/__pycache__/vgg.cpython-311.pyc", "ui/.cache/page.json", "weights.zip"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository: the real Spacefile, requirements and publish.py; README without front matter; decoys."""
    for name in WANTED | DECOYS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(WEIGHTS if name.endswith(".safetensors") else name.encode())
    for name in ("Spacefile", "requirements.txt", "publish.py"):
        shutil.copy(REPO / name, tmp_path / name)
    (tmp_path / "README.md").write_bytes(BODY.encode())
    return tmp_path


def publish(tree: Path, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the tree's publish.py without any token or hub of this machine; what the hub's library reads as it is
    imported needs a process of its own."""
    if "--push" not in flags:
        return execute(tree / "publish.py", *flags, folder=tree.parent)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    clean |= {"HF_HOME": str(tree / ".hf"), "HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"} | env
    command = [sys.executable, str(tree / "publish.py"), *flags]
    return subprocess.run(command, env=clean, cwd=tree.parent, capture_output=True, text=True, timeout=60)


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit status 2, one line on stderr, and in it what was wrong."""
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and all(word in done.stderr for word in words), done.stderr


def edit(path: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, path.read_bytes().decode(), count=1)
    assert count == 1
    path.write_bytes(text.encode())


def test_spacefile_is_valid() -> None:
    space = Spacefile.model_validate(load_spacefile(REPO))
    assert {"app.py", "models/", "weights/", "Spacefile"} <= set(space.micros[0].include)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("engines",), "custom"),
        (("micros", 0, "serve"), "dist"),
        (("micros", 0, "presets", "env", 0, "default"), False),
        (("micros", 0, "include", 0), "../app.py"),
        (("micros", 0, "include"), ["cli.py"]),
        (("micros", 0, "run"), "python other.py"),
        (("x-huggingface", "token"), "hf_x"),
        (("x-huggingface", "repo"), "no-owner"),
        (("x-huggingface", "hardware"), "cpu-huge"),
        (("x-huggingface", "sleep_time"), 60),
        (("x-huggingface", "card", "color"), "red"),
        (("x-huggingface", "card", "python_version"), 3.12),
        (("x-huggingface", "card", "short_description"), "x" * 61),
    ],
)
def test_the_schema_refuses_a_wrong_spacefile(where: tuple[Any, ...], value: object) -> None:
    raw = load_spacefile(REPO)
    reduce(getitem, where[:-1], raw)[where[-1]] = value
    with pytest.raises(ValidationError):
        Spacefile.model_validate(raw)


@pytest.mark.parametrize("text", ["[: {", "v: 0", "- a list"])
def test_what_is_no_spacefile_is_said_in_one_line(tree: Path, text: str) -> None:
    (tree / "Spacefile").write_text(text)
    refused(publish(tree, "--check"), "Spacefile")


def test_front_matter_round_trip(tree: Path) -> None:
    assert publish(tree, "--write").returncode == 0
    block, body = read_readme(tree)
    assert body == BODY and yaml.safe_load(block.strip("-\n"))["python_version"] == "3.12"
    edit(tree / "README.md", "colorTo: .*\n", "colorTo: gray\r\nextra: 1\n")
    assert publish(tree, "--write").returncode == 0
    assert (tree / "README.md").read_bytes() == (block + BODY).encode()


@pytest.mark.parametrize("opening", ["---\n\nA rule, not YAML\n\n---\n", "---\n[: {\n---\n"])
def test_a_rule_at_the_top_is_not_overwritten(tree: Path, opening: str) -> None:
    (tree / "README.md").write_text(opening + "rest")
    refused(publish(tree, "--write"), "README.md", "YAML")
    assert (tree / "README.md").read_text() == opening + "rest"


@pytest.mark.parametrize(
    ("name", "pattern", "new", "word"),
    [
        ("README.md", "title: .*", "title: Studio", "README.md"),
        ("README.md", "---\n", "\n---\n", "README.md"),
        ("Spacefile", "title: .*", "title: Studio", "--write"),
        ("Spacefile", "sdk_version: .*", "sdk_version: 99.0.0", "--write"),
        ("requirements.txt", r"gradio.*", "gradio[mcp]>=99", "sdk_version"),
        ("requirements.txt", r"gradio.*", "", "0 times"),
    ],
)
def test_check_fails_when_one_of_the_three_changes(tree: Path, name: str, pattern: str, new: str, word: str) -> None:
    (tree / "README.md").write_text(front_matter(load_spacefile(tree)) + BODY)
    check(tree, load_spacefile(tree))
    edit(tree / name, pattern, new)
    refused(publish(tree, "--check"), word)


def test_dry_run_lists_the_files_and_refuses_large_ones(tree: Path) -> None:
    assert publish(tree, "--write").returncode == 0
    done = publish(tree, "--push", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"MB  (\S+)$", done.stdout, re.MULTILINE)) == WANTED
    (tree / "weights/vgg.safetensors").write_bytes(bytes(10_000_001))
    refused(publish(tree, "--dry-run"), "weights/vgg.safetensors", "10 MB")
    (tree / "weights/link").symlink_to(tree / ".env")
    refused(publish(tree, "--dry-run"), "weights/link")


@dataclass
class Hub:
    """What the fake hub got: calls in order, what was sent by call, committed files by path, LFS blobs by sha256."""

    url: str = ""
    lfs: bool = False
    status: int = 200
    tokens: set[str | None] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, list[Any]] = field(default_factory=dict)

    def answer(self, path: str, body: bytes) -> object:
        """The JSON that huggingface_hub 2.x expects from a POST to `path`."""
        call = re.sub(r"^/api/(spaces/[^/]+/[^/]+/)?", "", path)
        self.calls.append(path)
        lines = [json.loads(line) for line in body.splitlines()]  # one of them, but for commit
        self.sent.setdefault(call, []).extend(lines)
        if call == "repos/create":
            return {"url": f"{self.url}/spaces/someone/studio"}
        if call == "preupload/main":
            modes = {".safetensors": "lfs"} if self.lfs else {}
            named = [(file["path"], modes.get(Path(file["path"]).suffix, "regular")) for file in lines[0]["files"]]
            return {"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in named]}
        if call.endswith("/objects/batch"):
            return {"objects": [{**o, "actions": {"upload": {"href": f"{self.url}/b"}}} for o in lines[0]["objects"]]}
        if call == "commit/main":
            for line in lines[1:]:
                value, regular = line["value"], line["key"] == "file"
                self.files[value["path"]] = base64.b64decode(value["content"]) if regular else self.blobs[value["oid"]]
            return {"commitUrl": f"{self.url}/spaces/someone/studio/commit/{'a' * 40}", "commitOid": "a" * 40}
        if call == "variables":
            return {lines[0]["key"]: {"value": lines[0]["value"]}}
        return {"stage": "BUILDING"} if call == "hardware" else {"errors": [], "warnings": []}


@pytest.fixture
def hub() -> Iterator[Hub]:
    seen = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.command == "PUT":  # to the LFS store, which gets no token
                seen.blobs[hashlib.sha256(body).hexdigest()] = body
            else:
                seen.tokens.add(self.headers["Authorization"])
            answer = json.dumps({} if self.command == "PUT" else seen.answer(self.path, body)).encode()
            self.send_response(seen.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PUT = do_POST

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield seen
        server.shutdown()


@pytest.mark.parametrize("lfs", [False, True])
def test_push_sends_what_is_included_and_nothing_else(tree: Path, hub: Hub, lfs: bool) -> None:
    hub.lfs = lfs
    edit(tree / "Spacefile", "hardware: .*\n.*sleep_time: .*", "hardware: t4-small\n  sleep_time: 3600")
    assert publish(tree, "--write").returncode == 0
    env = {"HF_TOKEN": "hf_secret", "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1"}  # no hf_xet: plain LFS
    done = publish(tree, "--push", "--repo", "someone/studio", **env)
    assert done.returncode == 0 and "/spaces/someone/studio/commit/" in done.stdout, done.stderr
    assert hub.tokens == {"Bearer hf_secret"} and "hf_secret" not in done.stdout + done.stderr
    assert hub.files == {name: (tree / name).read_bytes() for name in WANTED} and bool(hub.blobs) == lfs
    assert hub.sent["repos/create"] == [{"name": "studio", "organization": "someone", "type": "space", "sdk": "gradio"}]
    assert hub.sent["validate-yaml"] == [{"content": (tree / "README.md").read_bytes().decode(), "repoType": "space"}]
    assert {one["key"]: one["value"] for one in hub.sent["variables"]}["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert hub.sent["hardware"] == [{"flavor": "t4-small", "sleepTimeSeconds": 3600}]
    space, lfs_calls = "/api/spaces/someone/studio", ["/spaces/someone/studio.git/info/lfs/objects/batch"] * lfs
    calls = [f"{space}/variables"] * len(hub.sent["variables"]) + ["/api/validate-yaml", f"{space}/preupload/main"]
    calls += [*lfs_calls, f"{space}/commit/main", f"{space}/hardware"]
    assert hub.calls == ["/api/repos/create", *calls]


def test_push_takes_the_named_token_and_leaves_the_sleep_of_cpu_basic(tree: Path, hub: Hub) -> None:
    edit(tree / "Spacefile", "hardware: .*\n.*sleep_time: .*", "hardware: cpu-basic\n  sleep_time: 172800")
    assert publish(tree, "--write").returncode == 0
    done = publish(tree, "--push", "--token-from", "OTHER", OTHER="hf_other", HF_TOKEN="hf_x", HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert hub.tokens == {"Bearer hf_other"} and hub.sent["hardware"] == [{"flavor": "cpu-basic"}]
    assert hub.sent["repos/create"][0]["organization"] == load_spacefile(tree)["x-huggingface"]["repo"].split("/")[0]


def test_push_that_cannot_work_is_one_line(tree: Path, hub: Hub) -> None:
    refused(publish(tree, "--push", HF_TOKEN="hf_x", HF_ENDPOINT=hub.url), "--write")
    assert publish(tree, "--write").returncode == 0
    refused(publish(tree, "--push", HF_ENDPOINT=hub.url), "HF_TOKEN")
    (tree / "examples/a/wave.png").write_bytes(bytes(10_000_001))
    refused(publish(tree, "--push", HF_TOKEN="hf_x", HF_ENDPOINT=hub.url), "wave.png")
    assert hub.calls == []
    (tree / "examples/a/wave.png").write_bytes(b"")
    hub.status = 403
    refused(publish(tree, "--push", HF_TOKEN="hf_x", HF_ENDPOINT=hub.url), "403")
    refused(publish(tree, "--push", "--repo", "someone/studio", HF_TOKEN="hf_x"), "someone/studio: ")


def test_readme_agrees() -> None:
    check(REPO, load_spacefile(REPO))
