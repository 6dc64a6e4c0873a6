"""The commands that the README shows work as they stand there, at toy size."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import PIL.Image
import pytest

import cli

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SHELL = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))
COMMANDS = [shlex.split(line, comments=True)[2:] for line in SHELL.splitlines() if line.startswith("python cli.py")]


def test_the_command_line_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) >= 4
    for arguments in COMMANDS:  # in order: a later one reads what an earlier one wrote
        if "--help" in arguments:
            with pytest.raises(SystemExit, match="0"):
                cli.main(arguments)
        else:
            assert cli.main([*arguments, *["--size", "64"] * ("--size" in arguments)]) == 0, arguments
    out, again = (PIL.Image.open(tmp_path / name) for name in ("out.png", "again.png"))
    assert max(out.size) == 64 and out.tobytes() == again.tobytes()


def test_files_and_targets_that_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert f"\n{target}:" in makefile, target
    links = re.findall(r"\]\(([\w/.]+\.\w+)\)", README)
    sources = re.findall(r"`((?:models|pipelines|training|ui)/[\w/]+\.py)`", README)
    for name in (*links, *sources):
        assert (ROOT / name).exists(), name
