"""The one way in for pictures, and back: strict loading, tensors, and the fingerprint that a record keeps."""

import hashlib
import logging
import threading
import warnings
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageCms, ImageFilter
from PIL.Image import Transpose

from pipelines import decoder
from pipelines.decoder import MAX_PIXELS
from pipelines.decoder import ImageError as ImageError  # part of this module's contract

MAX_BYTES = 20_000_000
EVEN_SIDE = 256  # pixels: evenness is looked for at this size, where a camera's noise is averaged out
MUCH = 0.4  # share of a picture that is worth a remark: of the photographs that were tried, none had a tenth

_log = logging.getLogger(__name__)
# Warning filters belong to the whole process, so pictures are decoded one at a time, which also bounds the memory.
_ONE_AT_A_TIME = threading.Lock()
# What turns a picture upright, by its EXIF orientation.
_UPRIGHT = {2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM}
_UPRIGHT |= {5: Transpose.TRANSPOSE, 6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90}
# The mode in which a profile of each colour space wants the pixels, and the modes of pictures that it may describe.
_ICC = {"RGB": ("RGB", {"RGB", "RGBX", "YCbCr", "P", "L", "1"}), "GRAY": ("L", {"L", "1"}), "CMYK": ("CMYK", {"CMYK"})}


class Picture(Image.Image):
    """A picture as `load` gives it, of which parts were transparent: they have the background's colour now."""


Source = str | Path | bytes | BinaryIO | Image.Image


