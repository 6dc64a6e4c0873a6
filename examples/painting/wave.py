"""A woodcut in five blocks: a great wave with claws of foam, a mountain far off, on fibrous paper."""

import itertools

import numpy as np
from PIL import Image, ImageDraw

from .canvas import Array, Points, Rng, curve, fill, grid, hexes, ink, mix, noise, normals, shrink, smoothstep, xy

SIDE = 1920
INDIGO, PRUSSIAN, BLUE, PALE, FOAM, PAPER, SUN = hexes("14204a 1f3f7f 4f86b4 a9c6cc f6efdc ead9b4 d2492f")

Disc = tuple[float, float, float]


def claw(x: float, y: float, angle: float, length: float, bend: float, rng: Rng, depth: int = 2) -> list[Disc]:
    """A hooked finger of foam with smaller hooks on it, as discs (x, y, radius)."""
    discs: list[Disc] = []
    steps = 18
    for i in range(steps):
        t = i / (steps - 1)
        discs.append((x, y, length * (0.155 * (1 - t) ** 0.75 + 0.012)))
        if depth and i in (5, 9, 13):
            turn = angle + rng.uniform(0.5, 1.0) * (-1 if (i + depth) % 2 else 0.75)
            discs += claw(x, y, turn, length * rng.uniform(0.42, 0.6) * (1 - 0.35 * t), bend * 1.1, rng, depth - 1)
        angle += bend * (0.035 + 0.24 * t * t)
        x += np.cos(angle) * length / steps
        y += np.sin(angle) * length / steps
    return discs


def dab(draw: ImageDraw.ImageDraw, discs: list[Disc], colour: Array, grow: float, dx: float = 0, dy: float = 0) -> None:
    """Draw discs, all made larger by `grow`."""
    for x, y, r in discs:
        r += grow
        if r > 0.0004:
            x0, y0 = (x + dx) * SIDE, (y + dy) * SIDE
            draw.ellipse((x0 - r * SIDE, y0 - r * SIDE, x0 + r * SIDE, y0 + r * SIDE), fill=ink(colour))


def body(draw: ImageDraw.ImageDraw, face: Array, back: Array, rng: Rng, bands: int) -> None:
    """The water between two edges (N, 2), in bands that run from trough to crest and taper there."""
    fill(draw, np.concatenate([face, back[::-1]]), PRUSSIAN, SIDE)
    t = np.linspace(0, 1, len(face))[:, None]
    edges = np.linspace(0, 1, bands + 1)
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        colour = (PALE, PRUSSIAN, BLUE, INDIGO, FOAM, PRUSSIAN, BLUE, PRUSSIAN)[i % 8]
        pinch = 0.5 + 0.5 * np.sin(np.pi * (t * rng.uniform(0.8, 1.3) + rng.uniform(0, 0.3))) ** 2
        half = (high - low) * (0.26 + 0.30 * pinch)
        middle = (low + high) / 2 + 0.012 * np.sin(9 * t + 5 * i)
        inner = face + (back - face) * np.clip(middle - half, 0, 1)
        outer = face + (back - face) * np.clip(middle + half, 0, 1)
        fill(draw, np.concatenate([inner, outer[::-1]]), colour, SIDE)
        for line in (inner, outer):
            draw.line((line * SIDE).ravel().tolist(), fill=ink(INDIGO), width=6, joint="curve")


def foam(draw: ImageDraw.ImageDraw, edge: Array, reach: Array, lean: float, rng: Rng, every: int) -> None:
    """Foam along an edge (N, 2): a scalloped band and claws as long as `reach` (N,), thrown out to its left."""
    out = normals(edge)
    lumps: list[Disc] = []
    claws: list[Disc] = []
    for i in range(0, len(edge), 3):
        for _ in range(2):
            x, y = edge[i] - out[i] * reach[i] * rng.uniform(-0.15, 0.75)
            lumps.append((x, y, reach[i] * rng.uniform(0.14, 0.26)))
    for i in range(0, len(edge), every):
        x, y = edge[i] - out[i] * reach[i] * 0.1
        angle = float(np.arctan2(out[i, 1], out[i, 0])) + lean + rng.normal(0, 0.25)
        claws += claw(x, y, angle, float(reach[i]) * rng.uniform(0.8, 1.25), 1.0, rng)
    for discs, dark in ((lumps, 0.0034), (claws, 0.0034)):
        dab(draw, discs, INDIGO, dark)
        dab(draw, discs, PALE, 0)
        dab(draw, discs, FOAM, -0.0022, -0.0022, -0.0026)
    for x, y, r in lumps[::3]:
        box = [(x - 0.6 * r) * SIDE, (y - 0.6 * r) * SIDE, (x + 0.6 * r) * SIDE, (y + 0.6 * r) * SIDE]
        begin = rng.uniform(0, 360)
        draw.arc(box, begin, begin + 150, fill=ink(BLUE), width=5)


def spray(draw: ImageDraw.ImageDraw, near: Array, spread: float, count: int, rng: Rng) -> None:
    """Drops thrown about a curve (N, 2)."""
    for _ in range(count):
        x, y = near[rng.integers(len(near))] + rng.normal(0, spread, 2) + (spread * 0.7, -spread * 0.5)
        r = 0.0018 + 0.006 * rng.random() ** 3
        dab(draw, [(x, y, r)], INDIGO, 0.0022)
        dab(draw, [(x, y, r)], FOAM, 0)


