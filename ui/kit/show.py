"""What a run looks like on the page: the values of the tab's components in each state, and its status lines."""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass, field, fields
from typing import Any

import gradio as gr
import PIL.Image

from models import device, own
from models.cache import OutOfBudget
from models.device import amount
from pipelines import variations
from pipelines.base import SPEED, Pipeline, Result
from pipelines.compare.plan import comparable
from pipelines.params import ParamError, Params, settings
from pipelines.record import Record
from ui.kit import curve, lacking
from ui.kit.form import links
from ui.kit.i18n import in_words, refused, spoken, t
from ui.kit.run import View, pressable
from ui.kit.session import explain, file_in_cache
from ui.words import ENGLISH

GONE = "This result is no longer kept here: run it again."
STAYS: Any = object()  # the value of a component that is left as it is


@dataclass
class Memory:
    """What stays of a visitor's last run, for Continue, the colours and the film.

    params: what the form said, with the pictures themselves: an uploaded file may be gone by the end of a long run.
    """

    params: Params
    state: Any = None
    result: Result | None = None
    frames: list[str] = field(default_factory=list)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    comparable: bool = False  # whether the result can be sent to Compare
    pictures: tuple[str, ...] = ()  # names of the pictures that went in

    @property
    def file_name(self) -> str:
        """What a download is called: `gatys-astronaut-impasto-seed0`."""
        assert self.result is not None
        record = self.result.record
        seed = [] if record.seed is None else [f"seed{record.seed}"]
        return "-".join([record.pipeline, *self.pictures, *seed])

    def __deepcopy__(self, _: Any) -> Memory:
        return self  # Gradio copies a State's value; a run's tensors are not copied


def in_order(update: Any, *apart: str) -> list[Any]:
    """The values of a dataclass's fields as components take them, without the fields that are named."""
    values = [getattr(update, f.name) for f in fields(update) if f.name not in apart]
    return [gr.skip() if value is STAYS else value for value in values]


@dataclass(frozen=True)
class Update:
    """New values for `Stage.outputs`, in that order; what is left out stays as it is."""

    live: Any = STAYS
    compare: Any = STAYS
    status: Any = STAYS
    download: Any = STAYS
    more: Any = STAYS
    curve: Any = STAYS
    record: Any = STAYS
    memory: Any = STAYS
    wanted: Any = STAYS
    cures: tuple[bool, str, bool] = (False, "", False)  # which are shown, and what Fetch is called

    def row(self, running: bool, earlier: Memory | None = None) -> list[Any]:
        """Values for `Stage.outputs`, then for Run and Stop; what can be done with a result is there where one is."""
        memory = self.memory if isinstance(self.memory, Memory) else earlier
        result = None if running or memory is None else memory.result
        many = result is not None and variations.SEEDS in result.record.details
        again = result is not None and result.record.seed is not None
        sent = result is not None and memory is not None and memory.comparable
        one = result is not None and not many
        frames = STAYS if self.memory is STAYS else bool(memory and memory.frames[1:])
        return [
            *in_order(self, "cures"),
            *(gr.update(interactive=on) for on in (sent, one, result is not None, again, again)),
            *(gr.skip() if on is STAYS else gr.update(visible=bool(on)) for on in (self.curve, frames, self.record)),
            *(cure(shown) for shown in self.cures),
            *pressable(running),
        ]


def cure(shown: bool | str) -> Any:
    """A button of the failed state: there or not, or there with what it is called."""
    return (
        gr.update(visible=True, interactive=True, value=shown)
        if isinstance(shown, str) and shown
        else gr.update(visible=bool(shown))
    )


NOTHING: list[Any] = [gr.skip()] * len(Update().row(running=False))  # of a press that a later one replaced


def waiting(view: View, request: gr.Request | None) -> Update:
    """A run that waits for its turn or for its first step; what can be done with the picture before it waits too."""
    off = gr.update(interactive=False)
    text = place(view, request) if view.ahead else spoken("starting", request)
    return Update(status=html.escape(text), download=off, more=off)


def place(view: View, request: gr.Request | None) -> str:
    """`next in line · about 12 s`, `2 runs are before this one`."""
    if view.ahead > 1:
        return spoken("{} runs come before this one", request).format(view.ahead)
    parts = [spoken("next in line", request)]
    if view.seconds_ahead is not None:
        parts.append(spoken("about {} s", request).format(max(1, round(view.seconds_ahead))))
    return " · ".join(parts)


def gone(request: gr.Request | None) -> Update:
    """A result that is no longer kept."""
    return Update(status=failed_status(in_words(GONE, request)))


def kept(memory: Memory | None, request: gr.Request | None) -> Result:
    """The result in memory. Raises gr.Error with one sentence where it is no longer kept."""
    if memory is None or memory.result is None:
        raise refused(GONE, request)
    return memory.result


def failed(
    error: Exception, earlier: Memory | None, pipeline: Pipeline[Any], request: gr.Request | None = None
) -> Update:
    """The failed state: one sentence, and the button that does what it advises; the picture before stays in use."""
    kept = earlier is not None and earlier.result is not None
    sized = "size" in pipeline.params.model_fields
    small = sized and (isinstance(error, OutOfBudget) or device.out_of_memory(error))
    lacks = lacking.of(error)
    return Update(
        status=failed_status(page_words(explain(error), pipeline, request)),
        download=gr.update(interactive=kept),
        more=gr.update(interactive=kept and pipeline.resume is not None),
        wanted={lack: lack.bytes for lack in lacks},
        cures=(small, lacking.caption(lacks, {}, request) if lacks else "", isinstance(error, ParamError)),
    )


