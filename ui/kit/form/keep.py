"""Settings of a form over a reload: kept by the visitor's own browser (gr.BrowserState), never on the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from ui.kit.session import QUICK

SECRET = "read by this page alone"  # fixed, or every restart would forget
EDITION = 1  # another number forgets what was kept


def settings(tab: str, kept: Mapping[str, Any], fill: Callable[[Any], list[Any]] | None = None) -> None:
    """Have the browser keep the components of `tab` by their names and fill them in when the page is loaded.

    The browser does both alone: no event of these reaches the server. `fill`: makes the components' values of what was
    kept (None at first) on the server, where one depends on another.
    """
    components = list(kept.values())
    if not components or (blocks := gr.context.Context.root_block) is None:
        return
    state = gr.BrowserState(None, storage_key=f"atelier-{tab}-{EDITION}", secret=SECRET)
    names = json.dumps(list(kept))
    save = f"(...values) => [Object.fromEntries({names}.map((name, i) => [name, values[i]]))]"
    script = f"(kept) => {names}.map(name => kept && name in kept ? kept[name] : {{__type__: 'update'}})"
    gr.on([component.change for component in components], None, components, [state], js=save, **QUICK)
    blocks.load(fill, [state], components, js=None if fill else script, **QUICK)


def stale(tab: str, inputs: Sequence[Any], mark: Any, stamp: Any, file: Any) -> str:
    """Have `mark` there while `inputs` say something else than what made the picture in `file`; the browser does it
    alone, and keeps each result. `stamp` changes with each. Returns JavaScript for the values of `inputs` when a run
    begins."""
    name = json.dumps(tab)
    changes = [component.change for component in inputs]
    gr.on(changes, None, list(inputs), [mark], js=f"(...given) => [atelier.stale({name}, given)]", **QUICK)
    arrived = f"(file, ...given) => [atelier.arrived({name}, file, given)]"
    settled = stamp.change(None, None, None, js="() => []", **QUICK)  # the picture's own value comes after it
    settled.then(None, [file, *inputs], [mark], js=arrived, **QUICK)
    return f"(...given) => {{ atelier.begin({name}, given); return []; }}"
