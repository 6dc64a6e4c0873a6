"""Thick oil paint: a night sky in whirls over a cypress, hills and a village."""

import numpy as np
from PIL import Image, ImageDraw

from .brush import Easel, follow, look, starts
from .canvas import Array, Rng, curve, fill, grid, hexes, mask, mix, noise, ramp, ribbon, shrink, smoothstep, xy

SIDE = 1920
FIELD = 960
SKY = hexes("12205c 1c3a8c 2a5fb8 4b8fce 8fc3d9 d5e6cf 3f7cc4 1d3c92")
STARS = xy(
    "0.83,0.15,0.085 0.42,0.09,0.035 0.62,0.3,0.03 0.27,0.24,0.04 0.9,0.42,0.032 0.06,0.1,0.034 0.56,0.47,0.022 "
    "0.09,0.4,0.026"
)
WHIRLS = [(0.47, 0.27, 0.15, 1.1), (0.70, 0.40, 0.10, -0.9), (0.18, 0.13, 0.10, 0.6), (0.30, 0.45, 0.10, 0.6)]


def sky(x: Array, y: Array, rng: Rng) -> tuple[Array, Array]:
    """Colour and direction of the sky: both follow one stream function, so light and strokes turn together."""
    stream = 0.9 * y + 0.05 * np.sin(5 * x + 3 * y) + 0.05 * noise(FIELD, rng, 4, 2)
    for cx, cy, radius, spin in WHIRLS:
        stream = stream + spin * radius * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / radius**2)
    for cx, cy, radius in STARS:
        stream = stream + 2.2 * radius * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2.2 * radius) ** 2)
    dy, dx = np.gradient(stream)
    angle = np.arctan2(-dx, dy)
    bands = 0.5 + 0.5 * np.sin(44 * stream + 2 * noise(FIELD, rng, 6, 3))
    colour = ramp(0.72 * bands + 0.28 * noise(FIELD, rng, 12, 3), SKY)
    colour = mix(colour, hexes("0f1a4c")[0], 0.55 * smoothstep(0.2, 0.0, y))
    for cx, cy, radius in STARS:
        d = np.hypot(x - cx, y - cy) / radius
        rings = ramp(np.clip(d / 2.2 + 0.05 * np.sin(9 * d), 0, 1), hexes("fff6c4 ffd23e f4a21d ffe27a dfe8b0 7fb6cf"))
        colour = mix(colour, rings, smoothstep(2.3, 1.3, d))
        round_it = np.arctan2(x - cx, cy - y)
        near = smoothstep(3.2, 1.7, d)  # angles are blended as vectors of twice the angle: a stroke has no head
        angle = 0.5 * np.arctan2(
            mix(np.sin(2 * angle), np.sin(2 * round_it), near), mix(np.cos(2 * angle), np.cos(2 * round_it), near)
        )
    return colour, angle


def land(x: Array, y: Array, colour: Array, angle: Array, rng: Rng) -> tuple[Array, Array]:
    """Hills behind, a wheat field in front: colour and direction laid over those of the sky."""
    layers = [
        (0.62 + 0.05 * np.sin(4.2 * x + 0.6) - 0.07 * x, "24407f 35609f 6f9fc4 2a4a86", 60),
        (0.69 + 0.045 * np.sin(6.0 * x + 2.4), "1d4a63 2f7a74 7fb08a 1c3f66", 70),
        (0.77 + 0.03 * np.sin(5.0 * x + 4.5) + 0.02 * x, "23513a 5b8a3a a9b546 2f6a45", 80),
        (0.86 + 0.025 * np.sin(4.0 * x + 1.0) - 0.05 * x, "a8641c d99a26 f6cf4c e8b035 7a5a22", 95),
    ]
    for top, palette, waves in layers:
        inside = smoothstep(-0.004, 0.004, y - top)
        t = 0.5 + 0.5 * np.sin(waves * (y - top))
        shade = ramp(np.clip(0.6 * t + 0.4 * noise(FIELD, rng, 14, 3), 0, 1), hexes(palette))
        colour = mix(colour, shade, inside)
        slope = np.arctan(np.gradient(top, axis=1) * FIELD) + 0.5 * (noise(FIELD, rng, 7, 2) - 0.5)
        angle = np.where(inside > 0.5, slope, angle)
    return colour, angle


