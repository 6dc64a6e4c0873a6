"""A program's way to the server: plain requests, and the events of a run."""

from __future__ import annotations

import base64
import io
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import PIL.Image
from served import CONTENT, START_SECONDS, STYLE, Served


def data_url(path: Path, side: int = 64) -> str:
    with PIL.Image.open(path) as picture, io.BytesIO() as file:
        picture.resize((side, side)).save(file, "PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


PHOTO, INK = data_url(CONTENT), data_url(STYLE)
QUICK = {"content": PHOTO, "styles": [INK], "size": 64, "steps": 1, "seed": 1}


def answer(web: httpx.Client, name: str, event: str) -> tuple[str, Any]:
    """The last event of a run, and its data."""
    lines = web.get(f"/gradio_api/call/{name}/{event}").text.strip().split("\n\n")
    kind, _, data = lines[-1].partition("\n")
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def call(web: httpx.Client, name: str, body: Any) -> tuple[str, Any]:
    asked = web.post(f"/gradio_api/call/v2/{name}", json=body)
    return (
        answer(web, name, asked.json()["event_id"])
        if asked.status_code == 200
        else (str(asked.status_code), asked.json())
    )


def end_in_mid_run(page: Served, number: signal.Signals, folder: Path) -> None:
    """A signal while one run is made and one waits ends the server in order: everybody hears of it, no file is left."""
    before = len(page.log.read_text())
    with httpx.Client(base_url=page.url, timeout=60) as web:
        body = {**QUICK, "size": 256, "steps": 5000}
        events = [web.post("/gradio_api/call/v2/gatys", json=body).json()["event_id"] for _ in range(2)]
        heard: list[tuple[str, object]] = []
        listeners = [threading.Thread(target=lambda e=e: heard.append(answer(web, "gatys", e))) for e in events]
        for listener in listeners:
            listener.start()
        deadline = time.monotonic() + START_SECONDS
        while not any(row["pins"] for row in call(web, "models", {})[1][0]["models"]):
            assert time.monotonic() < deadline, "the run did not start"
            time.sleep(0.2)
        start = time.monotonic()
        page.process.send_signal(number)
        time.sleep(0.5)
        try:
            late = web.post("/gradio_api/call/v2/gatys", json=QUICK).status_code
        except httpx.TransportError:
            late = 503  # gone already
        assert page.process.wait(10) == 0 and time.monotonic() - start < 10
        for listener in listeners:
            listener.join(5)
    assert late == 503 and len(heard) == 2
    assert {kind for kind, _ in heard} <= {"complete", "error"} and "error" in {kind for kind, _ in heard}
    log = page.log.read_text()[before:]
    assert "Traceback" not in log and "Aborted" not in log
    assert not list(folder.glob("atelier-*"))
