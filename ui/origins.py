"""Which pages of other sites may call this one (CORS), and that no form of another site sends anything here."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)


class CrossOrigin:
    """Pages of `origins` may call us with credentials; any other page only from our own origin.

    A same-origin request needs no CORS header, so none is sent: the policy is the same behind a proxy, and on a Space,
    whose frame inside huggingface.co calls its own *.hf.space. What the layers below answer is removed: Gradio echoes
    any Origin, with credentials, on a Host that is not localhost. A form of another site needs no permission to send,
    an upload say, so such requests are refused here.
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
        elif (scope["method"] not in {"GET", "HEAD", "OPTIONS"} and from_elsewhere(headers)) or (
            origin is not None and scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        ):
            log.info("403 for %s %s from %s", scope["method"], scope["path"], origin)
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


def from_elsewhere(headers: Headers) -> bool:
    """Whether a page of another site sent this; programs send neither Sec-Fetch-Site nor Origin.

    Over plain HTTP browsers send no Sec-Fetch-Site, so Origin is held against the host that was called.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in {"same-origin", "none"}
    hosts = {headers.get("host", "").lower(), *headers.get("x-forwarded-host", "").lower().split(", ")}
    return origin is not None and urlsplit(origin.lower()).netloc not in hosts - {""}
