"""The pixels of a picture: colour profiles, tensors and back, fingerprints."""

import hashlib
import io
import struct
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from pipelines.images import ImageError, describe, digest, fit, load, to_image, to_tensor

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def icc(space: bytes, tags: dict[bytes, bytes], pcs: bytes = b"XYZ ") -> bytes:
    """A minimal ICC version 2 profile: header, tag table, tags."""
    offset, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        tag += bytes(-len(tag) % 4)
        table += name + struct.pack(">II", offset + len(data), len(tag))
        data += tag
    white = xyz(0.9642, 1.0, 0.8249)[8:]
    header = struct.pack(">I4sI4s4s4s12s4s28x12s48x", offset + len(data), b"lcms", 0x02400000, b"mntr", space, pcs,
                         bytes(12), b"acsp", white)  # fmt: skip
    return header + table + data


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def p3() -> bytes:
    """Display P3's primaries (adapted to D50) with a gamma of 2.2."""
    red, green, blue = xyz(0.5151, 0.2412, -0.0011), xyz(0.2920, 0.6922, 0.0419), xyz(0.1571, 0.0666, 0.7841)
    curves = {name: gamma(2.2) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return icc(b"RGB ", {b"wtpt": xyz(0.9642, 1, 0.8249), b"rXYZ": red, b"gXYZ": green, b"bXYZ": blue, **curves})


def cmyk_profile() -> bytes:
    """A CMYK profile in which only the black ink is seen."""
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + struct.pack(">9i", *(65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
    return icc(b"CMYK", {b"A2B0": lut + ramp * 4 + bytes((255, 128, 128, 0, 128, 128)) * 8 + ramp * 3}, b"Lab ")


def near(pixel: Any, wanted: tuple[int, ...], tolerance: int = 2) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, wanted, strict=True))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_fit_keeps_proportions() -> None:
    assert fit(640, 480, 512) == (512, 384) and fit(480, 640, 512) == (384, 512) and fit(7, 7, 100) == (100, 100)
    assert fit(1000, 1, 10) == (10, 1)  # at least one pixel
    assert fit(4, 3, 2) == (2, 2) and fit(4, 1, 2) == (2, 1)  # halves up
    for width, height, size in ((0, 5, 5), (5, 5, 0), (5, 5, -1)):
        with pytest.raises(ImageError, match="at least 1"):
            fit(width, height, size)


def test_to_tensor() -> None:
    image = noise(40, 24)
    x = to_tensor(image)
    assert x.shape == (1, 3, 24, 40) and x.dtype == torch.float32 and x.is_contiguous()
    assert x[0, :, 3, 5].mul(255).round().int().tolist() == list(image.getpixel((5, 3)))  # type: ignore[arg-type]
    assert to_tensor(image, 40).equal(x)
    assert to_tensor(image, 10).shape == (1, 3, 6, 10) and to_tensor(image, 80).shape == (1, 3, 48, 80)
    checks = Image.fromarray(np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255).convert("RGB")
    small = to_tensor(checks, 9)[..., 2:-2, 2:-2]
    assert (small - 0.5).abs().max() < 0.05  # a fine pattern averages out: no aliasing
    with pytest.raises(ImageError, match="must be RGB"):
        to_tensor(image.convert("L"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_to_image_is_the_inverse(dtype: torch.dtype) -> None:
    image = noise(40, 24)
    x = to_tensor(image).to(dtype)
    assert to_image(x).tobytes() == to_image(x[0]).tobytes() == image.tobytes()
    assert to_image(x.requires_grad_()).mode == "RGB"


def test_to_image_clamps_rounds_and_refuses() -> None:
    x = torch.tensor([-3.0, 0.4 / 255, 0.6 / 255, torch.inf]).expand(3, 1, 4)
    assert to_image(x).tobytes() == bytes(v for v in (0, 0, 1, 255) for _ in range(3))
    assert to_image(torch.ones(3, 2, 2, dtype=torch.bfloat16)).getpixel((0, 0)) == (255, 255, 255)
    for shape in ((2, 3, 4, 4), (1, 4, 4), (4, 4), (3, 0, 4), (1, 1, 3, 4, 4)):
        with pytest.raises(ImageError, match="not a picture"):
            to_image(torch.zeros(shape))
    with pytest.raises(ImageError, match="NaN"):
        to_image(torch.full((3, 2, 2), torch.nan))


def test_fingerprints() -> None:
    image = noise(40, 24)
    wanted = hashlib.sha256(b"40x24\n" + image.tobytes()).hexdigest()
    assert describe(image) == {"width": 40, "height": 24, "sha256": wanted}
    tall = Image.frombytes("RGB", (24, 40), image.tobytes())
    assert digest(image.copy()) == digest(image) != digest(tall)
    with pytest.raises(ImageError, match="must be RGB"):
        digest(image.convert("RGBA"))


def test_one_bit_and_cmyk() -> None:
    assert load(encode(Image.new("1", (9, 9), 1), "TIFF")).getpixel((0, 0)) == WHITE
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert near(load(encode(cmyk, "JPEG")).getpixel((0, 0)), RED) and load(encode(cmyk, "TIFF")).getpixel((0, 0)) == RED
    for format in ("JPEG", "TIFF"):
        assert near(load(encode(cmyk, format, icc_profile=cmyk_profile())).getpixel((0, 0)), WHITE)


def test_colour_profiles() -> None:
    orange = Image.new("RGB", (16, 16), (200, 100, 50))
    for format in ("PNG", "TIFF", "JPEG"):
        assert near(load(encode(orange, format, icc_profile=p3())).getpixel((0, 0)), (216, 93, 24), 3)
    clear = orange.convert("RGBA")
    clear.putalpha(0)
    assert load(encode(clear, "PNG", icc_profile=p3())).getpixel((0, 0)) == WHITE  # the background is sRGB already
    linear = icc(b"GRAY", {b"wtpt": xyz(0.9642, 1, 0.8249), b"kTRC": gamma(1.0)})
    assert near(load(encode(Image.new("L", (9, 9), 128), "PNG", icc_profile=linear)).getpixel((0, 0)), (188, 188, 188))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert near(load(encode(orange, "PNG", icc_profile=srgb)).getpixel((0, 0)), (200, 100, 50), 1)
    for useless in (b"not a profile", srgb[:200], linear, cmyk_profile()):
        assert load(encode(orange, "PNG", icc_profile=useless)).getpixel((0, 0)) == (200, 100, 50)
