"""How the server logs: a line for people, or with ATELIER_LOG=json an object a line; and the id of every request.

The id is the header X-Request-Id: a proxy's own where it sends one, else a new one. It is in the answer, and in every
line that is logged while the request is answered. Runs wait and work apart from the request that began them: their
lines have the event, which that request was answered with.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

log = logging.getLogger("atelier.requests")

KINDS = ("text", "json")
HEADER = "X-Request-Id"
STARTUP = "/gradio_api/startup-events"  # a request of the server's to itself, in whose context all runs are begun
REQUEST: ContextVar[str] = ContextVar("request", default="")  # the one that is answered here


class Objects(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, what `fields` gave, request, exception."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if request := REQUEST.get():
            entry["request"] = request
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(kind: str) -> None:
    """Log to standard error from here on, as "text" or as "json"."""
    handler = logging.StreamHandler()
    handler.setFormatter(Objects() if kind == "json" else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)


def fields(**values: Any) -> dict[str, Any]:
    """For `extra=` of a logging call: what an object has beside its message."""
    return {"fields": values}


class RequestIds:
    """Gives every request an id, and logs the answers of 500 and more."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == STARTUP:
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request = given if re.fullmatch(r"[\w.:/+=-]{1,128}", given, re.ASCII) else secrets.token_hex(8)

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request
                if message["status"] >= 500:
                    told = fields(method=scope["method"], path=scope["path"], status=message["status"])
                    log.warning("%s %s: %d", scope["method"], scope["path"], message["status"], extra=told)
            await send(message)

        token = REQUEST.set(request)
        try:
            await self.app(scope, receive, identified)
        finally:
            REQUEST.reset(token)
