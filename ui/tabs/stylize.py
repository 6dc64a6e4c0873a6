"""The tab of `stylize`: settings that act at once on a finished picture, a pad that mixes four styles, a surprise."""

from __future__ import annotations

import base64
import io
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image

from models import registry, restyle, weights
from pipelines import images
from pipelines.base import Pipeline
from pipelines.images import ImageError
from pipelines.stylize import every_style
from pipelines.stylize.params import StylizeParams
from ui.kit import tab
from ui.kit.form import replay
from ui.kit.form.examples import STYLE
from ui.kit.i18n import t
from ui.kit.run import Server
from ui.kit.session import QUICK, file_in_cache
from ui.kit.show import Memory
from ui.kit.tab import Form, Frame

CORNER = 96  # pixels
HTML = """
<div class="pad" tabindex="0" role="application" aria-label="${value}">
<img alt=""><img alt=""><img alt=""><img alt=""><i></i></div><small>${value}</small>
"""
CSS = """
.pad { position: relative; width: min(100%, 230px); aspect-ratio: 1; border-radius: 8px; touch-action: none;
       cursor: crosshair; overflow: hidden; background: var(--background-fill-secondary); }
.pad img { position: absolute; width: 50%; height: 50%; object-fit: cover; pointer-events: none; opacity: .35; }
.pad img:nth-of-type(even) { right: 0; } .pad img:nth-of-type(odd) { left: 0; }
.pad img:nth-of-type(n+3) { bottom: 0; }
.pad i { position: absolute; width: 22px; height: 22px; margin: -11px; border-radius: 50%; background: #fff;
         border: 3px solid #b9552f; box-shadow: 0 1px 4px #0006; pointer-events: none; left: 50%; top: 50%; }
small { display: block; margin-top: 6px; color: var(--body-text-color-subdued); }
"""
SCRIPT = """
let at = [.5, .5], down = false;
const shares = () => [(1 - at[0]) * (1 - at[1]), at[0] * (1 - at[1]), (1 - at[0]) * at[1], at[0] * at[1]];
const show = () => {
    const dot = element.querySelector('.pad i'), parts = shares();
    dot.style.left = `${100 * at[0]}%`; dot.style.top = `${100 * at[1]}%`;
    element.querySelectorAll('.pad img').forEach((picture, i) => {
        if (props.corners[i] && picture.getAttribute('src') !== props.corners[i]) picture.src = props.corners[i];
        picture.style.opacity = .25 + .75 * parts[i];
    });
};
const move = (x, y) => { at = [x, y].map(v => Math.min(1, Math.max(0, v))); show(); };
const send = () => trigger('release', {shares: shares()});
const from = (event) => {
    const box = element.querySelector('.pad').getBoundingClientRect();
    move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
};
element.addEventListener('pointerdown', e => {
    if (e.target.closest('.pad')) { down = true; e.target.closest('.pad').setPointerCapture(e.pointerId); from(e); }
});
element.addEventListener('pointermove', e => { if (down) from(e); });
for (const end of ['pointerup', 'pointercancel'])
    element.addEventListener(end, () => { if (down) { down = false; send(); } });
element.addEventListener('keydown', e => {
    const step = {ArrowLeft: [-.1, 0], ArrowRight: [.1, 0], ArrowUp: [0, -.1], ArrowDown: [0, .1]}[e.key];
    if (step) { e.preventDefault(); move(at[0] + step[0], at[1] + step[1]); send(); }
});
watch('corners', show);
show();
"""


def build(pipeline: Pipeline[Any], server: Server) -> Frame:
    """Lay out the tab."""
    extra: dict[str, Any] = {}

    def left(form: Form) -> None:
        if present("magenta"):  # by eye the better pictures, and the quicker ones
            model = next(c for s, c in zip(form.settings, form.inputs, strict=True) if s.name == "model")
            model.value = "magenta"
        extra["surprise"] = gr.Button(t("Surprise me"), size="lg")
        with gr.Accordion(t("Style pad")):
            extra["pad"] = gr.HTML(
                t("Drag the point, or use the arrow keys: the nearer a corner, the more of its style."),
                html_template=HTML,
                css_template=CSS,
                js_on_load=SCRIPT,
                apply_default_css=False,
                elem_classes="style-pad",
                corners=[thumbnail(path) for path in corners(STYLE[:1])],
            )

    frame = tab.build(pipeline, server, left=left)
    wire(frame, extra["pad"], extra["surprise"])
    return frame


