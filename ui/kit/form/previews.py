"""Pictures that a browser cannot show (HEIC, TIFF): it gets a JPEG, and the picture itself is what a method reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from pipelines import decoder, images
from pipelines.images import ImageError
from ui.kit.session import QUICK

SUFFIX = ".preview.jpg"  # of the JPEG, behind the name of the picture that it stands beside
SIDE = 1024  # pixels
UNSHOWN = {"HEIF", "TIFF"}
# Pictures whose suffix the browser's own list of image types lacks.
SUFFIXES = [".jfif", ".mpo", ".heic", ".heif", ".hif", ".avif", ".tif", ".tiff", ".bmp"]


def original(path: str) -> str:
    """The picture that a preview stands for; any other path is itself."""
    beside = path.removesuffix(SUFFIX)
    return beside if beside != path and Path(beside).is_file() else path


def shown(path: str) -> str:
    """What the browser gets of a picture: itself, or its preview where a visitor brought one that is not shown."""
    file = Path(path)
    if not file.is_file() or not file.resolve().is_relative_to(Path(get_upload_folder()).resolve()):
        return path
    preview = file.with_name(file.name + SUFFIX)
    try:
        with file.open("rb") as opened:
            if decoder.kind_of(file.name, opened.read(4096)) not in UNSHOWN:
                return path
        if not preview.exists():
            small = images.load(file)
            small.thumbnail((SIDE, SIDE))
            small.save(preview, "JPEG", quality=85)
    except (ImageError, OSError):  # of which the run will speak
        return path
    return str(preview)


def of_image(picture: gr.Image) -> gr.Image:
    """Have `picture` show previews, and pass on the pictures that they stand for. `picture` passes on paths."""
    read, show = picture.preprocess, picture.postprocess

    def preprocess(payload: Any) -> Any:
        value = read(payload)
        return original(value) if isinstance(value, str) else value

    picture.preprocess = preprocess  # type: ignore[method-assign]
    picture.postprocess = lambda value: show(  # type: ignore[method-assign]
        shown(str(value)) if isinstance(value, str | Path) else value
    )
    picture.upload(lambda path: path if path and shown(path) != path else gr.skip(), picture, picture, **QUICK)
    return picture


def of_gallery(gallery: gr.Gallery) -> gr.Gallery:
    """Have `gallery` do the same with each of its pictures, and take them whatever they are called."""
    show = gallery.postprocess

    def preprocess(payload: Any) -> list[tuple[str, str | None]] | None:
        """(path, caption) of each; Gradio would refuse some by their name."""
        if payload is None or not payload.root:
            return None
        files = [(getattr(item, "image", None) or item.video, item.caption) for item in payload.root]
        return [(original(file.path or ""), caption) for file, caption in files]

    def of_row(row: Any) -> Any:
        path, *caption = row if isinstance(row, tuple | list) else (row,)
        path = shown(str(path)) if isinstance(path, str | Path) else path
        return (path, *caption) if caption else path

    def again(rows: list[tuple[str, str | None]] | None) -> Any:
        return rows if any(shown(path) != path for path, _ in rows or []) else gr.skip()

    gallery.preprocess = preprocess  # type: ignore[method-assign]
    gallery.postprocess = lambda value: show(value and [of_row(row) for row in value])  # type: ignore[method-assign]
    gallery.upload(again, gallery, gallery, **QUICK)
    return gallery
