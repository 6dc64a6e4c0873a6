"""Parts of pipelines by name, and fetching them: from a hub on loopback, cut off, damaged, and not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import toy_pipelines
from fake_hub import COMMIT, FakeHub, Fault, serving

from models import download, hub, registry, weights
from models.hub import download as hub_download
from models.weights import WeightsError, WeightsMissing

REPO = "someone/toy"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with one repository, and an empty cache folder of our own."""
    monkeypatch.delenv("ATELIER_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)
    with serving() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        made.state.repos[REPO] = toy_pipelines.folder("checked")
        yield made


def name(part: str, repo: str = REPO, dtype: str = "") -> str:
    return f"hub:{repo}#{part}{dtype}"


def numbers(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().float().flatten() for parameter in module.parameters()])


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "safety_checker", "ip_adapter/image_encoder"])
def test_a_part_of_a_folder_is_built_from_its_safetensors(part: str) -> None:
    top = str(toy_pipelines.folder("checked"))
    plain = top if "/" not in part else f"{top}/ip_adapter"
    wanted = name(part.rpartition("/")[2], plain)
    full, half = hub.load_part(wanted), hub.load_part(f"{wanted}@bfloat16")
    assert numbers(full).shape == numbers(half).shape and {p.dtype for p in full.parameters()} == {torch.float32}
    floats = {p.dtype for p in half.parameters() if p.is_floating_point()}
    assert torch.bfloat16 in floats
    (file,), _ = hub.files(plain, part.rpartition("/")[2])
    assert registry.sha256(wanted) == weights.digest(file) == registry.sha256(f"{wanted}@bfloat16")
    parameters = sum(t.numel() for t in full.state_dict().values())
    assert hub.parameter_bytes(plain, part.rpartition("/")[2], torch.float16) == parameters * 2


def test_the_cache_takes_parts_by_name_and_shares_them() -> None:
    cache = registry.open_cache()
    wanted = name("unet", str(toy_pipelines.folder("sd")))
    assert wanted in registry.Loaders() and "vgg-lite" in registry.Loaders()
    with cache.use(wanted) as (one,), cache.use(wanted) as (two,):
        assert one is two
    assert cache.stats.loads == 1


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("hub:a/b", "is no part of a pipeline"),
        ("hub:a/b#unet@int8", "is no part of a pipeline"),
        ("hub:a/b#../../etc", "is no part of a pipeline"),
        ("hub:not an id#unet", "neither a folder nor OWNER/NAME"),
        ("hub:TOY#prior", "no part called prior: it has "),
        ("hub:TOY#scheduler", "which is no network"),
    ],
)
def test_a_wrong_name_is_said(wanted: str, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        hub.load_part(wanted.replace("TOY", str(toy_pipelines.folder("sd"))))


def test_pickles_and_foreign_code_are_not_touched(tmp_path: Path) -> None:
    folder = toy_pipelines.write("sd", tmp_path / "toy")
    (file,), _ = hub.files(str(folder), "unet")
    file.rename(file.with_name("diffusion_pytorch_model.bin"))
    with pytest.raises(WeightsMissing, match=r"save the pipeline in .* again, as safetensors"):
        hub.load_part(name("unet", str(folder)))
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace('"AutoencoderKL"', '"HomeMade"').replace('"CLIPTextModel"', '"os"'))
    for part in ("vae", "text_encoder"):
        with pytest.raises(WeightsError, match="code that a model brings along is never run"):
            hub.load_part(name(part, str(folder)))


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    folder = toy_pipelines.write("sd", tmp_path / "toy")
    (file,), _ = hub.files(str(folder), "vae")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"^vae/diffusion_pytorch_model\.safetensors is no safetensors file"):
        hub.load_part(name("vae", str(folder)))
    (folder / "model_index.json").write_text("{")
    with pytest.raises(WeightsError, match="not readable"):
        hub.load_part(name("vae", str(folder)))


