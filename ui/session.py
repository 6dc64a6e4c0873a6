"""Running a method for a visitor: live pictures, Stop, errors in plain words, and files that hold their record."""

from __future__ import annotations

import io
import json
import logging
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from gradio.utils import get_upload_folder

from models import device, registry, weights
from models.cache import ModelCache, OutOfBudget
from models.weights import WeightsError, WeightsMissing
from pipelines import images
from pipelines.base import STOP, Pipeline, Progress, Result, run
from pipelines.images import ImageError
from pipelines.params import ParamError, parse
from ui.i18n import in_browser

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent
KNOWN = (ParamError, ImageError, WeightsMissing, WeightsError, OutOfBudget)
GPU: dict[str, Any] = {"concurrency_id": "gpu", "concurrency_limit": 1}  # every event that runs a model shares it
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", **PRIVATE}
SECONDS_BETWEEN_PREVIEWS = 0.25
PREVIEW_SIDE = 640  # pixels


def explain(error: Exception) -> str:
    """One sentence for the visitor; what is not a known error goes to the log under a short reference."""
    if isinstance(error, KNOWN):
        return without_folders(str(error))
    if device.out_of_memory(error):
        return device.OUT_OF_MEMORY
    reference = secrets.token_hex(3)
    log.exception("reference %s", reference, exc_info=error)
    return f"Something broke here, not in your input. Reference {reference} is in the server's log."


def without_folders(sentence: str) -> str:
    """`sentence` with the names alone of files that lie in this server's own folders."""
    places = (ROOT, Path.home(), Path(tempfile.gettempdir()), Path(get_upload_folder()), weights.cache_folder())
    roots = "|".join(re.escape(str(place.resolve())) for place in places if len(place.resolve().parts) > 1)
    return re.sub(rf"(?:{roots})(?:/[^/\s'\",;)]+)*/(?=[^/\s])", "", sentence)


def file_in_cache(data: bytes, suffix: str) -> str:
    """Write `data` where Gradio serves files from, under a name nobody can guess; returns the path."""
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    path = folder / f"atelier{suffix}"
    path.write_bytes(data)
    return str(path)


def preview_file(preview: torch.Tensor) -> str:
    """A preview (3, H, W) in [0, 1] as a JPEG file: 5 ms at 512 px, where PNG takes 50."""
    image = images.to_image(preview)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=88)
        return file_in_cache(file.getvalue(), ".jpg")


@dataclass
class View:
    """What the page shows of a run at one moment."""

    progress: Progress | None = None
    preview: str | None = None  # path
    seconds: float = 0.0
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    result: Result | None = None
    frames: list[str] = field(default_factory=list)  # paths of the previews shown

    @property
    def left(self) -> float | None:
        """Seconds still to go, from the share of the work done; None while it is too early to say."""
        if self.progress is None or self.progress.step < 2 or not self.progress.share:
            return None
        return self.seconds * (1 - self.progress.share) / self.progress.share


class Stops:
    """Which visitors have pressed Stop."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self.closed = False

    def close(self) -> None:
        """Stop every run after the step in flight, and those that wait before their first: the server ends."""
        self.closed = True

    def ask(self, visitor: str) -> None:
        """Stop the visitor's run after the step in flight."""
        self._asked.add(visitor)

    def take(self, visitor: str) -> bool:
        """Whether Stop was pressed; forgets it."""
        asked = self.closed or visitor in self._asked
        self._asked.discard(visitor)
        return asked


def follow(
    pipeline: Pipeline[Any],
    values: dict[str, Any],
    cache: ModelCache,
    stops: Stops,
    visitor: str,
    state: Any = None,
    view: View | None = None,
) -> Iterator[View]:
    """Run a method and yield views, at most four a second, the last one with the Result.

    A run that continues from `state` adds to the curves and frames of `view`.

    Closing this generator abandons the run and gives its models back.

    Raises:
        ParamError, ImageError, WeightsMissing, WeightsError, OutOfBudget: one sentence each.
    """
    stream = run(pipeline, parse(pipeline.params, values), cache, state, registry.sha256)
    start, shown = time.perf_counter(), 0.0
    view = view or View()
    try:
        event: Progress | Result | None = None if stops.take(visitor) else next(stream, None)
        while event is not None:
            view.seconds = time.perf_counter() - start
            if isinstance(event, Result):
                view.result = event
                yield view
                return
            view.progress = event
            first = event.step <= 1
            if first or view.seconds - shown >= SECONDS_BETWEEN_PREVIEWS:
                shown = view.seconds
                record_metrics(view, event)
                if event.preview is not None:
                    view.preview = preview_file(event.preview)
                    view.frames.append(view.preview)
                yield view
            event = stream.send(STOP) if stops.take(visitor) else next(stream, None)
    finally:
        stream.close()


def record_metrics(view: View, event: Progress) -> None:
    """Add the step's numbers to the curves; this is where a number leaves the device."""
    for name, value in event.metrics.items():
        view.curves.setdefault(name, []).append((event.step, float(value)))


def waiting() -> str:
    """JavaScript for (status, Run, Stop) that says at once that a run waits and can be stopped.

    The browser does it alone: a server's answer could arrive after that of a run that ended quickly, and cover it.
    """
    run, stop = (json.dumps({"__type__": "update", "interactive": on}) for on in (False, True))
    return f"() => [{in_browser('waiting for its turn')}, {run}, {stop}]"


def api_run(event: str) -> str:
    """What a run of an endpoint is called among `Stops`: by its event, since a program may start several at once."""
    return f"api {event}"


def visitor_of(request: gr.Request | None) -> str:
    """Gradio's session of the browser tab that asked."""
    return str(getattr(request, "session_hash", "") or "")
