"""What sits in front of Gradio, tried on a really launched page over loopback."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from ui import layers, server
from ui.kit.press import Audience

MB = 1024 * 1024
FRIEND = "https://friend.example"
FOE = "https://foe.example"
HOSTS = pytest.mark.parametrize("host", [None, "example.org"], ids=["localhost", "example.org"])
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


@pytest.fixture(scope="module")
def temp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", "")  # so that it is put back afterwards
        yield server.private_temp(tmp_path_factory.mktemp("temp"))


@pytest.fixture(scope="module")
def url(temp: Path) -> Iterator[str]:
    """A page with a 1 MB body limit that lets FRIEND call it; `temp` is where its uploads go."""
    assert temp.is_dir()
    server.environment()
    import gradio as gr

    from ui import trust
    from ui.kit.press import Presses

    def echo(text: str) -> str:
        return text

    def shape(path: str) -> str:
        return f"{Path(path).stat().st_size} bytes"

    def count(n: float) -> Iterator[str]:
        for i in range(int(n)):
            yield str(i)

    with trust.Page() as page:
        text, picture, number, out = gr.Textbox(), gr.Image(type="filepath", image_mode=None), gr.Number(), gr.Textbox()
        text.submit(echo, text, out, api_name="echo")
        picture.upload(shape, picture, out, api_name="shape")
        number.submit(count, number, out, api_name="count")
    page.presses, page.kept_seconds = Presses(), server.kept_seconds()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page.queue(api_open=False).launch(
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        app_kwargs={"middleware": server.middleware(max_body_mb=1, origins=[FRIEND])},
    )
    yield f"http://127.0.0.1:{port}"
    page.close(verbose=False)


@pytest.fixture
def web(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=10) as client:
        yield client


def png(path: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (64, 48), "teal").save(path)
    return path


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def assert_refused(response: httpx.Response) -> None:
    assert response.status_code == 413
    assert response.json() == {"error": "The request is larger than the 1 MB taken here: send a smaller picture."}
    assert "\n" not in response.text
    assert response.headers["connection"] == "close"
    assert response.headers["x-content-type-options"] == "nosniff"


def chunks(size: int, head: bytes = b"", tail: bytes = b"") -> Iterator[bytes]:
    yield head
    for _ in range(size // 65536):
        yield b"A" * 65536
    yield tail


def test_healthz(web: httpx.Client) -> None:
    got = web.get("/healthz")
    assert (got.status_code, got.text) == (200, '{"status":"ok"}')
    head = web.head("/healthz")
    assert (head.status_code, head.text) == (200, "")
    assert web.post("/healthz").status_code in (404, 405)


@pytest.mark.parametrize("path", ["/", "/config", "/healthz", "/theme.css", "/nowhere", "/gradio_api/file=/etc/passwd"])
def test_safe_headers_are_everywhere(web: httpx.Client, path: str) -> None:
    response = web.get(path)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"


def test_page_is_compressed_as_before(web: httpx.Client) -> None:
    response = web.get("/theme.css", headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 200 and response.headers["content-encoding"] == "gzip"


def test_413_before_the_body_is_read(url: str) -> None:
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=10) as line:
        line.sendall(b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        answer = line.recv(65536)  # not one byte of a body was sent
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_413_reaches_a_sender_that_does_not_listen_yet(url: str) -> None:
    """A connection closed at once would be reset under its hands, and the answer lost."""
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=10) as line:
        line.sendall(b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n")
        for _ in range(32):
            line.sendall(b"A" * MB)
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ") and answer.endswith(b'smaller picture."}')


def test_413_by_content_length(web: httpx.Client, tmp_path: Path) -> None:
    assert_refused(web.post("/gradio_api/upload", files={"files": ("a.png", b"\0" * 2 * MB)}))
    assert_refused(web.post("/nowhere", content=b"\0" * (MB + 1)))
    assert web.post("/nowhere", content=b"\0" * MB).status_code in (404, 405)
    assert web.post("/gradio_api/upload", files={"files": png(tmp_path / "a.png").open("rb")}).status_code == 200


@pytest.mark.parametrize("size", [2 * MB, 30 * MB])
def test_413_chunked_upload_leaves_nothing_behind(web: httpx.Client, temp: Path, size: int) -> None:
    before = files_in(temp)
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert_refused(web.post("/gradio_api/upload", content=chunks(size, head, b"\r\n--x--\r\n"), headers=headers))
    assert files_in(temp) == before


@pytest.mark.parametrize("name", ["style.safetensors", "水墨 (1).SAFETENSORS"])
def test_weights_may_be_larger_than_pictures(web: httpx.Client, temp: Path, name: str) -> None:
    answer = web.post("/gradio_api/upload", files={"files": (name, b"\0" * 3 * MB)})
    assert answer.status_code == 200 and Path(answer.json()[0]).suffix.lower() == ".safetensors"
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    stream = chunks(3 * MB, head, b"\r\n--x--\r\n")
    assert web.post("/gradio_api/upload", content=stream, headers=headers).status_code == 200
    assert any(path.stat().st_size == 3 * MB for path in files_in(temp))
    assert_refused(web.post("/gradio_api/queue/join", files={"files": (name, b"\0" * 3 * MB)}))


def test_weights_have_a_limit_of_their_own() -> None:
    routes = [Route("/gradio_api/upload", _read, methods=["POST"])]
    layers = server.middleware(max_body_mb=1, max_weights_mb=2)
    with TestClient(Starlette(routes=routes, middleware=layers)) as client:
        for size, status in ((1, 200), (3, 413)):
            answer = client.post("/gradio_api/upload", files={"files": ("a.safetensors", b"\0" * size * MB)})
            assert answer.status_code == status
        assert answer.json() == {"error": "The request is larger than the 2 MB taken here: choose a smaller file."}
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.safetensors"\r\n\r\n'
        assert client.post("/gradio_api/upload", content=chunks(3 * MB, head)).status_code == 413


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/call/shape", "/gradio_api/run/shape"])
def test_413_for_a_data_url_in_json(web: httpx.Client, path: str) -> None:
    link = "data:image/png;base64," + base64.b64encode(b"\0" * MB).decode()
    assert_refused(web.post(path, json={"data": [{"path": "", "url": link}], "fn_index": 1, "session_hash": "s"}))
    stream = chunks(2 * MB, b'{"data": ["data:image/png;base64,', b'"]}')
    assert_refused(web.post(path, content=stream, headers={"Content-Type": "application/json"}))


def test_413_answers_an_allowed_origin_readably(web: httpx.Client) -> None:
    response = web.post("/gradio_api/upload", content=b"\0" * 2 * MB, headers={"Origin": FRIEND})
    assert_refused(response)
    assert response.headers["access-control-allow-origin"] == FRIEND


def test_gradio_still_works(url: str, tmp_path: Path, temp: Path) -> None:
    from gradio_client import Client, handle_file

    client = Client(url, verbose=False)
    assert client.predict("hello", api_name="/echo") == "hello"
    picture = png(tmp_path / "a.png")
    assert client.predict(handle_file(str(picture)), api_name="/shape") == f"{picture.stat().st_size} bytes"
    assert any(path.read_bytes() == picture.read_bytes() for path in files_in(temp))
    job = client.submit(3, api_name="/count")
    assert job.result(timeout=10) == "2"
    assert job.outputs() == ["0", "1", "2"]


def cors_headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


@HOSTS
@pytest.mark.parametrize(
    "origin", [FOE, "null", "http://localhost:1", "http://127.0.0.1", "https://friend.example.foe.io"]
)
def test_foreign_origin_is_told_nothing(web: httpx.Client, host: str | None, origin: str) -> None:
    headers = {"Origin": origin} | ({"Host": host} if host else {})
    for path in ("/", "/config", "/healthz", "/nowhere"):
        assert cors_headers(web.get(path, headers=headers)) == {}
    assert cors_headers(web.post("/gradio_api/upload", headers=headers, content=b"\0" * 2 * MB)) == {}
    preflight = web.options("/gradio_api/queue/join", headers=headers | PREFLIGHT)
    assert preflight.status_code == 403 and cors_headers(preflight) == {}
    assert preflight.headers["x-content-type-options"] == "nosniff"


@HOSTS
def test_allowed_origin_is_let_in(web: httpx.Client, host: str | None) -> None:
    headers = {"Origin": FRIEND} | ({"Host": host} if host else {})
    got = web.get("/config", headers=headers)
    assert got.headers.get_list("access-control-allow-origin") == [FRIEND]
    assert got.headers["access-control-allow-credentials"] == "true"
    assert "origin" in got.headers["vary"].lower()
    preflight = web.options("/gradio_api/queue/join", headers=headers | PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == FRIEND
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()


def test_same_origin_post_from_a_space_frame(web: httpx.Client) -> None:
    """Inside a frame of huggingface.co the page calls its own host: Origin and Host agree, no CORS header is needed."""
    headers = {
        "Origin": "https://me-atelier.hf.space",
        "Host": "me-atelier.hf.space",
        "Referer": "https://huggingface.co/",
    }
    joined = web.post(
        "/gradio_api/queue/join", json={"data": ["hi"], "fn_index": 0, "session_hash": "frame"}, headers=headers
    )
    assert joined.status_code == 200 and joined.json()["event_id"]


async def _read(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _greet(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


@pytest.mark.parametrize("lifespan", [True, False], ids=["outside", "inside"])
def test_layers_on_any_application(lifespan: bool) -> None:
    """Websockets pass, and without a lifespan message the layers work from the inside."""
    routes = [Route("/read", _read, methods=["POST"]), WebSocketRoute("/ws", _greet)]
    client = TestClient(Starlette(routes=routes, middleware=server.middleware(max_body_mb=1)))
    if lifespan:
        client.__enter__()
    with client.websocket_connect("/ws") as line:
        line.send_text("x" * 2 * MB)
        assert len(line.receive_text()) == 2 * MB
    assert client.post("/read", content=b"\0" * MB).text == str(MB)
    refused = client.post("/read", content=chunks(2 * MB))
    assert refused.status_code == 413 and refused.headers["referrer-policy"] == "same-origin"
    assert client.get("/healthz").json() == {"status": "ok"}
    if lifespan:
        client.__exit__()


def test_a_full_queue_says_when_to_ask_again() -> None:
    async def full(_request: Request) -> Response:
        return PlainTextResponse("Queue is full.", 503)

    application = Starlette(routes=[Route("/gradio_api/queue/join", full, methods=["POST"])])
    application.get_blocks = lambda: SimpleNamespace(shared=SimpleNamespace(turns=SimpleNamespace(seconds=41.2)))  # type: ignore[attr-defined]
    application.add_middleware(layers.Events)
    answer = TestClient(application).post("/gradio_api/queue/join")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "42")


def test_runs_are_told_who_reads_their_answers() -> None:
    audience, heard = Audience(), dict[str, float]()

    async def read(_request: Request) -> Response:
        heard.update({name: audience.silence([name], 0.0) for name in ("event", "session", "another")})
        return PlainTextResponse("")

    routes = [Route("/gradio_api/call/gan/{event}", read), Route("/gradio_api/queue/data", read)]
    application = Starlette(routes=routes)
    application.get_blocks = lambda: SimpleNamespace(shared=SimpleNamespace(audience=audience))  # type: ignore[attr-defined]
    application.add_middleware(layers.Readers)
    client = TestClient(application)
    client.get("/gradio_api/call/gan/event")
    assert heard["event"] == 0 < min(heard["session"], heard["another"])
    client.get("/gradio_api/queue/data?session_hash=session")
    assert heard["session"] == 0 < heard["event"] < heard["another"], "who read it went away a moment ago"
