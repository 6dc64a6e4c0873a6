"""What Imagine needs beside a pipeline, brought from a hub on loopback: an IP-Adapter, a LoRA, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image
import pytest
import toy_pipelines
from fake_hub import FakeHub, Fault, serving
from imagining import make, pixels

import cli
from models import download, hub
from models.cache import ModelCache
from models.hub import needs as imagine_needs
from models.weights import WeightsError, WeightsMissing
from pipelines.imagine import PIPELINE
from pipelines.params import ParamError, parse
from ui.kit import lacking
from ui.kit.lacking import Sizes
from ui.tabs.imagine import fetch

MODEL, ADAPTERS, LORA = "someone/toy", "someone/adapters", "someone/brush"
ADAPTER = f"{ADAPTERS}#models/ip_adapter.safetensors"
FILES = {
    ADAPTERS: {
        "models/ip_adapter.safetensors",
        "models/image_encoder/config.json",
        "models/image_encoder/model.safetensors",
    },
    LORA: {"brush.safetensors"},
}


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Repositories as they are found on the hub, with much that nobody asked for beside what is."""
    top, toy = tmp_path_factory.mktemp("hub"), toy_pipelines.folder("sd")
    adapters, brush = top / "adapters" / "models", top / "brush"
    shutil.copytree(toy / "ip_adapter", adapters)
    brush.mkdir()
    shutil.copy(toy / "lora.safetensors", brush / "brush.safetensors")
    for extra in ("ip_adapter_plus.safetensors", "ip_adapter.bin", "image_encoder/pytorch_model.bin"):
        (adapters / extra).write_bytes(b"1" * 5000)
    for extra in ("README.md", "sample.png", "brush.ckpt", "older/brush.safetensors"):
        (brush / extra).parent.mkdir(exist_ok=True)
        (brush / extra).write_bytes(b"2" * 5000)
    return {MODEL: toy, ADAPTERS: adapters.parent, LORA: brush}


