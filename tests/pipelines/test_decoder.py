"""Pictures as cameras, phones and drawing programs write them: what is read, at which size, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines import decoder, images
from pipelines.images import ImageError, load

RED, GREEN = (255, 0, 0), (0, 255, 0)


def two_colours(width: int, height: int) -> Image.Image:
    """Green, and red in its right half."""
    image = Image.new("RGB", (width, height), GREEN)
    image.paste(RED, (width // 2, 0, width, height))
    return image


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def near(pixel: Any, wanted: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 8 for a, b in zip(pixel, wanted, strict=True))


def both_colours(image: Image.Image) -> bool:
    return near(image.getpixel((4, 4)), GREEN) and near(image.getpixel((image.width - 5, image.height - 5)), RED)


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        load(data)
    return str(caught.value)


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk behind its header."""
    return png[:33] + struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) + png[33:]


def tiff(*directories: dict[int, tuple[int, tuple[int, ...]]]) -> bytes:
    """A TIFF of directories {tag: (type, values)}, the first of which holds 8x8 grey pixels; bytes 8 to 71."""
    pixels = {256: (3, (8,)), 257: (3, (8,)), 258: (3, (8,)), 259: (3, (1,)), 262: (3, (1,)), 273: (4, (8,)),
              277: (3, (1,)), 278: (3, (8,)), 279: (4, (64,))}  # fmt: skip
    body, at = bytes(64), 72
    tables: list[bytes] = []
    everything = [pixels | directories[0], *directories[1:]]
    sizes = [6 + 12 * len(tags) for tags in everything]
    for i, tags in enumerate(everything):
        entries = b""
        for tag, (kind, values) in sorted(tags.items()):
            packed = b"".join(struct.pack({1: "B", 3: "<H", 4: "<I"}[kind], v) for v in values)
            entries += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
        tables.append(struct.pack("<H", len(tags)) + entries + bytes(4))
        assert len(tables[i]) == sizes[i]
    return b"II*\0" + struct.pack("<I", at) + body + b"".join(tables)


def below(first: dict[int, tuple[int, tuple[int, ...]]]) -> int:
    """Where the second directory of `tiff` begins."""
    return 72 + 6 + 12 * len({*range(256, 260), 262, 273, 277, 278, 279} | set(first))


def nested(first: dict[int, tuple[int, tuple[int, ...]]], second: dict[int, tuple[int, tuple[int, ...]]]) -> bytes:
    """A TIFF whose first directory points to the second as one below it."""
    whole = {**first, 330: (4, (0,))}
    return tiff({**whole, 330: (4, (below(whole),))}, second)


def test_metadata_that_unpacks_too_far_is_ignored() -> None:
    picture = two_colours(48, 32)
    workflow = PngInfo()
    workflow.add_itxt("workflow", "x" * 2_000_000, zip=True)
    plain = encode(picture, "PNG")
    profile = b"name\0\0" + zlib.compress(bytes(1_500_000))
    for data in (
        encode(picture, "PNG", pnginfo=workflow),
        with_chunk(plain, b"zTXt", b"parameters\0\0" + zlib.compress(bytes(1 << 24))),
        with_chunk(plain, b"iCCP", profile),
        with_chunk(plain, b"iCCP", b"name\0\0no stream"),
        with_chunk(plain, b"iTXt", b"cut"),
        plain[:-12] + with_chunk(plain, b"tEXt", b"after\0" + b"x" * 100)[33 : -len(plain) + 33] + plain[-12:],
    ):
        assert load(data).tobytes() == picture.tobytes()


def test_a_good_profile_stays() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encode(two_colours(48, 32), "PNG", icc_profile=profile)
    assert decoder.pixel_chunks(data) == data


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(
    st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"pHYs", b"gAMA", b"sRGB", b"acTL", b"prVt"]),
    st.binary(max_size=300),
)
def test_no_chunk_of_metadata_hides_the_pixels(kind: bytes, body: bytes) -> None:
    picture = two_colours(48, 32)
    assert load(with_chunk(encode(picture, "PNG"), kind, body)).size in {(48, 32), (32, 48)}


