"""Data sets on request: fetched from a real server on loopback, whole or not at all, and read as torchvision does."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torchvision.datasets
from file_server import Answer, Server, isolate, serving

import cli
from models.cache import ModelCache
from models.weights import WeightsError, WeightsMissing
from pipelines import dataset
from pipelines.base import Result, run
from pipelines.dataset import DataSet
from pipelines.params import parse
from pipelines.train import PIPELINE
from ui.kit import fetching, lacking
from ui.kit.policy import Policy
from ui.kit.press import Press
from ui.kit.show import failed

ENGLISH, CHINESE = (gr.Request(headers={"accept-language": language}) for language in ("en", "zh-CN"))
COUNT = 1024


def packed(file: str) -> bytes:
    """A small file of the kind that torchvision names."""
    images = bytes(16) + bytes(range(256)) * 784 * 4
    return gzip.compress(images if "images" in file else bytes(8) + bytes(i % 10 for i in range(COUNT)), mtime=0)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    isolate(tmp_path, monkeypatch)
    monkeypatch.delenv("ATELIER_DATA", raising=False)
    with serving() as server:
        yield server


@pytest.fixture
def fashion(server: Server, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """Fashion-MNIST in small, on the server."""
    bodies = {file: packed(file) for file, _ in dataset.FASHION.packed}
    urls = [server.url(file, Answer(body=body)) for file, body in bodies.items()]
    theirs = torchvision.datasets.FashionMNIST
    monkeypatch.setattr(theirs, "mirrors", [urls[0].rpartition("/")[0] + "/"])
    monkeypatch.setattr(theirs, "resources", [(file, hashlib.md5(body).hexdigest()) for file, body in bodies.items()])
    small = replace(dataset.FASHION, packed=tuple((file, len(body)) for file, body in bodies.items()))
    monkeypatch.setitem(dataset.SETS, "fashion", small)
    return small


def test_torchvision_names_the_files_that_are_fetched() -> None:
    for kind in dataset.SETS.values():
        addresses = dataset._addresses(kind)
        assert set(addresses) == {file for file, _ in kind.packed}
        assert all(urls and len(md5) == 32 for urls, md5 in addresses.values())


def test_a_set_is_fetched_unpacked_and_learned_from(fashion: DataSet, server: Server, cache: ModelCache) -> None:
    values = {"model": "gan-dense", "data": "fashion", "capacity": "tiny", "batch": 8, "steps": 2}
    params = parse(PIPELINE.params, values)
    with pytest.raises(WeightsMissing, match=r"Fashion-MNIST \(.*\) is not on this machine: fetch it") as caught:
        next(run(PIPELINE, params, cache))
    shown = failed(caught.value, None, PIPELINE, ENGLISH)
    assert shown.wanted == {fashion: fashion.bytes} and shown.cures[1] == f"Fetch {lacking.amount(fashion.bytes)}"
    told: list[tuple[int, int]] = []
    home = dataset.fetch(fashion, lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[-1] == (fashion.bytes, fashion.bytes) and dataset.whole(fashion)
    assert {path.name for path in home.iterdir()} == {Path(file).stem for file, _ in fashion.packed}
    assert not [path for path in home.parent.iterdir() if path.suffix == ".gz"]
    *_, result = run(PIPELINE, params, cache)
    assert isinstance(result, Result)
    asked = len(server.seen)
    assert dataset.fetch(fashion, lambda *_: None) == home and len(server.seen) == asked


def test_a_cut_connection_is_resumed(fashion: DataSet, server: Server) -> None:
    file = fashion.packed[1][0]
    body = packed(file)
    server.script[f"/{file}"] = [Answer(body=body, cut_at=1000), Answer(body=body)]
    dataset.fetch(fashion, lambda *_: None)
    assert ("/" + file, "bytes=1000-", None) in server.seen and dataset.whole(fashion)


def test_a_wrong_file_and_no_network_are_sentences(
    fashion: DataSet, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, size = fashion.packed[0]
    server.script[f"/{file}"] = [Answer(body=bytes(size))]
    with pytest.raises(WeightsError, match="its md5 is"):
        dataset.fetch(fashion, lambda *_: None)
    assert not dataset.whole(fashion)
    server.script[f"/{file}"] = [Answer(status=503)]
    with pytest.raises(WeightsMissing, match="Fetch again"):
        dataset.fetch(fashion, lambda *_: None)
    monkeypatch.setenv("ATELIER_OFFLINE", "1")
    with pytest.raises(WeightsMissing, match="ATELIER_OFFLINE forbids"):
        dataset.fetch(fashion, lambda *_: None)


def test_the_archive_of_photographs_is_unpacked_whole(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name in ("data_batch_1", "test_batch"):
                entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                entry.size = 3
                archive.addfile(entry, io.BytesIO(b"abc"))
        body = file.getvalue()
    theirs: Any = torchvision.datasets.CIFAR10
    monkeypatch.setattr(theirs, "url", server.url(theirs.filename, Answer(body=body)))
    monkeypatch.setattr(theirs, "tgz_md5", hashlib.md5(body).hexdigest())
    kind = replace(dataset.DATASETS["cifar10"], packed=((theirs.filename, len(body)),))
    home = dataset.fetch(kind, lambda *_: None)
    assert {path.name for path in home.iterdir()} == {"data_batch_1", "test_batch"} and dataset.whole(kind)
    assert not list(home.parent.glob("*.gz"))


def test_on_the_command_line(fashion: DataSet, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["weights", "Fashion-MNIST"]) == 0
    assert capsys.readouterr().out.strip() == str(dataset.folder() / fashion.theirs) and dataset.whole(fashion)
    assert cli.main(["weights"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Fashion-MNIST"))
    assert "not here" not in row and "here" in row


def test_stop_ends_a_fetch_and_the_next_one_goes_on(fashion: DataSet, server: Server) -> None:
    file = fashion.packed[1][0]
    server.script[f"/{file}"] = [Answer(body=packed(file), piece_seconds=0.05)]
    press, wanted = Press(), {fashion: fashion.bytes}
    rows = []
    for row in fetching.cure(wanted, CHINESE, press):
        press.stopped = True
        rows.append(row)
    assert any(str(row[0]).startswith("已停止") for row in rows) and rows[-1][2] == wanted
    assert [row for row in fetching.cure(wanted, ENGLISH)][-1][2] == {} and dataset.whole(fashion)


def test_the_preset_says_whether_a_visitor_may(fashion: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.kit.lacking.policy.current", lambda: Policy(fetch="none"))
    *_, sentence = fetching.fetch([fashion], ENGLISH)
    assert "This server fetches nothing" in sentence and not dataset.whole(fashion)
    monkeypatch.setattr("ui.kit.lacking.policy.current", lambda: Policy(fetch="curated"))
    *_, sentence = fetching.fetch([fashion], ENGLISH)
    assert "Here now: Fashion-MNIST" in sentence