def houses(colour: Array, rng: Rng) -> Array:
    """A huddle of roofs with lit windows and a steeple, into a copy of the colours."""
    image = Image.fromarray((colour * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for left in np.linspace(0.42, 0.9, 10) + rng.uniform(-0.02, 0.02, 10):
        base, w, h = 0.765 + 0.02 * rng.random(), rng.uniform(0.045, 0.07), rng.uniform(0.035, 0.05)
        wall = hexes("3c5c8e 5c7fa8 8fa3a6 2e4676")[rng.integers(4)]
        fill(draw, [(left, base), (left + w, base), (left + w, base - h), (left, base - h)], wall, FIELD)
        roof = hexes("7c3b2a 9d4a2c 24365f 5a2f3a")[rng.integers(4)]
        fill(
            draw, [(left - 0.006, base - h), (left + w / 2, base - 1.8 * h), (left + w + 0.006, base - h)], roof, FIELD
        )
        fill(
            draw,
            [
                (left + w * s + d, base - h * u)
                for s, u, d in ((0.35, 0.25, 0), (0.35, 0.25, 0.012), (0.35, 0.75, 0.012), (0.35, 0.75, 0))
            ],
            hexes("ffd545")[0],
            FIELD,
        )
    fill(draw, xy("0.635,0.76 0.635,0.69 0.648,0.6 0.661,0.69 0.661,0.76"), hexes("27407c")[0], FIELD)
    return np.asarray(image, np.float32) / 255


def cypress(x: Array, y: Array, colour: Array, angle: Array, rng: Rng) -> tuple[Array, Array, Array]:
    """Two dark flames at the left; also their mask."""
    tall = ribbon(
        curve(xy("0.16,1.05 0.15,0.8 0.175,0.55 0.15,0.35 0.172,0.17")),
        0.19 * np.linspace(1, 0, 200) ** 0.6 * (1 + 0.16 * np.sin(np.linspace(0, 22, 200))),
    )
    small = ribbon(
        curve([(0.30, 1.05), (0.29, 0.85), (0.305, 0.7), (0.295, 0.55)]),
        0.10 * np.linspace(1, 0, 200) ** 0.6 * (1 + 0.2 * np.sin(np.linspace(0, 15, 200))),
    )
    inside = mask(FIELD, tall, small)
    sway = np.sin(60 * x + 9 * np.sin(11 * y))
    shade = ramp(
        np.clip(0.5 + 0.35 * sway + 0.5 * (noise(FIELD, rng, 20, 2) - 0.5), 0, 1),
        hexes("0b1a1f 14302c 1f4a35 40702f 6a4a22 0f2226"),
    )
    up = -np.pi / 2 + 0.55 * np.sin(30 * x + 14 * y)
    return mix(colour, shade, inside), np.where(inside > 0.5, up, angle), inside


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    x, y = grid(FIELD)
    colour, angle = sky(x, y, rng)
    colour, angle = land(x, y, colour, angle, rng)
    colour = houses(colour, rng)
    colour, angle, tree = cypress(x, y, colour, angle, rng)
    village = smoothstep(0.12, 0.08, np.hypot((x - 0.68) / 2.4, y - 0.71)) * (1 - tree)
    easel = Easel(SIDE, hexes("2a3358")[0])
    for spacing, width, length, detail in (
        (34, 44, 190, False),
        (25, 29, 120, False),
        (19, 20, 80, False),
        (12, 13, 26, True),
    ):
        points = starts(SIDE, spacing, rng)
        if detail:
            points = points[look(village, points, SIDE) > rng.random(len(points))]
        elif width < 25:
            points = points[rng.random(len(points)) < 0.55]
        paths = follow(angle, points, length * rng.uniform(0.6, 1.25, len(points)), SIDE)
        colours = look(colour, points, SIDE)
        jitter = rng.normal(0, 0.035, (len(points), 1)) + rng.normal(0, 0.022, (len(points), 3))
        for path, c, j in zip(paths, colours, jitter, strict=True):
            easel.stroke(path, width * rng.uniform(0.8, 1.2), c + j, rng)
    return shrink(easel.finish(depth=0.36, glint=0.16))
