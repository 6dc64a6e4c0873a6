"""A method that is one folder and its name in the list runs on the command line, through the API and on the page.

The folder is tests/toy_method/blend/: no tab of its own, no words, no card, no example result.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from gradio_client import Client, handle_file
from page import PATIENCE, Open, button, download, pictures
from playwright.sync_api import expect
from served import CONTENT, STYLE, local

import cli
import pipelines
from pipelines import METHODS, PIPELINES, record

pytestmark = pytest.mark.xdist_group(Path(__file__).name)  # one worker builds its page once
FOLDER = Path(__file__).parent / "toy_method"


@pytest.fixture(scope="module")
def blend() -> Iterator[Any]:
    """The method, added: its folder in pipelines/, its name in the list."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines, "__path__", [*pipelines.__path__, str(FOLDER)])
        method = importlib.import_module("pipelines.blend").PIPELINE
        for table in (METHODS, PIPELINES):
            patch.setitem(table, method.name, method)
        yield method


@pytest.fixture(scope="module")
def url(blend: Any) -> Iterator[str]:
    """The page with it."""
    assert blend.name in PIPELINES
    with local() as url:
        yield url


def test_the_command_line_has_it(
    blend: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit, match="0"):
        cli.main([blend.name, "--help"])
    assert "How many thin coats of paint (default 3; 1 to 50)" in capsys.readouterr().out
    flags = ["--content", str(CONTENT), "--styles", str(STYLE), "--paint", "gouache"]
    out, again = str(tmp_path / "out.png"), str(tmp_path / "again.png")
    assert cli.main([blend.name, *flags, "--out", out]) == 0
    assert cli.main(["--from", out, "--out", again]) == 0
    assert PIL.Image.open(out).tobytes() == PIL.Image.open(again).tobytes()
    told = record.read(out)
    assert told is not None and (told.pipeline, told.steps, told.params["paint"]) == ("blend", 3, "gouache")
    assert cli.main(["compare", *flags[:4], "--methods", "blend:steps=2", "--size", "64", "--out", out]) == 0


def test_the_api_has_it(url: str, tmp_path: Path) -> None:
    client = Client(url, verbose=False, download_files=tmp_path)
    picture, told = client.predict(
        content=handle_file(CONTENT), styles=[handle_file(STYLE)], size=64, seed=7, api_name="/blend"
    )
    assert max(PIL.Image.open(picture).size) == 64 and told["pipeline"] == "blend" and told["seed"] == 7


def test_the_page_has_it_with_a_form_english_labels_and_a_plain_result(visit: Open, url: str, tmp_path: Path) -> None:
    page = visit("Blend", url=url, locale="zh-CN")
    panel = page.locator("[role=tabpanel]:visible")
    for label in ("Coats", "Paint", "wash", "gouache"):
        expect(panel.get_by_text(label, exact=True).locator("visible=true").first).to_be_visible()
    expect(panel.get_by_text("Where the colour is from")).to_have_count(0)  # pictures have labels only
    expect(panel.get_by_text("原理", exact=True)).to_be_hidden()  # no short text yet
    panel.get_by_label("gouache").check()
    button(page, "运行").locator("visible=true").click()  # the examples are filled in
    expect(page.get_by_text("前后对比").locator("visible=true")).to_be_visible(timeout=PATIENCE)
    expect(pictures(page).first).to_have_js_property("naturalWidth", 96, timeout=PATIENCE)
    _, told = download(page, tmp_path, "下载 PNG")
    assert told.pipeline == "blend" and told.params["paint"] == "gouache"
