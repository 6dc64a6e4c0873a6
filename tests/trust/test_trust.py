"""What visitors bring and must not break, nor get at: files of the server, odd requests, other people's runs."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import PIL.Image
import pytest
from anyio.from_thread import start_blocking_portal
from asking import INK, PHOTO, QUICK, answer, call
from gradio.state_holder import SessionState
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import CallToolResult, ImageContent, TextContent
from served import CONTENT, Served

from models.cache import ModelCache
from pipelines import PIPELINES
from ui import page as pages
from ui import trust
from ui.kit import policy

META = {"meta": {"_type": "gradio.FileData"}}
FILE_COMPONENTS = {"image", "file", "gallery", "imageslider", "uploadbutton", "downloadbutton", "video", "audio"}
FOREIGN = [
    str(CONTENT),
    str(CONTENT.parent),
    "/etc/passwd",
    "/nowhere/at/all.png",
    "../../etc/passwd",
    "a\0b",
    "x" * 5000,
]


def taken(kind: str, several: bool, file: dict[str, Any]) -> Any:
    """A file as the page sends it to a component of this kind."""
    if kind == "gallery":
        return [{"image": file, "caption": None}]
    return [file, file] if kind == "imageslider" else [file] if several else file


def test_every_component_of_the_page_refuses_every_foreign_file_in_the_same_words(cache: ModelCache) -> None:
    blocks = pages.build(cache)
    kinds = {c["id"]: c["type"] for c in blocks.get_config_file()["components"]}
    inputs = [(fn, i, block) for fn in blocks.fns.values() for i, block in enumerate(fn.inputs)]
    files = [(fn, i, block) for fn, i, block in inputs if kinds[block._id] in FILE_COMPONENTS]
    assert len({block._id for _, _, block in files}) > 20
    for _, _, block in inputs:
        assert trust.takes_files(block) == (kinds[block._id] in FILE_COMPONENTS), kinds[block._id]

    state = SessionState(blocks)

    async def refusal(fn: Any, i: int, value: Any) -> str:
        given = [value if j == i else None for j in range(len(fn.inputs))]
        with pytest.raises(gr.Error) as caught:
            await blocks.preprocess_data(fn, given, state)
        return caught.value.message.partition(" is ")[2]

    async def refusals() -> set[str]:
        known: dict[tuple[int, str], tuple[Any, int, Any]] = {
            (b._id, fn.api_visibility): (fn, i, b) for fn, i, b in files
        }
        return {
            await refusal(fn, i, taken(kinds[b._id], getattr(b, "file_count", "single") != "single", file))
            for fn, i, b in known.values()
            for path in FOREIGN
            for file in (
                {"path": path},
                {"path": path, **META},
                {"path": None, "url": path},
                {"path": f"http://x/{path}"},
            )
        }

    with start_blocking_portal() as portal:
        said = portal.call(refusals)
    assert said == {"not among the files sent to this server: upload it, or send it as a data: URL."}


@pytest.fixture
def web(served: Served) -> Iterator[httpx.Client]:
    """A client; what it asks leaves no traceback in the log."""
    before = len(served.log.read_text())
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client
    assert "Traceback" not in served.log.read_text()[before:]


def sentence_of(kind: str, said: Any) -> str:
    assert kind in {"404", "422", "error"}, (kind, said)
    text = str(said["error"])
    assert (
        text.endswith((".", "needed: see /gradio_api/info for their names."))
        and "\n" not in text
        and "Traceback" not in text
    )
    return text


@pytest.mark.parametrize("path", FOREIGN[:4])
@pytest.mark.parametrize("extra", [{}, META], ids=["plain", "meta"])
def test_an_endpoint_never_reads_the_servers_files_nor_tells_of_them(web: httpx.Client, path: str, extra: Any) -> None:
    file = {"path": path, **extra}
    for body in (
        {"content": file, "styles": [INK]},
        {"content": PHOTO, "styles": [file]},
        {"content": path, "styles": [INK]},
    ):
        text = sentence_of(*call(web, "stylize", {**body, "strength": 0}))
        assert text.endswith("is not among the files sent to this server: upload it, or send it as a data: URL.")
        assert path not in text


def test_what_was_sent_here_is_taken_in_each_way(web: httpx.Client) -> None:
    sent = web.post("/gradio_api/upload", files={"files": ("a.png", base64.b64decode(PHOTO.partition(",")[2]))}).json()[
        0
    ]
    link = str(web.base_url.join(f"/gradio_api/file={sent}"))
    for content in (PHOTO, {"url": PHOTO}, sent, link, {"path": sent}, {"path": sent, **META}, {"path": link}):
        kind, made = call(web, "stylize", {"content": content, "styles": [INK], "strength": 0, "size": 64})
        assert kind == "complete" and made[1]["params"]["content"]["width"] == 64, made


MISTAKES: dict[str, tuple[Any, str]] = {
    "unknown key": ({**QUICK, "colour": 1}, "There is no setting named 'colour'"),
    "missing key": ({"content": PHOTO}, "styles is missing"),
    "data": ({"data": {}}, "There is no setting named 'data'"),
    "one style": ({**QUICK, "styles": INK}, "styles is one value: give a list"),
    "styles of numbers": ({**QUICK, "styles": [5]}, "styles is no file"),
    "content list": ({**QUICK, "content": [PHOTO]}, "content is no file"),
    "cut data URL": ({**QUICK, "content": "data:image/png;base64,abc"}, "content is no whole data: URL"),
    "text in a data URL": ({**QUICK, "content": "data:image/png;base64,aGVsbG8="}, "content: "),
    "text seed": ({**QUICK, "seed": "7"}, 'seed is "7": it must be a whole number.'),
    "true seed": ({**QUICK, "seed": True}, "seed is true: it must be a whole number."),
    "half a step": ({**QUICK, "steps": 1.5}, "steps is 1.5"),
    "no size": ({**QUICK, "size": 0}, "size is 0"),
    "number as text": ({**QUICK, "style_layers": 5}, "style_layers is 5: it must be a text."),
    "text as truth": ({**QUICK, "model": ["vgg-lite"]}, "model is"),
    "null": ({**QUICK, "styles": None}, "styles is missing"),
}


@pytest.mark.parametrize(("body", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_plain_mistake_gets_one_sentence(web: httpx.Client, body: Any, said: str) -> None:
    text = sentence_of(*call(web, "gatys", body))
    assert text.startswith(said) and str(Path.cwd()) not in text and "/tmp" not in text


def test_whole_numbers_may_be_written_with_a_point(web: httpx.Client) -> None:
    kind, (_, record) = call(web, "gatys", {**QUICK, "steps": 2.0, "seed": 7.0})
    assert kind == "complete" and record["params"]["seed"] == 7 and record["steps"] == 2


def test_what_an_event_refuses_is_a_4xx_with_its_sentence(web: httpx.Client) -> None:
    config = web.get("/config").json()
    kinds = {row["id"]: row["type"] for row in config["components"]}
    events = [row for row in config["dependencies"] if row["backend_fn"] and not row["queue"]]
    sliders = next(row for row in events if [kinds[i] for i in row["inputs"]] == ["slider"])
    selects = next(row for row in events if row["targets"] and row["targets"][0][1] == "select" and not row["inputs"])
    for row, data, happened in (
        (sliders, ["7"], None),
        (sliders, [None], None),
        (sliders, [{"path": "/etc/passwd", **META}], None),
        (selects, [], {"index": "x", "value": None}),
        (selects, [], [1]),
        (selects, [], {"index": 0, "value": {"path": "/etc/passwd"}}),
        (selects, [], {"index": 0, "value": "\ud800"}),
    ):
        body = {"data": data, "fn_index": row["id"], "session_hash": "odd", "event_data": happened}
        for language, said in (("en", trust.MISFIT), ("zh-CN", "发送的值与表单不符：请重新加载页面后再试。")):
            headers = {"Content-Type": "application/json", "Accept-Language": language}
            answered = web.post("/gradio_api/run/predict", content=json.dumps(body), headers=headers)
            assert answered.status_code == 422 and answered.json()["error"] == said


def test_uploads_have_a_largest_size_for_gradio_too(web: httpx.Client) -> None:
    assert web.get("/config").json()["max_file_size"] == policy.current().weights_mb * 2**20


def test_odd_requests_get_a_4xx(web: httpx.Client) -> None:
    asked = {
        "/gradio_api/call/v2/nosuch": {},
        "/gradio_api/call/nosuch": {"data": []},
        "/gradio_api/call/gatys": {"data": {}},
        "/gradio_api/call/v2/gatys": [1],
        "/gradio_api/queue/join": {"data": [], "fn_index": 99_999, "session_hash": "s"},
        "/gradio_api/run/nosuch": {"data": []},
        "/gradio_api/component_server": {"data": 1, "component_id": 99_999, "session_hash": "s", "fn_name": "ls"},
        "/gradio_api/cancel": [],
        "/gradio_api/upload": {},
    }
    for path, body in asked.items():
        assert 400 <= web.post(path, json=body).status_code < 500, path
    for body in (b"{", b'{"data": [NaN], "fn_index": 1e999}', b'{"data": [], "fn_index": "x"}'):
        answered = web.post("/gradio_api/run/predict", content=body, headers={"Content-Type": "application/json"})
        assert answered.status_code == 422 and answered.json()["error"].startswith("The request cannot be read (body")
    assert web.get("/gradio_api/call/gatys/nosuch").status_code == 404
    assert "404" in web.get("/gradio_api/queue/data", params={"session_hash": "nobody"}).text
    kind, said = answer(web, "gatys", web.post("/gradio_api/call/gatys", json={"data": []}).json()["event_id"])
    assert kind == "error" and "0 values were sent but" in said["error"]
    assert web.get("/monitoring/summary").status_code == 403


SITES = {
    "another site": ({"Sec-Fetch-Site": "cross-site"}, 403),
    "another port": ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}, 403),
    "old browser": ({"Origin": "https://foe.example"}, 403),
    "sandbox": ({"Origin": "null"}, 403),
    "own page": ({"Sec-Fetch-Site": "same-origin"}, 200),
    "typed address": ({"Sec-Fetch-Site": "none"}, 200),
    "behind a proxy": ({"Origin": "https://me.example", "X-Forwarded-Host": "me.example"}, 200),
    "program": ({}, 200),
}


@pytest.mark.parametrize(("headers", "status"), SITES.values(), ids=SITES)
def test_pages_of_other_sites_can_send_nothing(web: httpx.Client, headers: dict[str, str], status: int) -> None:
    body = base64.b64decode(PHOTO.partition(",")[2])
    assert web.post("/gradio_api/upload", files={"files": ("a.png", body)}, headers=headers).status_code == status
    call = web.post("/gradio_api/call/v2/models", json={}, headers=headers)
    assert call.status_code == status


def pins(web: httpx.Client) -> int:
    return sum(row["pins"] for row in call(web, "models", {})[1][0]["models"])


def test_a_run_is_cancelled_by_its_owner_and_by_nobody_else(web: httpx.Client) -> None:
    event = web.post("/gradio_api/call/v2/gatys", json={**QUICK, "steps": 5000}).json()["event_id"]
    heard: list[tuple[str, Any]] = []
    listener = threading.Thread(target=lambda: heard.append(answer(web, "gatys", event)))
    listener.start()
    deadline = time.monotonic() + 60
    while not pins(web) and time.monotonic() < deadline:
        time.sleep(0.2)
    for session, name in (("somebody", event), (event, "another"), ("", "another")):
        body = {"event_id": name, "session_hash": session, "fn_index": 0}
        assert web.post("/gradio_api/cancel", json=body).status_code == 404
    assert listener.is_alive() and pins(web)
    assert web.post("/gradio_api/cancel", json={"event_id": event}).json() == {"success": True}
    listener.join(30)
    assert heard and not listener.is_alive()
    while pins(web) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert pins(web) == 0 and web.post("/gradio_api/cancel", json={"event_id": event}).status_code == 404


TINY: dict[str, dict[str, Any]] = {
    "stylize": {"content": PHOTO, "styles": [INK], "size": 64},
    "gatys": QUICK,
    "compare": {"content": PHOTO, "styles": [INK], "size": 64, "methods": "gatys:steps=1"},
    **{name: {"count": 1} for name in ("gan", "stylemix", "vae", "pixelcnn")},
    "diffusion": {"count": 1, "steps": 1},
    "explore": {"content": PHOTO},
    "train": {"steps": 1, "capacity": "tiny"},
}


async def tools_used(url: str) -> dict[str, CallToolResult]:
    """What a client that lists the tools and calls each hears."""
    async with streamablehttp_client(f"{url}/gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as asker:
        await asker.initialize()
        listed = (await asker.list_tools()).tools
        found = {tool.name: await asker.call_tool(tool.name, TINY.get(tool.name, {})) for tool in listed}
        found["foreign"] = await asker.call_tool("gatys", {**QUICK, "content": str(CONTENT)})
        return found


def test_every_tool_of_mcp_can_be_called(served: Served) -> None:
    with start_blocking_portal() as portal:  # Playwright may hold this thread's event loop
        heard = portal.call(tools_used, served.url)
    assert set(heard) == {*PIPELINES, "models", "foreign"}
    for name in TINY:
        picture, *_, record = heard[name].content
        assert not heard[name].isError and isinstance(picture, ImageContent) and isinstance(record, TextContent), name
        with PIL.Image.open(io.BytesIO(base64.b64decode(picture.data))) as image:
            assert image.format == "PNG" and min(image.size) >= 28
        assert json.loads(record.text)["pipeline"] == name
    (models,) = heard["models"].content
    assert isinstance(models, TextContent) and json.loads(models.text)["models"]
    for name, said in {"imagine": "is not on this machine", "foreign": "content is not among the files"}.items():
        (text,) = heard[name].content
        assert heard[name].isError and isinstance(text, TextContent) and said in text.text, text
