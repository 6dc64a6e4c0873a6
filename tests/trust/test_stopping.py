"""How the server starts and ends: one line and status 2 for what cannot start, status 0 within seconds for a signal."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from asking import end_in_mid_run
from served import ROOT, serve

from models import registry, weights
from ui import server


def test_a_signal_in_mid_run_ends_the_server_in_order(tmp_path: Path) -> None:
    """Ctrl+C here; SIGTERM is how the server of all other tests ends (tests/conftest.py)."""
    with serve(tmp_path) as page:
        end_in_mid_run(page, signal.SIGINT, tmp_path)


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
