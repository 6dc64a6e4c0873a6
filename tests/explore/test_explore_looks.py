"""The Explore tab's looks: networks run once for many views, clicks mean what lies under them, newer looks win."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image
import pytest
import torch
import torchvision.models

from benchmarks import common, explore
from models import registry, weights
from models.cache import ModelCache
from models.vgg import DEPTHS, IMAGENET_MEAN, IMAGENET_STD, WIDTHS, from_torchvision_squeezenet, vgg_lite
from pipelines import images, record
from pipelines.base import Result, run
from pipelines.explore import EFFICIENTNET, LAYERS, PIPELINE, ExploreParams, draw, imagenet, looking
from pipelines.explore.encode import Shelf
from ui.kit.form import replay
from ui.kit.run import Server
from ui.tabs.explore import looks as explore_looks
from ui.tabs.explore.looks import Looks
from ui.tabs.explore.numbers import numbers

READER = gr.Request(session_hash="a visitor", headers={"accept-language": "en"})
CHINESE_READER = gr.Request(session_hash="another", headers={"accept-language": "zh-CN,zh;q=0.9"})
GIVEN: dict[str, Any] = {
    "content": str(common.content("cat")),
    "other": None,
    "model": "vgg-lite",
    "resolution": 64,
    "count": 9,
    "tv_weight": 5.0,
    "seed": 0,
    "view": "layers",
    "layer": "",
    "several": [],
    "scale": "map",
    "channel": "",
    "classes": "cifar10",
    "label": -1,
    "steps": 4,
}
PLACES = ("picture", "numbers", "status", "table", "layer", "label", "download", "record")
RUN, STOP, CURE = -3, -2, -1


def result(cache: ModelCache, **settings: Any) -> Result:
    p = ExploreParams(content=common.content("cat"), resolution=64, **settings)  # type: ignore[arg-type]
    *_, found = run(PIPELINE, p, cache)
    assert isinstance(found, Result)
    return found


@pytest.fixture
def looks(cache: ModelCache) -> Looks:
    shelf = Shelf()
    return Looks(replace(PIPELINE, generate=looking(shelf)), list(GIVEN), shelf, Server(cache))


def given(**changes: Any) -> list[Any]:
    return list((GIVEN | changes).values())


def told(row: list[Any], name: str) -> Any:
    return row[PLACES.index(name)]


def test_networks_run_once_for_all_views_and_every_round_through_them() -> None:
    rows = {row.view: row for row in explore.measure(quick=True)}
    assert {view: row.first_runs for view, row in rows.items()} == {
        # one for the maps, and six moved and mirrored copies for the judgement; one of ImageNet's, where it is here
        "classify": 7 + (imagenet() == EFFICIENTNET),
        "layers": 1,
        "gram": 1,  # of the second picture
        "attention": 0,
        "frequencies": 0,
    }
    assert sum(row.again_runs for row in rows.values()) == 0 and all(len(row.again) == 1 for row in rows.values())
    assert "Goal: each view under 0.2 s." in explore.report(list(rows.values()))


def test_layers_offered_before_anything_is_loaded_are_the_networks_own(cache: ModelCache) -> None:
    with cache.use("vgg-lite", "cifar10") as modules:
        own = {name: tuple(module.layers) for name, module in zip(("vgg-lite", "cifar10"), modules, strict=True)}  # type: ignore[arg-type]
    with torch.device("meta"):  # their layout, without half a gigabyte of numbers
        nets = torchvision.models
        for name, depths in DEPTHS.items():
            own[name] = vgg_lite(WIDTHS, depths, IMAGENET_MEAN, IMAGENET_STD).layers
        own["vgg16-hed"] = own["vgg16"]  # tests/models/test_hed.py
        own["squeezenet"] = from_torchvision_squeezenet(nets.squeezenet1_1(weights=None).features).layers
    assert own == LAYERS


@pytest.mark.parametrize("size", [(64, 64), (64, 40)])
@pytest.mark.parametrize(("skip", "each", "top"), [(0, 1, 0), (1, 1, 0), (0, 3, 50)])
def test_a_click_means_the_panel_under_it(size: tuple[int, int], skip: int, each: int, top: int) -> None:
    panels = [PIL.Image.new("RGB", size, (i, 0, 0)) for i in range(1, 8)]
    cells = [(panel, "x") for panel in panels]
    head = [[(PIL.Image.new("RGB", (size[0], 31), (0, 0, 9)), "head")]] if top else []
    sheet = draw.sheet([*head, *(cells[i : i + 3] for i in range(0, len(cells), 3))])
    grid = draw.Grid(*size, 3, skip=skip, each=each)
    grid = replace(grid, top=sheet.height - draw.GAP - 3 * grid.pitch)
    hits = 0
    for x in range(0, sheet.width, 3):
        for y in range(0, sheet.height, 3):
            red, green, blue = sheet.getpixel((x, y))  # type: ignore[misc]
            if green == blue == 0 and 1 <= red <= 7:
                place = red - 1 - skip
                assert grid.at(x, y) == (place // each if place >= 0 else -1)
                hits += 1
            elif blue == 9:
                assert grid.at(x, y) == -1
    assert hits > 7 * 50


def test_a_click_on_a_view_is_a_map_or_a_layer(cache: ModelCache, style: PIL.Image.Image) -> None:
    maps = result(cache, view="layers", count=10).record.details
    (first, last) = ([60, 30], [60, 100])
    assert (explore_looks.place_of(first, maps), explore_looks.place_of(last, maps)) == (0, 8)
    assert explore_looks.place_of([700, 100], maps) is None  # the second row has two maps
    pair = result(cache, view="gram", other=style)
    details, height = pair.record.details, pair.picture.height
    bottom = explore_looks.place_of([400, height - 80], details)
    assert bottom is not None and details["layers"][bottom]["layer"] == "conv5_1"
    assert explore_looks.place_of([50, 50], details) is None, "the picture above the columns is no layer"
    assert explore_looks.place_of([5, 5], result(cache).record.details) is None


def test_a_first_look_waits_for_its_turn_and_every_look_after_it_does_not(looks: Looks) -> None:
    row = looks.look(READER, *given())
    assert told(row, "status") == "waiting for its turn" and told(row, "numbers") == ""
    assert not row[RUN]["interactive"] and row[STOP]["interactive"]
    *_, last = looks.stream(READER, *given())
    assert told(last, "record")["details"]["layer"] == "conv4_2" and last[RUN]["interactive"]
    assert "from stored features" not in told(last, "status")
    row = looks.look(READER, *given(view="gram", several=["conv1_1", "conv3_1"]))
    assert [r["layer"] for r in told(row, "record")["details"]["layers"]] == ["conv1_1", "conv3_1"]
    assert "from stored features" in told(row, "status") and not looks.due
    with PIL.Image.open(told(row, "download")["value"]) as file:
        assert file.format == "PNG" and "atelier" in file.info


def test_a_newer_look_ends_the_one_before_and_is_not_painted_over(looks: Looks, cache: ModelCache) -> None:
    looks.look(READER, *given(view="invert", steps=50))
    stream = looks.stream(READER, *given(view="invert", steps=50))
    assert "1/50" in told(next(stream), "status")
    looks.look(READER, *given(view="frequencies"))
    skipped = [all(value == gr.skip() for value in row) for row in stream]
    assert skipped == [True] and not any(row.pins for row in cache.snapshot())
    assert [*looks.stream(READER, *given(view="frequencies"))] == [[gr.skip()] * len(row_of(looks))]


def row_of(looks: Looks) -> list[Any]:
    return looks.look(READER, *given(view="frequencies"))


def test_stop_keeps_the_inversion_and_coming_back_to_a_finished_one_costs_nothing(looks: Looks) -> None:
    settings = given(view="invert", several=["conv1_1", "conv2_1"], steps=4)
    looks.press(READER, *settings)
    stream = looks.stream(READER, *settings)
    next(stream)
    looks.server.presses.stop("a visitor", "explore", "")
    *_, last = stream
    assert told(last, "record")["notes"] == ["stopped after step 1 of 4"] and told(last, "download")["interactive"]
    assert "conv2_1" in told(last, "numbers") and last[RUN]["interactive"]
    looks.look(READER, *settings)
    assert looks.due, "a stopped inversion is not a finished one"
    list(looks.stream(READER, *settings))
    row = looks.look(CHINESE_READER, *settings)
    assert told(row, "record")["steps"] == 4 and not looks.due and "层" in told(row, "numbers")
    looks.press(READER, *settings)
    assert looks.due, "Run makes it again"


def test_stop_reaches_a_look_that_an_earlier_stream_takes_up_before_it_has_answered(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = given(view="invert", steps=50)
    streams: list[Any] = []

    def stream_begins(*args: Any, **options: Any) -> list[Any]:
        if looks.due:
            streams.append(looks.stream(READER, *settings))
            next(streams[0])
        return row(*args, **options)

    row = explore_looks.row
    monkeypatch.setattr(explore_looks, "row", stream_begins)
    looks.look(READER, *settings)
    looks.server.presses.stop("a visitor", "explore", "")
    *_, last = streams[0]
    assert told(last, "record")["notes"] == ["stopped after step 1 of 50"]


def test_errors_are_sentences_in_the_readers_language(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    row = looks.look(READER, *given(content=None))
    assert "content is missing: The picture to look into." in told(row, "status")
    if weights.present(registry.MODELS["vgg19"].weights):
        pytest.skip("the official VGG-19 is on this machine")
    monkeypatch.setenv("ATELIER_OFFLINE", "1")
    looks.look(CHINESE_READER, *given(model="vgg19"))
    *_, last = looks.stream(CHINESE_READER, *given(model="vgg19"))
    assert "本机没有" in told(last, "status") and last[CURE]["visible"]


def test_inversions_are_bounded(cache: ModelCache, looks: Looks) -> None:
    one = result(cache, view="invert", layer="conv1_1", steps=1)
    for seed in range(20):
        looks.keep(ExploreParams(content=common.content("cat"), view="invert", seed=seed), one)  # type: ignore[arg-type]
    assert len(looks.inversions) == 16


def test_a_pair_for_before_and_after_is_there_without_a_run(cache: ModelCache) -> None:
    content, style, after = explore_looks.example()
    assert Path(content).stem == "astronaut" and Path(style).stem == "impasto"
    rows = result(cache, view="frequencies", other=after).record
    assert rows.metrics["times"] == pytest.approx(
        rows.details["pictures"][1]["per_pixel"] / rows.details["pictures"][0]["per_pixel"]
    )
    assert "times as much" in numbers(rows, READER) and "倍" in numbers(rows, CHINESE_READER)


def test_a_recorded_look_gives_its_settings_back(cache: ModelCache, tmp_path: Path) -> None:
    path = tmp_path / "look.png"
    path.write_bytes(result(cache, view="invert", layer="conv1_1,conv2_1", steps=1).png())
    found = record.read(path)
    assert found is not None
    back = explore_looks.of_record(found.params, replay.known_pictures())
    assert back["content"] == str(common.content("cat")) and back["other"] is None and back["view"] == "invert"
    assert (
        back["several"]["value"] == ["conv1_1", "conv2_1"] and back["resolution"] == 64 and back["label"]["value"] == -1
    )
    assert set(GIVEN) == set(back) and images.digest(images.load(back["content"])) == found.params["content"]["sha256"]


def test_only_what_a_view_uses_is_recorded() -> None:
    said = {**GIVEN, "view": "classify", "layer": "conv1_1", "other": "x.png"}
    assert set(explore_looks.values_of(list(said), tuple(said.values()))) == {"content", "view"}
    said |= {"view": "invert", "several": ["conv1_1", "conv2_1"]}
    found = explore_looks.values_of(list(said), tuple(said.values()))
    assert found["layer"] == "conv1_1,conv2_1" and found["resolution"] == 64 and "other" not in found


@pytest.mark.parametrize("size", [32, 40, 63])
def test_a_small_size_is_the_one_that_was_typed(size: int, looks: Looks) -> None:
    settings: dict[str, Any] = {"view": "invert", "resolution": size, "steps": 1, "several": ["conv1_1"]}
    looks.look(READER, *given(**settings))
    *_, last = looks.stream(READER, *given(**settings))
    assert told(last, "record")["params"]["resolution"] == size, told(last, "status")


def test_without_a_size_each_view_has_its_own() -> None:
    picture = common.content("cat")
    sides = {view: ExploreParams(content=picture, view=view).side for view in ("layers", "invert")}  # type: ignore[arg-type]
    assert sides == {"layers": 256, "invert": 128}
    assert ExploreParams(content=picture, view="invert", resolution=300).side == 300  # type: ignore[arg-type]


def test_a_look_that_memory_has_no_room_for_is_refused_and_a_stored_one_is_not(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks.look(READER, *given())
    *_, _last = looks.stream(READER, *given())
    monkeypatch.setattr("models.device.available_bytes", lambda: 10 << 20)
    row = looks.look(READER, *given())
    assert told(row, "record"), told(row, "status")
    looks.look(READER, *given(resolution=512))
    *_, row = looks.stream(READER, *given(resolution=512))
    assert "A resolution of 512 needs about 0.2 GB of memory" in told(row, "status") and row[RUN]["interactive"]
    looks.look(CHINESE_READER, *given(resolution=512))
    *_, row = looks.stream(CHINESE_READER, *given(resolution=512))
    assert "分辨率 512 约需 0.2 GB" in told(row, "status")


def test_out_of_memory_in_a_look_is_a_sentence_and_the_next_one_works(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.explore.views.view_of", full)
        row = looks.look(READER, *given(view="frequencies"))
        assert "The device ran out of memory: choose a smaller size." in told(row, "status") and not looks.due
    row = looks.look(READER, *given(view="frequencies"))
    assert told(row, "record")


def test_what_the_colours_mean_is_said(cache: ModelCache) -> None:
    by_map, by_layer = (result(cache, view="layers", scale=scale).record for scale in ("map", "layer"))
    low, high = by_layer.details["ends"]
    assert by_map.details["ends"] is None and "each map from its own minimum" in numbers(by_map, READER)
    row = next(row for row in by_layer.details["table"] if row["layer"] == by_layer.details["layer"])
    assert low == row["minimum"] and low < high < row["maximum"] and f"{high:.4g}" in numbers(by_layer, READER)
