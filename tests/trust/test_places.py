"""Where the server keeps anything is in no answer: files are named by their place in its folder, and taken by it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import PIL.Image
import pytest
from anyio.from_thread import start_blocking_portal
from asking import INK, PHOTO, QUICK, call
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from page import Open, button, choose, download, wait_for_end
from served import CONTENT, ROOT, STYLE, Served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from ui import server

PIXELS = base64.b64decode(PHOTO.partition(",")[2])
PLACE = re.compile(r"[0-9a-f]{32,64}/[\w.-]+")
FOREIGN = "is not among the files sent to this server: upload it, or send it as a data: URL."


def temp_of(served: Served) -> Path:
    """The folder of uploads and results of a running page."""
    (folder,) = served.log.parent.resolve().glob("atelier-*")
    return folder


@pytest.fixture
def heard(served: Served) -> Iterator[dict[str, bytes]]:
    """Takes every answer of a server; none of them may tell where it keeps files, its program or its user's things."""
    answers: dict[str, bytes] = {}
    yield answers
    for asked, answer in answers.items():
        for folder in (temp_of(served), ROOT, Path.home()):
            for form in (f"{folder}/", quote(f"{folder}/"), quote(f"{folder}/", safe="")):
                at = answer.find(form.encode())
                assert at < 0, f"{asked}: ...{answer[max(0, at - 80) : at + 80]!r}"


@pytest.fixture
def web(served: Served, heard: dict[str, bytes]) -> Iterator[httpx.Client]:
    def listen(answer: httpx.Response) -> None:
        heard[f"{answer.request.method} {answer.request.url.path}, {len(heard)}"] = (
            repr(answer.headers.raw).encode() + answer.read()
        )

    with httpx.Client(base_url=served.url, timeout=60, event_hooks={"response": [listen]}) as client:
        yield client


def sent(web: httpx.Client, name: str = "a.png", data: bytes = PIXELS) -> str:
    return str(web.post("/gradio_api/upload", files={"files": (name, data)}).json()[0])


def test_no_answer_over_http_tells_a_place_of_the_server(web: httpx.Client, served: Served) -> None:
    temp, config = temp_of(served), web.get("/config").json()
    for path in ("/", "/gradio_api/info", "/gradio_api/mcp/schema", "/theme.css", "/manifest.json", "/nothing"):
        web.get(path)
    assert httpx.get(f"{served.url}/gradio_api/file={CONTENT}").status_code == 403  # its answer repeats the question
    for path in ("/nowhere.png", f"{temp}/x.png", "../x.png"):
        assert web.get(f"/gradio_api/file={path}").status_code == 403
        assert call(web, "stylize", {"content": path, "styles": [INK]})[1]["error"].endswith(FOREIGN)
    assert PLACE.fullmatch(sent(web))
    kind, (picture, _) = call(web, "stylize", {"content": PHOTO, "styles": [INK], "size": 64})
    assert kind == "complete" and PLACE.fullmatch(picture["path"]) and picture["url"].endswith(f"={picture['path']}")
    for wrong in ({"size": 0}, {"model": str(ROOT)}, {"styles": ["x"]}, {"content": "data:image/png;base64,aGVsbG8="}):
        assert call(web, "gatys", {**QUICK, **wrong})[0] in {"error", "422"}
    assert call(web, "imagine", {"lora": f"{temp}/a.safetensors"})[0] == "error"

    row = next(row for row in config["dependencies"] if row["api_name"] == "gan")
    values = {part["id"]: part["props"].get("value") for part in config["components"]}
    body = {"data": [values[i] for i in row["inputs"]], "fn_index": row["id"], "session_hash": "places"}
    web.post("/gradio_api/queue/join", json=body)
    stream = web.get("/gradio_api/queue/data", params={"session_hash": "places"})
    *_, last = (json.loads(line[6:]) for line in stream.text.splitlines() if "process_completed" in line)
    assert PLACE.fullmatch(last["output"]["data"][0]["path"])
    assert web.get(last["output"]["data"][0]["url"]).headers["content-type"] == "image/png"


