"""Fetching weights with a button: progress meanwhile, one sentence at the end."""

from __future__ import annotations

import html
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from pipelines.dataset import DataSet
from ui.kit import lacking
from ui.kit.i18n import in_words, spoken
from ui.kit.lacking import Lack
from ui.kit.press import Press
from ui.kit.session import KNOWN, explain
from ui.kit.show import failed_status


class Stopped(Exception):
    """Stop was pressed."""


def fetch(
    lacks: Sequence[Lack], request: gr.Request | None = None, name: str = "", press: Press | None = None
) -> Iterator[str]:
    """Fetch what a run lacks, telling how far it is as HTML; ends with a sentence either way.

    `name`: what it is called; else each by its own name. `press`: what Stop ends.
    """
    told: queue.Queue[tuple[int, int] | None] = queue.Queue()
    failure: list[Exception] = []

    def report(done: int, total: int) -> None:
        if press and press.over:
            raise Stopped
        told.put((done, total))

    def work() -> None:
        try:
            lacking.bring(lacks, report)
        except Exception as error:  # carried over to the visitor, like that of a run
            failure.append(error)
        finally:
            told.put(None)

    name = name or ", ".join(lack.title if isinstance(lack, DataSet) else lack.name for lack in lacks)
    threading.Thread(target=work, daemon=True).start()
    while (step := told.get()) is not None:
        if told.empty():
            done, total = step
            bar = f'<div class="bar"><i style="width:{100 * done / max(1, total):.1f}%"></i></div>'
            yield f"{html.escape(name)} · {done / 1e6:.0f}/{total / 1e6:.0f} MB{bar}"
    if failure and isinstance(failure[0], Stopped):
        yield spoken("Stopped. What arrived is kept: fetch again to go on.", request)
    elif failure:
        yield failed_status(in_words(explain(failure[0]), request))
    else:
        yield f"<span>{html.escape(spoken('Here now: {}', request).format(name))}</span>"


def cure(wanted: Mapping[Lack, int | None], request: gr.Request, press: Press | None = None) -> Iterator[Any]:
    """Bring what the failed run lacks: its status line, its Fetch button, and what is then still lacking.

    Where only the hub knows how much that is, the first press asks, and the next one fetches.
    """
    lacks, known = list(wanted), {lack: size for lack, size in wanted.items() if size is not None}
    if len(known) < len(lacks):
        try:
            sizes = lacking.asked_for(lacks, known)
        except KNOWN as error:
            yield failed_status(in_words(str(error), request)), gr.skip(), gr.skip()
            return
        yield gr.skip(), gr.update(value=lacking.caption(lacks, sizes, request)), dict(sizes)
        return
    for sentence in fetch(lacks, request, press=press):
        yield sentence, gr.update(interactive=False), gr.skip()
    left = {lack: size for lack, size in wanted.items() if lacking.away(lack)}
    yield gr.skip(), gr.update(interactive=True, visible=bool(left)), left