@pytest.fixture
def server(shelves: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.delenv("ATELIER_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)
    with serving() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        made.state.repos |= shelves
        yield made


def needs(**settings: Any) -> list[imagine_needs.Need]:
    named = {"model": MODEL, "also": "", "adapter": ADAPTER, "lora": LORA, "styles": ["style.png"], **settings}
    return fetch.needs(**named)


def bring(**settings: Any) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    lacking.bring(fetch.missing(needs(**settings)), lambda done, total: told.append((done, total)))
    return told


def got(server: FakeHub) -> set[str]:
    return {path for path, _ in server.state.got}


def test_a_run_says_all_that_is_missing_and_what_brings_it(
    cache: ModelCache, server: FakeHub, style: PIL.Image.Image
) -> None:
    given = {"model": MODEL, "adapter": ADAPTER, "lora": LORA, "styles": [style]}
    command = f"`python cli.py weights {MODEL} --adapter {ADAPTER} --lora {LORA}`"
    expected = (
        f"{MODEL}, IP-Adapter {ADAPTER}, LoRA {LORA} are not on this machine: press Fetch in Imagine, "
        f"run {command}, or give files of this machine."
    )
    with pytest.raises(WeightsMissing) as caught:
        make(cache, **given)
    assert str(caught.value) == expected and PIPELINE.lacks and caught.value.wanted == tuple(needs())
    assert PIPELINE.lacks(parse(PIPELINE.params, given)) == expected
    assert not server.state.got, "nothing is fetched unasked"
    with pytest.raises(WeightsMissing, match=f"^LoRA {LORA} is not on this machine: press Fetch in Imagine"):
        make(cache, lora=LORA)
    offered = "stabilityai/stable-diffusion-xl-base-1.0"
    with pytest.raises(WeightsMissing, match="IP-Adapter h94/IP-Adapter#sdxl_models/"):
        make(cache, model=offered, styles=[style])


def test_what_a_run_needs_is_fetched_with_its_size_first_and_nothing_else(
    cache: ModelCache, server: FakeHub, style: PIL.Image.Image, shelves: dict[str, Path]
) -> None:
    away = fetch.missing(needs())
    assert [need.kind for need in away] == ["model", "IP-Adapter", "LoRA"]
    snapshots = {need.repo: need.look() for need in away}
    assert got(server) == {"model_index.json"}, "looking brings nothing large"
    for repo, names in FILES.items():
        assert {file.name for file in snapshots[repo].files} == names
        assert snapshots[repo].bytes == sum((shelves[repo] / name).stat().st_size for name in names)
    told = bring()
    whole = sum(snapshot.bytes for snapshot in snapshots.values())
    assert [done for done, _ in told] == sorted(done for done, _ in told) and told[-1] == (whole, whole)
    wanted = FILES[ADAPTERS] | FILES[LORA] | {file.name for file in snapshots[MODEL].files}
    assert got(server) == wanted and fetch.missing(needs()) == []
    _, here = make(
        cache,
        "sd",
        styles=[style],
        adapter=str(shelves[ADAPTERS] / "models"),
        lora=str(shelves[LORA] / "brush.safetensors"),
    )
    _, fetched = make(cache, model=MODEL, styles=[style], adapter=ADAPTER, lora=LORA)
    assert pixels(fetched) == pixels(here) != pixels(make(cache, model=MODEL)[1])
    assert fetched.record.details["lora"] == {**here.record.details["lora"], "file": "brush.safetensors"}
    assert fetched.record.details["adapter"]["sha256"] == here.record.details["adapter"]["sha256"]


def test_a_lora_file_is_brought_alone_from_a_repository_of_a_pipeline(
    cache: ModelCache, server: FakeHub, shelves: dict[str, Path]
) -> None:
    bring(model=str(shelves[MODEL]), lora=f"{MODEL}#lora.safetensors", styles=[])
    assert got(server) == {"lora.safetensors"}
    make(cache, lora=f"{MODEL}#lora.safetensors")
    with pytest.raises(WeightsMissing, match=f"^{MODEL} is not on this machine"):
        make(cache, model=MODEL)
    unet = "unet/diffusion_pytorch_model.safetensors"
    server.state.faults[unet] = Fault(cut_after=0, times=99)
    with pytest.raises(WeightsMissing, match="what arrived is kept"):
        bring(lora="", styles=[])
    with pytest.raises(WeightsMissing, match=f"^{MODEL} is not on this machine"):
        make(cache, model=MODEL)  # what came before the cut is no pipeline
    server.state.faults.clear()
    bring(lora="", styles=[])
    make(cache, model=MODEL, lora=f"{MODEL}#lora.safetensors")


@pytest.mark.parametrize("path", ["brush.safetensors", "models/image_encoder/model.safetensors"])
def test_a_cut_connection_goes_on_and_a_wrong_file_is_refused(server: FakeHub, path: str) -> None:
    server.state.faults[path] = Fault(wrong=True, times=99)
    with pytest.raises(WeightsError, match="its sha256 is"):
        bring()
    assert fetch.missing(needs()), "it is not used"
    server.state.got.clear()
    server.state.faults[path] = Fault(cut_after=2000, times=2)
    bring()
    assert [asked for name, asked in server.state.got if name == path] == [None, "bytes=2000-", "bytes=4000-"]
    assert fetch.missing(needs()) == []


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"lora": f"{LORA}#brush.ckpt"}, WeightsError, r"brush\.ckpt is no safetensors file"),
        ({"lora": f"{LORA}#none.safetensors"}, WeightsError, "holds no none.safetensors: check the spelling"),
        ({"lora": "brush.safetensors"}, WeightsError, "is not on this machine: give the path of a file"),
        ({"lora": ADAPTERS}, WeightsError, "holds 0 safetensors files: name one"),
        ({"adapter": f"{ADAPTERS}#models/ip_adapter.bin"}, WeightsError, "is no safetensors file"),
        ({"adapter": f"{LORA}#brush.safetensors"}, WeightsError, "has no safetensors files in image_encoder"),
        ({"adapter": ""}, ParamError, "No IP-Adapter is known for someone/toy"),
        ({"lora": "nobody/nothing"}, WeightsMissing, "no model called nobody/nothing"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_large(
    server: FakeHub, settings: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        bring(**settings)
    assert got(server) <= {"model_index.json"}


def test_an_adapter_that_is_known_goes_with_its_encoder() -> None:
    file = "sdxl_models/ip-adapter_sdxl_vit-h.safetensors"
    assert imagine_needs.adapter_named(f"h94/IP-Adapter#{file}").encoder == "models/image_encoder"
    (need,) = imagine_needs.by_name([], f"h94/IP-Adapter#{file}", None)
    assert need.bytes == 698_000_000 + 4 * 632_076_800
    assert imagine_needs.adapter_named("a/b#x/y.safetensors").encoder == "x/image_encoder"


def test_the_button_names_the_size_before_it_fetches(server: FakeHub, shelves: dict[str, Path]) -> None:
    english = gr.Request(headers={"accept-language": "en"})
    found = needs(model=str(shelves[MODEL]))
    away = fetch.missing(found)
    assert [need.kind for need in away] == ["IP-Adapter", "LoRA"]
    assert fetch.button(away, {}, english)["value"] == "Fetch: how large is it?"
    sizes: Sizes = {need: need.look().bytes for need in away}
    size = sum(sizes.values())
    assert fetch.button(away, sizes, english)["value"] == f"Fetch {size / 1e6:.1f} MB"
    assert "to fetch" in fetch.beside(away[1], sizes, english)
    chinese = gr.Request(headers={"accept-language": "zh-CN"})
    assert fetch.button(away, {}, chinese)["value"] == "获取：有多大？"
    lacking.bring(away, lambda _done, _total: None)
    assert fetch.button(fetch.missing(found), sizes, english)["visible"] is False
    assert "on this machine" in fetch.beside(away[1], sizes, english)
    assert not got(server) & {"model_index.json"}


def test_the_command_line_fetches_the_same(server: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["weights", MODEL, "--adapter", ADAPTER, "--lora", LORA]
    assert cli.main(asked) == 0
    out, err = capsys.readouterr()
    assert [Path(line).name for line in out.splitlines()][1:] == ["ip_adapter.safetensors", "brush.safetensors"]
    assert all(f"{name}: " in err for name in (MODEL, f"IP-Adapter {ADAPTER}", f"LoRA {LORA}")) and " MB" in err
    assert fetch.missing(needs()) == [] and hub.folder(LORA).is_dir()
    before = len(server.state.got)
    assert cli.main(asked) == 0 and len(server.state.got) == before, "nothing is fetched twice"
    assert cli.main(["weights", "--lora", "nobody/nothing"]) == 2
    assert "no model called nobody/nothing" in capsys.readouterr().err
