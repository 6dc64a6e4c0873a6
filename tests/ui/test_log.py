"""What the server logs, and the id of every request."""

from __future__ import annotations

import json
import logging
import sys

import httpx
import pytest
from asking import answer
from served import Served

from ui.kit import log
from ui.kit.log import REQUEST, Objects, fields


def line_of(message: str, **values: object) -> dict[str, object]:
    """What is logged of a message."""
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        entry = logging.LogRecord("atelier", logging.WARNING, "", 0, message, (), sys.exc_info())
    vars(entry).update(fields(**values))
    text = Objects().format(entry)
    assert "\n" not in text
    return json.loads(text)  # type: ignore[no-any-return]


def test_a_line_is_one_object_with_the_request_and_the_error() -> None:
    token = REQUEST.set("abc")
    line = line_of('two\nlines "quoted" 墨', end="done", seconds=1.5)
    REQUEST.reset(token)
    assert line["message"] == 'two\nlines "quoted" 墨' and line["request"] == "abc" and line["seconds"] == 1.5
    assert line["level"] == "WARNING" and "ZeroDivisionError" in str(line["exception"])
    assert "request" not in line_of("outside of one")


@pytest.mark.parametrize("given", ["", "a" * 200, "one two", "<script>", "ü"])
def test_an_answer_names_its_request(served: Served, given: str) -> None:
    headers = {log.HEADER: given.encode()} if given else {}
    first, second = (httpx.get(f"{served.url}/healthz", headers=headers).headers[log.HEADER] for _ in range(2))
    assert first != second and len(first) == 16


def test_a_proxys_own_id_stays(served: Served) -> None:
    answer = httpx.get(f"{served.url}/nothing", headers={log.HEADER: "9f1c-22:1"})
    assert answer.status_code == 404 and answer.headers[log.HEADER] == "9f1c-22:1"


def test_runs_are_logged_by_their_event(served: Served) -> None:
    with httpx.Client(base_url=served.url, timeout=120) as web:
        events = []
        for body in ({"count": 1}, {"count": 1, "weights": "nothing.safetensors"}):
            events.append(web.post("/gradio_api/call/v2/gan", json=body).json()["event_id"])
            answer(web, "gan", events[-1])
    lines = [json.loads(line) for line in served.log.read_text("utf-8").splitlines() if line.startswith("{")]
    ends = {line["event"]: line["end"] for line in lines if line["logger"] == "atelier.runs"}
    assert [ends[event] for event in events] == ["done", "refused"]
    assert not any("request" in line for line in lines if line["logger"] == "atelier.runs")
