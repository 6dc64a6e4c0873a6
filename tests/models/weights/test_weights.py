"""Weights files: found, checked, read and written. What fetches them is in test_download.py."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from file_server import BODY, FILE, WRONG, Answer, Server, isolate, names, put, record, serving

from models import weights
from models.weights import Weights, WeightsError, WeightsMissing

HOUR_AGO = time.time_ns() - 3600 * 10**9


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return isolate(tmp_path, monkeypatch)


def test_places_in_order(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = record()
    with pytest.raises(WeightsMissing, match="comes with the repository"):
        weights.locate(w)
    assert not weights.present(w)
    bundled = put(tmp_path / "bundled", BODY)
    assert weights.find(w) == bundled and weights.present(w)
    cached = put(cache, BODY)
    assert weights.find(w) == cached
    monkeypatch.setenv("ATELIER_WEIGHTS", str(tmp_path / "own"))
    own = put(tmp_path / "own", BODY)
    assert weights.find(w) == own


def test_torch_hub_cache_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATELIER_CACHE")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert weights.cache_folder() == tmp_path / "torch" / "hub" / "checkpoints"


def test_missing_says_what_and_how_much_and_what_to_do() -> None:
    w = Weights("vgg19", "vgg19.pth", "0" * 64, 574_673_361, "BSD-3-Clause", "torchvision", "", ("http://127.0.0.1:9",))
    with pytest.raises(WeightsMissing) as caught:
        weights.locate(w)
    text = str(caught.value)
    for part in ("vgg19 (vgg19.pth, 575 MB)", "Models tab", "python cli.py weights vgg19", "ATELIER_WEIGHTS"):
        assert part in text
    assert "\n" not in text


def test_wrong_atelier_weights_is_an_error_not_a_fallback(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    w = record(server.url("a", Answer()))
    put(cache, BODY)
    monkeypatch.setenv("ATELIER_WEIGHTS", str(tmp_path / "absent"))
    for call in (weights.find, weights.locate, weights.fetch, weights.present):
        with pytest.raises(WeightsError, match="not a folder"):
            call(w)
    monkeypatch.setenv("ATELIER_WEIGHTS", str(tmp_path / "own"))
    put(tmp_path / "own", WRONG)
    for call in (weights.find, weights.locate, weights.fetch):
        with pytest.raises(WeightsError, match="sha256"):
            call(w)
    assert server.seen == []


def test_damaged_bundled_file_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "bundled", BODY[:-1])
    with pytest.raises(WeightsError, match=f"has {len(BODY) - 1} bytes, not {len(BODY)}"):
        weights.find(record())


def test_damage_to_a_verified_file_is_noticed_and_fetch_mends_it(server: Server, cache: Path) -> None:
    w = record(server.url("a", Answer()))
    path = put(cache, BODY)
    os.utime(path, ns=(HOUR_AGO, HOUR_AGO))
    assert weights.find(w) == path
    path.write_bytes(WRONG)
    os.utime(path, ns=(HOUR_AGO, HOUR_AGO))
    assert weights.find(w) == path  # by size and mtime it is the file that was hashed: 500 MB are not read again
    os.utime(path, ns=(HOUR_AGO, HOUR_AGO + 1))
    assert weights.find(w) is None
    with pytest.raises(WeightsMissing, match="is not whole on this machine"):
        weights.locate(w)
    assert weights.fetch(w).read_bytes() == BODY


def test_prefix_of_the_digest_is_enough_and_the_whole_is_known_afterwards(cache: Path) -> None:
    w = record(digits=8)
    path = put(cache, BODY)
    assert weights.find(w) == path and weights.digest(path) == sha256(BODY).hexdigest()
    put(cache, WRONG)
    assert weights.find(w) is None


def test_a_file_just_written_is_hashed_each_time(cache: Path) -> None:
    path = put(cache, BODY)
    stat = path.stat()
    assert weights.find(record()) == path
    path.write_bytes(WRONG)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights.find(record()) is None


@pytest.mark.parametrize("sha, file", [("abc", FILE), ("Z" * 64, FILE), ("0" * 64, "../net.pth"), ("0" * 64, "..")])
def test_impossible_records_are_refused(sha: str, file: str) -> None:
    with pytest.raises(ValueError, match="of net is"):
        Weights("net", file, sha, 1, "", "", "")


# Reading and writing


def test_safetensors_describe_themselves(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    tied = torch.randn(3, 4)
    tensors = {"b": tied, "a": tied.T, "half": torch.ones(5, dtype=torch.float16), "n": torch.tensor(7)}
    config = {"widths": [8, 16], "name": "网络", "scale": 0.5, "bias": None}
    weights.write(path, config, tensors, {"dataset": "mnist", "script": "training/net.py", "licence": "CC0-1.0"})
    found_config, found = weights.read(path)
    assert found_config == config and sorted(found) == sorted(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype
        assert found[name].is_contiguous()
    assert names(tmp_path) == {"net.safetensors"}


def test_same_contents_same_digest(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2), "b": torch.ones(3, dtype=torch.float16), "c": torch.ones(1)}
    metadata = {name: name for name in "zyxwv"}
    digests = set()
    for order in (1, -1, 1, -1):
        path = tmp_path / "net.safetensors"
        weights.write(path, {"y": 1, "x": 2}, dict(list(tensors.items())[::order]), metadata)
        digests.add(sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    weights.write(path, {"n": 1}, {"a": torch.ones(2)})
    with pytest.raises(TypeError):
        weights.write(path, {"n": object()}, {"a": torch.zeros(2)})
    assert weights.read(path)[0] == {"n": 1} and names(tmp_path) == {"net.safetensors"}


def test_unreadable_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    weights.write(path, {}, {"a": torch.ones(100)})
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[:20], whole[:-1]):
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match="not a readable safetensors file"):
            weights.read(path)
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        weights.read(tmp_path / "absent.safetensors")
    path.write_bytes(whole.replace(b'"config"', b'"confog"'))
    with pytest.raises(WeightsError, match="no constructor arguments"):
        weights.read(path)


class Payload:
    """Makes a folder when unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickles_run_no_code(tmp_path: Path, legacy: bool) -> None:
    path, mark = tmp_path / FILE, tmp_path / "ran"
    torch.save({"a": Payload(mark)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match="not a readable file of plain weights") as caught:
        weights.read_pickle(path)
    assert not mark.exists() and "\n" not in str(caught.value)
    path.write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(WeightsError):
        weights.read_pickle(path)
    assert not mark.exists()


def test_pickled_state_dict(tmp_path: Path) -> None:
    path, net = tmp_path / FILE, torch.nn.Linear(2, 3)
    torch.save(net.state_dict(), path)
    assert torch.equal(weights.read_pickle(path)["weight"], net.weight)
    for other in (torch.ones(1), {"epoch": 3}, [torch.ones(1)]):
        torch.save(other, path)
        with pytest.raises(WeightsError, match="does not hold a state dict"):
            weights.read_pickle(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(WeightsError, match="not a readable file"):
        weights.read_pickle(path)
