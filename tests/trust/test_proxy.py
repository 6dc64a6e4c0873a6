"""The page behind a proxy that serves it under a path, by itself and in a frame of another site."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
import uvicorn
from gradio_client import Client
from page import pictures
from playwright.sync_api import Browser, expect
from served import free, local
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

PREFIX = "/atelier"
LINKS = {"host", "content-length", "connection", "transfer-encoding"}  # of one hop alone


def proxy(target: str) -> Starlette:
    """PREFIX/x -> target/x, streams included, and /frame: a page of its own with the other one in a frame."""
    web = httpx.AsyncClient(base_url=target, timeout=120, limits=httpx.Limits(max_connections=None))

    async def forward(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in LINKS}
        headers |= {"x-forwarded-host": request.headers["host"], "x-forwarded-proto": request.url.scheme}
        path = request.url.path.removeprefix(PREFIX)
        asked = web.build_request(
            request.method, f"{path}?{request.url.query}", headers=headers, content=await request.body()
        )
        answer = await web.send(asked, stream=True)

        async def parts() -> AsyncIterator[bytes]:
            try:
                async for part in answer.aiter_raw():
                    yield part
            finally:  # a browser goes away in the middle, too
                with anyio.CancelScope(shield=True):
                    await answer.aclose()

        kept = {name: value for name, value in answer.headers.items() if name not in LINKS}
        return StreamingResponse(parts(), answer.status_code, kept)

    async def frame(request: Request) -> Response:
        source = f"http://127.0.0.1:{request.url.port}{PREFIX}/?tab=gan"
        return HTMLResponse(f'<iframe src="{source}" width="1200" height="900"></iframe>')

    methods = ["GET", "HEAD", "POST"]
    return Starlette(routes=[Route("/frame", frame), Route(f"{PREFIX}/{{path:path}}", forward, methods=methods)])


@pytest.fixture(scope="module")
def public() -> Iterator[str]:
    """The address of the proxy."""
    with local(root_path=PREFIX) as url:
        port = free()
        server = uvicorn.Server(uvicorn.Config(proxy(url), port=port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(10)


def test_gradios_client_works_under_the_path(public: str) -> None:
    client = Client(f"{public}{PREFIX}/", verbose=False)
    picture, *_ = client.predict(count=1, api_name="/gan")
    assert Path(picture).read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("framed", [False, True], ids=["alone", "in a frame of another site"])
def test_a_visitor_runs_a_method(browser: Browser, public: str, framed: bool) -> None:
    port = public.rsplit(":", 1)[1]
    address = f"http://localhost:{port}/frame" if framed else f"{public}{PREFIX}/?tab=gan"
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    missing: list[str] = []
    page.on("pageerror", lambda error: missing.append(str(error)))  # a frame is refused the browser's storage
    page.on("response", lambda answer: missing.append(answer.url) if answer.status >= 400 else None)
    page.goto(address)
    place = page.frame_locator("iframe") if framed else page
    expect(place.locator("button.run:visible")).to_be_enabled()
    expect(place.get_by_role("tab", name="GAN", exact=True)).to_have_attribute("aria-selected", "true")
    before = pictures(place).first.get_attribute("src")
    place.locator("button.run:visible").click()
    expect(place.locator(".status:visible").first).to_contain_text("seed 0")
    expect(pictures(place).first).not_to_have_attribute("src", str(before))
    expect(pictures(place).first).not_to_have_js_property("naturalWidth", 0)
    assert f"{PREFIX}/gradio_api/file=" in str(pictures(place).first.get_attribute("src"))
    assert [url for url in missing if not url.endswith("favicon.ico")] == []
    page.close()
