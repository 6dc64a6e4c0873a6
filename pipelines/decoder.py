"""Bytes to an open picture: what kind they are, what is refused unopened, and how much of a large one is decoded."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

MAX_PIXELS = 40_000_000
MAX_REDUCED = 64_000_000  # of a JPEG or HEIC, which are read at a reduced size: phones take 48 and 50 megapixels
MIN_SIDE = 8
MAX_RATIO = 20
LARGEST = 2048  # pixels: no method works on a longer side, so no picture is reduced below it
MAX_PROFILE = 1 << 20  # bytes of a colour profile in a PNG; Pillow refuses the whole picture beyond
_DAMAGE = (struct.error, ValueError, TypeError, KeyError, OSError, SyntaxError, OverflowError)
MOST_DIRECTORIES = 32  # of a TIFF file that are looked through

# The formats that are read, by the name Pillow has for them (MPO comes in as JPEG).
_MAGIC = re.compile(
    rb"(?s)(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<JPEG>\xff\xd8\xff)|(?P<GIF>GIF8[79]a)|(?P<WEBP>RIFF....WEBP)|(?P<BMP>BM)"
    rb"|(?P<TIFF>II[*+]\0|MM\0[*+])|(?P<AVIF>....ftyp.{0,60}?avi[fs])|(?P<HEIF>....ftyp.{0,60}?(?:he[iv][cmsx]|m[is]f1))"
)
# Raw files of cameras with a beginning of their own: Canon, Fujifilm, Olympus, Panasonic, Sigma, Minolta.
_RAW = re.compile(
    rb"(?s)II\*\0....CR|II\x1a\0....HEAPCCDR|....ftypcrx |FUJIFILMCCD-RAW|II(?:RO|RS|U\0)|MMOR|FOVb|\0MRM"
)
# What cameras call raw files that are TIFF: bytes alone may not tell a small one from a picture.
_RAW_NAME = re.compile(r"(?i)\.(?:3fr|arw|cr2|dcr|dng|erf|fff|iiq|k25|kdc|mef|mos|nef|nrw|pef|rwl|sr2|srf|srw)['\"]?$")
# Anything else, by the first pattern that its beginning matches.
_FOREIGN = {
    rb"%PDF-": "a PDF document",
    rb"PK\x03\x04": "a ZIP archive or an office document",
    rb"\xff\x0a": "a JPEG XL picture",
    rb"(?s)....ftyp": "a video or another media file",
    rb"(?s).*[\x00-\x08\x0e-\x1a]": "of an unknown kind",
    rb"(?si).*<svg": "an SVG drawing",
    rb"(?si).*<html": "a web page",
    rb"": "text",
}
# Tags of TIFF directories. The first four stand in no other files than those of cameras: TIFF/EP's standard and colour
# filter, and Adobe's DNG.
_CAMERA = {37398, 33421, 50706, 50740}
_NEW_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _SUBDIRECTORIES = 254, 259, 262, 271, 330
_SENSOR = {32803, 34892}  # photometric interpretations: colour filter array, linear raw
_PACKED = {32767, 32769, 32770, 34713, 65000, 65535}  # compressions of Sony, Epson, Samsung, Nikon, Kodak, Pentax


class ImageError(ValueError):
    """A picture that cannot be used; the text says on one line what was got, what is needed and what to do."""


def kind_of(name: str, data: bytes) -> str:
    """The kind of picture that the bytes are; ImageError that names what they are when it is none of ours."""
    head = data[:4096]
    match = _MAGIC.match(head)
    if _RAW.match(head):
        raise raw_error(name)
    if match:
        return str(match.lastgroup)
    what = next(what for pattern, what in _FOREIGN.items() if re.match(pattern, head))
    raise ImageError(f"{name} is {what}, which is not read as a picture: give a PNG or JPEG instead.")


def raw_error(name: str) -> ImageError:
    """The sentence for a camera's raw file."""
    return ImageError(f"{name} is a camera's raw file, which is not read: export it as JPEG.")


def open_picture(name: str, data: bytes, kind: str) -> Image.Image:
    """The picture, verified but not decoded yet."""
    if kind == "HEIF":
        try:
            import pillow_heif

            pillow_heif.register_heif_opener()
        except ImportError as error:
            raise ImageError(f"{name} is HEIC: `pip install pillow-heif` first, or export it as JPEG.") from error
    if kind == "TIFF" and (_RAW_NAME.search(name) or is_raw(data)):
        raise raw_error(name)
    if kind == "PNG":
        data = pixel_chunks(data)
    Image.open(BytesIO(data), formats=[kind]).verify()  # after which a picture cannot be decoded
    return Image.open(BytesIO(data), formats=[kind])


