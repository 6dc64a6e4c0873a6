"""/metrics: what Prometheus reads of a server, and nothing where it was not asked for."""

from __future__ import annotations

import httpx
import pytest
from asking import answer
from prometheus_client.parser import text_string_to_metric_families
from served import Served
from starlette.applications import Starlette
from starlette.testclient import TestClient

from models.cache import OutOfBudget
from pipelines.params import ParamError
from ui import server
from ui.kit.press import Press
from ui.kit.run import Tally, View
from ui.metrics import route_of

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(page: Served) -> Numbers:
    """Samples by name and labels."""
    text = httpx.get(f"{page.url}/metrics").raise_for_status().text
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def count(numbers: Numbers, name: str, **labels: str) -> float:
    return numbers.get((name, frozenset(labels.items())), 0.0)


def test_runs_refusals_and_the_cache_are_counted(served: Served) -> None:
    before = read(served)
    with httpx.Client(base_url=served.url, timeout=120) as web:
        for body in ({"count": 1}, {"count": 1}, {"count": -7}):
            posted = web.post("/gradio_api/call/v2/gan", json=body)
            if posted.status_code == 200:
                answer(web, "gan", posted.json()["event_id"])
        web.get("/nothing-is-here")
    after = read(served)

    def more(name: str, **labels: str) -> float:
        return count(after, name, **labels) - count(before, name, **labels)

    assert more("atelier_run_seconds_count", method="gan", end="done") == 2
    assert more("atelier_run_seconds_sum", method="gan", end="done") > 0
    assert more("atelier_requests_total", route="other", status="404") == 1
    assert more("atelier_cache_hits_total") + more("atelier_cache_loads_total") >= 2
    assert count(after, "atelier_model_bytes") > 1e6 and count(after, "atelier_line") == 0


def test_every_end_of_a_run_has_a_name() -> None:
    tally = Tally()
    ends = {"refused": ParamError("no"), "out of memory": OutOfBudget("full"), "failed": ZeroDivisionError()}
    for error in ends.values():
        with pytest.raises(type(error)), tally.count("gan", View(), Press()):
            raise error
    for name, press in (("done", Press()), ("stopped", Press()), ("abandoned", Press())):
        press.stopped, press.replaced = name == "stopped", name == "abandoned"
        with tally.count("gan", View(seconds=2.0), press):
            pass
    assert sorted(end for (_, end), _ in tally.rows()) == sorted([*ends, "done", "stopped", "abandoned"])
    assert dict(tally.rows())["gan", "done"] == (1, 2.0)


def test_without_the_setting_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATELIER_METRICS", raising=False)
    assert TestClient(Starlette(middleware=server.middleware()[:1])).get("/metrics").status_code == 404
    monkeypatch.setenv("ATELIER_METRICS", "1")
    assert TestClient(Starlette(middleware=server.middleware()[:1])).get("/metrics").status_code == 200


def test_a_path_is_counted_by_what_it_asks_for() -> None:
    paths = {
        "/": "page",
        "/gradio_api/call/v2/gan": "api",
        "/gradio_api/file=/x/a.png": "file",
        "/gradio_api/queue/join": "event",
        "/gradio_api/queue/data": "stream",
        "/../etc/passwd": "other",
    }
    assert {path: route_of(path) for path in paths} == paths
