"""Many pictures through a method on the command line: folders and zips, cut off and gone on with."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import cli
from pipelines import batch, record
from pipelines.params import ParamError

GATYS = ["gatys", "--styles", "style.png", "--size", "64", "--steps", "1"]


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: PIL.Image.Image, style: PIL.Image.Image) -> Path:
    """A folder with three pictures, one of them in a folder of its own, and a text; the current folder is above it."""
    monkeypatch.chdir(tmp_path)
    style.save("style.png")
    (tmp_path / "album" / "more").mkdir(parents=True)
    content.save("album/a.png")
    content.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT).save("album/b.jpg")
    content.point(lambda v: 255 - v).save("album/more/a.png")
    (tmp_path / "album" / "notes.txt").write_text("not a picture")
    return tmp_path / "album"


def zipped(folder: Path) -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder).as_posix())
    return target


def test_a_folder_goes_to_a_folder_and_what_is_there_is_skipped(
    album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*GATYS, "--content", "album", "--out", "done/"]) == 0
    assert "3 made, 0 were there already" in capsys.readouterr().err
    made = {p.relative_to("done").as_posix(): p.stat().st_mtime_ns for p in Path("done").rglob("*.png")}
    assert set(made) == {"a.png", "b.png", "more/a.png"} and record.read("done/more/a.png")
    Path("done/b.png").unlink()
    assert cli.main([*GATYS, "--content", str(album), "--out", "done/", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    again = {p.relative_to("done").as_posix(): p.stat().st_mtime_ns for p in Path("done").rglob("*.png")}
    assert len(told) == 1 and {n for n in made if made[n] != again[n]} == {"b.png"}


def test_a_zip_goes_to_a_zip_and_grows(album: Path, content: PIL.Image.Image) -> None:
    assert cli.main([*GATYS, "--content", str(zipped(album)), "--out", "done.zip"]) == 0
    with zipfile.ZipFile("done.zip") as archive:
        first = {info.filename: info.CRC for info in archive.infolist()}
        assert set(first) == {"a.png", "b.png", "more/a.png"}
        (Path.cwd() / "x.png").write_bytes(archive.read("a.png"))
    assert record.read("x.png") and not Path("done.zip.part").exists()
    content.save(album / "c.png")
    assert cli.main([*GATYS, "--content", str(album), "--out", "done.zip"]) == 0
    with zipfile.ZipFile("done.zip") as archive:
        found = {info.filename: info.CRC for info in archive.infolist()}
    assert set(found) == {*first, "c.png"} and all(found[name] == crc for name, crc in first.items())


def test_a_zip_that_was_cut_off_goes_on(album: Path) -> None:
    target = batch.Target(Path("done.zip"))
    target.write("a.png", b"made before")
    assert target.present() == {"a.png"}
    assert cli.main([*GATYS, "--content", str(album), "--out", "done.zip"]) == 0
    with zipfile.ZipFile("done.zip") as archive:
        assert archive.read("a.png") == b"made before" and len(archive.namelist()) == 3


def test_a_picture_that_cannot_be_read_does_not_cost_the_others(
    album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (album / "aa.png").write_bytes(b"a letter to a friend")
    assert cli.main([*GATYS, "--content", "album", "--out", "done/"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "1 of 4 pictures could not be used, the others are done" in said
    assert len(list(Path("done").rglob("*.png"))) == 3


def test_places_that_do_not_fit_are_one_line(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (album.parent / "empty").mkdir()
    for given, out, said in (
        ("album", "x.png", "--out is x.png: give a name that ends in .zip, or a folder"),
        ("empty", "x/", "empty holds no pictures"),
    ):
        assert cli.main([*GATYS, "--content", given, "--out", out]) == 2
        assert said in capsys.readouterr().err


def test_names_cannot_lead_out_or_meet() -> None:
    found = batch.target_names(["../../etc/a.png", "/b.jpg", "c/d.jpg", "c/d.png", "e\\..\\f.jpg"])
    assert found == {
        "../../etc/a.png": "etc/a.png",
        "/b.jpg": "b.png",
        "c/d.jpg": "c/d.jpg.png",
        "c/d.png": "c/d.png.png",
        "e\\..\\f.jpg": "e/f.png",
    }


def test_what_is_too_large_in_a_zip_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(30_000_000))
    with pytest.raises(ValueError, match=r"a\.png is over 20 MB"):
        batch.Source(path).read("a.png")
    with io.BytesIO() as file:
        PIL.Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(file, "PNG")
        (tmp_path / "not.zip").write_bytes(file.getvalue())
    assert not batch.is_many(tmp_path / "not.zip")
    with pytest.raises(ParamError, match="holds no pictures"):
        batch.Source(tmp_path / "nothing").names() if (tmp_path / "nothing").mkdir() is None else None
