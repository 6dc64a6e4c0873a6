"""The layers in front of Gradio: safe headers, a cross-origin policy, /healthz, a body limit on every route.

Plain ASGI classes, because starlette's BaseHTTPMiddleware would break streams. From the outside in:
SafeHeaders, CrossOrigin, Health, BodyLimit, then Gradio. `ui.server.middleware` reads the settings and wraps `Front`.
"""

from __future__ import annotations

import json
import logging
import re

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

LINGER_SECONDS = 5.0
MAX_WEIGHTS_MB = 1024.0  # of an uploaded LoRA: 36 to 900 MB are usual
UPLOAD = "/gradio_api/upload"
HEAD = 4096  # bytes of an upload in which the name of its first file stands
WEIGHTS_PART = re.compile(rb'filename="[^"\r\n]*\.safetensors"', re.IGNORECASE)


class Front:
    """All layers, put around the WHOLE application, whatever else it has been given.

    Gradio adds its own CORS and compression layers outside of those in app_kwargs: a preflight would never get here,
    and its CORS headers would be added after ours. But the server's lifespan message passes through every layer and
    carries the application, so that is where the layers move to the outside. Without one (a bare test client), they
    work from the inside.
    """

    def __init__(self, app: ASGIApp, max_body: int, max_weights: int, origins: frozenset[str]) -> None:
        self.app = app
        self.max_body, self.max_weights = max_body, max_weights
        self.origins = origins
        self.moved_out = False
        self.layers = self._around(app)

    def _around(self, app: ASGIApp) -> ASGIApp:
        return SafeHeaders(CrossOrigin(Health(BodyLimit(app, self.max_body, self.max_weights)), self.origins))

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


class CrossOrigin:
    """Pages of `origins` may call us with credentials; any other page only from our own origin.

    A same-origin request needs no CORS header, so none is sent and Host is never asked: the policy is the same behind
    a proxy, and on a Space, whose frame inside huggingface.co calls its own *.hf.space. What the layers below answer
    is removed: Gradio echoes any Origin, with credentials, on a Host that is not localhost.
    """

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self.app = app
        self.origins = origins
        self.allowed = CORSMiddleware(
            self._stripped,
            allow_origins=tuple(origins),
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=True,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin in self.origins:
            await self.allowed(scope, receive, send)
        elif origin is not None and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            refusal = JSONResponse({"error": "Pages of this origin may not call this server."}, status_code=403)
            await refusal(scope, receive, send)
        else:
            await self._stripped(scope, receive, send)

    async def _stripped(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def without_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.lower().startswith("access-control-")]:
                    del headers[name]
                if self.origins:  # or a cache could hand one origin's answer to another
                    headers.add_vary_header("Origin")
            await send(message)

        await self.app(scope, receive, without_cors)


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
    """413 for a request body of more than `max_body` bytes, or of more than `max_weights` where a file of weights is
    uploaded, which its name tells.

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
