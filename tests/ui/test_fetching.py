"""The failed state's Fetch: what a run lacks is brought in place, with its size first, and the run then works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import toy_pipelines
from fake_hub import FakeHub, Fault
from fake_hub import serving as serving_hub
from file_server import BODY, Answer, Server, isolate, record, serving
from imagining import make

from models import download, hub, weights
from models.cache import ModelCache
from models.hub.needs import of_model
from models.weights import WeightsError, WeightsMissing
from pipelines.gatys import PIPELINE
from ui.kit import fetching, lacking
from ui.kit.show import failed

ENGLISH, CHINESE = (gr.Request(headers={"accept-language": language}) for language in ("en", "zh-CN"))
REPO = "someone/toy"
BIG = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    isolate(tmp_path, monkeypatch)
    with serving() as server:
        yield server


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for name in ("ATELIER_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)
    with serving_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.state.repos[REPO] = toy_pipelines.folder("sd")
        yield server


def press(wanted: Any, request: gr.Request = ENGLISH) -> list[Any]:
    """What the page is told after a press: sentence, button, what is still lacking."""
    return [list(row) for row in fetching.cure(wanted, request)]


def test_a_missing_file_is_fetched_in_place_with_its_size_on_the_button(files: Server) -> None:
    missing = record(files.url("net.pth", Answer(piece_seconds=0.01)))
    with pytest.raises(WeightsMissing) as caught:
        weights.locate(missing)
    shown = failed(caught.value, None, PIPELINE, ENGLISH)
    assert shown.cures[1] == "Fetch 0.5 MB" and shown.wanted == {missing: len(BODY)}
    assert failed(caught.value, None, PIPELINE, CHINESE).cures[1] == "获取 0.5 MB"
    rows = press(shown.wanted)
    assert any('class="bar"' in str(row[0]) and "/1 MB" in str(row[0]) for row in rows)
    assert rows[-2][0] == "<span>Here now: net</span>" and rows[-1][2] == {}
    assert rows[-1][1]["visible"] is False
    assert weights.locate(missing).read_bytes() == BODY


def test_without_the_network_the_button_says_so_and_stays(files: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = record(files.url("net.pth", Answer()))
    monkeypatch.setenv("ATELIER_OFFLINE", "1")
    rows = press({missing: missing.bytes}, CHINESE)
    assert "ATELIER_OFFLINE=1" in rows[-2][0] and "本机没有" in rows[-2][0]
    assert rows[-1][1]["visible"] is True and rows[-1][2] == {missing: missing.bytes} and not files.seen
    assert "the network is switched off" in press({of_model(REPO): None})[-1][0]


def test_nothing_is_offered_where_no_fetch_helps(cache: ModelCache, tmp_path: Path) -> None:
    bundled = record()
    with pytest.raises(WeightsMissing) as caught:
        weights.locate(bundled)
    assert lacking.of(caught.value) == () and failed(caught.value, None, PIPELINE).cures[1] == ""
    assert lacking.of(WeightsError("net.pth is damaged.")) == ()
    with pytest.raises(WeightsError) as other:
        make(cache, model=str(tmp_path))
    assert lacking.of(other.value) == ()


def test_a_model_of_the_hub_is_asked_for_its_size_then_fetched_then_runs(cache: ModelCache, shelf: FakeHub) -> None:
    with pytest.raises(WeightsMissing) as caught:
        make(cache, model=REPO)
    shown = failed(caught.value, None, PIPELINE, ENGLISH)
    assert shown.cures[1] == "Fetch: how large is it?" and shown.wanted == {of_model(REPO): None}
    (asked,) = press(shown.wanted)
    size = asked[2][of_model(REPO)]
    assert asked[1]["value"] == f"Fetch {lacking.amount(size)}" and {name for name, _ in shelf.state.got} == {hub.INDEX}
    shelf.state.faults[BIG] = Fault(cut_after=0, times=99)
    cut = press(asked[2])
    assert 'role="alert"' in cut[-2][0] and "what arrived is kept" in cut[-2][0] and cut[-1][2] == asked[2]
    shelf.state.faults.clear()
    assert press(asked[2])[-1][2] == {}
    _, result = make(cache, model=REPO)
    assert result.images


def test_a_bug_while_fetching_is_no_success(files: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = record(files.url("net.pth", Answer()))
    monkeypatch.setattr(download, "PAUSE_SECONDS", "no number")
    files.script["/net.pth"] = [Answer(cut_at=0)]
    (*_, sentence) = fetching.fetch([missing], ENGLISH)
    assert 'role="alert"' in sentence
