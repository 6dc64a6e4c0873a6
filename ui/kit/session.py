"""What events of the page share: how they are queued, errors in plain words, files that the page can show, sessions."""

from __future__ import annotations

import io
import logging
import re
import secrets
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import PIL.Image
import torch
from gradio.context import LocalContext
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import get_upload_folder

from models import device, weights
from models.cache import OutOfBudget
from models.weights import WeightsError, WeightsMissing
from pipelines import dataset, images
from pipelines.base import Lost
from pipelines.images import ImageError
from pipelines.params import ParamError
from ui.kit.log import REQUEST, fields

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent.parent


class Busy(RuntimeError):
    """More runs wait than are taken; one sentence."""


KNOWN = (Busy, ParamError, ImageError, WeightsMissing, WeightsError, OutOfBudget, Lost)
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", **PRIVATE}
PREVIEW_SIDE = 640  # pixels
LONGEST = 1200  # letters of a sentence


def explain(error: Exception) -> str:
    """One sentence for the visitor; what is not a known error goes to the log under a short reference."""
    if isinstance(error, KNOWN):
        text = " ".join(str(error).split())  # it may hold what a visitor sent, of any length
        return without_folders(text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}")
    if device.out_of_memory(error):
        return device.OUT_OF_MEMORY
    event = event_id()
    reference = (event or REQUEST.get() or secrets.token_hex())[:8]
    log.exception("reference %s", reference, exc_info=error, extra=fields(reference=reference, event=event))
    return f"Something broke here, not in your input. Reference {reference} is in the server's log."


def event_id() -> str:
    """Of the event of Gradio's that calls; "" outside of one."""
    return LocalContext.event_id.get(None) or ""


def without_folders(sentence: str) -> str:
    """`sentence` with the names alone of files that lie in this server's own folders."""
    temporary = Path(tempfile.gettempdir()), Path(get_upload_folder())
    places = (ROOT, Path.home(), *temporary, weights.cache_folder(), dataset.folder())
    roots = "|".join(re.escape(str(place.resolve())) for place in places if len(place.resolve().parts) > 1)
    return re.sub(rf"(?:{roots})(?:/[^/\s'\",;)]+)*/(?=[^/\s])", "", sentence)


def file_in_cache(data: bytes, suffix: str, name: str = "atelier") -> str:
    """Write `data` where Gradio serves files from, in a folder nobody can guess; returns the path. `name`: of the file,
    when it is downloaded."""
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    path = folder / f"{name}{suffix}"
    path.write_bytes(data)
    return str(path)


def sweep(older: float, kept: Collection[str]) -> set[str]:
    """Remove what lies in the upload folder for more than `older` seconds, but for the paths `kept`; folders when they
    have been empty for as long. Returns the files removed."""
    gone, before = set[str](), time.time() - older
    for path in sorted(Path(get_upload_folder()).rglob("*"), reverse=True):  # a folder after what is in it
        with suppress(OSError):  # fetched anew, removed or filled meanwhile
            if path.lstat().st_ctime >= before or str(path) in kept:
                continue
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
                gone.add(str(path))
    return gone


def picture_file(picture: PIL.Image.Image) -> str:
    """A picture as a PNG file that the page can show."""
    path = file_in_cache(b"", ".png")
    picture.save(path)
    return path


def preview_file(preview: torch.Tensor) -> str:
    """A preview (3, H, W) in [0, 1] as a JPEG file: 5 ms at 512 px, where PNG takes 50."""
    image = images.to_image(preview)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=88)
        return file_in_cache(file.getvalue(), ".jpg")


def address_of(request: gr.Request | None) -> str:
    """Where a program calls from, whose sessions are as many as it likes; "" where that is not known."""
    return str(getattr(getattr(request, "client", None), "host", "") or "")


def visitor_of(request: gr.Request | None) -> str:
    """Gradio's session of the browser tab that asked."""
    return str(getattr(request, "session_hash", "") or "")


class Session(SessionState):
    """A visitor's values, without the description of every component that Gradio keeps beside them.

    It is for deep links, which this page has not: 70 ms and 1.7 MB for 969 components, at every call by REST, too.
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        page: Any = SimpleNamespace(default_config=blocks.default_config, blocks={})  # nothing to be described
        super().__init__(page)

    def __setitem__(self, key: int, value: Any) -> None:
        """An update has built a component again: what was set on the first one goes over to it."""
        before = self.blocks_config.blocks.get(key)
        if before is not None and type(before) is type(value):
            vars(value).update(
                {name: own for name, own in vars(before).items() if name in {"preprocess", "postprocess"}}
            )
        super().__setitem__(key, value)

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing is kept to be updated."""


class Sessions(StateHolder):
    """The sessions of `page`'s visitors, in place of Gradio's."""

    def __init__(self, page: gr.Blocks) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.set_blocks(page)

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)
