"""The record inside a PNG: it comes back whole, nothing else rides along, and no foreign file can break the reader."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL.PngImagePlugin import PngInfo

from pipelines import images, record
from pipelines.record import Record, Seconds

RECORD = Record(
    pipeline="gatys",
    params={"steps": 3, "content": {"width": 9, "height": 8, "sha256": "ab"}},
    seed=7,
    models={"net": "cd"},
    seconds=Seconds(load=0.5, run=1.25),
    steps=3,
    peak_bytes=1 << 33,
    device="cpu (x86_64, 2 threads)",
    dtype="bfloat16",
    versions=record.versions(),
    created=record.now(),
    metrics={"loss": 0.125},
    notes=["one remark"],
)
IMAGE = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8))


def chunks(png: bytes) -> list[tuple[str, bytes]]:
    """(type, data) of each chunk."""
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        found.append((png[at + 4 : at + 8].decode(), png[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def written(**options: Any) -> bytes:
    """IMAGE as PNG, as Pillow writes it."""
    file = io.BytesIO()
    IMAGE.save(file, "PNG", **options)
    return file.getvalue()


def with_text(text: str, keyword: str = record.KEYWORD, zipped: bool = False) -> bytes:
    info = PngInfo()
    info.add_text(keyword, text, zip=zipped)
    return written(pnginfo=info)


def test_a_record_comes_back_whole_with_the_same_pixels(tmp_path: Path) -> None:
    png = record.png(IMAGE, RECORD)
    assert record.read(png) == RECORD
    (tmp_path / "a.png").write_bytes(png)
    assert record.read(tmp_path / "a.png") == record.read(str(tmp_path / "a.png")) == RECORD
    assert images.load(png).tobytes() == IMAGE.tobytes()


def test_it_is_a_text_chunk_of_json_named_atelier_whatever_the_language() -> None:
    spoken = RECORD.model_copy(update={"notes": ["café", "墨 on paper 🖌"]})
    png = record.png(IMAGE, spoken)
    assert [kind for kind, _ in chunks(png)] == ["IHDR", "tEXt", "IDAT", "IEND"]
    keyword, _, text = chunks(png)[1][1].partition(b"\0")
    assert keyword == b"atelier" and json.loads(text)["notes"] == spoken.notes
    assert record.read(png) == spoken


def test_created_is_utc_and_versions_name_what_changes_pixels() -> None:
    assert RECORD.created.endswith("+00:00") and len(RECORD.created) == 25
    assert torch.__version__.startswith(RECORD.versions["torch"])
    assert {"python", "numpy", "pillow"} < set(RECORD.versions)


def test_nothing_of_the_input_reaches_an_output() -> None:
    exif = PIL.Image.Exif()
    exif[0x010F] = "SecretCam"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.0)
    file = io.BytesIO()
    IMAGE.resize((64, 48)).save(file, "JPEG", exif=exif, comment=b"SecretPlace")
    kept = PIL.Image.open(file)
    kept.load()
    kept.info["comment"] = "SecretPlace"
    assert b"SecretCam" in kept.info["exif"]
    for image in (kept, images.load(file.getvalue())):
        png = record.png(image, RECORD)
        assert [kind for kind, _ in chunks(png)] == ["IHDR", "tEXt", "IDAT", "IEND"]
        assert b"Secret" not in png and not PIL.Image.open(io.BytesIO(png)).getexif()


FOREIGN = {
    "no record": written(),
    "another keyword": with_text(RECORD.model_dump_json(), "parameters"),
    "not JSON": with_text("steps: 20"),
    "JSON of another kind": with_text("[1, 2]"),
    "a field is missing": with_text('{"pipeline": "gatys"}'),
    "a field of another type": with_text(RECORD.model_dump_json().replace('"steps":3,"peak', '"steps":"x","peak')),
    "too long": with_text(RECORD.model_copy(update={"notes": ["x" * record.LONGEST]}).model_dump_json()),
    "a text bomb": with_text("x" * 50_000_000, zipped=True),
    "empty": b"",
    "text": b"hello",
    "cut in the header": record.png(IMAGE, RECORD)[:60],
    "cut in the record": record.png(IMAGE, RECORD)[:200],
    "deep JSON": with_text("[" * 100_000),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_any_other_file_has_no_record(case: str, tmp_path: Path) -> None:
    assert record.read(FOREIGN[case]) is None
    (tmp_path / "a.png").write_bytes(FOREIGN[case])
    assert record.read(tmp_path / "a.png") is None


def test_pictures_of_other_kinds_have_no_record(tmp_path: Path) -> None:
    for kind in ("JPEG", "GIF", "WEBP", "TIFF"):
        file = io.BytesIO()
        IMAGE.save(file, kind)
        assert record.read(file.getvalue()) is None
    assert record.read(tmp_path / "absent.png") is None
    assert record.read(tmp_path) is None


def test_a_newer_record_is_read_without_what_is_not_known() -> None:
    newer = {**RECORD.model_dump(mode="json"), "invented_later": {"a": 1}}
    assert record.read(with_text(json.dumps(newer))) == RECORD


@given(at=st.integers(8, 400), value=st.integers(0, 255), cut=st.integers(0, 400))
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_never_raises(at: int, value: int, cut: int) -> None:
    png = bytearray(record.png(IMAGE, RECORD))
    png[at] = value
    found = record.read(bytes(png[: len(png) - cut]))
    assert found is None or isinstance(found, Record)


def test_reading_a_record_decodes_no_pixels() -> None:
    """Else a small file that claims 170 megapixels, dropped on the page, would unpack them all."""
    png = record.png(IMAGE, RECORD)
    broken = bytearray(png)
    at = png.index(b"IDAT") + 4
    broken[at : at + 12] = b"not a stream"
    assert record.read(bytes(broken)) == RECORD
    assert record.read(png[: at + 20]) == RECORD
