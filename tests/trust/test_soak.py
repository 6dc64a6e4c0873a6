"""The soak: mixed requests, a third of them bad, by the page's events, over HTTP and on the command line.

Each good one is answered; each bad one gets a 4xx or one sentence; nothing is a 5xx, no traceback is written anywhere,
and files, threads and descriptors are afterwards what they were. `make soak` sends 500, the ordinary tests 40.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import INK, PHOTO, QUICK, answer
from served import CONTENT, ROOT, STYLE, Served, serve

import cli
from pipelines import PIPELINES
from pipelines.params import settings

SEED = 15
PATIENCE = 120  # seconds for one answer: the machine may be busy
KEPT_MINUTES = 1  # how long the server of the long soak keeps files

JUNK: list[Any] = [
    None, True, -1, 0.5, 10**30, 1e308, float("nan"), "7", "", "a\0b", "\ud800", "x" * 20_000, "../../etc/passwd",
    "~nobody/x", "<script>", [], [None], [[[]]], {}, {"a": 1}, {"path": "/etc/passwd"}, {"__type__": "update"},
    {"path": str(CONTENT), "meta": {"_type": "gradio.FileData"}}, "data:image/png;base64,aGVsbG8=", ["x", 1, None],
]  # fmt: skip
GOOD_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("gatys", QUICK),
    ("stylize", {"content": PHOTO, "styles": [INK], "size": 64}),
    ("gan", {"count": 2}),
    ("stylemix", {"count": 1}),
    ("vae", {"count": 1}),
    ("diffusion", {"count": 1, "steps": 1}),
    ("explore", {"content": PHOTO}),
    ("models", {}),
]
GOOD_LINES = [
    ["gan", "--count", "1"],
    ["vae", "--count", "1", "--json"],
    ["stylize", "--content", str(CONTENT), "--styles", str(STYLE), "--size", "64"],
    ["gatys", "--content", str(CONTENT), "--styles", str(STYLE), "--size", "64", "--steps", "1"],
    ["weights"],
]
ROUTES = [  # what else of Gradio's can be asked; none of it may break
    ("GET", "/gradio_api/file=/etc/passwd"), ("GET", "/gradio_api/file=../../etc/passwd"),
    ("GET", f"/gradio_api/file={ROOT / 'app.py'}"), ("GET", "/gradio_api/file=http://127.0.0.1:9/x"),
    ("GET", "/gradio_api/file=%00"), ("GET", "/gradio_api/proxy=http://127.0.0.1:9/x"), ("GET", "/static/../app.py"),
    ("GET", "/gradio_api/stream/a/b/c/playlist.m3u8"), ("GET", "/gradio_api/stream/a/b/1/x.ts"),
    ("GET", "/gradio_api/custom_component/x/client/component/y.js"), ("GET", "/gradio_api/upload_progress"),
    ("GET", "/gradio_api/deep_link?session_hash=x"), ("GET", "/gradio_api/call/gan/x"), ("GET", "/monitoring/x"),
    ("GET", "/gradio_api/run-history/records"), ("GET", "/gradio_api/runs"), ("GET", "/gradio_api/vibe-code"),
    ("GET", "/gradio_api/profiling/traces"), ("GET", "/gradio_api/dev/reload"), ("GET", "/pwa_icon/x"),
    ("GET", "/nothing"), ("GET", "/?tab=nothing&x=%00"), ("POST", "/gradio_api/queue/join"), ("POST", "/login"),
    ("POST", "/gradio_api/run/predict"), ("POST", "/gradio_api/reset"), ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/component_server"), ("POST", "/gradio_api/process_recording"), ("PUT", "/gradio_api/upload"),
    ("POST", "/gradio_api/vibe-edit"), ("POST", "/gradio_api/stream/x"), ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/mcp/"), ("DELETE", "/"), ("POST", "/gradio_api/call/v2/gan"), ("POST", "/gradio_api/call/x"),
]  # fmt: skip
BODIES: list[bytes] = [b"", b"{", b"[]", b"null", b'"x"', b'{"data": 1}', b'{"data": []}', b"\xff\xfe", b"[" * 5000,
    b'{"data": [], "fn_index": -1, "session_hash": "s"}', b'{"data": [], "fn_index": "x", "session_hash": "s"}',
    b'{"data": [], "fn_index": 0, "session_hash": ["s"]}', b'{"data": [NaN], "fn_index": 1e999, "session_hash": "s"}',
    b'{"event_id": 1}', b'{"count": {}}', b'{"count": 1, "count": "x"}']  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status (0: none was involved), and the sentence where something was refused."""

    status: int
    sentence: str | None = None
    body: str = ""


