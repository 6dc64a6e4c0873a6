"""Names and files that somebody types or brings to Imagine: odd ones are a sentence, good ones work by any name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image
import pytest
import toy_pipelines
from imagining import make, pins, pixels
from safetensors.torch import load_file, save_file

import cli
from models import hub
from models.cache import ModelCache, OutOfBudget
from models.weights import WeightsError, WeightsMissing
from pipelines import METHODS, PIPELINES
from pipelines.compare import engine, plan
from pipelines.imagine import PIPELINE
from pipelines.params import ParamError, parse, settings
from ui.kit.form import controls
from ui.kit.i18n import in_words
from ui.kit.session import KNOWN

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 3438167540\n"
ODD_NAMES = [
    "a" * 300,
    "a" * 300 + "/b",
    "~x/y",
    "~nobody",
    "a\0b/c",
    "a/b\nc",
    "a\udcff/b",
    "../..",
    "/",
    "#",
    "中文/名",
]
CONTENTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "pointer": (lambda _: LFS, "is a Git LFS pointer instead of the weights"),
    "empty": (lambda _: b"", "is empty: fetch or save it again"),
    "cut": (lambda data: data[:-100], "is cut short or damaged"),
    "begun": (lambda data: data[:1000], "is no safetensors file, or the beginning of one"),
    "longer": (lambda data: data + b"x", "is cut short or damaged"),
    "noise": (lambda _: b"\xff" * 64, "is no safetensors file"),
    "list": (lambda _: (2).to_bytes(8, "little") + b"[]", "is no safetensors file"),
    "nothing of a tensor": (lambda _: (13).to_bytes(8, "little") + b'{"a": {"b":1}}'[:13], "is no safetensors file"),
}


def lora() -> Path:
    return toy_pipelines.folder("sd") / "lora.safetensors"


def sentence(cache: ModelCache, **settings: Any) -> str:
    with pytest.raises(KNOWN) as caught:
        make(cache, **settings)
    said = str(caught.value)
    assert "\n" not in said.replace("a/b\nc", "") and said.endswith(".") and pins(cache) == 0
    assert not isinstance(caught.value, OutOfBudget)
    return said


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
@pytest.mark.parametrize("setting", ["model", "also", "lora"])
def test_an_odd_name_is_one_sentence(cache: ModelCache, setting: str, name: str) -> None:
    assert "Something broke" not in sentence(cache, **{setting: name})


@pytest.mark.parametrize("case", CONTENTS)
def test_a_file_that_is_not_whole_is_named(cache: ModelCache, tmp_path: Path, case: str) -> None:
    change, words = CONTENTS[case]
    folder = shutil.copytree(toy_pipelines.folder("sd"), tmp_path / "model")
    part = folder / "unet" / "diffusion_pytorch_model.safetensors"
    part.write_bytes(change(part.read_bytes()))
    said = sentence(cache, model=str(folder))
    assert f"{part.name} {words}" in said and str(tmp_path) not in said
    own = tmp_path / "style.safetensors"
    own.write_bytes(change(lora().read_bytes()))
    said = sentence(cache, lora=str(own))
    assert f"{own.name} {words}" in said and str(tmp_path) not in said


def test_compare_and_the_command_line_say_it_too(
    cache: ModelCache, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a" * 300, "~x/y"):
        assert cli.main(["imagine", "--model", name, "--out", "a.png"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "neither a folder nor OWNER/NAME" in said
        cards = engine.prepare(plan.entries(f"imagine:model={name}", METHODS, {}), cache)
        for _ in engine.perform(cards, cache.borrower()):
            pass
        assert "neither a folder nor OWNER/NAME" in cards[0].sentence


@pytest.mark.parametrize(
    "name", ["my style (1).safetensors", "水墨.safetensors", "A#B.SAFETENSORS", "é 'q' &.SafeTensors"]
)
def test_a_lora_works_by_any_name_and_its_folder_is_in_no_record(cache: ModelCache, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    shutil.copy(lora(), path)
    _, result = make(cache, lora=str(path))
    _, plain = make(cache, lora=str(lora()))
    assert pixels(result) == pixels(plain)
    assert result.record.details["lora"] == {"file": name, "sha256": hub.digest(path)}
    assert result.record.params["lora"] == name and str(tmp_path) not in result.record.model_dump_json()


def test_a_path_out_of_a_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "secret.safetensors").write_bytes(lora().read_bytes())
    for name in ("../secret.safetensors", str(tmp_path / "secret.safetensors")):
        with pytest.raises(WeightsError, match="is no file inside of a model"):
            hub.file(str(tmp_path / "model"), name)
    with pytest.raises(WeightsMissing):
        hub.file(str(tmp_path / "model"), "x.safetensors")


def test_a_lora_of_which_half_fits_says_how_many_entries_do_not(cache: ModelCache, tmp_path: Path) -> None:
    tensors = load_file(lora())
    layers = len(tensors) // 2
    strange = {name.replace("unet.", "unet.elsewhere."): tensor.clone() for name, tensor in tensors.items()}
    path = tmp_path / "half.safetensors"
    save_file({**tensors, **strange}, path)
    _, result = make(cache, lora=str(path))
    assert f"{layers} of {2 * layers} entries of the LoRA half.safetensors fit no layer of this model" in (
        result.record.notes
    )
    _, whole = make(cache, lora=str(lora()))
    assert not any("entries" in note for note in whole.record.notes) and pixels(result) == pixels(whole)


@pytest.mark.parametrize("toy", ["sd", "sdxl"])
def test_what_is_past_the_tokens_is_named(cache: ModelCache, toy: str) -> None:
    words = "a red boat on the sea " * 40
    _, result = make(cache, toy, prompt=words + "AND A LIGHTHOUSE", negative="fog " * 100 + "blur", guidance=5)
    notes = [note for note in result.record.notes if "is longer than the 77 tokens that this model reads" in note]
    assert len(notes) == 2 and notes[0].startswith("the prompt") and notes[1].startswith("the negative prompt")
    assert notes[0].endswith("AND A LIGHTHOUSE”") and notes[1].endswith("blur”")
    reader = gr.Request(headers={"accept-language": "zh-CN"})
    assert in_words(notes[0], reader).startswith("提示词超过了该模型能读的 77 个词元：未用“")
    assert in_words(notes[1], reader).startswith("不要出现的内容超过了")
    left = notes[0].partition("without “")[2].removesuffix("”")
    assert words.strip() + " AND A LIGHTHOUSE" == (words + "AND A LIGHTHOUSE") and words.endswith(left[:-16])
    _, short = make(cache, toy, prompt="boat")
    assert not any("tokens" in note for note in short.record.notes)


def test_what_is_left_out_changes_nothing(cache: ModelCache) -> None:
    words = "a red boat on the sea " * 40
    (_, first), (_, second) = make(cache, prompt=words), make(cache, prompt=words + "and a lighthouse")
    assert pixels(first) == pixels(second)


def test_texts_have_lengths(content: PIL.Image.Image) -> None:
    lengths = {"prompt": 2000, "negative": 2000, "model": 600, "also": 600, "adapter": 600, "lora": 600}
    for setting in settings(PIPELINE.params):
        if setting.kind == "text":
            box = controls.page_component(setting)
            assert box.max_length == setting.letters == lengths[setting.name]  # type: ignore[attr-defined]
    with pytest.raises(ParamError, match=r"^prompt has 2001 letters: give at most 2000\.$"):
        parse(PIPELINE.params, {"prompt": "x" * 2001})
    with pytest.raises(ParamError, match=r"^layer has 9000 letters: give at most 8000\.$"):
        parse(PIPELINES["explore"].params, {"content": content, "layer": "x" * 9000})


def test_json_of_a_record_is_plain() -> None:
    assert json.loads(parse(PIPELINE.params, {"lora": "someone/brush#a.safetensors"}).model_dump_json())["lora"] == (
        "someone/brush#a.safetensors"
    )
