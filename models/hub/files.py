"""Files that somebody names or brings: paths of whatever text, and safetensors that are not what they should be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from models.weights import WeightsError

SUFFIX = ".safetensors"
POINTER = b"version https://git-lfs"  # how the text that Git LFS leaves in a file's place begins
MOST_HEADER = 100_000_000  # bytes, as the format has it


def open_folders() -> bool:
    """Whether folders of this machine may be named: not on a server (`ATELIER_FOLDERS=0`, as app.py has it unless told
    otherwise), where visitors name what they uploaded, and nothing else that is on its disk."""
    return os.environ.get("ATELIER_FOLDERS", "1").lower() not in {"0", "off", "no", "false"}


def path_of(text: str) -> Path | None:
    """The path that a person names, where there is a file or folder; None for anything else, however long or odd.

    An upload to this server is named by its path, or by that below the folder of uploads, which the page shows.
    """
    try:
        uploads = os.environ.get("GRADIO_TEMP_DIR")
        upload = (Path(uploads) / text).resolve() if uploads and text else None
        if upload and upload.is_file() and upload.is_relative_to(Path(str(uploads)).resolve()):
            return upload
        path = Path(text).expanduser()
        return path if text and open_folders() and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, nobody's home
        return None


def is_safetensors(name: str) -> bool:
    """Whether a file is called like one."""
    return name.lower().endswith(SUFFIX)


def header(path: Path, name: str = "") -> dict[str, Any]:
    """What a safetensors file says of its tensors: name -> {"dtype", "shape", "data_offsets"}.

    `name`: what a sentence calls the file. Raises WeightsError for one that is not whole, with what to do.
    """
    name = name or path.name
    again = "fetch or save it again."
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            count = int.from_bytes(start, "little")
            if start + file.read(len(POINTER) - 8) == POINTER:
                raise WeightsError(
                    f"{name} is a Git LFS pointer instead of the weights: run `git lfs pull` where it lies, "
                    f"or fetch it again."
                )
            file.seek(8)
            text = file.read(count) if count <= min(size - 8, MOST_HEADER) else b""
    except OSError as error:
        raise WeightsError(f"{name} cannot be read ({error.strerror}): {again}") from error
    if size == 0:
        raise WeightsError(f"{name} is empty: {again}")
    try:
        rows: dict[str, Any] = json.loads(text)
        tensors = {key: row for key, row in rows.items() if key != "__metadata__"}
        ends = [row["data_offsets"][1] for row in tensors.values() if row["dtype"] and list(row["shape"]) is not None]
        whole = 8 + count + max(ends, default=0) == size
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise WeightsError(f"{name} is no safetensors file, or the beginning of one: {again}") from None
    if not whole:
        raise WeightsError(f"{name} is cut short or damaged: {again}")
    return tensors
