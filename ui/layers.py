"""The layers in front of Gradio: safe headers, a cross-origin policy, /healthz, body limits, runs to cancel, names.

Plain ASGI classes, because starlette's BaseHTTPMiddleware would break streams. From the outside in:
RequestIds, SafeHeaders, Requests (where it is asked for), CrossOrigin, Health, Stopping, BodyLimit, Cancels, Events,
Readers, Answers, Gradio's compression, Names, then Gradio; CrossOrigin is in ui/origins.py, Requests in ui/metrics.py,
Answers and Names are in ui/answers.py, RequestIds in ui/kit/log.py. `ui.server.middleware` reads the settings and wraps
`Front` and `Names`.
"""

from __future__ import annotations

import json
import logging
import math
import re
from typing import TYPE_CHECKING, Any

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.answers import Answers
from ui.kit.log import RequestIds
from ui.origins import CrossOrigin

if TYPE_CHECKING:
    from ui.kit.run import Server

log = logging.getLogger(__name__)

LINGER_SECONDS = 5.0
STOPPING = "This server is stopping: ask again when it is back."
REFUSED = "atelier.refused"  # in the scope of a request: what it asked for was refused in a sentence
UPLOAD = "/gradio_api/upload"
DEVELOPMENT = "/gradio_api/dev/reload"
HEAD = 4096  # bytes of an upload in which the name of its first file stands
WEIGHTS_PART = re.compile(rb'filename="[^"\r\n]*\.(?:safetensors|zip)"', re.IGNORECASE)


