"""What visitors name as model, adapter or LoRA: ids of the hub and their uploads; the server's own files only where its
owner says so. And what a disk that cannot be written to does to a download."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import toy_pipelines

from models import download, hub, registry, weights
from models.hub import download as hub_download
from models.hub import needs
from models.hub.needs import lora_file
from models.weights import WeightsError, WeightsMissing
from pipelines import PIPELINES
from pipelines.params import file_name
from ui.kit.i18n import in_words
from ui.kit.run import Server
from ui.tabs import imagine

CHINESE = gr.Request(headers={"accept-language": "zh-CN"})

ODD = [
    "x" * 300,
    "a/" + "b" * 300,
    "~nobody-here/y",
    "a\0b",
    "",
    "/",
    "/etc",
    "/etc/passwd",
    "/nowhere",
    ".",
    "..",
    "tests",
]


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server that gives its folders to nobody, and where its uploads go."""
    monkeypatch.setenv("ATELIER_FOLDERS", "0")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "uploads").mkdir()
    return tmp_path / "uploads"


@pytest.mark.parametrize("text", ODD)
@pytest.mark.usefixtures("uploads")
def test_a_server_tells_nothing_of_its_disk_by_a_models_name(text: str) -> None:
    assert not hub.is_local(text)
    for read in (hub.folder, lora_file, hub.load_part):
        with pytest.raises((WeightsError, WeightsMissing)) as caught:
            read(text)
        said = str(caught.value)
        assert "\n" not in said and said.endswith((".", "end."))
    with pytest.raises(WeightsError, match=r"neither a folder nor OWNER/NAME|no part"):
        hub.folder(text)


def test_folders_are_for_the_command_line_and_for_servers_that_say_so(
    uploads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(toy_pipelines.folder("sd"))
    assert not hub.is_local(folder)
    monkeypatch.setenv("ATELIER_FOLDERS", "1")
    assert hub.is_local(folder)
    monkeypatch.delenv("ATELIER_FOLDERS")
    assert hub.is_local(folder) and hub.folder(folder) == Path(folder)
    mine, theirs = uploads / "mine.safetensors", tmp_path / "theirs.safetensors"
    for path in (mine, theirs):
        path.write_bytes(b"")
    monkeypatch.setenv("ATELIER_FOLDERS", "0")
    assert lora_file(mine.name) == mine and needs.of_lora(mine.name).place() == mine
    (uploads / "link.safetensors").symlink_to(theirs)
    for path in (mine, theirs, "../theirs.safetensors", "link.safetensors"):
        with pytest.raises(WeightsError, match="is not on this machine"):
            lora_file(str(path))


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/x.safetensors", "a/../../x", "x" * 300, "a\0"])
def test_a_file_of_a_model_lies_inside_of_it(name: str) -> None:
    with pytest.raises(WeightsError, match="is no file inside of a model"):
        hub.file(str(toy_pipelines.folder("sd")), name)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("moment", ["_append", "_remember_tag", "_lock_file"])
def test_a_disk_that_is_full_or_read_only_is_one_line_and_leaves_no_whole_name(
    moment: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(number, "the disk says no", str(tmp_path / "x"))

    monkeypatch.delenv("ATELIER_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("ATELIER_CACHE", str(tmp_path))
    monkeypatch.setattr(download, moment, fail)
    w = weights.Weights("toy", "toy.bin", "0" * 64, 10, "", "", "", ("http://127.0.0.1:9/toy",))
    if moment == "_remember_tag":
        monkeypatch.setattr(download, "_append", lambda *_: download._remember_tag(tmp_path, "", "tag"))
    with pytest.raises(WeightsError, match="cannot be written \\(the disk says no\\)") as caught:
        weights.fetch(w)
    assert "\n" not in str(caught.value) and not (tmp_path / "toy.bin").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_disk_is_a_sentence_for_the_small_files_of_a_model_too(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, "the disk says no")

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    small = hub_download.RemoteFile("config.json", 10, None, "")
    with pytest.raises(WeightsError, match=r"cannot be kept: .* cannot be written \(the disk says no\)") as caught:
        hub_download.fetch(hub_download.Snapshot("a/b", "0" * 40, (small,)))
    assert "\n" not in str(caught.value) and not (tmp_path / "models--a--b" / "refs" / "main").exists()
    assert in_words(str(caught.value), CHINESE).startswith("a/b 无法保存")


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_server_advises_nothing_that_visitors_cannot_do(
    offline: str, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert uploads.is_dir()
    monkeypatch.setenv("ATELIER_OFFLINE", offline)
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    said = [str(hub.missing("a/b")), str(needs.lacking([needs.of_model("a/b"), needs.of_lora("a/c")]))]
    for sentence in said:
        assert "folder" not in sentence and "cli.py" not in sentence and "files of this machine" not in sentence
        assert not re.search(r"machine|press|choose", in_words(sentence, CHINESE)), in_words(sentence, CHINESE)
    monkeypatch.delenv("ATELIER_FOLDERS")
    assert "folder" in str(hub.missing("a/b"))


def test_an_uploaded_lora_is_shown_without_the_servers_folder(uploads: Path) -> None:
    place = uploads / "0123abcd" / "mine.safetensors"
    place.parent.mkdir()
    place.write_bytes(b"")
    upload = next(
        fn
        for fn in imagine_page().fns.values()
        if [name for _, name in fn.targets] == ["upload"]
        and fn.fn
        and fn.inputs
        and fn.inputs[0].__class__ is gr.UploadButton
    )
    shown = upload.fn(str(place))
    assert shown == "0123abcd/mine.safetensors" and lora_file(shown) == place
    assert file_name(shown) == "mine.safetensors"


def imagine_page() -> gr.Blocks:
    with gr.Blocks() as blocks:
        imagine.build(PIPELINES["imagine"], Server(registry.open_cache()))
    return blocks
