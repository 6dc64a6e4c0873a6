"""How the server starts and ends: one line and status 2 for what cannot start, status 0 within seconds for a signal."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from asking import QUICK, answer
from served import ROOT, serve

from models import registry, weights
from ui import server


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_run_ends_the_server_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with serve(tmp_path) as page, httpx.Client(base_url=page.url, timeout=60) as web:
        events = [
            web.post("/gradio_api/call/v2/gatys", json={**QUICK, "size": 256, "steps": 5000}).json()["event_id"]
            for _ in range(2)  # one runs, one waits
        ]
        heard: list[tuple[str, object]] = []
        listeners = [threading.Thread(target=lambda e=e: heard.append(answer(web, "gatys", e))) for e in events]
        for listener in listeners:
            listener.start()
        time.sleep(4)
        start = time.monotonic()
        page.process.send_signal(number)
        time.sleep(0.5)
        try:
            late = web.post("/gradio_api/call/v2/gatys", json=QUICK).status_code
        except httpx.TransportError:
            late = 503  # gone already
        assert page.process.wait(10) == 0 and time.monotonic() - start < 10
        for listener in listeners:
            listener.join(5)
    assert late == 503 and len(heard) == 2
    assert {kind for kind, _ in heard} <= {"complete", "error"} and "error" in {kind for kind, _ in heard}
    log = page.log.read_text()
    assert "Traceback" not in log and "Aborted" not in log
    assert not list(tmp_path.glob("atelier-*"))


def start(*flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py", *flags],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_cannot_start_says_why_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for flags, variables, said in (
            (["--port", port], {}, f"Port {port} is in use: end what listens there, or give another with --port."),
            (["--port", "99999"], {}, "The port is '99999' but must be a number"),
            ([], {"GRADIO_SERVER_PORT": "abc"}, "The port is 'abc' but must be a number"),
            (["--host", "192.0.2.1"], {}, "'192.0.2.1' is no address of this machine"),
            (["--nonsense"], {}, "unrecognized arguments: --nonsense"),
        ):
            ended = start(*flags, **variables)
            lines = (ended.stdout + ended.stderr).strip().splitlines()
            assert ended.returncode == 2 and len(lines) == 1 and lines[0].startswith(said), (flags, lines)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ATELIER_WEIGHTS", "/nowhere"),
        ("ATELIER_WEIGHTS", "~nobody-here/x"),
        ("ATELIER_DATA", "x" * 5000),
        ("ATELIER_CACHE", __file__),
        ("ATELIER_OFFLINE", "maybe"),
        ("HF_HUB_OFFLINE", "2"),
        ("GRADIO_NUM_PORTS", "many"),
        ("GRADIO_DEFAULT_CONCURRENCY_LIMIT", "-1"),
    ],
)
def test_a_variable_with_a_wrong_value_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(server.SettingError, match=f"^{name} is .* (correct it or unset it)\\.$"):
        server.check_environment()


@pytest.mark.parametrize("harm", ["missing", "cut", "flipped"])
def test_a_bundled_file_that_is_not_whole_is_named(harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = tmp_path / "weights"
    shutil.copytree(weights.BUNDLED, bundled)
    monkeypatch.setattr(weights, "BUNDLED", bundled)
    monkeypatch.setenv("ATELIER_CACHE", str(tmp_path / "cache"))
    registry.check_bundled()
    broken = bundled / "vae-mnist.safetensors"
    data = bytearray(broken.read_bytes())
    if harm == "missing":
        broken.unlink()
    else:
        data[len(data) // 2] ^= 1
        broken.write_bytes(data[:1000] if harm == "cut" else data)
    with pytest.raises((weights.WeightsMissing, weights.WeightsError), match=r"vae-mnist") as caught:
        registry.check_bundled()
    assert "\n" not in str(caught.value)
