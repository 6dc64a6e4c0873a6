"""A program's way to the server: plain requests, and the events of a run."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import PIL.Image
from served import CONTENT, STYLE


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
