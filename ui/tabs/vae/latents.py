"""The map of the VAE's two-number codes: clicked, dragged, walked with arrow keys, and decoded as it goes."""

from __future__ import annotations

import base64
import io
import math
from typing import Any, cast

import gradio as gr
import torch

from models.cache import ModelCache
from models.vae import VAE, lattice
from pipelines import digits, images
from pipelines.images import ImageError
from pipelines.sheet import pictures_of, preview_map
from pipelines.vae import WEIGHTS
from ui.kit.i18n import in_browser, t

SIDE = 30  # digits a row of the map
MAP = WEIGHTS["mnist", "map"]
HTML = """
<div class="sheet">
<button type="button" class="empty"></button>
<canvas class="map" width="600" height="600" tabindex="0" role="application" aria-label="${value}"></canvas>
<div class="side"><canvas class="here" width="28" height="28" aria-hidden="true"></canvas><output></output>
<div class="key"></div></div></div><small>${value}</small>
"""
CSS = """
.sheet { display: flex; gap: 16px; flex-wrap: wrap; }
.map { width: min(100%, 480px); aspect-ratio: 1; cursor: crosshair; touch-action: none; border-radius: 8px;
       flex: none; }
.empty { width: min(100%, 480px); aspect-ratio: 1; padding: 32px 24px; border-radius: 8px; flex: none; cursor: pointer;
         border: 1px solid var(--border-color-primary); background: var(--block-background-fill);
         color: var(--body-text-color); font: inherit; line-height: 1.6; }
.sheet.ready .empty, .sheet:not(.ready) .map, .sheet:not(.ready) .side { display: none; }
.here { width: 140px; height: 140px; image-rendering: pixelated; border-radius: 8px; background: #000; display: block; }
output { display: block; margin: 8px 0; font-variant-numeric: tabular-nums; color: var(--body-text-color); }
.key { display: grid; grid-template-columns: repeat(5, auto); gap: 4px 10px; font-size: .85rem; }
.key b { display: inline-block; width: 10px; height: 10px; border-radius: 5px; margin-right: 4px; }
small { display: block; margin-top: 6px; color: var(--body-text-color-subdued); }
"""
# One request at a time is under way; while it is, only the newest place is remembered.
SCRIPT = """
const map = element.querySelector('.map'), here = element.querySelector('.here');
const told = element.querySelector('output');
const sheet = element.querySelector('.sheet'), empty = element.querySelector('.empty');
const COLOURS = ['#e6194b','#f58231','#ffe119','#7ad151','#2a9d8f','#42d4f4','#4363d8','#a26bfa','#f032e6','#c0c0c0'];
const key = (colour, label) => `<span><b style="background:${colour}"></b>${label}</span>`;
element.querySelector('.key').innerHTML = COLOURS.map(key).join('');
let ground = null, points = [], at = [.5, .5], waiting = null, busy = false, down = false;
const show = () => {
    const pen = map.getContext('2d');
    pen.clearRect(0, 0, 600, 600);
    if (ground) { pen.globalAlpha = .55; pen.drawImage(ground, 0, 0, 600, 600); pen.globalAlpha = 1; }
    for (const [x, y, label] of points) {
        pen.fillStyle = COLOURS[label];
        pen.beginPath(); pen.arc(600 * x, 600 * y, 3, 0, 7); pen.fill();
    }
    pen.beginPath(); pen.arc(600 * at[0], 600 * at[1], 11, 0, 7);
    pen.strokeStyle = '#fff'; pen.lineWidth = 5; pen.stroke();
    pen.strokeStyle = '#c2562d'; pen.lineWidth = 3; pen.stroke();
};
const picture = (address) => new Promise(done => { const i = new Image(); i.onload = () => done(i); i.src = address; });
const ask = async () => {
    if (busy) { waiting = at; return; }
    busy = true;
    try {
        do {
            waiting = null;
            const found = await server.decode_place(at);
            here.getContext('2d').drawImage(await picture(found.picture), 0, 0);
            told.textContent = `z = (${found.code.map(v => v.toFixed(2)).join(', ')})`;
        } while (waiting);
    } finally { busy = false; }
};
const move = (x, y) => { at = [Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y))]; show(); ask(); };
const start = async () => {
    if (empty.disabled) return;
    empty.disabled = true; empty.textContent = SAID.drawing;
    try {
        const found = await server.draw_map();
        ground = await picture(found.picture); points = found.points; map.dataset.ready = 'yes';
        sheet.classList.add('ready');
        move(...at);
    } catch { empty.textContent = SAID.failed; }  // the server is away, say: nothing else on the page depends on it
    empty.disabled = false;
};
empty.textContent = SAID.waiting;
empty.addEventListener('click', start);
const from = (event) => {
    const box = map.getBoundingClientRect();
    move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
};
map.addEventListener('pointerdown', e => { down = true; map.setPointerCapture(e.pointerId); from(e); });
map.addEventListener('pointermove', e => { if (down) from(e); });
map.addEventListener('pointerup', () => { down = false; });
map.addEventListener('keydown', e => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[e.key];
    if (step) { e.preventDefault(); move(at[0] + step[0] / 60, at[1] + step[1] / 60); }
});
map.addEventListener('land', e => move(...e.detail));
new IntersectionObserver((seen, watch) => {
    if (seen.some(s => s.isIntersecting)) { watch.disconnect(); start(); }
}).observe(empty);
"""
SAID = {
    "waiting": "The map of all digits that two numbers can say will be here: press to draw it.",
    "drawing": "The map is being drawn: nine hundred digits.",
    "failed": "The map could not be drawn: press to try again.",
}
LAND = """(place) => {
    const land = place && new CustomEvent('land', {detail: JSON.parse(place)});
    if (land) document.querySelectorAll('canvas.map').forEach(map => map.dispatchEvent(land));
}"""


