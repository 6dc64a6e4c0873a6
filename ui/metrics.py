"""GET /metrics for Prometheus, where ATELIER_METRICS is 1: requests, runs by method and end, the line, the model cache.

Nothing here tells who asked, or for what.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from ui.kit.run import Server

PATH = "/metrics"
ROUTES = {  # label -> path; what is none of them is "other"
    "page": r"/|/config|/gradio_api/info",
    "api": r"/gradio_api/call/.*",
    "event": r"/gradio_api/(run/predict|queue/join)",
    "stream": r"/gradio_api/(queue/data|heartbeat/.*)",
    "file": r"/gradio_api/file=.*",
    "upload": r"/gradio_api/upload",
    "mcp": r"/gradio_api/mcp/.*",
    "asset": r"/(assets|static|svelte|theme\.css).*",
    "healthz": r"/healthz",
}


def route_of(path: str) -> str:
    """The label of a path."""
    return next((label for label, pattern in ROUTES.items() if re.fullmatch(pattern, path)), "other")


class Requests:
    """Counts answers by route and status, and answers /metrics itself.

    `shared_by`: what the visitors of a request's page share; None where it is another application's.
    """

    def __init__(self, app: ASGIApp, shared_by: Callable[[Scope], Server | None]) -> None:
        self.app, self.shared_by = app, shared_by
        self._lock, self._answers = threading.Lock(), Counter[tuple[str, str]]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"] == PATH and scope["method"] == "GET":
            await Response(self.text(self.shared_by(scope)), media_type=CONTENT_TYPE_LATEST)(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                with self._lock:
                    self._answers[route_of(scope["path"]), str(message["status"])] += 1
            await send(message)

        await self.app(scope, receive, counted)

    def text(self, server: Server | None) -> bytes:
        """Everything in Prometheus' text format."""
        registry = CollectorRegistry()
        with self._lock:
            registry.register(Numbers([answers(self._answers), *([] if server is None else of_server(server))]))
        return generate_latest(registry)


class Numbers(Collector):
    """Metrics that are there already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def answers(counts: Counter[tuple[str, str]]) -> Metric:
    """Answers by route and status: refusals are those of 4xx and 503."""
    family = CounterMetricFamily("atelier_requests", "Answers to requests.", labels=("route", "status"))
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family


def of_server(server: Server) -> Iterator[Metric]:
    """Runs, the line and the cache."""
    runs = SummaryMetricFamily("atelier_run_seconds", "Seconds that runs worked.", labels=("method", "end"))
    for labels, (count, seconds) in server.tally.rows():
        runs.add_metric(labels, count, seconds)
    yield runs
    yield GaugeMetricFamily("atelier_line", "Runs that work or wait.", server.turns.length)
    yield GaugeMetricFamily("atelier_line_seconds", "What they still need, as far as is known.", server.turns.seconds)
    yield GaugeMetricFamily("atelier_kept_bytes", "Of runs that can be continued.", server.states.bytes)
    models, stats = server.cache.snapshot(), server.cache.stats
    yield GaugeMetricFamily("atelier_model_bytes", "Of models in RAM.", sum(model.bytes for model in models))
    resident = sum(model.bytes for model in models if model.resident)
    yield GaugeMetricFamily("atelier_device_bytes", "Of models on the device.", resident)
    for name, about in (("hits", "found"), ("loads", "loaded"), ("offloads", "sent back"), ("drops", "forgotten")):
        yield CounterMetricFamily(f"atelier_cache_{name}", f"Models that were {about}.", getattr(stats, name))