async def tools(url: str, content: str) -> list[str]:
    async with streamablehttp_client(f"{url}/gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as asker:
        said = [(await asker.initialize()).model_dump_json(), (await asker.list_tools()).model_dump_json()]
        for given in (content, PHOTO, str(CONTENT)):
            answer = await asker.call_tool("gatys", {**QUICK, "content": given})
            assert answer.isError == (given == str(CONTENT)) and (answer.isError or answer.content[0].type == "image")
            said.append(answer.model_dump_json())
    return said


def test_no_answer_of_mcp_tells_a_place_of_the_server(
    web: httpx.Client, served: Served, heard: dict[str, bytes]
) -> None:
    with start_blocking_portal() as portal:
        said = portal.call(tools, served.url, f"{served.url}/gradio_api/file={sent(web)}")
    heard.update({f"mcp {i}": text.encode() for i, text in enumerate(said)})


def test_a_file_is_taken_by_its_name_and_address_and_by_no_path(web: httpx.Client, served: Served) -> None:
    name, temp = sent(web), temp_of(served)
    assert (temp / name).read_bytes() == web.get(f"/gradio_api/file={name}").content == PIXELS
    assert web.head(f"/gradio_api/file={name}").headers["content-length"] == str(len(PIXELS))
    assert web.get(f"/gradio_api/file={name}", headers={"Range": "bytes=1-3"}).content == PIXELS[1:4]
    assert web.get(f"/gradio_api/file={temp / name}").status_code == 403
    for path in (str(temp / name), f"../{temp.name}/{name}", f"/{name}", f"{served.url}/gradio_api/file={temp / name}"):
        for content in (path, {"path": path, "meta": {"_type": "gradio.FileData"}}):
            assert call(web, "gatys", {**QUICK, "content": content})[1]["error"].endswith(FOREIGN)
    for odd in ("照 片 (1)#?.png", "a%2Fb.png"):
        named = sent(web, odd)
        for content in (named, f"{served.url}/gradio_api/file={quote(named)}"):
            assert call(web, "gatys", {**QUICK, "content": content})[0] == "complete", named
        assert web.get(f"/gradio_api/file={quote(named)}").content == PIXELS


def test_a_click_on_a_picture_names_it_as_it_was_shown(web: httpx.Client) -> None:
    row = next(
        r for r in web.get("/config").json()["dependencies"] if not r["inputs"] and r["targets"][0][1:] == ["select"]
    )
    for path, status in ((sent(web), 200), (str(CONTENT), 422)):
        picture = {"image": {"path": path, "meta": {"_type": "gradio.FileData"}}, "caption": None}
        happened = {"index": 0, "value": picture}
        body = {"data": [], "fn_index": row["id"], "session_hash": "click", "event_data": happened}
        assert web.post("/gradio_api/run/predict", json=body).status_code == status


def test_a_file_of_text_comes_as_it_was_sent(served: Served) -> None:
    text = json.dumps({"path": f"{temp_of(served)}/x.png"}).encode()
    with httpx.Client(base_url=served.url) as web:
        assert web.get(f"/gradio_api/file={sent(web, 'a.json', text)}").content == text


def test_gradios_client_sends_pictures_and_what_it_was_answered(served: Served, tmp_path: Path) -> None:
    given: dict[str, Any] = {"styles": [handle_file(STYLE)], "size": 64, "api_name": "/stylize"}
    path, _ = Client(served.url, verbose=False, download_files=tmp_path).predict(content=handle_file(CONTENT), **given)
    with PIL.Image.open(path) as picture:
        assert Path(path).is_relative_to(tmp_path) and picture.format == "PNG"
    client = Client(served.url, verbose=False, download_files=False)
    first, _ = client.predict(content=handle_file(CONTENT), **given)
    again, record = client.predict(content=handle_file(first["url"]), **given)
    assert PLACE.fullmatch(first["path"]) and PLACE.fullmatch(again["path"]) and record["params"]["content"]


def test_a_page_shows_pictures_by_their_names(visit: Open, served: Served, tmp_path: Path) -> None:
    page = visit()
    choose(page, Size=64, Steps=2)
    button(page, "Run").click()
    wait_for_end(page)
    download(page, tmp_path)
    shown = page.locator("img[src*='file=']").evaluate_all("all => all.map(image => image.src)")
    assert shown and all(PLACE.fullmatch(source.partition("/gradio_api/file=")[2]) for source in shown)
    assert str(temp_of(served)) not in page.content()


@pytest.mark.parametrize("name", ["plain", 'a "b" (ü) 墨'])
def test_names_behind_a_prefix_and_in_streams(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / name
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    path, named = f"{folder}/0a/x.png", {"path": "0a/x.png", "url": "/gradio_api/file=0a/x.png"}

    async def answer(request: Request) -> Response:
        file = {"path": path, "url": f"/gradio_api/file={quote(path)}"}
        events = (f"data: {json.dumps(file, ensure_ascii=plain)}\n\n" for plain in (True, False))
        return (
            StreamingResponse(events, media_type="text/event-stream")
            if "s" in request.query_params
            else JSONResponse(file)
        )

    async def place(request: Request) -> Response:
        return PlainTextResponse(str(request.path_params["path"] == path))

    inner = [Route("/gradio_api/answer", answer), Route("/gradio_api/file={path:path}", place)]
    for root in ("", "/under/a/name"):
        routes = [Mount(root, routes=inner)] if root else inner
        client = TestClient(Starlette(routes=routes, middleware=server.middleware()))
        assert client.get(f"{root}/gradio_api/answer").json() == named
        events = client.get(f"{root}/gradio_api/answer?s=1").text.split("\n\n")
        assert [json.loads(event[6:]) for event in events if event] == [named, named]
        assert client.get(f"{root}/gradio_api/file=0a/x.png").text == "True"