def decode(name: str, image: Image.Image) -> Image.Image:
    """Decode an open picture, a JPEG or HEIC of many pixels at a reduced size, its longest side still >= LARGEST.

    A JPEG is decoded at 1/2, 1/4 or 1/8; of a HEIC a thumbnail of it is, where it holds one so large, else all.
    """
    reducible = image.format in ("JPEG", "MPO", "HEIF")
    check_size(name, image, MAX_REDUCED if reducible else MAX_PIXELS)
    if reducible and image.width * image.height > MAX_PIXELS:
        width, height = image.size
        image.draft(None, (LARGEST * width // max(image.size), LARGEST * height // max(image.size)))
    image.load()
    check_size(name, image, MAX_REDUCED if reducible else MAX_PIXELS)  # HEIF may change it while decoding
    large = image.width * image.height > MAX_PIXELS
    return image.reduce(max(1, max(image.size) // LARGEST)) if large else image


def check_size(name: str, image: Image.Image, most: int) -> None:
    """Raises ImageError for more than `most` pixels, a side below MIN_SIDE, or sides further apart than MAX_RATIO."""
    width, height = image.size
    got = f"{name} is {width}x{height} pixels"
    if width * height > most:
        raise ImageError(f"{got}, but at most {most // 10**6} megapixels are read: make it smaller.")
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{got}, but each side must be at least {MIN_SIDE}: choose a larger picture.")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise ImageError(f"{got}, but one side may be at most {MAX_RATIO} times the other: crop it.")


def is_raw(data: bytes) -> bool:
    """Whether a TIFF file is a camera's raw file (DNG, NEF, CR2, ARW, PEF...), whose first picture is a thumbnail."""
    directories: list[ImageFileDirectory_v2] = []
    with suppress(*_DAMAGE):  # of which decoding speaks
        for tags in _directories(data):
            directories.append(tags)
    with suppress(*_DAMAGE):
        return bool(directories) and (_is_preview(directories[0]) or any(map(_of_camera, directories)))
    return False


def _is_preview(tags: ImageFileDirectory_v2) -> bool:
    """Whether a directory is a reduced copy of another: where it comes first, a preview of what the sensor saw."""
    small = tags.get(_NEW_SUBFILE, 0)
    return isinstance(small, int) and bool(small & 1) and (_SUBDIRECTORIES in tags or _MAKE in tags)


def _of_camera(tags: ImageFileDirectory_v2) -> bool:
    sensor = tags.get(_COMPRESSION) in _PACKED or tags.get(_PHOTOMETRIC) in _SENSOR
    return sensor or bool(_CAMERA & set(tags))


def _directories(data: bytes) -> Iterator[ImageFileDirectory_v2]:
    """The directories of a TIFF file and those below them, each once."""
    file, header = BytesIO(data), data[: 16 if data[2:3] == b"+" or data[3:4] == b"+" else 8]
    ahead, known = [ImageFileDirectory_v2(header).next], set[int]()
    while ahead and len(known) < MOST_DIRECTORIES:
        offset = ahead.pop(0)
        if not offset or offset in known:
            continue
        known.add(offset)
        file.seek(offset)
        tags = ImageFileDirectory_v2(header)
        tags.load(file)
        yield tags
        below = tags.get(_SUBDIRECTORIES, ())
        ahead += [*(below if isinstance(below, tuple) else (below,)), tags.next]


def pixel_chunks(data: bytes) -> bytes:
    """A PNG with what its pixels need alone: its own chunks, transparency, orientation (EXIF), a good colour profile.

    No output keeps the others, and Pillow refuses the whole picture for one that is broken or unpacks to more than it
    likes: the workflow of a drawing program, say. What is not a whole chunk stays, for decoding to speak of.
    """
    parts, at = [data[:8]], 8
    while (end := at + 12 + int.from_bytes(data[at : at + 4], "big")) <= len(data):
        kind, body = data[at + 4 : at + 8], data[at + 8 : end - 4]
        needed = not kind[0] & 32 or kind in (b"tRNS", b"eXIf")  # a capital letter first: no decoder may skip it
        if needed or (kind == b"iCCP" and _unpacks(body)):
            parts.append(data[at:end])
        at = end
    return b"".join([*parts, data[at:]])


def _unpacks(profile: bytes) -> bool:
    """Whether the body of an iCCP chunk (name, 0, method 0, packed data) unpacks, to at most MAX_PROFILE bytes."""
    packed = profile.partition(b"\0")[2]
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed[1:], MAX_PROFILE)
    except zlib.error:
        return False
    return packed[:1] == b"\0" and unpacker.eof
