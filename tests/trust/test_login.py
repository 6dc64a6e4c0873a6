"""With --auth nobody gets at the page, its files or its API without a name and a password."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from served import local

import app
from ui import server
from ui.server import StartError

ADA = ("ada", "difference: engine")


@pytest.fixture(scope="module")
def closed() -> Iterator[str]:
    with local(auth=[ADA, ("grace", "nanosecond")]) as url:
        yield url


def test_a_stranger_gets_a_form_to_log_in_and_nothing_else(closed: str) -> None:
    with httpx.Client(base_url=closed, timeout=60) as web:
        front = web.get("/")
        assert front.status_code == 200 and "auth_required" in front.text and '"dependencies":[{' not in front.text
        for path in ("/config", "/gradio_api/info", "/gradio_api/file=x/picture.png", "/gradio_api/queue/data"):
            assert web.get(path).status_code == 401, path
        for path in ("/gradio_api/call/gan", "/gradio_api/call/v2/gan", "/gradio_api/queue/join", "/gradio_api/upload"):
            assert web.post(path, json={}).status_code == 401, path
        assert web.post("/login", data={"username": "ada", "password": "x"}).status_code == 400
        assert web.get("/healthz").status_code == 200


def test_who_has_a_name_gets_the_page_and_what_it_made_and_a_stranger_afterwards_does_not(closed: str) -> None:
    with httpx.Client(base_url=closed, timeout=60) as web:
        assert web.post("/login", data={"username": ADA[0], "password": ADA[1]}).status_code == 200
        assert web.get("/config").json()["username"] == "ada" and '"dependencies":[{' in web.get("/").text
    assert httpx.get(f"{closed}/config", timeout=60).status_code == 401
    assert '"dependencies":[{' not in httpx.get(closed, timeout=60).text


def test_gradios_client_logs_in(closed: str, tmp_path: Path) -> None:
    client = Client(closed, auth=ADA, verbose=False, download_files=tmp_path)
    path, *_ = client.predict(count=1, api_name="/gan")
    assert Path(path).read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="Could not login"):
        Client(closed, auth=("ada", "wrong"), verbose=False)


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("ada:x\n", 0o644, "chmod 600"),
        ("", 0o600, "names nobody"),
        ("ada\n", 0o600, "line 1"),
        ("# all\nada:x\nada:y\n", 0o600, "line 3"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_file_that_does_not_do_is_one_sentence(tmp_path: Path, text: str | None, mode: int, told: str) -> None:
    path = tmp_path / "logins"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(StartError, match=told):
        server.read_logins(str(path))


def test_a_password_may_hold_colons_and_mcp_goes_round_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "logins"
    path.write_text(f"# who may see it\n\n{':'.join(ADA)}\n")
    path.chmod(0o600)
    assert server.read_logins(str(path)) == [ADA]
    monkeypatch.setattr(sys, "argv", ["app.py", "--auth", str(path), "--mcp"])
    with pytest.raises(StartError, match="exclude each other"):
        app.arguments()
