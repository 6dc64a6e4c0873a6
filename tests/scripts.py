"""A script run in this process as `python SCRIPT` or `python -m MODULE` would: a process of its own takes seconds."""

from __future__ import annotations

import io
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest


def execute(script: Path | str, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Status and output of a file, or of a module by its name; `folder`: where it is called."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder or Path.cwd())
        patch.setattr(sys, "argv", [str(script), *arguments])
        try:
            if isinstance(script, Path):
                runpy.run_path(str(script), run_name="__main__")
            else:
                runpy.run_module(script, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = int(end.code or 0)
    return subprocess.CompletedProcess([str(script), *arguments], status, out.getvalue(), err.getvalue())