def test_half_precision_files_are_taken_where_asked_for_or_alone(tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    folder = toy_pipelines.write("sd", tmp_path / "toy")
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    with torch.no_grad():
        vae.encoder.conv_in.bias.fill_(7)
    vae.half().save_pretrained(folder / "vae", variant="fp16")
    seen = {
        dtype: float(hub.load_part(name("vae", str(folder), dtype)).encoder.conv_in.bias[0])
        for dtype in ("", "@float16", "@bfloat16")
    }
    assert seen[""] != 7 and seen["@float16"] == seen["@bfloat16"] == 7
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert float(hub.load_part(name("vae", str(folder))).encoder.conv_in.bias[0]) == 7


def test_what_a_pipeline_needs_is_chosen_from_what_a_repository_holds() -> None:
    weights_name = "diffusion_pytorch_model"
    held = ["model_index.json", "README.md", ".gitattributes", "sd.safetensors", "sd.ckpt", "onnx/model.onnx"]
    held += [f"unet/{weights_name}{kind}" for kind in (".bin", ".safetensors", ".fp16.safetensors")]
    held += [f"unet/{weights_name}.non_ema.safetensors", "unet/config.json", "vae/config.json", "vae/run.py"]
    held += ["text_encoder/model.fp16.safetensors", "text_encoder/model.safetensors", "text_encoder/config.json"]
    held += ["tokenizer/vocab.json", "tokenizer/merges.txt", f"vae/{weights_name}.safetensors"]
    held += [f"transformer/{weights_name}-0000{n}-of-00002.safetensors" for n in (1, 2)]
    held += [f"transformer/{weights_name}.safetensors.index.json"]
    parts = ["unet", "text_encoder", "tokenizer", "vae", "transformer"]
    left_out = {*held} - {*hub_download.files_of_pipeline(held, parts)}
    assert left_out == {
        "README.md", ".gitattributes", "sd.safetensors", "sd.ckpt", "onnx/model.onnx", "vae/run.py",
        f"unet/{weights_name}.bin", f"unet/{weights_name}.safetensors", f"unet/{weights_name}.non_ema.safetensors",
        "text_encoder/model.safetensors",
    }  # fmt: skip
    alone = ["model_index.json", "config.json", "diffusion_pytorch_model.safetensors", "scheduler_config.json", "a.bin"]
    assert {*hub_download.files_of_pipeline(alone, ["unet", "scheduler"])} == {*alone[:-1]}, (
        "one model, in the top folder"
    )


def test_fetching_tells_the_size_first_and_how_far_it_is(server: FakeHub) -> None:
    with pytest.raises(WeightsMissing, match="press Fetch"):
        hub.load_part(name("unet"))
    found = hub_download.look(REPO)
    assert found.commit == COMMIT and found.bytes == sum(file.bytes for file in found.files) > 300_000
    assert {path for path, _ in server.state.got} == {"model_index.json"}
    told: list[tuple[int, int]] = []
    folder = hub_download.fetch(found, lambda done, total: told.append((done, total)))
    assert [d for d, _ in told] == sorted(d for d, _ in told) and told[-1] == (found.bytes, found.bytes)
    assert folder == hub.folder(REPO) and not (folder / "lora.safetensors").exists()
    source = toy_pipelines.folder("checked")
    for file in found.files:
        assert (folder / file.name).read_bytes() == (source / file.name).read_bytes()
    part = hub.load_part(name("unet"))
    assert torch.equal(numbers(part), numbers(hub.load_part(name("unet", str(source)))))
    assert hub.sha256(name("unet")) == hub.sha256(name("unet", str(source)))
    before = len(server.state.got)
    hub_download.fetch(hub_download.look(REPO))
    assert len(server.state.got) == before, "nothing is fetched twice"


UNET = "unet/diffusion_pytorch_model.safetensors"


def test_a_cut_connection_goes_on_where_it_was(server: FakeHub) -> None:
    server.state.faults[UNET] = Fault(cut_after=100_000, times=2)
    hub_download.fetch(hub_download.look(REPO))
    ranges = [asked for path, asked in server.state.got if path == UNET]
    assert ranges == [None, "bytes=100000-", "bytes=200000-"]
    hub.load_part(name("unet"))


def test_a_connection_that_stays_cut_keeps_what_arrived(server: FakeHub) -> None:
    server.state.faults[UNET] = Fault(cut_after=100_000)
    server.state.later[UNET] = Fault(cut_after=0, times=99)
    with pytest.raises(WeightsMissing, match="what arrived is kept"):
        hub_download.fetch(hub_download.look(REPO))
    with pytest.raises(WeightsMissing):
        hub.load_part(name("vae"))  # half a snapshot is none
    server.state.later.clear()
    server.state.got.clear()
    hub_download.fetch(hub_download.look(REPO))
    assert [asked for path, asked in server.state.got if path == UNET] == ["bytes=100000-"]
    hub.load_part(name("unet"))


@pytest.mark.usefixtures("server")
def test_a_visitor_who_leaves_stops_the_download_and_it_goes_on_later() -> None:
    def leave(done: int, _total: int) -> None:
        if done > 50_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hub_download.fetch(hub_download.look(REPO), leave)
    hub_download.fetch(hub_download.look(REPO))
    hub.load_part(name("unet"))


@pytest.mark.parametrize("path", [UNET, "unet/config.json"])
def test_a_wrong_file_is_fetched_again_and_then_refused(server: FakeHub, path: str) -> None:
    server.state.faults[path] = Fault(wrong=True, times=1)
    hub_download.fetch(hub_download.look(REPO))
    assert [p for p, _ in server.state.got].count(path) == 2
    hub.load_part(name("unet"))


def test_a_file_that_stays_wrong_is_never_used(server: FakeHub) -> None:
    server.state.faults[UNET] = Fault(wrong=True, times=99)
    with pytest.raises(WeightsError, match="its sha256 is"):
        hub_download.fetch(hub_download.look(REPO))
    with pytest.raises(WeightsMissing):
        hub.load_part(name("unet"))


@pytest.mark.usefixtures("server")
def test_files_of_an_adapter_are_fetched_by_name() -> None:
    found = hub_download.look(REPO, ["ip_adapter/ip_adapter.safetensors", "ip_adapter/image_encoder"])
    hub_download.fetch(found)
    encoder = {f"ip_adapter/image_encoder/{name}" for name in ("config.json", "model.safetensors")}
    assert {file.name for file in found.files} == {"ip_adapter/ip_adapter.safetensors", *encoder}
    assert hub.file(REPO, "ip_adapter/ip_adapter.safetensors").is_file()


@pytest.mark.parametrize("variable", ["ATELIER_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_asks_nobody(server: FakeHub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(WeightsMissing, match="network is") as caught:
        hub_download.look(REPO)
    assert not server.state.got and "\n" not in str(caught.value)


@pytest.mark.usefixtures("server")
def test_a_hub_that_does_not_know_or_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsMissing, match="no model called nobody/nothing"):
        hub_download.look("nobody/nothing")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsMissing, match="could not be fetched"):
        hub_download.look(REPO)


def test_a_disk_that_is_too_small_is_said_before(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_download.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1 << 20))
    with pytest.raises(WeightsError, match="make room there"):
        hub_download.fetch(hub_download.look(REPO))
    assert {path for path, _ in server.state.got} == {"model_index.json"}