def page_words(sentence: str, pipeline: Pipeline[Any], request: gr.Request | None) -> str:
    """What went wrong, with settings and choices called as the form calls them: Show, not `view`."""
    labels = {s.name: s.label for s in settings(pipeline.params)}
    name = rf"\b({'|'.join(labels)})\b"
    renamed = re.sub(rf"{name}(?= (?:is|has|are|to) )", lambda found: labels[found[1]], sentence)
    told = in_words(sentence, request)
    if told == sentence:
        return re.sub(r"(?<= to )\w+", lambda choice: ENGLISH.get(choice[0], choice[0]), renamed)
    return in_words(renamed, request) if re.search(name, told) else told


def running_status(view: View, request: gr.Request | None) -> str:
    """`step 120/300 · 4.1 s · about 6 s left`, and a bar."""
    if view.progress is None:
        return ""
    share = view.progress.share or view.progress.step / max(1, view.progress.total)
    parts = [f"{spoken('step', request)} {view.progress.step}/{view.progress.total}", f"{view.seconds:.1f} s"]
    if SPEED in view.curves:
        parts.append(f"{view.curves[SPEED][-1][1]:.0f} {spoken(SPEED, request)}")
    if view.left is not None:
        parts.append(spoken("about {} s left", request).format(max(1, round(view.left))))
    return f'{" · ".join(parts)}<div class="bar"><i style="width:{100 * share:.1f}%"></i></div>'


def duration(seconds: float) -> str:
    """`0.35 s`, `4.2 s`, `130 s`."""
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def networks(entry: Record, request: gr.Request | None) -> list[str]:
    """The models of a run, in the reader's language: `vgg-lite`, `yours: gan-3-min.safetensors`."""
    return [name.replace(own.PREFIX, f"{spoken('yours', request)}: ") for name in entry.networks]


def cost_status(result: Result, request: gr.Request | None) -> str:
    """`9.8 s · 310 MB · vgg-lite · seed 0`, with loading apart where it took long enough to be felt."""
    r = result.record
    parts = [
        duration(r.seconds.run),
        *([f"{spoken('loading', request)} {r.seconds.load:.1f} s"] if r.seconds.load >= 0.1 else []),
        amount(r.own_bytes),
        *networks(r, request),
        f"{r.steps} {spoken('step' if r.steps == 1 else 'steps', request)}",
        f"{spoken('seed', request)} {r.seed}",
        "×".join(map(str, result.picture.size)),
    ]
    notes = "".join(f"<br><small>{html.escape(in_words(note, request))}</small>" for note in r.notes)
    return f"{html.escape(' · '.join(parts))}{notes}"


def failed_status(sentence: str) -> str:
    """The sentence, in the failed state's colour."""
    return f'<span class="failed" role="alert">{html.escape(sentence)}</span>'


def drawn(curves: dict[str, list[tuple[int, float]]], request: gr.Request | None) -> str:
    """The run's curves as SVG, their names in the reader's language; how fast it goes is told in the status instead."""
    return curve.draw({spoken(name, request): points for name, points in curves.items() if name != SPEED})


def running(view: View, request: gr.Request | None) -> Update:
    """A method that runs: its picture so far, step, seconds and curve."""
    return Update(
        live=gr.update(value=view.preview, visible=True, label=t("Working")) if view.preview else gr.skip(),
        compare=gr.update(visible=False),
        status=running_status(view, request),
        curve=drawn(view.curves, request),
    )


def conclude(view: View, memory: Memory, pipeline: Pipeline[Any], request: gr.Request | None) -> Update:
    """A finished or stopped method on the page: the slider where there is a before, files that hold their record."""
    assert view.result is not None
    memory.result, memory.state, memory.frames, memory.curves = view.result, view.result.state, view.frames, view.curves
    record = view.result.record
    memory.comparable = comparable(pipeline, record.params) and variations.SEEDS not in record.details
    return finished(memory, pipeline, request)


def finished(memory: Memory, pipeline: Pipeline[Any], request: gr.Request | None) -> Update:
    """The result in `memory` on the page."""
    result = memory.result
    assert result is not None
    path = file_in_cache(result.png(), ".png", memory.file_name)
    before = before_file(memory.params, result.picture.size) if result.sheet is None else None
    address = links.link(pipeline, result.record.params, request)
    return Update(
        live=gr.update(value=path, visible=before is None, label=t("Result")),
        compare=gr.update(value=(before, path) if before else None, visible=before is not None, slider_position=0),
        status=f"{cost_status(result, request)}<br>{address}",
        download=gr.update(value=path, interactive=True),
        more=gr.update(interactive=pipeline.resume is not None and memory.state is not None),
        curve=drawn(memory.curves, request),
        record=result.record.model_dump(mode="json"),
        memory=memory,
    )


def before_file(params: Params, size: tuple[int, int]) -> str | None:
    """The content picture at the result's size, for the slider; None for methods without one."""
    content = getattr(params, "content", None)
    if content is None:
        return None
    with io.BytesIO() as file:
        content.resize(size, PIL.Image.Resampling.LANCZOS).save(file, "JPEG", quality=92)
        return file_in_cache(file.getvalue(), ".jpg")