class Front:
    """All layers, put around the WHOLE application, whatever else it has been given.

    Gradio adds its own CORS and compression layers outside of those in app_kwargs: a preflight would never get here,
    and its CORS headers would be added after ours. But the server's lifespan message passes through every layer and
    carries the application, so that is where the layers move to the outside. Without one (a bare test client), they
    work from the inside.
    """

    def __init__(
        self, app: ASGIApp, max_body: int, max_weights: int, origins: frozenset[str], metrics: bool = False
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.max_body, self.max_weights = max_body, max_weights
        self.origins = origins
        self.moved_out = False
        self.layers = self._around(app)

    def _around(self, app: ASGIApp) -> ASGIApp:
        limited = BodyLimit(Cancels(Events(Readers(Answers(app)))), self.max_body, self.max_weights)
        layers: ASGIApp = CrossOrigin(Health(Stopping(limited)), self.origins)
        if self.metrics:
            from ui.metrics import Requests  # the library is imported where it is asked for

            layers = Requests(layers, shared_by)
        return RequestIds(SafeHeaders(layers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and not self.moved_out:
            application = scope["app"]
            application.middleware_stack = self._around(application.middleware_stack)
            self.moved_out = True
        await (self.app if self.moved_out else self.layers)(scope, receive, send)


class SafeHeaders:
    """Every response says that its type is not to be guessed, and that links out carry no address of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self.app(scope, receive, with_headers)


class Events:
    """404 for the results of an event that is not known, where Gradio answers 200 and breaks off, and for its stream of
    a developer's changes to the code, which has no end. 422 for what an event refuses (ui/trust.py marks it), where
    Gradio answers 500. And when to ask again, where its queue is full."""

    ROUTE = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/([^/]+)")

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = self.ROUTE.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        absence = None
        if scope.get("path") == DEVELOPMENT:
            absence = "This server does not tell of changes to its code."
        elif asked and not self._knows(scope["app"], asked[1]):
            absence = "There is no such event here: it ended and was read, or never began."
        if absence:
            await JSONResponse({"error": absence}, status_code=404)(scope, receive, send)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            if scope.get(REFUSED) and message.get("status") == 500:
                message = {**message, "status": 422}
            if message.get("status") == 503 and (shared := shared_by(scope)):
                MutableHeaders(scope=message)["Retry-After"] = str(math.ceil(shared.turns.seconds))
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except RuntimeError as error:  # Starlette's, about a stream that had begun: its last event tells what happened
            if not started or not isinstance(error.__cause__, HTTPException):
                raise
            await send({"type": "http.response.body", "body": b""})

    @staticmethod
    def _knows(application: Any, event: str) -> bool:
        queue = application.get_blocks()._queue
        waiting = queue.pending_event_ids_session.values()
        return (
            event in queue.event_ids_to_events
            or event in queue.pending_messages_per_session
            or any(event in events for events in list(waiting))
        )


class Readers:
    """Tells runs that somebody reads their answers (ui.kit.press.Audience): by event, or by session."""

    ROUTE = re.compile(r"/gradio_api/(?:call/(?:v2/)?[^/]+/(?P<event>[^/]+)|queue/data)")

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = self.ROUTE.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        shared = shared_by(scope) if asked else None
        if asked is None or shared is None:
            await self.app(scope, receive, send)
            return
        with shared.audience.reading(asked["event"] or Request(scope).query_params.get("session_hash", "")):
            await self.app(scope, receive, send)


def shared_by(scope: Scope) -> Server | None:
    """What the visitors of the page share; None for another application."""
    blocks = getattr(scope["app"], "get_blocks", None)
    return getattr(blocks(), "shared", None) if blocks else None


class Cancels:
    """POST /gradio_api/cancel ends a run at its next step, for whoever knows its event and its session.

    `{"event_id": E}` is enough for a run that was begun without a session. Gradio's own closes the generator, which it
    only manages in the moment between two answers of a run, and whichever session names it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != "/gradio_api/cancel":
            await self.app(scope, receive, send)
            return
        try:
            body = json.loads(await Request(scope, receive).body())
            event, session = str(body["event_id"]), str(body.get("session_hash") or body["event_id"])
        except (ValueError, KeyError, TypeError, AttributeError):
            await JSONResponse({"error": "event_id is missing: send it, too."}, status_code=422)(scope, receive, send)
            return
        blocks = scope["app"].get_blocks()
        found = blocks._queue.event_ids_to_events.get(event)
        if found is None or found.session_hash != session:
            text = "There is no such run of yours: it ended, or its session is another."
            await JSONResponse({"error": text}, status_code=404)(scope, receive, send)
            return
        if not any(found in queue.queue for queue in blocks._queue.event_queue_per_concurrency_id.values()):
            blocks.shared.presses.cancel(event)
        sent = json.dumps({"event_id": event, "session_hash": session, "fn_index": found.fn._id}).encode()

        async def replayed() -> Message:
            return {"type": "http.request", "body": sent, "more_body": False}

        headers = [(k, v) for k, v in scope["headers"] if k not in {b"content-length", b"content-type"}]
        headers += [(b"content-length", b"%d" % len(sent)), (b"content-type", b"application/json")]
        await self.app({**scope, "headers": headers}, replayed, send)


class Stopping:
    """503 for new work while the server ends (ui/closing.py)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shared = shared_by(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        if shared is not None and shared.presses.closed:
            answer = JSONResponse({"error": STOPPING}, status_code=503, headers={"Retry-After": "30"})
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)


class Health:
    """GET and HEAD /healthz answer 200 {"status":"ok"} without asking Gradio."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/healthz" and scope["method"] in ("GET", "HEAD"):
            answer = JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})
            await answer(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class _TooLarge(HTTPException, MultiPartException):
    """Unwinds the handler that was reading the body.

    FastAPI passes an HTTPException on untouched; Gradio's upload removes its half-written files only for a
    MultiPartException.
    """

    def __init__(self) -> None:
        HTTPException.__init__(self, status_code=413)
        self.message = self.detail


class BodyLimit:
    """413 for a request body of more than `max_body` bytes, or of more than `max_weights` where a file of weights, or
    a zip of pictures, is uploaded, which its name tells.

    Before anything is read when Content-Length says so, else at the chunk that passes the limit.
    """

    def __init__(self, app: ASGIApp, max_body: int, max_weights: int) -> None:
        self.app = app
        self.max_body, self.max_weights = max_body, max(max_body, max_weights)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(self.max_body, receive)
        if scope["path"].endswith(UPLOAD) and scope["method"] == "POST":
            body.wide = self.max_weights
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and await body.refuses(int(declared)):
            await self._refuse(scope, send, body)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if not body.too_large or started:  # else it is the handler's own word on _TooLarge: ours replaces it
                started = True
                await send(message)

        try:
            await self.app(scope, body.receive, guarded)
        except Exception:
            if not body.too_large or started:
                raise
        if body.too_large and not started:
            await self._refuse(scope, send, body)

    async def _refuse(self, scope: Scope, send: Send, body: _Body) -> None:
        most, cure = body.most / 1024 / 1024, "choose a smaller file" if body.weights else "send a smaller picture"
        text = f"The request is larger than the {most:g} MB taken here: {cure}."
        answer = json.dumps({"error": text}).encode()
        log.info("413 for %s %s", scope["method"], scope["path"])
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": True})
        # Closing while the sender still writes would reset the connection, and the answer could be lost with it.
        with anyio.move_on_after(LINGER_SECONDS):
            while body.more:
                await body.take()
        await send({"type": "http.response.body"})


class _Body:
    """A request's body on its way to the handler, its bytes counted; `wide`: what a file of weights may have."""

    def __init__(self, most: int, receive: Receive) -> None:
        self.most, self.wide = most, most
        self.size, self.more = 0, True
        self.weights = False
        self._receive, self._held = receive, list[Message]()
        self._head = b""

    @property
    def too_large(self) -> bool:
        return self.size > self.most

    async def refuses(self, declared: int) -> bool:
        """Whether a body of that many bytes is too large; for a narrow call its beginning is read."""
        if declared <= self.most:
            return False
        if declared > self.wide > self.most:  # whatever it is
            self.most, self.weights = self.wide, True
            return True
        while declared <= self.wide and not self.weights and self.more and len(self._head) < HEAD:
            self._held.append(await self.take())
        return declared > self.most

    async def take(self) -> Message:
        """The next message, counted."""
        message = await self._receive()
        data = message.get("body", b"")
        self.size += len(data)
        self.more = message.get("more_body", False)
        if self.wide > self.most and len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]
            if WEIGHTS_PART.search(self._head):
                self.most, self.weights = self.wide, True
        return message

    async def receive(self) -> Message:
        """For the handler. Raises _TooLarge."""
        message = self._held.pop(0) if self._held else await self.take()
        if self.too_large:
            raise _TooLarge
        return message