@dataclass
class Asker:
    """Whoever asks: one visitor with a session, a program, and a person at the command line of this machine."""

    web: httpx.Client
    folder: Path
    chance: random.Random
    config: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    session: str = ""

    def __post_init__(self) -> None:
        self.config = self.web.get("/config").json()
        self.components = {row["id"]: row for row in self.config["components"]}
        self.events = [r for r in self.config["dependencies"] if r["backend_fn"] and r["api_visibility"] != "public"]
        self.session = f"soak{self.chance.getrandbits(64)}"
        for name, data in (("photo.png", base64.b64decode(PHOTO.partition(",")[2])), ("cut.png", b"\x89PNG\r\n\x1a\n")):
            path = self.web.post("/gradio_api/upload", files={"files": (name, data)}).json()[0]
            self.files[name] = {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def value(self, component: dict[str, Any]) -> Any:
        """What the browser would send of a component: the smallest number, the first choice, the picture."""
        props, kind = component["props"], component["type"]
        if kind in {"image", "uploadbutton"}:
            return self.files["photo.png"]
        if kind == "gallery":
            return [{"image": self.files["photo.png"], "caption": None}]
        if kind == "file":
            return [self.files["photo.png"]] if props.get("file_count") == "multiple" else self.files["photo.png"]
        if kind in {"slider", "number"}:
            least = props.get("minimum")
            return props.get("value") if least is None or least < 0 else least
        return None if kind in {"state", "browserstate"} else props.get("value")

    def event(self, bad: bool) -> Answer:
        """One of the page's events, by the route that the browser takes for it."""
        row = self.chance.choice(self.events)
        data = [self.value(self.components[i]) for i in row["inputs"]]
        taken = {"index": 0, "value": None, "_data": {}} if not bad else self.chance.choice(JUNK)
        if bad and data:
            for i in self.chance.sample(range(len(data)), self.chance.randint(1, min(3, len(data)))):
                data[i] = self.chance.choice(JUNK)
        body = {"data": data, "fn_index": row["id"], "session_hash": self.session, "trigger_id": 0, "event_data": taken}
        return self.fire(body, row["queue"])

    def fire(self, body: dict[str, Any], queue: bool) -> Answer:
        """Post an event and wait for its end."""
        sent = json.dumps(body).encode()
        if not queue:
            said = self.web.post("/gradio_api/run/predict", content=sent, headers=JSON)
            return Answer(said.status_code, error_in(said), said.text)
        joined = self.web.post("/gradio_api/queue/join", content=sent, headers=JSON)
        if joined.status_code != 200:
            return Answer(joined.status_code, error_in(joined), joined.text)
        event = joined.json()["event_id"]
        with self.web.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed" and message.get("event_id") == event:
                    output = message["output"]
                    return Answer(200, None if message["success"] else str(output.get("error")), json.dumps(output))
        raise AssertionError(f"the event's stream ended without its end: {body}")

    def call(self, bad: bool) -> Answer:
        """An endpoint; of a bad call one setting is junk, unknown or missing."""
        name, given = self.chance.choice(GOOD_CALLS)
        body = dict(given)
        if bad:
            known = [s.name for s in settings(PIPELINES[name].params)] if name in PIPELINES else ["x"]
            body[self.chance.choice([*known, "unknown"])] = self.chance.choice(JUNK)
        posted = self.web.post(f"/gradio_api/call/v2/{name}", content=json.dumps(body).encode(), headers=JSON)
        if posted.status_code != 200:
            return Answer(posted.status_code, error_in(posted), posted.text)
        kind, data = answer(self.web, name, posted.json()["event_id"])
        return Answer(200, str(data["error"]) if kind == "error" else None, json.dumps(data))

    def request(self, bad: bool) -> Answer:
        """A plain request: the page with a link's settings, or any route with any body."""
        if not bad:
            said = self.web.get("/", params={"steps": self.chance.choice(["3", "x", "\0", "💥" * 100])})
            return Answer(said.status_code)
        method, path = self.chance.choice(ROUTES)
        body = self.chance.choice(BODIES) if method in {"POST", "PUT"} else b""
        said = self.web.request(method, path, content=body, headers=JSON)
        return Answer(said.status_code, body=f"{method} {path} {body!r}: {said.text}")

    def line(self, bad: bool) -> Answer:
        """A command line, in this process; status 2 and one line on standard error for a bad one."""
        line = list(self.chance.choice(GOOD_LINES))
        if bad:
            junk = str(self.chance.choice(JUNK)).replace("\0", "")  # which no command line can hold
            line = self.chance.choice([
                ["gan", "--count", junk], ["gan", "--seed", junk], ["vae", "--label", junk], ["nothing", junk],
                ["gatys", "--content", junk, "--styles", junk], ["--from", junk], ["weights", junk or "x"],
                ["stylize", "--content", str(CONTENT), "--styles", str(STYLE), "--size", junk],
                ["imagine", "--model", junk], ["imagine", "--lora", junk], ["compare", "--methods", junk],
                ["gan", f"--{junk}", "1"],
            ])  # fmt: skip
        if line[0] != "weights":
            line += ["--out", str(self.folder / "a.png")]
        out, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(errors):
            status = cli.main(line)
        said = errors.getvalue().strip()
        assert status in {0, 2 if bad else 0}, (line, status, said)
        return Answer(0, said if status else None)


JSON = {"Content-Type": "application/json"}


def error_in(answer: httpx.Response) -> str | None:
    """The sentence of a refusal; FastAPI's own lists of faults in a body count as one."""
    if answer.status_code == 200:
        return None
    try:
        body = answer.json()
    except ValueError:
        return answer.text
    return str(body.get("error") or json.dumps(body.get("detail")) if isinstance(body, dict) else body)


def check(told: str, bad: bool, got: Answer, folder: Path) -> None:
    """No 5xx; what is refused is refused in one sentence that shows nothing of this machine."""
    assert got.status < 500, (told, got)
    everything = f"{got.sentence or ''} {got.body}"
    assert "Traceback" not in everything and "Something broke" not in everything, (told, got)
    if got.sentence is not None:
        assert got.sentence not in {"", "None", "null"} and "\n" not in got.sentence, (told, got)
        if told != "line":  # who works on this machine may know its folders
            assert str(folder) not in got.sentence and str(ROOT) not in got.sentence, (told, got)
        assert got.status in {0, 200} or 400 <= got.status < 500, (told, got)
    if not bad and told != "event":  # an event may find nothing to continue: that is a sentence
        assert got.sentence is None, (told, got)


@dataclass(frozen=True)
class Held:
    """What a process has open, and the files below its temp folder."""

    threads: int
    descriptors: int
    files: int

    @classmethod
    def by(cls, process: int, folder: Path) -> Held:
        home = Path("/proc") / str(process)
        return cls(
            len(list((home / "task").iterdir())),
            len(list((home / "fd").iterdir())),
            # os.walk passes over a folder that is swept meanwhile; pathlib's rglob raises
            sum(len(folders) + len(files) for place, folders, files in os.walk(folder) if "atelier-" in place),
        )


def soak(page: Served, folder: Path, count: int, most_seconds: float, files: bool) -> None:
    """Send `count` requests, a third of them bad, and hold what the server has open against what it had."""
    chance = random.Random(SEED)
    before = len(page.log.read_text(errors="replace"))
    with httpx.Client(base_url=page.url, timeout=PATIENCE) as web:
        asker = Asker(web, folder, chance)
        kinds: list[tuple[str, Callable[[bool], Answer]]] = [
            ("event", asker.event), ("call", asker.call), ("request", asker.request), ("line", asker.line),
        ]  # fmt: skip
        for name, ask in kinds:  # what is loaded on first use stays
            check(name, False, ask(False), page.log.parent)
        held = Held.by(page.process.pid, page.log.parent)
        for i in range(count):
            name, ask = kinds[i % len(kinds)]
            bad = i % 3 == 2
            check(name, bad, ask(bad), page.log.parent)
        assert web.get("/healthz").status_code == 200
        log = page.log.read_text(errors="replace")[before:]
    assert "Traceback" not in log and not re.search(r"^ERROR", log, re.MULTILINE), log[-5000:]
    deadline = time.monotonic() + most_seconds
    while not back(now := Held.by(page.process.pid, page.log.parent), held, files) and time.monotonic() < deadline:
        time.sleep(1)
        httpx.get(f"{page.url}/gradio_api/info?anew", timeout=PATIENCE)  # idle threads end when others begin
    assert back(now, held, files), (held, now)


def back(now: Held, before: Held, files: bool) -> bool:
    """Whether no more is held than before."""
    return (
        now.threads <= before.threads
        and now.descriptors <= before.descriptors
        and (not files or now.files <= before.files)
    )


def test_forty_mixed_requests_leave_nothing_behind(served: Served, tmp_path: Path) -> None:
    soak(served, tmp_path, 40, most_seconds=60, files=False)


def test_every_route_answers_soon(served: Served) -> None:
    """No request of any form keeps its connection: a stream without an end is for events that somebody has begun."""
    slow = []
    with httpx.Client(base_url=served.url, timeout=PATIENCE) as web:
        for method, path in ROUTES:
            try:
                web.request(method, path, content=b"{}" if method in {"POST", "PUT"} else b"", headers=JSON, timeout=20)
            except httpx.TimeoutException:
                slow.append(path)
    assert not slow


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Served]:
    """A server of this test's own, which keeps files for a minute."""
    with serve(tmp_path, "--mcp", ATELIER_FOLDERS="0", ATELIER_KEEP_MINUTES=str(KEPT_MINUTES)) as page:
        yield page


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_five_hundred_mixed_requests_leave_nothing_behind(lonely: Served, tmp_path: Path) -> None:
    soak(lonely, tmp_path, 500, most_seconds=KEPT_MINUTES * 60 * 3, files=True)
