"""The plan of the house: imports point one way, files and functions stay short, the start stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {  # folder or file -> what of ours it may import
    "models": {"models"},
    "pipelines": {"models", "pipelines"},
    "ui": {"models", "pipelines", "ui"},
    "training": {"models", "training"},
    "benchmarks": {"models", "pipelines", "benchmarks"},
    "examples": {"examples"},
    "app": {"models", "pipelines", "ui"},
    "cli": {"models", "pipelines"},
    "publish": set(),
}
FILES = sorted({*ROOT.glob("*.py"), *(f for folder in (*MAY_IMPORT, "tests") for f in (ROOT / folder).rglob("*.py"))})
NAMES = [str(file.relative_to(ROOT)) for file in FILES]
METHODS = {f"pipelines.{f.stem}" for f in (ROOT / "pipelines").glob("*.py") if "\nPIPELINE = " in f.read_text("utf-8")}
# The page that `make bench` compares the start with is an empty page of Gradio's.
GRADIO = ("ui/", "app.py", "benchmarks/empty_page.py")


def imports(file: Path) -> set[str]:
    """Dotted names that a file imports anywhere, functions included: `from a import b` gives a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("file", [f for f in FILES if f.parent.name != "tests"], ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_one_way(file: Path) -> None:
    name = str(file.relative_to(ROOT))
    home = Path(name).parts[0].removesuffix(".py")
    found = imports(file)
    roots = {name.partition(".")[0] for name in found}
    assert roots & {*MAY_IMPORT, "tests"} <= MAY_IMPORT[home]
    assert "gradio" not in roots or name.startswith(GRADIO)
    if home == "pipelines" and file.name != "__init__.py":
        assert not found & METHODS, "share through models/ or pipelines/images.py, never sideways"


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_files_and_functions_are_short(file: Path) -> None:
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= 250
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    lengths = {n.name: (n.end_lineno or 0) - n.lineno + 1 for n in functions}
    assert {name: length for name, length in lengths.items() if length > 50} == {}


def test_walk_sees_the_methods_and_what_functions_import() -> None:
    assert "pipelines.gatys" in METHODS
    assert {"app.py", "models/cache.py", "ui/page.py", "tests/test_layout.py"} <= set(NAMES)
    assert "torchvision.models" in imports(ROOT / "models/cards/features.py")  # inside a builder


def test_start_imports_torch_and_nothing_heavier() -> None:
    code = (
        "import sys, pipelines, ui.page, cli, app\n"
        "print(*sorted({'torchvision', 'diffusers', 'transformers', 'torch', 'scipy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.split() == ["torch"]
