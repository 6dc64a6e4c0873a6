"""A board on which a visitor draws a digit with mouse, pen or finger; each stroke fills a picture input."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import Any

import gradio as gr

from ui.kit.form.examples import DIGITS
from ui.kit.i18n import refused, t
from ui.kit.session import QUICK, file_in_cache

PREFIX = "data:image/png;base64,"
MOST_CHARACTERS = 1_000_000
HTML = '<canvas width="280" height="280" role="img" aria-label="${value}"></canvas><small>${value}</small>'
CSS = """
canvas { width: 200px; height: 200px; touch-action: none; cursor: crosshair; border-radius: 8px; display: block;
         background: var(--background-fill-secondary); box-shadow: inset 0 0 0 1px var(--border-color-primary); }
small { display: block; margin-top: 6px; color: var(--body-text-color-subdued); }
"""
# Strokes are kept, not pixels: they are shown in the theme's ink, and sent in black on white.
SCRIPT = """
const canvas = element.querySelector('canvas');
let strokes = [], down = false;
const paint = (target, ink) => {
    const pen = target.getContext('2d');
    Object.assign(pen, {strokeStyle: ink, lineWidth: 22, lineCap: 'round', lineJoin: 'round'});
    for (const stroke of strokes) {
        pen.beginPath();
        stroke.forEach(([x, y], i) => i ? pen.lineTo(x, y) : (pen.moveTo(x, y), pen.lineTo(x + .1, y)));
        pen.stroke();
    }
};
const show = () => {
    canvas.getContext('2d').clearRect(0, 0, 280, 280);
    paint(canvas, getComputedStyle(canvas).color);
};
const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * 280 / box.width, (event.clientY - box.top) * 280 / box.height];
};
const send = () => {
    const sheet = document.createElement('canvas');
    sheet.width = sheet.height = 280;
    const pen = sheet.getContext('2d');
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, 280, 280);
    paint(sheet, '#000');
    trigger('submit', {png: sheet.toDataURL('image/png')});
};
canvas.addEventListener('pointerdown', (event) => {
    down = true;
    canvas.setPointerCapture(event.pointerId);
    strokes.push([place(event)]);
    show();
});
canvas.addEventListener('pointermove', (event) => { if (down) { strokes.at(-1).push(place(event)); show(); } });
const lift = () => { if (down) { down = false; send(); } };
canvas.addEventListener('pointerup', lift);
canvas.addEventListener('pointercancel', lift);
canvas.addEventListener('wipe', () => { strokes = []; show(); });
"""
WIPE = """() => document.querySelectorAll('.board canvas').forEach(
    canvas => canvas.offsetParent && canvas.dispatchEvent(new Event('wipe')))"""


def board(target: gr.Image) -> Any:
    """Lay out a board beside `target`, into which the drawing goes, with a button that wipes both. Returns the event
    after which a stroke is in `target`."""
    column: Any = target.parent  # one of the row of pictures
    with column.parent, gr.Column(elem_classes="board-column", min_width=210):
        drawing = gr.HTML(
            t("Draw a digit here"),
            html_template=HTML,
            css_template=CSS,
            js_on_load=SCRIPT,
            elem_classes="board",
            apply_default_css=False,
        )
        clear = gr.Button(t("Wipe"), size="sm", min_width=80)
    clear.click(lambda: None, None, [target], js=WIPE, **QUICK)
    return drawing.submit(received, None, [target], **QUICK)


def lend(view: Any, target: gr.Image, needing: Collection[str]) -> None:
    """Have the first example taken where a view is chosen that needs a digit and `target` has none."""

    def example(chosen: str, path: str | None) -> Any:
        return str(DIGITS[0]) if chosen in needing and not path else gr.skip()

    view.input(example, [view, target], [target], **QUICK)


def received(event: gr.EventData, request: gr.Request) -> Any:
    """The drawing as a file for a picture input; what is no PNG is not taken."""
    sent = event._data.get("png", "") if isinstance(event._data, dict) else ""
    return file_in_cache(decoded(str(sent), request), ".png")


def decoded(address: str, request: gr.Request | None = None) -> bytes:
    """The bytes behind a PNG's data address. Raises gr.Error for anything else, and for more than a drawing holds."""
    try:
        if not address.startswith(PREFIX) or len(address) > MOST_CHARACTERS:
            raise ValueError
        return base64.b64decode(address.removeprefix(PREFIX), validate=True)
    except (ValueError, binascii.Error):
        raise refused("That drawing did not arrive whole: wipe it and draw again.", request) from None