def wave(draw: ImageDraw.ImageDraw, face: Points, back: Points, size: float, bands: int, foot: int, rng: Rng) -> None:
    """One breaking wave from the points of its hollow face and of its back, trough to tip.

    Foam begins at point `foot` of the 300 up the back.
    """
    inner, outer = curve(face, 300), curve(back, 300)
    body(draw, inner, outer, rng, bands)
    crest = np.concatenate([outer[foot:], inner[:214:-1]])
    s = np.linspace(0, 1, len(crest))
    reach = size * (0.35 + 0.75 * np.sin(np.pi * np.clip(s * 1.08, 0, 1)) ** 0.8)
    foam(draw, crest, reach, 0.75, rng, max(6, len(crest) // 26))
    spray(draw, crest[len(crest) // 3 :], size * 1.1, int(900 * size), rng)


def backdrop() -> Array:
    """Sky with its graded bands, the sun and the mountain: (SIDE, SIDE, 3)."""
    x, y = grid(SIDE)
    sky = mix(np.broadcast_to(PAPER, (SIDE, SIDE, 3)), hexes("e3b48a")[0], 0.75 * smoothstep(0.35, 0.72, y))
    sky = mix(sky, hexes("6d8fa3")[0], 0.9 * smoothstep(0.20, 0.0, y))
    sky = mix(
        sky, SUN, (np.hypot(x - 0.765, y - 0.27) < 0.115).astype(np.float32) * (0.8 + 0.2 * smoothstep(0.38, 0.2, y))
    )
    for low, x0, x1 in ((0.30, 0.60, 1.02), (0.345, 0.70, 0.93), (0.17, 0.80, 1.04)):
        width = 0.012 * np.sqrt(np.clip((x - x0) * (x1 - x) * 25, 0, 1))
        sky = mix(sky, hexes("f0e2c2")[0], (np.abs(y - low - 0.006 * np.sin(30 * x)) < width).astype(np.float32))
    slope = np.abs(x - 0.70) * (0.62 + 0.5 * np.exp(-(((x - 0.70) / 0.06) ** 2)))
    peak = 0.50 + np.maximum(slope - 0.012, 0) + 0.003 * np.sin(190 * x)
    inside = smoothstep(-0.0008, 0.0008, y - peak)
    rock = mix(hexes("33507f")[0], hexes("86a4ae")[0], smoothstep(0.55, 0.74, y))
    snow = smoothstep(-0.0008, 0.0008, 0.565 + 0.022 * np.abs(((x * 17) % 1) - 0.5) * 2 - y + 0.012 * np.sin(60 * x))
    line = smoothstep(0.0052, 0.0034, np.abs(y - peak))
    return mix(mix(sky, mix(rock, FOAM, snow), inside), INDIGO, line)


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    image = Image.fromarray((backdrop() * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    wave(
        draw,
        xy("1.15,0.7 1,0.735 0.9,0.72 0.86,0.665 0.885,0.62 0.93,0.615"),
        xy("1.15,0.98 1.12,0.9 1.1,0.75 1.06,0.62 1,0.575 0.935,0.61"),
        0.03,
        7,
        170,
        rng,
    )
    wave(
        draw,
        xy("1.1,0.79 0.8,0.8 0.58,0.745 0.455,0.62 0.43,0.47 0.48,0.35 0.57,0.295 0.645,0.335"),
        xy("1.1,1.4 0.5,1.3 0.05,1.05 -0.12,0.62 0,0.3 0.22,0.13 0.46,0.1 0.6,0.185 0.655,0.325"),
        0.105,
        17,
        110,
        rng,
    )
    wave(
        draw,
        xy("-0.2,0.86 0.02,0.93 0.14,0.935 0.235,0.9 0.265,0.84 0.235,0.8 0.19,0.81"),
        xy("-0.2,1.25 0.1,1.15 0.34,1.02 0.37,0.88 0.32,0.78 0.25,0.745 0.185,0.8"),
        0.05,
        9,
        185,
        rng,
    )
    wave(
        draw,
        xy("1.15,0.93 0.95,0.955 0.8,0.95 0.7,0.91 0.665,0.86 0.69,0.825 0.735,0.835"),
        xy("1.15,1.3 0.8,1.2 0.55,1.06 0.53,0.92 0.57,0.82 0.65,0.775 0.74,0.825"),
        0.05,
        9,
        185,
        rng,
    )
    return shrink(printed(np.asarray(image, np.float32) / 255, rng))


def printed(rgb: Array, rng: Rng) -> Array:
    """Ink rubbed from wood on to paper: grain where it is dark, mottling, fibres."""
    x, y = grid(SIDE)
    depth = 1 - rgb.mean(-1)
    rings = np.sin(230 * (y + 0.10 * noise(SIDE, rng, 2, 3, 3.0) + 0.02 * np.sin(4 * x)))
    grain = smoothstep(0.1, 1.0, rings) * noise(SIDE, rng, 60, 3, 20.0)
    rgb = mix(rgb, PAPER, 0.34 * grain * smoothstep(0.15, 0.7, depth))
    speckle = noise(SIDE, rng, 240, 2) - 0.5
    rgb = rgb * (1 + 0.10 * speckle * (0.4 + depth) + 0.08 * (noise(SIDE, rng, 8, 4) - 0.5))[..., None]
    fibres = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(fibres)
    for _ in range(900):
        start = rng.random(2)
        turn = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.25, 12))
        path = start + np.cumsum(np.stack([np.cos(turn), np.sin(turn)], -1) * rng.uniform(0.001, 0.004), 0)
        draw.line((path * SIDE).ravel().tolist(), fill=int(rng.integers(40, 150)), width=3)
    weave = np.asarray(fibres, np.float32) / 255
    return np.clip(mix(rgb, hexes("c9b184")[0], 0.4 * weave), 0, 1)
