"""The strict loader: every bad or odd picture gets either the right pixels or one plain sentence."""

import io
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pipelines import images
from pipelines.images import ImageError, load

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION, GPS = 0x0112, 0x8825


def corners() -> Image.Image:
    """48x32: red, green over blue, white; so each turn and flip shows."""
    image = Image.new("RGB", (48, 32))
    for box, colour in {(0, 0): RED, (24, 0): GREEN, (0, 16): BLUE, (24, 16): WHITE}.items():
        image.paste(colour, (*box, box[0] + 24, box[1] + 16))
    return image


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, kind: int, rows: bytes = b"", *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand, for headers that Pillow would not write."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def near(pixel: Any, wanted: tuple[int, ...], tolerance: int = 2) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, wanted, strict=True))


def refused(source: images.Source, *words: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        load(source)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 200
    assert all(word in text for word in words), text
    return caught.value


JPEG, PNG = encode(corners(), "JPEG"), encode(corners(), "PNG")
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "text": (b"just some words\n", "is text"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "pdf": (b"%PDF-1.7\n%\x80\x81\n", "PDF"),
    "zip": (b"PK\x03\x04\x14\x00", "ZIP"),
    "video": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "video"),
    "noise": (bytes(range(200)), "unknown kind"),
    "cut png": (PNG[: len(PNG) // 2], "(PNG) is damaged or cut short"),
    "cut jpeg": (JPEG[: len(JPEG) * 2 // 3], "(JPEG) is damaged or cut short"),
    "cut gif": (encode(corners(), "GIF")[:40], "(GIF) is damaged or cut short"),
    "cut webp": (encode(corners(), "WEBP")[:60], "(WEBP) is damaged or cut short"),
    "cut tiff": (encode(corners(), "TIFF")[:60], "(TIFF) is damaged or cut short"),
    "bad crc": (PNG.replace(b"IDAT", b"IDAT\x01", 1), "(PNG) is damaged"),
    "broken heic": (b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(99), "(HEIF) is damaged"),
    "bomb": (png(65000, 65000, 8, 2), "over 40 megapixels"),
    "warned bomb": (png(12000, 9000, 8, 2), "over 40 megapixels"),
    "60 megapixels": (encode(Image.new("1", (10000, 6000)), "PNG"), "10000x6000"),
    "thin": (encode(Image.new("RGB", (1, 300)), "PNG"), "1x300"),
    "long": (encode(Image.new("RGB", (300, 10)), "PNG"), "20 times"),
    "heavy": (PNG + bytes(images.MAX_BYTES), "over 20 MB"),
    "all nan": (encode(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "TIFF"), "no finite value"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_get_a_sentence(name: str, tmp_path: Path) -> None:
    data, words = BAD[name]
    path = tmp_path / "my\npicture"
    path.write_bytes(data)
    refused(path, words, "'my\\npicture'")
    refused(io.BytesIO(data), words, "The picture")


def test_bad_paths_get_a_sentence(tmp_path: Path) -> None:
    refused(tmp_path / "none.png", "none.png", "not an existing file")
    refused(str(tmp_path), "a folder")
    refused("nul\0.png", "not an existing file")
    refused("x" * 5000, "cannot be read")
    refused("https://example.org/" + "a" * 200 + ".png", "web address", "download")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not an existing file")
    (tmp_path / "locked.png").write_bytes(PNG)
    (tmp_path / "locked.png").chmod(0)
    if os.geteuid() != 0:
        refused(tmp_path / "locked.png", "cannot be read")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "MPO", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF"])
def test_each_format_by_each_way_in(format: str, tmp_path: Path) -> None:
    if format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    second = {"save_all": True, "append_images": [Image.new("RGB", (48, 32))]}
    data = encode(corners(), format, **(second if format in ("MPO", "GIF", "WEBP") else {}))
    path = tmp_path / "no extension"
    path.write_bytes(data)
    results = [load(source) for source in (path, str(path), data, io.BytesIO(data), Image.open(path))]
    for image in results:
        assert (image.mode, image.size, image.info, dict(image.getexif())) == ("RGB", (48, 32), {}, {})
        assert near(image.getpixel((4, 4)), RED, 6) and near(image.getpixel((44, 28)), WHITE, 6)
        assert image.tobytes() == results[0].tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_exif_turns_upright_and_is_gone(format: str) -> None:
    if format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    wanted = {3: (WHITE, BLUE, GREEN, RED), 5: (RED, BLUE, GREEN, WHITE), 6: (BLUE, RED, WHITE, GREEN),
              7: (WHITE, GREEN, BLUE, RED), 8: (GREEN, WHITE, RED, BLUE)}  # fmt: skip
    for orientation, colours in wanted.items():
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        exif[GPS] = {1: "N", 2: (48.0, 51.0, 30.0)}
        image = load(encode(corners(), format, exif=exif.tobytes()))
        w, h = image.size
        got = [image.getpixel(p) for p in ((4, 4), (w - 5, 4), (4, h - 5), (w - 5, h - 5))]
        assert all(near(a, b, 8) for a, b in zip(got, colours, strict=True)), (orientation, got)
        assert image.info == {} and not image.getexif() and b"Exif" not in encode(image, "JPEG")


def test_broken_exif_keeps_the_pixels() -> None:
    data = encode(corners(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert load(data).tobytes() == corners().tobytes()


def test_heic_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    refused(BAD["broken heic"][0], "pip install pillow-heif", "export it as JPEG")


def test_alpha_is_laid_over_the_background() -> None:
    rgba = corners().convert("RGBA")
    rgba.putalpha(128)
    for data in (encode(rgba, "PNG"), encode(rgba, "WEBP", lossless=True), encode(rgba, "TIFF")):
        assert near(load(data).getpixel((0, 0)), (255, 127, 127))
        assert near(load(data, BLUE).getpixel((0, 0)), (128, 0, 127))
    grey = Image.merge("LA", [Image.new("L", (9, 9), v) for v in (40, 0)])
    palette = corners().quantize(4)
    clear = palette.getpixel((0, 0))
    for image, format in ((grey, "PNG"), (palette, "PNG"), (palette, "GIF")):
        hole = {} if image is grey else {"transparency": clear}
        assert load(encode(image, format, **hole), (9, 8, 7)).getpixel((0, 0)) == (9, 8, 7)
    assert load(encode(palette, "PNG", transparency=clear)).getpixel((47, 0)) == GREEN
    assert load(rgba.convert("PA")).mode == load(rgba.convert("RGBa")).mode == "RGB"
    rows = (b"\0" + b"\x12\x34" * 9) * 9
    assert load(png(9, 9, 16, 0, rows, (b"tRNS", b"\x12\x34")), BLUE).getpixel((0, 0)) == BLUE


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.array([0, 257, 32768, 65535], np.uint16), (0, 1, 128, 255)),
        (np.array([0, 0, 128 * 257, 65535], np.int32), (0, 0, 128, 255)),
        (np.array([-1000, 0, 0, 1000], np.int32), (0, 128, 128, 255)),
        (np.array([0, 0.5, np.nan, 1], np.float32), (0, 128, 0, 255)),
        (np.array([0, 128, 255, np.inf], np.float32), (0, 128, 255, 255)),
        (np.array([-5, -np.inf, 5, 0], np.float32), (0, 0, 255, 128)),
        (np.array([-7, -7, -7, -7], np.float32), (0, 0, 0, 0)),
    ],
)
def test_deep_greys_are_scaled(values: np.ndarray[Any, Any], wanted: tuple[int, ...]) -> None:
    image = Image.fromarray(np.repeat(np.repeat(values[None], 8, 0), 4, 1))
    for format in ("TIFF", "PNG") if values.dtype == np.uint16 else ("TIFF",):
        result = load(encode(image, format))
        assert [result.getpixel((4 * i, 0)) for i in range(4)] == [(v, v, v) for v in wanted]


PALETTE = corners().quantize(4)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WHOLE = {
    "PNG": encode(corners().convert("RGBA"), "PNG", icc_profile=SRGB),
    "JPEG": encode(corners(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"),
    "GIF": encode(PALETTE, "GIF", transparency=0, save_all=True, append_images=[PALETTE.rotate(90)]),
    "WEBP": encode(corners().convert("RGBA"), "WEBP", lossless=True),
}
EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6)


@settings(max_examples=250, derandomize=True, deadline=None, database=None)
@given(st.sampled_from(sorted(WHOLE)), EDITS, st.none() | st.floats(0, 1))
def test_changed_bytes_never_surprise(format: str, edits: list[tuple[float, int]], cut: float | None) -> None:
    data = bytearray(WHOLE[format])
    for place, value in edits:
        data[int(place * len(data))] = value
    try:
        image = load(bytes(data if cut is None else data[: int(cut * len(data))]))
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert image.mode == "RGB" and image.info == {} and not image.getexif()


def test_a_picture_that_was_loaded_is_not_copied_again() -> None:
    picture = images.load(Image.new("RGBA", (9, 9), (1, 2, 3, 200)))
    assert images.load(picture) is picture and images.was_transparent(picture)
    with pytest.raises(images.ImageError, match="at least 8"):
        images.load(Image.new("RGB", (4, 9)))