def atlas(cache: ModelCache) -> gr.HTML:
    """The map of 30x30 digits with the codes of test digits on it; the digit under the cursor is decoded at once."""

    def draw_map(_: Any = None) -> dict[str, Any]:  # a call without arguments comes with one
        with cache.use(MAP, working=64 << 20) as (module,), torch.no_grad():
            network = cast(VAE, module)
            x = network.decode(lattice(SIDE).to(network.bias.device)).sigmoid().cpu()
            places = unit(network.atlas_codes.cpu())
            labels = network.atlas_labels.tolist()
        points = [[round(x, 4), round(y, 4), label] for (x, y), label in zip(places, labels, strict=True)]
        return {"picture": address(images.to_image(preview_map(x, SIDE))), "points": points}

    def decode_place(place: list[float]) -> dict[str, Any]:
        across, down = (min(max(float(value), 0.002), 0.998) for value in place)
        code = torch.special.ndtri(torch.tensor([[across, 1 - down]]))
        with cache.use(MAP, working=1 << 20) as (module,), torch.no_grad():
            network = cast(VAE, module)
            x = network.decode(code.to(network.bias.device)).sigmoid()
        return {"picture": address(pictures_of(x)[0]), "code": code[0].tolist()}

    return gr.HTML(
        t("Click or drag on the map, or use the arrow keys: the digit at that code is drawn. Dots are test digits."),
        html_template=HTML,
        css_template=CSS,
        js_on_load=script(),
        server_functions=[draw_map, decode_place],
        elem_classes="atlas",
        apply_default_css=False,
    )


def script() -> str:
    """What runs in the browser, with its words in the reader's language."""
    words = ", ".join(f"{name}: {in_browser(text)}" for name, text in SAID.items())
    return f"const SAID = {{{words}}};\n{SCRIPT}"


def landed(cache: ModelCache, path: str) -> list[float] | None:
    """Where on the map a picture of a digit lies, (x, y) in [0, 1]; None for a picture that the run refuses too."""
    try:
        x = digits.prepare(images.load(path))
    except ImageError:
        return None
    with cache.use(MAP, working=1 << 20) as (module,), torch.no_grad():
        network = cast(VAE, module)
        return unit(network.encode(x.to(network.bias.device))[0].cpu())[0]


def unit(codes: torch.Tensor) -> list[list[float]]:
    """(N, 2) codes as places on the map: x to the right and y down, in [0, 1], by the normal distribution."""
    share = (1 + torch.erf(codes.float() / math.sqrt(2))) / 2
    return torch.stack([share[:, 0], 1 - share[:, 1]], 1).tolist()


def address(picture: Any) -> str:
    """A picture as a data address."""
    with io.BytesIO() as file:
        picture.save(file, "PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