def wire(frame: Frame, pad: gr.HTML, surprise: gr.Button) -> None:
    """Settings, pad and surprise paint again at once; before the first run only the surprise does."""
    found = {s.name: c for s, c in zip(frame.form.settings, frame.form.inputs, strict=True)}
    styles, weights, strength = found["styles"], found["style_weights"], found["strength"]

    def sync(chosen: Any, typed: str) -> list[Any]:
        """Other styles: other corners, and weights that do not fit them are forgotten."""
        paths = paths_of(chosen)
        fits = len(paths) == len([part for part in typed.split(",") if part.strip()])
        return [gr.update(corners=[thumbnail(path) for path in corners(paths)]), typed if fits else ""]

    def mix(event: gr.EventData, chosen: Any) -> list[Any]:
        """The corners become the styles, weighted by how near the point is."""
        shares = event._data.get("shares") if isinstance(event._data, dict) else None
        sent = [share for share in shares if isinstance(share, int | float)] if isinstance(shares, list) else []
        numbers = [round(min(1.0, max(0.0, share)), 3) for share in sent][:4]
        wanted = [str(path) for path in corners(paths_of(chosen))]
        same = wanted == [str(path) for path in paths_of(chosen)]
        return [gr.skip() if same else wanted, ", ".join(map(str, numbers))]

    def pick(chosen: Any) -> list[Any]:
        """One or two example styles that are not chosen now, and a strength."""
        there = {path.name for path in paths_of(chosen)}
        others = [str(path) for path in STYLE if path.name not in there]
        return [random.sample(others, random.choice((1, 1, 2))), "", round(random.uniform(0.6, 1), 2)]

    at_once = [found[name].input for name in ("model", "colours", "colours_first", "every")]
    sizes = [found[name].release for name in ("size", "style_scale")]
    frame.follow.live([*at_once, *sizes, strength.release, weights.submit, found["content"].change])
    frame.follow.live(styles.change(sync, [styles, weights], [pad, weights], **QUICK))
    frame.follow.live(pad.release(mix, [styles], [styles, weights], **QUICK))
    frame.stage.live.select(take, [frame.stage.memory], [styles, found["every"]], **QUICK)  # it paints as they change
    frame.follow.live(surprise.click(pick, [styles], [styles, weights, strength], **QUICK), always=True)


def take(memory: Memory | None, event: gr.SelectData) -> list[Any]:
    """The style of the cell that was clicked, on the sheet of all, in the place of what was chosen."""
    result, params = (memory.result, memory.params) if memory else (None, None)
    if result is None or not isinstance(params, StylizeParams) or not params.every or len(result.images) < 2:
        return [gr.skip()] * 2
    styles, wide = every_style(params), math.ceil(math.sqrt(len(result.images)))
    across, down = (place / side for place, side in zip(event.index, result.picture.size, strict=True))
    number = int(down * math.ceil(len(styles) / wide)) * wide + int(across * wide)
    if number >= len(styles):
        return [gr.skip()] * 2
    digest = list(styles)[number]
    known = replay.examples().get(digest)
    if known and number:
        return [[str(known)], False]
    path = file_in_cache(b"", ".png", known.stem if known else "atelier")  # of the style that was there: a change
    styles[digest].save(path)
    return [[path], False]


def present(name: restyle.Restyler) -> bool:
    """Whether the networks of one-pass stylisation `name` are on this machine."""
    return all(weights.present(registry.MODELS[model].weights) for model in restyle.MODELS[name])


def paths_of(gallery: Any) -> list[Path]:
    """The files in a gallery's value."""
    return [Path(row[0] if isinstance(row, tuple | list) else row) for row in gallery or []]


def corners(chosen: Sequence[Path]) -> list[Path]:
    """Four styles: those chosen first, then examples."""
    names = {path.name for path in chosen}
    return [*chosen, *(path for path in STYLE if path.name not in names)][:4]


def thumbnail(path: Path) -> str:
    """A style as a small picture's data address; empty for a file that is none, which the run will speak of."""
    try:
        picture = images.load(path)
    except ImageError:
        return ""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.resize((CORNER, CORNER), PIL.Image.Resampling.BICUBIC, (left, top, left + side, top + side))
    with io.BytesIO() as file:
        square.save(file, "JPEG", quality=85)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