def load(source: Source, background: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """Read a picture as mode RGB: upright, sRGB in [0, 255], alpha laid over `background`, empty `.info`.

    Of an animation it is the first frame (of an open Pillow image, the current one). Grey values of 16 bits or more
    fill 0..65535 and floats the smallest of 0..1, 0..255, 0..65535 that holds them all; else minimum..maximum.
    A JPEG or HEIC of over MAX_PIXELS is read at a reduced size, its longest side still over what any method works on.
    Raises ImageError for anything that is not a readable picture within MAX_BYTES and the bounds of `decoder`.
    """
    name, data, kind = "The picture", b"", "Pillow"
    if isinstance(source, Image.Image):
        if type(source) in (Image.Image, Picture) and source.mode == "RGB" and not source.info:  # as `load` gives it
            decoder.check_size(name, source, MAX_PIXELS)
            return source
    else:
        name, data = _read(source)
        kind = decoder.kind_of(name, data)
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # odd metadata, which is not kept anyway
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = source if isinstance(source, Image.Image) else decoder.open_picture(name, data, kind)
            return _flatten(name, decoder.decode(name, image), background)
        except ImageError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ImageError(f"{name} has far over {MAX_PIXELS // 10**6} megapixels: make it smaller.") from error
        except Exception as error:  # Pillow raises a dozen types on bad data, SyntaxError and struct.error among them
            raise ImageError(f"{name} ({kind}) is damaged or cut short: save or download it again.") from error


def fit(width: int, height: int, size: int) -> tuple[int, int]:
    """(width, height) with the longest side `size` pixels and the other rounded to nearest (halves up), at least 1."""
    if min(width, height, size) < 1:
        raise ImageError(f"Cannot make {width}x{height} pixels {size} long: each must be at least 1.")
    longest = max(width, height)
    new_width, new_height = (max(1, (2 * side * size + longest) // (2 * longest)) for side in (width, height))
    return new_width, new_height


def to_tensor(image: Image.Image, size: int | None = None) -> torch.Tensor:
    """(1, 3, H, W) float32 in [0, 1] from a picture of mode RGB, its longest side made `size` pixels if given."""
    _require_rgb(image)
    if size is not None and (target := fit(*image.size, size)) != image.size:
        image = image.resize(target, Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(image))  # (H, W, 3) uint8
    return pixels.permute(2, 0, 1).unsqueeze(0).contiguous().float().div_(255)


def to_image(x: torch.Tensor) -> Image.Image:
    """A picture of mode RGB from (3, H, W) or (1, 3, H, W), any device and dtype, clamped to [0, 1] and rounded.

    Raises ImageError for another shape, and for NaN, which would come out black.
    """
    if x.ndim not in (3, 4) or x.shape[-3] != 3 or x.shape[:-3].numel() != 1 or x.numel() == 0:
        raise ImageError(f"A tensor of shape {tuple(x.shape)} is not a picture: give (3, H, W) or (1, 3, H, W).")
    x = x.detach().reshape(x.shape[-3:]).float()
    if x.isnan().any():
        raise ImageError("The picture came out as NaN: lower the weights or the learning rate, and run again.")
    pixels = x.clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


def digest(image: Image.Image) -> str:
    """The sha256, in hex, of "WIDTHxHEIGHT", a line feed, and the RGB bytes row by row."""
    _require_rgb(image)
    return hashlib.sha256(b"%dx%d\n" % image.size + image.tobytes()).hexdigest()


def describe(image: Image.Image) -> dict[str, object]:
    """What a record keeps of a picture of mode RGB: width and height in pixels, and its `digest`."""
    return {"width": image.width, "height": image.height, "sha256": digest(image)}


def was_transparent(image: object) -> bool:
    """Whether `load` has laid a picture over a background, seen or not."""
    return isinstance(image, Picture)


def _require_rgb(image: Image.Image) -> None:
    if image.mode != "RGB":
        raise ImageError(f"The picture has mode {image.mode} but must be RGB: read it with images.load first.")


def _quote(text: str) -> str:
    return repr(text if len(text) <= 80 else f"...{text[-77:]}")  # repr keeps it on one line


def _read(source: str | Path | bytes | BinaryIO) -> tuple[str, bytes]:
    """The picture's name for messages, and its bytes: at least one, at most MAX_BYTES."""
    name = "The picture"
    try:
        if isinstance(source, (str, Path)):
            name = _quote(str(source))
            if str(source).lower().startswith(("http:/", "https:/")):  # one slash: a Path folds two
                raise ImageError(f"{name} is a web address: download the picture first and give the file.")
            if not Path(source).is_file():  # a pipe or a device may be endless
                got = "a folder" if Path(source).is_dir() else "not an existing file"
                raise ImageError(f"{name} is {got}: give the path of a picture.")
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            name = _quote(Path(source).name)
        elif isinstance(source, bytes) or hasattr(source, "read"):
            data = source if isinstance(source, bytes) else source.read(MAX_BYTES + 1)
        else:
            raise ImageError(f"{name} is a {type(source).__name__}: give the path of a picture.")
    except OSError as error:
        raise ImageError(f"{name} cannot be read ({error.strerror}): check the path and who may read it.") from error
    if not data:
        raise ImageError(f"{name} is empty (0 bytes): save or download it again.")
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name} is over {MAX_BYTES // 10**6} MB: make it smaller, or save it as JPEG.")
    return name, data


def _flatten(name: str, image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """A new RGB picture, without metadata, from a decoded one of any mode."""
    profile = image.info.get("icc_profile")
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception as error:  # as many types as decoding raises; the pixels are good all the same
        _log.warning("%s: broken EXIF data ignored (%s)", name, error)
        orientation = None
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    alpha = None
    if image.mode[0] in "IF":
        if image.has_transparency_data:  # one grey value, in a PNG
            alpha = Image.fromarray(np.array(image) != image.info["transparency"]).convert("L")
        image = _eight_bits(name, image)
    elif image.has_transparency_data:
        plain = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        image = image.convert("RGBA")
        alpha, image = image.getchannel("A"), image.convert(plain)
    # Pasting on a new picture lays alpha over the background and leaves .info behind.
    flat = Image.new("RGB", image.size, background)
    flat.paste(_to_srgb(name, image, profile), mask=alpha)
    if was_transparent(image) or (alpha is not None and alpha.getextrema()[0] != 255):
        flat.__class__ = Picture  # nothing of it is in .info, which would reach an output
    return flat


def _eight_bits(name: str, image: Image.Image) -> Image.Image:
    """Mode L from I;16, I or F, by the ranges in `load`; NaN becomes the minimum, infinities the extremes."""
    values = np.array(image, dtype=np.float64)  # (H, W)
    finite = np.isfinite(values)
    if not finite.any():
        raise ImageError(f"{name} holds no finite value (all NaN or infinite): export it again.")
    low = float(np.min(values, where=finite, initial=np.inf))
    high = float(np.max(values, where=finite, initial=-np.inf))
    np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    ranges = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
    top = next((top for top in ranges if low >= 0 and high <= top), None)
    if top is None:
        values -= low
        top = high - low or 1.0
    values *= 255 / top
    return Image.fromarray(np.rint(values, out=values).astype(np.uint8))


def _to_srgb(name: str, image: Image.Image, profile: bytes | None) -> Image.Image:
    """Mode RGB, converted from the colour space of its ICC profile when that is a good one of the right kind."""
    if profile:
        try:
            icc = ImageCms.ImageCmsProfile(BytesIO(profile))
            mode, describes = _ICC[icc.profile.xcolor_space.strip()]
            if image.mode in describes:
                srgb = ImageCms.createProfile("sRGB")
                return ImageCms.buildTransform(icc, srgb, mode, "RGB").apply(image.convert(mode))
            _log.warning("%s: a profile for %s on mode %s ignored", name, mode, image.mode)
        except (ImageCms.PyCMSError, OSError, KeyError, ValueError, TypeError) as error:
            _log.warning("%s: broken colour profile ignored (%s)", name, error)
    return image.convert("RGB")


def even_ground(content: Image.Image, notes: list[str]) -> None:
    """Add a remark to `notes` where much of the content is one even colour, which any style fills with texture."""
    if (share := even_share(content)) >= MUCH:
        notes.append(f"{share:.0%} of the content is an even ground, where strokes show most: less strength calms it")


def even_share(picture: Image.Image) -> float:
    """Share of a picture, mode RGB, whose surroundings (5x5 of EVEN_SIDE pixels) differ by at most 1 of 255."""
    small = picture.resize(fit(*picture.size, min(EVEN_SIDE, max(picture.size))), Image.Resampling.BOX)
    bands = [
        np.asarray(band.filter(ImageFilter.MaxFilter(5))) - np.asarray(band.filter(ImageFilter.MinFilter(5)))
        for band in small.split()
    ]
    return float((np.max(bands, 0) <= 1).mean())
