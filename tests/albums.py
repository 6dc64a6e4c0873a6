"""Pictures of one's own in small: folders of noise in a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import PIL.Image


def png(seed: int, size: tuple[int, int] = (40, 24)) -> bytes:
    """A picture of its own."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    with io.BytesIO() as file:
        PIL.Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()


def packed(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def pictures(count: int = 60, folders: int = 3) -> dict[str, bytes]:
    """`count` pictures in as many folders, all of them in one more."""
    return {f"mine/kind {i % folders}/{i:03d}.png": png(i) for i in range(count)}