NIKON = {254: (4, (1,)), 37398: (1, (1, 0, 0, 0))}
RAW = {
    "DNG": tiff({50706: (1, (1, 4, 0, 0))}),
    "NEF": nested(NIKON, {254: (4, (0,)), 259: (3, (34713,)), 262: (3, (32803,))}),
    "NEF by what is below": nested({}, {262: (3, (32803,))}),
    "ARW": nested({254: (4, (1,))}, {259: (3, (32767,))}),
    "DNG that is cut": nested({50706: (1, (1, 4, 0, 0))}, {262: (3, (1,))})[:-10],
    "PEF": tiff({259: (3, (65535,))}),
    "CR2": b"II*\0\x10\0\0\0CR\2\0" + bytes(200),
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "RAF": b"FUJIFILMCCD-RAW 0201",
    "ORF": b"IIRO\x08\0\0\0",
    "RW2": b"IIU\0\x18\0\0\0",
}


@pytest.mark.parametrize("kind", RAW)
def test_raw_files_of_cameras_are_refused(kind: str) -> None:
    assert "camera's raw file" in refusal(RAW[kind]) and "export it as JPEG" in refusal(RAW[kind])


def test_a_raw_file_whose_tags_say_nothing_is_known_by_its_name(tmp_path: Path) -> None:
    for name in ("DSC_1.NEF", "a b.dng", "IMG_1.CR2", "x.arw"):
        (tmp_path / name).write_bytes(tiff({}))
        with pytest.raises(ImageError, match="export it as JPEG"):
            load(tmp_path / name)
    (tmp_path / "really.nef").write_bytes(encode(two_colours(48, 32), "PNG"))
    assert load(tmp_path / "really.nef").size == (48, 32)


def test_other_tiff_files_are_read() -> None:
    assert load(tiff({})).size == (8, 8)
    assert load(nested({254: (4, (0,))}, {254: (4, (1,))})).size == (8, 8)  # a pyramid: the smaller ones are below
    for compression in ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"):
        assert both_colours(load(encode(two_colours(48, 32), "TIFF", compression=compression)))
    pages = encode(two_colours(48, 32), "TIFF", save_all=True, append_images=[two_colours(8, 8)])
    assert load(pages).size == (48, 32) and load(encode(two_colours(48, 32), "TIFF", big_tiff=True)).size == (48, 32)


@pytest.mark.parametrize("format", ["JPEG", "MPO"])
def test_photographs_of_50_megapixels_are_read_at_a_reduced_size(format: str) -> None:
    options = {"save_all": True, "append_images": [two_colours(64, 64)]} if format == "MPO" else {}
    data = encode(two_colours(8160, 6120), format, **options)
    image = load(data)
    assert image.size == (4080, 3060) and both_colours(image)
    assert load(Image.open(io.BytesIO(data))).tobytes() == image.tobytes()


def test_a_turned_photograph_of_50_megapixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert load(encode(two_colours(8160, 6120), "JPEG", exif=exif)).size == (3060, 4080)


def test_a_large_heic_is_read_at_a_reduced_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """At toy size: x265 takes half a minute for 48 megapixels."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    monkeypatch.setattr(decoder, "MAX_PIXELS", 200 * 200)
    monkeypatch.setattr(decoder, "MAX_REDUCED", 300 * 300)
    monkeypatch.setattr(decoder, "LARGEST", 100)
    image = load(encode(two_colours(320, 240), "HEIF", quality=80))
    assert image.size == (107, 80) and both_colours(image)
    with_thumbnail = load(encode(two_colours(320, 240), "HEIF", quality=80, thumbnails=[160]))
    assert with_thumbnail.size == (160, 120) and both_colours(with_thumbnail)
    assert "at most 0 megapixels" in refusal(encode(two_colours(400, 400), "HEIF"))


def test_bombs_stay_refused() -> None:
    assert "at most 64 megapixels" in refusal(encode(Image.new("L", (9000, 9000)), "JPEG"))
    assert "over 40 megapixels" in refusal(encode(Image.new("L", (10000, 10000)), "JPEG"))
    for kind in ("PNG", "WEBP", "BMP"):
        assert "at most 40 megapixels" in refusal(
            encode(
                Image.new("1", (8064, 6048)).convert("L"),
                kind,
                **({"quality": 0, "method": 0} if kind == "WEBP" else {}),
            )[: images.MAX_BYTES]
        )
