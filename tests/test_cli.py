"""The command line, in process: flags explained, bad input one line and status 2, every picture repeatable."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
import toy_pipelines

import cli
from pipelines import PIPELINES, record
from pipelines.base import Pipeline
from pipelines.params import ParamError, settings
from pipelines.record import Record
from pipelines.video import MOST_FRAMES, Frames

METHOD = pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
GATYS = ["gatys", "--content", "content.png", "--styles", "style.png", "--size", "64", "--steps", "3"]
Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def main(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: PIL.Image.Image,
    style: PIL.Image.Image,
) -> Main:
    """`cli.main` in an empty folder with two pictures: arguments -> status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "5000")  # else help is wrapped, at hyphens too
    monkeypatch.setenv("ATELIER_CACHE", str(tmp_path / "nothing downloaded"))
    content.save("content.png")
    style.save("style.png")

    def main(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = cli.main(arguments)
        return status, *capsys.readouterr()

    return main


@METHOD
def test_every_method_makes_its_picture_again(pipeline: Pipeline[Any], main: Main) -> None:
    given = {"content": "content.png", "styles": "style.png", "seed": 5} | toy_pipelines.settings(pipeline.name)
    flags = [f"--{name}={value}" for name, value in given.items() if name in pipeline.params.model_fields]
    assert main(pipeline.name, *flags, "--out", "a.png")[0] == 0
    assert main("--from", "a.png", "--out", "b.png")[0] == 0
    one, two = (PIL.Image.open(file) for file in ("a.png", "b.png"))
    assert one.size == two.size
    assert one.tobytes() == two.tobytes() or pipeline.name == "compare"  # whose sheet says how long each run took
    first, second = record.read("a.png"), record.read("b.png")
    assert first and second and first.params == second.params and first.pipeline == pipeline.name


def png(width: int, height: int) -> bytes:
    """A PNG that claims a size, and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(b"\0"), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


def pixels(path: str) -> bytes:
    with PIL.Image.open(path) as image:
        return image.tobytes()


BAD_FLAGS = {
    "no method": ([], "Name a method: compare, gatys"),
    "unknown method": (["gatis"], "invalid choice: 'gatis'"),
    "unknown flag": ([*GATYS, "--stepz", "3"], "--stepz"),
    "flag without value": (["gatys", "--steps"], "expected one argument"),
    "no content": (["gatys", "--styles", "style.png"], "content is missing"),
    "no style": (["gatys", "--content", "content.png"], "styles is missing"),
    "too few steps": ([*GATYS, "--steps", "0"], "steps is '0': input should be greater than or equal to 1"),
    "too many steps": ([*GATYS, "--steps", "5001"], "(allowed: 1 to 5000)"),
    "steps in words": ([*GATYS, "--steps", "many"], "steps is 'many': input should be a valid integer"),
    "strength": ([*GATYS, "--strength", "nan"], "strength is 'nan'"),
    "choice": ([*GATYS, "--optimizer", "sgd"], "choose one of 'lbfgs' or 'adam'"),
    "six styles": ([*GATYS, "--styles", *["style.png"] * 6], "styles has 6 items: give 1 to 5"),
    "unknown layer": ([*GATYS, "--style-layers", "conv9_1"], "There is no layer conv9_1"),
    "style weights": ([*GATYS, "--style-weights", "1", "2"], "style_weights has 2 numbers for 1 styles"),
    "model that is not here": ([*GATYS, "--model", "vgg19"], "vgg19"),
    "out": ([*GATYS, "--out", "a.jpg"], "--out is a.jpg: give a name that ends in .png, or a folder"),
    "frames": ([*GATYS, "--frames", "a.mov"], "--frames is a.mov: give a name that ends in .gif or .webp"),
    "from nowhere": (["--from", "nowhere.png"], "nowhere.png does not exist"),
    "from another picture": (["--from", "content.png"], "content.png holds no Atelier record"),
    "from a folder": (["--from", "."], ". does not exist"),
    "unknown weights": (["weights", "vgg99"], "choose one of vgg-lite"),
}
BAD_FILES = {
    "absent.png": (None, "absent.png"),
    "empty.png": (b"", "is empty"),
    "text.jpg": (b"a letter to a friend", "is text"),
    "page.png": (b"<html><body>", "is a web page"),
    "short.png": (png(64, 64)[:50], "damaged or cut short"),
    "bomb.png": (png(60000, 60000), "megapixels"),
    "thin.png": (png(1, 500), "1x500"),
    "large.png": (png(9000, 7000), "40 megapixels"),
}


def check(main: Main, arguments: list[str], said: str, before: set[Path]) -> None:
    status, out, err = main(*arguments)
    assert status == 2 and out == "" and said in err
    assert err.endswith("\n") and err.count("\n") == 1 and "Traceback" not in err
    assert set(Path.cwd().iterdir()) == before


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_a_bad_flag_is_one_line_and_status_2(main: Main, case: str) -> None:
    check(main, *BAD_FLAGS[case], set(Path.cwd().iterdir()))


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_picture_is_one_line_and_status_2(main: Main, name: str) -> None:
    data, said = BAD_FILES[name]
    if data is not None:
        Path(name).write_bytes(data)
    for flag in ("--content", "--styles"):
        check(main, [*GATYS, flag, name], said, set(Path.cwd().iterdir()))


@pytest.mark.parametrize("variable", ["ATELIER_RAM_GB", "ATELIER_DEVICE", "ATELIER_WEIGHTS"])
def test_a_wrong_variable_is_one_line_and_status_2(main: Main, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "nonsense")
    check(main, GATYS, f"{variable} is 'nonsense'", set(Path.cwd().iterdir()))


@pytest.mark.parametrize("arguments", [["--out", "content.png/a.png"], ["--out", "folder.png"], ["--out", "plain"]])
def test_a_place_that_cannot_be_written_is_one_line_and_status_2(main: Main, arguments: list[str]) -> None:
    Path("folder.png").mkdir()
    Path("plain").write_text("a file")
    check(main, [*GATYS, *arguments], arguments[1], set(Path.cwd().iterdir()))


@METHOD
def test_help_lists_every_flag_with_default_range_and_meaning(
    pipeline: Any, main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(pipeline.name, "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert left.value.code == 0
    for setting in settings(pipeline.params):
        assert f"--{setting.name.replace('_', '-')}" in text and " ".join(setting.help.split()) in text
    assert all(flag in text for flag in ("--out", "--frames", "--json", "--from"))
    with pytest.raises(SystemExit):
        main("--help")
    assert pipeline.name in capsys.readouterr().out


def test_it_writes_a_picture_with_its_record(main: Main) -> None:
    status, out, err = main(*GATYS, "--out", "new/folder/a.png", "--style-scale", "0.5", "--colours", "content")
    made = record.read("new/folder/a.png")
    assert (status, out) == (0, "") and err.startswith("new/folder/a.png: ") and err.count("\n") == 1
    assert made and made.pipeline == "gatys" and made.steps == 3 and made.params["style_scale"] == 0.5
    assert list(made.models) == ["vgg-lite"] and len(made.models["vgg-lite"]) == 64
    assert PIL.Image.open("new/folder/a.png").size == (64, 48)
    assert main(*GATYS)[0] == 0 and Path("gatys.png").is_file()


def test_json_prints_the_record_and_nothing_else(main: Main) -> None:
    status, out, err = main(*GATYS, "--json", "--seed", "5")
    assert status == 0 and Record.model_validate(json.loads(out)) == record.read("gatys.png")
    assert json.loads(out)["seed"] == 5 and err == ""
    status, again, _ = main("--json", "--from", "gatys.png", "--out", "again.png")
    assert status == 0 and json.loads(again)["params"] == json.loads(out)["params"]


@pytest.mark.parametrize("folder", ["results/", "results", "v1.2/"])
def test_a_folder_takes_one_file_per_picture(main: Main, folder: str) -> None:
    assert main(*GATYS, "--steps", "1", "--out", folder)[0] == 0
    assert record.read(Path(folder) / "gatys-000.png")


def test_from_makes_the_same_pixels_again(main: Main) -> None:
    changed = ["--start", "blend", "--seed", "3", "--style-weights", "2", "--style-layers", "conv1_1:2,conv3_1"]
    assert main(*GATYS, *changed, "--out", "a.png")[0] == 0
    assert main("--from", "a.png", "--out", "b.png")[0] == 0
    assert pixels("a.png") == pixels("b.png")
    a, b = record.read("a.png"), record.read("b.png")
    assert a and b and (a.params, a.models, a.metrics) == (b.params, b.models, b.metrics)
    assert main("gatys", "--from", "a.png", "--seed", "4", "--out", "c.png")[0] == 0  # one setting changed
    c = record.read("c.png")
    assert c and c.params == {**a.params, "seed": 4} and pixels("c.png") != pixels("a.png")


def test_from_says_which_picture_is_not_here(main: Main) -> None:
    assert main(*GATYS, "--out", "a.png")[0] == 0
    Path("content.png").rename("moved.bin")
    said = "The picture used as content (64x48) is not here: give --content"
    check(main, ["--from", "a.png"], said, set(Path.cwd().iterdir()))
    assert main("gatys", "--from", "a.png", "--content", "moved.bin", "--out", "b.png")[0] == 0
    assert pixels("a.png") == pixels("b.png")


@pytest.mark.parametrize("name", ["run.gif", "run.webp", "new/run.gif"])
def test_frames_are_an_animation_of_the_run(main: Main, name: str) -> None:
    assert main(*GATYS, "--start", "noise", "--frames", name)[0] == 0
    with PIL.Image.open(name) as film:
        assert (film.n_frames, film.size) == (3, (64, 48))  # type: ignore[attr-defined]


@pytest.mark.parametrize("many", ["pictures", "pictures.zip", "film.mp4"])
def test_frames_of_a_folder_or_a_film_are_refused(main: Main, many: str) -> None:
    Path("pictures").mkdir()
    shutil.copy("content.png", "pictures")
    with zipfile.ZipFile("pictures.zip", "w") as archive:
        archive.write("content.png")
    Path("film.mp4").write_bytes(b"not looked at")
    said = f"--frames shows how one picture comes about, and {many} holds many: leave it out."
    flags = ["stylize", "--content", many, "--styles", "style.png", "--frames", "a.gif"]
    check(main, flags, said, set(Path.cwd().iterdir()))


def test_a_run_that_shows_nothing_has_no_frames(tmp_path: Path) -> None:
    with pytest.raises(ParamError, match="the run showed no previews: leave the animation out"):
        Frames().write(tmp_path / "new" / "a.gif")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("total", [1, 60, 61, 118, 119, 120, 500])
def test_frames_are_few_and_end_with_the_last(tmp_path: Path, total: int) -> None:
    frames = Frames()
    for step in range(1, total + 1):
        frames.add(step, total, torch.full((3, 8, 8), 1.0 if step == total else step * 37 % 199 / 255))
    frames.write(tmp_path / "a.gif")
    with PIL.Image.open(tmp_path / "a.gif") as film:
        count = film.n_frames  # type: ignore[attr-defined]
        film.seek(count - 1)
        assert min(total, 30) <= count <= MOST_FRAMES and film.convert("RGB").getpixel((4, 4)) >= (250, 250, 250)


def test_weights_are_listed(main: Main) -> None:
    status, out, _ = main("weights")
    assert status == 0 and out.startswith("vgg-lite") and "here" in out
    status, out, _ = main("weights", "vgg-lite")
    assert status == 0 and out.strip().endswith("vgg-lite.safetensors")
