"""How the server is set up: settings, the private temp folder, the environment, versions."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ui import server

ROOT = Path(__file__).resolve().parents[2]
MB = 1024 * 1024
FRIEND = "https://friend.example"


@pytest.mark.parametrize("value", ["twenty", "0", "-1", "nan", "inf"])
def test_bad_body_limit_is_one_line(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_MAX_BODY_MB", value)
    with pytest.raises(server.SettingError, match=r"^ATELIER_MAX_BODY_MB is .*$"):
        server.middleware()


@pytest.mark.parametrize("value", ["an hour", "0", "-1", "nan", "inf"])
def test_how_long_files_stay_is_a_number_above_zero(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_KEEP_MINUTES", value)
    with pytest.raises(server.SettingError, match=r"^ATELIER_KEEP_MINUTES is .*set it to 60, say\.$"):
        server.check_environment()


@pytest.mark.parametrize(
    "value", ["*", "null", "example.org", "https://a.example/path", "https://a.example/", "https://u@a.b"]
)
def test_bad_origin_is_one_line(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_ORIGINS", f"{FRIEND}, {value}")
    with pytest.raises(server.SettingError, match=r"^ATELIER_ORIGINS holds .*$"):
        server.middleware()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_MAX_BODY_MB", "2.5")
    monkeypatch.setenv("ATELIER_ORIGINS", f" {FRIEND} ,HTTP://LAN.local:8080,")
    layer, _ = server.middleware()
    assert layer.kwargs == {
        "max_body": 2621440,
        "max_weights": 1024 * MB,
        "origins": frozenset({FRIEND, "http://lan.local:8080"}),
        "metrics": False,
    }
    monkeypatch.delenv("ATELIER_MAX_BODY_MB")
    monkeypatch.delenv("ATELIER_ORIGINS")
    layer, _ = server.middleware()
    assert layer.kwargs == {
        "max_body": 20 * MB,
        "max_weights": 1024 * MB,
        "origins": frozenset(),
        "metrics": False,
    }


def start(parent: Path, then: str) -> tuple[subprocess.Popen[str], Path]:
    code = f"""
import os, pathlib, sys, time
from ui import server
folder = server.private_temp(pathlib.Path({str(parent)!r}))
(folder / "upload.png").write_bytes(b"private")
print(folder, flush=True)
{then}
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_private_temp_outlives_only_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    killed, stale = start(tmp_path, "time.sleep(60)")
    living, used = start(tmp_path, "time.sleep(60)")
    try:
        assert stale.is_dir() and used.is_dir()
        killed.kill()
        killed.wait(10)
        assert (stale / "upload.png").exists()
        mine = server.private_temp(tmp_path)
        assert not stale.exists()
        assert (used / "upload.png").exists()
        assert mine.stat().st_mode & 0o777 == 0o700
        assert os.environ["GRADIO_TEMP_DIR"] == str(mine)
        other = server.private_temp(tmp_path)
        assert mine.is_dir() and other != mine
    finally:
        for process in (killed, living):
            process.kill()
            process.wait(10)


def test_private_temp_is_removed_at_exit_but_not_by_a_fork(tmp_path: Path) -> None:
    fork = "pid = os.fork()\nif pid == 0: sys.exit()\nos.waitpid(pid, 0)\nassert folder.is_dir()"
    process, folder = start(tmp_path, fork)
    assert process.wait(10) == 0
    assert not folder.exists()


def test_sweep_leaves_links_and_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    precious = tmp_path / "precious"
    precious.mkdir()
    prefix = f"atelier-{os.getuid()}-"
    (tmp_path / f"{prefix}link").symlink_to(precious)
    (tmp_path / f"{prefix}file").write_text("x")
    server.private_temp(tmp_path)
    assert precious.is_dir() and (tmp_path / f"{prefix}file").exists()


def test_environment_sets_defaults_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*server.ENVIRONMENT, "HF_HUB_OFFLINE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "mine")
    monkeypatch.setenv("ATELIER_OFFLINE", "1")
    server.environment()
    got = {name: os.environ[name] for name in server.ENVIRONMENT}
    assert got == server.ENVIRONMENT | {"DO_NOT_TRACK": "mine"}
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def versions(**of: str) -> Callable[[str], str]:
    def installed(name: str) -> str:
        if name not in of:
            raise importlib.metadata.PackageNotFoundError(name)
        return of[name]

    return installed


def test_versions(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("start")
    server.check_versions(log, versions(gradio="6.31.0", pillow="13.0.0"))
    assert not caplog.records
    server.check_versions(log, versions(gradio="6.100.0", pillow="12.3.0"))
    assert "GHSA-8g5g-8vmr-9782" in caplog.text and 'pip install --no-deps "pillow>=13.0.0"' in caplog.text
    for old in (versions(gradio="5.23.1"), versions(gradio="6.4.0"), versions(pillow="13.0.0")):
        with pytest.raises(server.VersionError, match="pip install") as caught:
            server.check_versions(log, old)
        assert "\n" not in str(caught.value)


def test_importing_the_server_is_light() -> None:
    code = "import sys, ui.server; sys.exit(bool({'gradio', 'torch', 'huggingface_hub'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0
