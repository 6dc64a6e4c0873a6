"""What everybody asks for is made once for each address, and a visitor's session holds no second page."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time

import gradio as gr
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from served import Served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ui.answers import MOST_ANSWERS, Answers
from ui.kit.session import Sessions

LONG = "a page of some length " * 50


class Counted:
    """An application that counts how often it made its page, of the address and cookie it was called by."""

    def __init__(self, status: int = 200, cookie: bool = False) -> None:
        self.made = 0
        self.status, self.cookie = status, cookie
        routes = [Route(path, self.page) for path in ("/", "/config", "/other")]
        self.layer = Answers(Starlette(routes=routes))

    async def page(self, request: Request) -> Response:
        self.made += 1
        await asyncio.sleep(0.02)
        answer = PlainTextResponse(f"{request.url.netloc} {LONG}", self.status)
        if self.cookie:
            answer.set_cookie("mine", "1")
        return answer

    def ask(self, *paths: str, **headers: str) -> list[httpx.Response]:
        """Ask for all `paths` at once."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def together() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.layer)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as web:
                return list(await asyncio.gather(*(web.get(path, headers=named) for path in paths)))

        with start_blocking_portal() as portal:  # Playwright may hold this thread's event loop
            return portal.call(together)


def test_many_at_once_wait_for_one_answer_and_later_ones_get_it() -> None:
    page = Counted()
    first = page.ask(*["/"] * 10)
    assert page.made == 1 and {answer.text for answer in first} == {f"here {LONG}"}
    assert page.ask("/")[0].headers["content-encoding"] == "gzip" and page.made == 1


def test_each_address_and_encoding_has_its_own() -> None:
    page = Counted()
    assert page.ask("/", host="there")[0].text.startswith("there")
    assert page.ask("/", host="here")[0].text.startswith("here")
    plain = page.ask("/", host="here", accept_encoding="identity")[0]
    assert "content-encoding" not in plain.headers and plain.headers["content-length"] == str(len(plain.content))
    assert page.made == 3
    for i in range(2 * MOST_ANSWERS):
        page.ask("/config", host=f"invented{i}")
    assert len(page.layer.kept) == MOST_ANSWERS


@pytest.mark.parametrize("path", ["/?deep_link=x", "/other"])
def test_what_depends_on_the_caller_is_made_for_each(path: str) -> None:
    page = Counted()
    page.ask(path, path)
    assert page.made == 2


@pytest.mark.parametrize("page", [Counted(status=500), Counted(cookie=True)], ids=["failed", "cookie"])
def test_what_failed_or_sets_a_cookie_is_not_kept(page: Counted) -> None:
    page.ask("/", "/")
    assert page.made == 2 and not page.layer.kept


def test_a_login_is_nobody_elses() -> None:
    page = Counted()
    for name in ("access-token-1", "session", "access-token-2"):
        page.ask("/", cookie=f"other=1; {name}=abc")
    assert page.made == 3
    page.ask("/", "/", cookie="theme=dark")
    assert page.made == 4


def test_the_page_and_its_configuration_come_compressed(served: Served) -> None:
    with httpx.Client(base_url=served.url, trust_env=False) as web:
        for path in ("/", "/config", "/gradio_api/info"):
            plain = web.get(path, headers={"Accept-Encoding": "identity"}).content
            with web.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
                sent = b"".join(answer.iter_raw())
            assert gzip.decompress(sent) == plain and len(sent) < len(plain) / 5
        there = web.get("/config", headers={"X-Forwarded-Host": "demo.example", "X-Forwarded-Proto": "https"}).json()
        assert there["root"] == "https://demo.example" and web.get("/config").json()["root"] == served.url


def test_thirty_two_clients_connect_at_once(served: Served) -> None:
    from gradio_client import Client

    connected: list[Client] = []
    threads = [
        threading.Thread(target=lambda: connected.append(Client(served.url, verbose=False, analytics_enabled=False)))
        for _ in range(32)
    ]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(connected) == 32, f"{len(connected)} after {time.monotonic() - start:.0f} s"


def test_a_session_keeps_its_values_and_no_second_page() -> None:
    with gr.Blocks() as page:
        number, text = gr.State(7), gr.Textbox("hello")
    page.state_session_capacity = 2
    sessions = Sessions(page)
    first = sessions["first"]
    assert first[number._id] == 7 and first[text._id] is text and text._id in first
    first[number._id] = 8
    first._update_value_in_config(text._id, "long " * 1000)
    assert sessions["first"][number._id] == 8 and not list(sessions["second"].components)
    assert "long" not in str(first.config_values)
    sessions["third"]
    assert "first" not in sessions and "second" in sessions, "the one that was here longest ago is forgotten"


def test_what_was_set_on_a_component_outlives_an_update() -> None:
    with gr.Blocks() as page:
        picture = gr.Image()
    picture.preprocess = lambda payload: f"our own {payload}"  # type: ignore[method-assign]
    session = Sessions(page)["one"]
    session[picture._id] = gr.Image(render=False)
    session[picture._id] = gr.Image(render=False)
    assert session[picture._id] is not picture and session[picture._id].preprocess("x") == "our own x"


def test_the_configuration_has_types_where_programs_send_and_get_something_alone(served: Served) -> None:
    config = httpx.get(f"{served.url}/config", timeout=60).json()
    typed = {row["id"] for row in config["components"] if "api_info" in row}
    known = [row for row in config["dependencies"] if row["api_visibility"] != "private"]
    public = {number for row in known for number in (*row["inputs"], *row["outputs"])}
    assert typed and typed <= public and len(typed) < len(config["components"]) / 4
