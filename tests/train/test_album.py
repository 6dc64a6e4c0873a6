"""Train on pictures of one's own: a zip or a folder, its classes, and what is refused in a sentence."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from albums import packed, pictures, png

import cli
from models import own, registry
from models.cache import ModelCache
from pipelines import PIPELINES
from pipelines.base import STOP, Progress, Result, run
from pipelines.images import ImageError
from pipelines.params import ParamError, parse
from pipelines.train import PIPELINE, album

TOY: dict[str, Any] = {"capacity": "tiny", "batch": 8, "steps": 4, "seed": 3}


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("own") / "mine.zip", pictures())


def trained(cache: ModelCache, place: Path, state: Any = None, **values: Any) -> Result:
    params = parse(PIPELINE.params, {**TOY, "pictures": str(place), **values})
    *_, result = run(PIPELINE, params, cache, state, registry.sha256)
    assert isinstance(result, Result)
    return result


def test_folders_are_classes_and_stopping_and_going_on_needs_the_file_no_more(
    zipped: Path, cache: ModelCache, tmp_path: Path
) -> None:
    whole = trained(cache, zipped, model="gan")
    found = whole.record.details["pictures"]
    assert found == {"kind 0": 20, "kind 1": 20, "kind 2": 20} and len(whole.record.details["sha256"]) == 64
    assert whole.record.params["pictures"] == "mine.zip" and str(zipped.parent) not in whole.record.model_dump_json()
    assert whole.images[0].size == (32, 32) and len(whole.images) == 50
    copied = Path(shutil.copy(zipped, tmp_path / "copy.zip"))
    stream = run(PIPELINE, parse(PIPELINE.params, {**TOY, "model": "gan", "pictures": str(copied)}), cache)
    for _ in range(2):
        assert isinstance(next(stream), Progress)
    half = stream.send(STOP)
    assert isinstance(half, Result)
    params = parse(PIPELINE.params, {**TOY, "model": "gan", "pictures": str(copied)})
    copied.unlink()
    *_, rest = run(PIPELINE, params, cache, half.state)
    assert isinstance(rest, Result)
    first, second = (safetensors.torch.load(one.file) for one in (whole, rest))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("model", "side", "note"),
    [
        ("gan", 64, ""),
        ("gan-dense", 64, ""),
        ("diffusion", 64, ""),
        ("cnn", 64, ""),
        ("vae", 28, "your pictures were learned in grey, 28 pixels wide and high"),
        ("pixelcnn", 28, "your pictures were learned in grey, 28 pixels wide and high"),
        ("stylemix", 32, "your pictures were learned 32 pixels wide and high: this network draws no others"),
    ],
)
def test_every_network_learns_them_as_large_as_it_can(
    model: str, side: int, note: str, zipped: Path, cache: ModelCache
) -> None:
    result = trained(cache, zipped, model=model, side="64", steps=1)
    assert result.images[0].size == (side, side) and result.record.notes == ([note] if note else [])
    assert "read as asked" not in result.record.metrics


def test_a_folder_is_as_good_as_a_zip_and_without_folders_there_is_one_class(
    zipped: Path, cache: ModelCache, tmp_path: Path
) -> None:
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path)
    same = trained(cache, tmp_path / "mine", model="gan-dense")
    assert same.record.details == trained(cache, zipped, model="gan-dense").record.details
    flat = packed(tmp_path / "flat.zip", {f"{i}.png": png(i) for i in range(50)})
    assert trained(cache, flat, model="gan-dense").record.details["pictures"] == {"": 50}
    with pytest.raises(ParamError, match="pictures has one: make a folder for each class"):
        trained(cache, flat, model="cnn")


def test_on_the_command_line(zipped: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    flags = [part for name, value in TOY.items() for part in (f"--{name}", str(value))]
    arguments = ["train", "--model", "gan-dense", "--pictures", str(zipped), "--out", str(out), *flags]
    assert cli.main(arguments) == 0 and out.stat().st_size


BAD: dict[str, tuple[dict[str, bytes], type[Exception], str]] = {
    "one": ({"a.png": png(0)}, ParamError, "pictures has 1 pictures: give 50 to 20000"),
    "classes": (
        dict.fromkeys((f"{i}/a.png" for i in range(10_000)), b""),
        ParamError,
        "has 10000 folders, one a class",
    ),
    "texts": ({f"{i}.txt": b"words" for i in range(60)}, ParamError, "holds no pictures"),
    "no pictures": ({f"{i}.png": b"words" for i in range(60)}, ImageError, r"'0\.png' is text, which is not read"),
    "cut": ({f"{i}.png": png(i)[:200] for i in range(60)}, ImageError, r"'0\.png' \(PNG\) is damaged or cut short"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_learned_from_is_a_sentence(name: str, cache: ModelCache, tmp_path: Path) -> None:
    files, kind, said = BAD[name]
    with pytest.raises(kind, match=said):
        trained(cache, packed(tmp_path / "bad.zip", files), model="gan-dense")


def test_no_zip_at_all(cache: ModelCache, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    for text, said in ((tmp_path / "a.zip", "no zip and no folder"), (tmp_path / "b.zip", "not on this machine")):
        with pytest.raises(ParamError, match=said) as caught:
            trained(cache, text)
        assert str(tmp_path) not in str(caught.value)


def test_a_bomb_is_refused_before_it_is_unpacked(
    zipped: Path, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(album, "MOST_BYTES", 10_000)
    with pytest.raises(ParamError, match=r"pictures holds 60 files of 0\.\d GB unpacked"):
        trained(cache, zipped)
    monkeypatch.undo()
    monkeypatch.setattr(album, "MOST_PIXELS", 50_000)
    decoded: list[bytes] = []
    load = album.images.load
    monkeypatch.setattr(album.images, "load", lambda data: decoded.append(data) or load(data))
    with pytest.raises(ParamError, match="gigapixels"):
        trained(cache, zipped)
    assert len(decoded) == 50_000 // (40 * 24)
    monkeypatch.undo()
    monkeypatch.setattr(album, "MOST", 20)
    with pytest.raises(ParamError, match="pictures holds 60 files"):
        trained(cache, zipped)


def test_names_in_a_zip_are_no_paths(cache: ModelCache, tmp_path: Path) -> None:
    files = {f"{('../../out', '/root', 'C:/x')[i % 3]}/{i}.png": png(i) for i in range(60)}
    before = {path for path in tmp_path.parent.rglob("*")}
    place = packed(tmp_path / "odd.zip", files)
    assert len(trained(cache, place, model="gan-dense").record.details["pictures"]) == 3
    assert {path for path in tmp_path.parent.rglob("*")} - before == {place}


def test_a_zip_that_is_damaged_inside_or_locked(zipped: Path, cache: ModelCache, tmp_path: Path) -> None:
    data = bytearray(zipped.read_bytes())
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):  # the flag of a password, in both of its places
        offset = 6 if mark[2] == 3 else 8
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + offset] |= 1
    locked = tmp_path / "locked.zip"
    locked.write_bytes(data)
    with pytest.raises(ImageError, match="cannot be unpacked: make the zip again, without a password"):
        trained(cache, locked)


def test_stopped_while_it_is_read_there_is_nothing(
    zipped: Path, cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(album, "SECONDS", 0.0)
    stream = run(PIPELINE, parse(PIPELINE.params, {**TOY, "pictures": str(zipped)}), cache)
    first = next(stream)
    assert isinstance(first, Progress) and first.step == 0 and first.share == pytest.approx(1 / 60)
    with pytest.raises(StopIteration):
        stream.send(STOP)
    assert not any(model.pins for model in cache.snapshot())


@pytest.mark.parametrize("method", ["gan", "diffusion", "pixelcnn", "stylemix"])
def test_a_network_of_three_classes_is_used_in_its_tab_and_nobody_reads_its_pictures(
    method: str, zipped: Path, cache: ModelCache, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(trained(cache, zipped, model=method, side="64", steps=1).file)
    given: dict[str, Any] = {"weights": str(path), "count": 4} | ({"steps": 2} if method == "diffusion" else {})
    *_, result = run(PIPELINES[method], parse(PIPELINES[method].params, given), cache)
    assert isinstance(result, Result) and len(result.images) == 4 and result.record.notes == [own.UNJUDGED]
    assert "read as asked" not in result.record.metrics and "sure" not in json.dumps(result.record.details)
    with pytest.raises(ParamError, match="label is 7, but the network of your own knows the classes 0 to 2"):
        [*run(PIPELINES[method], parse(PIPELINES[method].params, {**given, "label": 7}), cache)]


def test_a_server_reads_uploads_and_no_folders_of_its_own(
    zipped: Path, cache: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_FOLDERS", "0")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    (tmp_path / "a1").mkdir()
    shutil.copy(zipped, tmp_path / "a1" / "mine.zip")
    assert trained(cache, Path("a1/mine.zip"), model="gan-dense").record.params["pictures"] == "mine.zip"
    with pytest.raises(ParamError, match=r"'mine\.zip', which is not on this machine"):
        trained(cache, zipped)


def test_in_compare_it_is_not_scored_and_one_note_says_so(
    zipped: Path, cache: ModelCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(trained(cache, zipped, model="gan", side="64", steps=1).file)
    out = str(tmp_path / "both.png")
    methods = ["--methods", f"gan:conv,gan:weights={path}", "--dataset", "mnist", "--label", "1", "--count", "2"]
    assert cli.main(["compare", *methods, "--out", out, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    bundled, mine = sorted(told["details"]["cards"], key=lambda card: "weights" in card["name"])
    assert {"asked", "sure"} <= set(bundled["scores"]) and bundled["record"]["notes"] == []
    assert mine["scores"] == {} and mine["record"]["notes"] == [own.UNJUDGED]
    assert told["notes"] == [own.UNJUDGED]
    assert cli.main(["gan", "--weights", str(path), "--count", "1", "--out", out]) == 0
    assert capsys.readouterr().err.count(own.UNJUDGED) == 1
    nearest = parse(PIPELINES["gan"].params, {"weights": str(path), "nearest": True})
    with pytest.raises(ParamError, match="nearest is for networks that learned from a data set"):
        next(run(PIPELINES["gan"], nearest, cache))
