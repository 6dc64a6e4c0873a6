"""What stands in an answer: what everybody asks for, made once (`/`, `/config`, the API's description), and the
names of files, without the server's folders.

Gradio writes them anew at each request, 1.5 MB and 0.2 s of the processor for the page, and does not compress them.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import OrderedDict
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = frozenset({"/", "/config", "/gradio_api/info"})
# Gradio writes the address that it was called by into them, and takes it from these.
ADDRESS = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server")
LOGIN = re.compile(r"(^|; )(access-token|session)")  # Gradio's cookies
MOST_ANSWERS = 12  # a server has one or two addresses; more are somebody's invention


class Answers:
    """The same bytes for everybody who calls by the same address, compressed where the caller takes gzip.

    Only what does not depend on the caller: no query (a deep link is one), no login, an answer 200 that sets no cookie.
    Callers that come while an answer is being made wait for it instead of making their own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.kept: OrderedDict[tuple[str, ...], list[Message]] = OrderedDict()
        self.making = anyio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not self._is_everybodys(scope, headers):
            await self.app(scope, receive, send)
            return
        zipped = "gzip" in headers.get("accept-encoding", "")
        address = (str(scope.get(name, "")) for name in ("path", "scheme", "root_path"))
        key = (*address, *(headers.get(name, "") for name in ADDRESS), str(zipped))
        if key not in self.kept:
            async with self.making:
                answer = self.kept.get(key) or await self._make(scope, receive, zipped)
                if answer[0]["status"] == 200 and "set-cookie" not in Headers(raw=answer[0]["headers"]):
                    self.kept[key] = answer
                    while len(self.kept) > MOST_ANSWERS:
                        self.kept.popitem(last=False)
        else:
            answer = self.kept[key]
            self.kept.move_to_end(key)
        for message in answer:
            await send(message)

    @staticmethod
    def _is_everybodys(scope: Scope, headers: Headers) -> bool:
        return (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and scope["path"] in PATHS
            and not scope["query_string"]
            and not LOGIN.search(headers.get("cookie", ""))
        )

    async def _make(self, scope: Scope, receive: Receive, zipped: bool) -> list[Message]:
        """Head and whole body of the application's answer."""
        head: Message = {}
        body = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                body.extend(message.get("body", b""))

        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": plain}, receive, collect)
        headers = MutableHeaders(raw=list(head["headers"]))
        headers.add_vary_header("Accept-Encoding")
        data = bytes(body)
        if zipped:
            headers["content-encoding"] = "gzip"
            data = await anyio.to_thread.run_sync(gzip.compress, data)
        headers["content-length"] = str(len(data))
        return [{**head, "headers": headers.raw}, {"type": "http.response.body", "body": data}]


class Names:
    """Every answer and address names a file by its place in the folder of uploads and results, and nobody learns where
    that lies. In what an event is sent, ui/trust.py finds such files.

    It stands inside of Gradio's compression, where each message of an answer is whole: a page, a JSON text, an event.
    """

    TEXTS = ("application/json", "text/event-stream", "text/html", "text/plain")
    ADDRESS = re.compile(r"(.*?/gradio_api/file[=/])(.*)", re.DOTALL)

    def __init__(self, app: ASGIApp) -> None:
        from gradio.utils import get_upload_folder

        self.app = app
        self.folder = Path(get_upload_folder())
        places = {str(self.folder), str(self.folder.resolve())}
        quoted = {json.dumps(place, ensure_ascii=plain)[1:-1] for place in places for plain in (True, False)}
        forms = places | quoted | {quote(place) for place in places}
        self.prefix = re.compile(b"|".join(re.escape(f"{form}/".encode()) for form in forms))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (asked := self.ADDRESS.fullmatch(scope["path"])):
            scope = {**scope, "path": f"{asked[1]}{self.folder}/{asked[2]}"}
        text = False

        async def named(message: Message) -> None:
            nonlocal text
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                text = headers.get("content-type", "").startswith(self.TEXTS) and "content-disposition" not in headers
                if text:
                    del headers["content-length"]
            elif text and message["type"] == "http.response.body":
                message = {**message, "body": self.prefix.sub(b"", message.get("body", b""))}
            await send(message)

        await self.app(scope, receive, named)
