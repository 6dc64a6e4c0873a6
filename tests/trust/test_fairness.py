"""One visitor's many runs do not keep another's from its turn, and who comes too late is told when to come again."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator

import httpx
import pytest
from served import STYLE, Served


@pytest.fixture
def web(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, trust_env=False, timeout=120) as client:
        yield client


def begin(web: httpx.Client, visitor: str, method: str = "gan", **settings: object) -> str:
    """Queue a program's run, called from the address `visitor`; its event."""
    answer = web.post(f"/gradio_api/call/v2/{method}", json=settings, headers={"X-Forwarded-For": visitor})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["event_id"])


def ends(web: httpx.Client, events: list[str]) -> list[str]:
    """The events in the order in which their answers were whole."""
    ended: list[str] = []

    def read(event: str) -> None:
        if "event: complete" in web.get(f"/gradio_api/call/gan/{event}").text:
            ended.append(event)

    threads = [threading.Thread(target=read, args=[event]) for event in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return ended


def test_many_runs_of_one_address_do_not_delay_anothers(web: httpx.Client) -> None:
    picture = f"data:image/jpeg;base64,{base64.b64encode(STYLE.read_bytes()).decode()}"
    first = begin(web, "203.0.113.3", "gatys", content=picture, styles=[picture], size=64, steps=5000)
    greedy = [begin(web, "203.0.113.1", count=1, seed=seed) for seed in range(30)]
    other = begin(web, "203.0.113.2", count=1)
    assert web.post("/gradio_api/cancel", json={"event_id": first}).status_code == 200
    order = ends(web, [*greedy, other])
    assert set(order) == {*greedy, other}, "every one was answered"
    assert order.index(other) < 10
