"""Atelier in a program: `atelier.run`, the notebook, and docs/api.md, whose examples work as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from served import Served

import atelier
import cli
from models.cache import ModelCache
from pipelines import PIPELINES, record, reference
from pipelines.base import Progress
from pipelines.params import ParamError, settings

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = reference.PAGE.read_text("utf-8")
ADDRESS = "http://127.0.0.1:7860"


def examples(kind: str) -> list[str]:
    """The examples of docs/api.md in a language."""
    return re.findall(rf"```{kind}\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture(autouse=True)
def _one_cache(cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atelier, "_cache", lambda: cache)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own that has the example pictures, too."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_run_gives_the_picture_of_the_command_line_and_its_record() -> None:
    steps: list[Progress] = []
    picture = atelier.run("gan", steps.append, label=7, count=2, seed=3)
    assert cli.main(["gan", "--label", "7", "--count", "2", "--seed", "3", "--out", "line.png"]) == 0
    with PIL.Image.open("line.png") as other:
        assert picture.tobytes() == other.tobytes()
    assert steps[-1].step == steps[-1].total and len(picture.info["images"]) == 2
    assert picture.info["record"].params["seed"] == 3
    atelier.save(picture, "saved.png")
    assert record.read("saved.png") == picture.info["record"]
    assert cli.main(["--from", "saved.png", "--out", "again.png"]) == 0
    with PIL.Image.open("again.png") as again:
        assert picture.tobytes() == again.tobytes()


def test_what_cannot_be_run_or_saved_is_one_sentence(tmp_path: Path) -> None:
    cases: dict[str, dict[str, Any]] = {
        "painting": {},
        "gan": {"count": 0},
        "diffusion": {"colour": 1},
        "vae": {"view": "digit", "digit": tmp_path / "none.png"},
    }
    for method, given in cases.items():
        with pytest.raises(ParamError) as told:
            atelier.run(method, **given)
        assert str(told.value).endswith(".") and "\n" not in str(told.value)
    with pytest.raises(ValueError, match="no record"):
        atelier.save(PIL.Image.new("RGB", (8, 8)), tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"end in \.png"):
        atelier.save(atelier.run("gan", count=1), tmp_path / "a.jpg")


def test_a_run_that_is_interrupted_gives_its_models_back(cache: ModelCache) -> None:
    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atelier.run("gan", interrupt)
    assert all(model.pins == 0 for model in cache.snapshot())


def test_no_setting_is_called_like_an_argument_of_run() -> None:
    assert not {setting.name for p in PIPELINES.values() for setting in settings(p.params)} & {"progress", "method"}


def test_the_notebook_runs_from_its_first_cell_to_its_last(folder: Path) -> None:
    (folder / "content").symlink_to(ROOT / "examples" / "content")  # a notebook runs in the folder that it lies in
    (folder / "styles").symlink_to(ROOT / "examples" / "styles")
    names: dict[str, Any] = {}
    for cell in json.loads((ROOT / "examples" / "atelier.ipynb").read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["sevens"].info["record"].params["label"] == 7 and len(names["losses"]) == 20
    assert record.read(folder / "astronaut.png") == names["record"]


def test_the_document_names_every_setting_as_it_is() -> None:
    assert reference.page() == DOCUMENT, "run `python -m pipelines.reference`"
    for pipeline in PIPELINES.values():
        section = DOCUMENT.partition(f"\n## /{pipeline.name}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [s.name for s in settings(pipeline.params)]


def test_the_example_in_python(folder: Path) -> None:
    exec(examples("python")[0], {})
    assert record.read(folder / "cat.png") is not None


@pytest.mark.usefixtures("folder")
def test_the_examples_that_ask_a_server(served: Served) -> None:
    names: dict[str, Any] = {}
    exec(examples("python")[1].replace(ADDRESS, served.url), names)
    assert names["record"]["pipeline"] == "stylize" and Path(names["image"]).is_file()
    (script,) = examples("bash")
    done = subprocess.run(
        ["bash", "-c", script.replace(ADDRESS, served.url)], capture_output=True, text=True, timeout=120, check=True
    )
    assert "event: complete" in done.stdout and '"label": 7' in done.stdout


async def tools(url: str) -> list[str]:
    """The tools that an MCP server offers."""
    async with streamablehttp_client(url) as (read, write, _), ClientSession(read, write) as asker:
        await asker.initialize()
        return [tool.name for tool in (await asker.list_tools()).tools]


def test_the_configuration_of_mcp(served: Served) -> None:
    (text,) = examples("json")
    address = json.loads(text)["mcpServers"]["atelier"]["url"].replace(ADDRESS, served.url)
    with start_blocking_portal() as portal:  # Playwright may hold this thread's event loop
        assert set(portal.call(tools, address)) == {*PIPELINES, "models"}
