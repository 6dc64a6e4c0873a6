"""What the visitor's own browser knows of a form, and never the server: its settings over a reload (gr.BrowserState),
and whether they are still those of the picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from ui.kit.session import QUICK

SECRET = "read by this page alone"  # fixed, or every restart would forget
EDITION = 1  # another number forgets what was kept
STAYS = "{__type__: 'update'}"  # a component in JavaScript that is left as it is


def settings(tab: str, kept: Mapping[str, Any], fill: Callable[[Any], list[Any]] | None = None) -> None:
    """Have the browser keep the components of `tab` by their names and fill them in when the page is loaded.

    The browser does both alone: no event of these reaches the server. Pictures of one's own are kept as files, and sent
    again where the server has forgotten them (ui/scripts/keep.js). `fill`: makes the values of what was kept on the
    server, pictures aside, where one depends on another; it is asked where something was kept and no link has settings
    for the tab. Call it outside of the tabs then: what lies in a tab that was never open tells of no change.
    """
    components = list(kept.values())
    if not components or (blocks := gr.context.Context.root_block) is None:
        return
    state = gr.BrowserState(None, storage_key=f"atelier-{tab}-{EDITION}", secret=SECRET)
    names = f"{json.dumps(tab)}, {json.dumps(list(kept))}"
    save = f"(...values) => [atelier.remember({names}, values)]"
    gr.on([component.change for component in components], None, components, [state], js=save, **QUICK)
    if fill is None:
        script = f"(kept, ...now) => atelier.recall({names}, kept, now)"
        blocks.load(None, [state, *components], components, js=script, **QUICK)
        return
    found = gr.JSON(visible="hidden", show_label=False)
    linked = f"new URLSearchParams(location.search).get('tab') === {json.dumps(tab)}"
    blocks.load(None, [state], [found], js=f"(kept) => [kept && !({linked}) ? kept : {STAYS}]", **QUICK)
    found.change(fill, [found], components, **QUICK)


@dataclass(frozen=True)
class Fit:
    """Whether a form says what made its picture: `mark` is there while it does not. The browser tells it alone, and
    keeps each result.

    inputs: the form's. mark: ui.kit.tab.stale_mark. stamp: changes with each result. file: the result.
    parts: value of the first input -> the places of those that count then, where one of them chooses among pictures or
    ways to look; None: all count always. fills: places of those that a result fills in where they were empty.
    """

    tab: str
    inputs: Sequence[Any]
    mark: Any
    stamp: Any
    file: Any
    parts: Mapping[str, Sequence[int]] | None = None
    fills: Sequence[int] = ()

    def script(self, move: str) -> str:
        """JavaScript over the inputs for one of the moves in ui/scripts/results.js."""
        parts = json.dumps(self.parts, separators=(",", ":"))
        return f"(...given) => [atelier.fit.{move}({json.dumps(self.tab)}, given, {parts}, {json.dumps(self.fills)})]"

    def on(self, event: Callable[..., Any], move: str) -> None:
        """Make a move at an event: a run of what the form says begins or ends, the picture is that of the form, ..."""
        inputs = [] if move in {"again", "end"} else list(self.inputs)
        event(None, inputs, [self.mark], js=self.script(move), **QUICK)

    def wire(self) -> None:
        """Follow every change and every result."""
        self.on(partial(gr.on, [c.change for c in self.inputs]), "see")
        settled = self.stamp.change(None, None, None, js="() => []", **QUICK)  # the picture's own value comes after it
        settled.then(None, [self.file], None, js=f"(file) => atelier.keep({json.dumps(self.tab)}, file)", **QUICK)
        self.on(settled.then, "arrive")
