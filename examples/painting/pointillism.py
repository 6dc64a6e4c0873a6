"""Divided colour: a river with sails at the golden hour, in dots of nearly pure paint."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from .brush import look, starts
from .canvas import Array, Rng, curve, grid, hexes, ink, lit, mask, mix, noise, ramp, relief, shrink, smoothstep, xy

SIDE = 1920
FIELD = 640
PAINTS = hexes(
    "f7efd2 ffe66b ffc928 f99a1c ee5f26 cf2f34 e8759a f3b7b0 8d3f8f 5a4fb0 2c3d9b 2f6fc9 58b0e0 a9dbe8 "
    "12685a 1f9c5b 76bf4a c3d94e 6a3b22 24264f"
)


def scene(rng: Rng) -> Array:
    """What the painter sees, (FIELD, FIELD, 3), soft and without dots."""
    x, y = grid(FIELD)
    n = noise(FIELD, rng, 5, 3, 4.0)
    colour = ramp(np.clip(y / 0.48 + 0.16 * (n - 0.5), 0, 1), hexes("3f78cc 6aa3de a9cfe0 f4dca0 ffc25e ff9a4e"))
    sun = np.hypot(x - 0.66, y - 0.36)
    colour = mix(colour, hexes("fff3b8")[0], smoothstep(0.3, 0.02, sun))
    far = 0.415 + 0.022 * np.sin(11 * x + 1) + 0.02 * (noise(FIELD, rng, 10, 3) - 0.5)
    colour = mix(colour, ramp(noise(FIELD, rng, 12, 2), hexes("3f3f98 6a58b0 4a78b8")), smoothstep(0, 0.006, y - far))
    water = ramp(np.clip((y - 0.48) / 0.5, 0, 1), hexes("ffb870 e89a98 8f9cd8 4a7cc8 2a5ab0 1f3f8f"))
    glitter = smoothstep(0.10, 0, np.abs(x - 0.66) - 0.2 * (y - 0.48)) * noise(FIELD, rng, 16, 2, 12)
    colour = mix(colour, mix(water, hexes("fff0a0")[0], 0.9 * glitter), smoothstep(0.478, 0.482, y))
    for cx, base, h in ((0.38, 0.57, 0.27), (0.53, 0.515, 0.13), (0.84, 0.54, 0.20), (0.25, 0.505, 0.09)):
        sail = mask(FIELD, [(cx, base - h), (cx + 0.38 * h, base - 0.1 * h), (cx, base - 0.08 * h)])
        jib = mask(
            FIELD, [(cx - 0.015, base - 0.9 * h), (cx - 0.26 * h, base - 0.1 * h), (cx - 0.015, base - 0.08 * h)]
        )
        hull = mask(
            FIELD,
            curve([(cx - 0.33 * h, base - 0.06 * h), (cx, base + 0.05 * h), (cx + 0.42 * h, base - 0.07 * h)], 40),
        )
        mirror = np.roll(np.flipud(sail + jib), round((2 * base - 1) * FIELD), 0) * smoothstep(1.2 * h, 0, y - base)
        colour = mix(colour, hexes("fdf0c8")[0], 0.5 * mirror * (y > base))
        colour = mix(colour, ramp(np.clip((x - cx) / h * 2 + 0.5, 0, 1), hexes("fffbe8 fff0c0 f5b070")), sail)
        colour = mix(mix(colour, hexes("f3c9a8")[0], jib), hexes("7a2733")[0], hull)
    return trees(bank(colour, x, y, rng), x, y, rng)


def bank(colour: Array, x: Array, y: Array, rng: Rng) -> Array:
    """Grass in front with the long shadows of the trees."""
    edge = 0.80 - 0.16 * smoothstep(0.75, 0.0, x) + 0.012 * np.sin(19 * x)
    shadow = noise(FIELD, rng, 5, 2, 5)
    grass = ramp(np.clip(0.85 * shadow + 0.5 * (y - 0.7), 0, 1), hexes("1b5c56 2f8a4b 86bb3f d8dc5a f6e27a"))
    flowers = noise(FIELD, rng, 90, 1) > 0.86
    grass = np.where(flowers[..., None], hexes("ee4f3f")[0], grass)
    return mix(colour, grass, smoothstep(-0.004, 0.006, y - edge))


def trees(colour: Array, x: Array, y: Array, rng: Rng) -> Array:
    """Two trees at the left, lit from the sun's side, and a figure with a parasol."""
    for cx, cy, r in ((0.10, 0.27, 0.21), (0.98, 0.22, 0.11)):
        trunk = mask(FIELD, [(cx - 0.025, 0.78), (cx - 0.012, cy), (cx + 0.018, cy), (cx + 0.03, 0.78)])
        colour = mix(colour, hexes("4a2f4f")[0], trunk)
        lumps = np.zeros_like(x)
        for _ in range(26):
            a, d = rng.uniform(0, 2 * np.pi), r * rng.random() ** 0.5
            lumps = np.maximum(
                lumps, smoothstep(0.42 * r, 0.30 * r, np.hypot(x - cx - d * np.cos(a), y - cy - 1.15 * d * np.sin(a)))
            )
        light = np.clip(0.5 + (x - cx) / r * 0.36 - (y - cy) / r * 0.12 + 0.9 * (noise(FIELD, rng, 16, 2) - 0.5), 0, 1)
        colour = mix(colour, ramp(light, hexes("1c2f6b 155a56 2b8a4a 6fb53f c9d64a")), lumps)
    skirt = mask(FIELD, curve(xy("0.555,0.93 0.575,0.8 0.592,0.735 0.608,0.8 0.65,0.93"), 60))
    body = mask(FIELD, curve(xy("0.575,0.8 0.57,0.74 0.59,0.705 0.612,0.74 0.61,0.8"), 40, closed=True))
    head = smoothstep(0.021, 0.018, np.hypot(x - 0.592, y - 0.69))
    shade = mask(FIELD, curve(xy("0.5,0.665 0.53,0.61 0.585,0.59 0.64,0.61 0.67,0.665"), 60))
    for part, hue in ((skirt, "5a3f9b"), (body, "8d3f8f"), (head, "c46a4a"), (shade, "ee5f26")):
        colour = mix(colour, hexes(hue)[0], part)
    return mix(colour, hexes("ffc9a0")[0], shade * smoothstep(0.61, 0.66, x))


def divide(wanted: Array, rng: Rng) -> Array:
    """A paint for each wanted colour (N, 3): near it, but purer, now and then its complement."""
    grey = wanted.mean(1, keepdims=True)
    vivid = np.clip(grey + (wanted - grey) * 1.35, 0, 1) + rng.normal(0, 0.13, wanted.shape)
    opposite = np.clip(0.62 * grey + 0.55 * (grey - wanted) + 0.18, 0, 1)
    target = np.where(rng.random((len(wanted), 1)) < 0.11, opposite, vivid)
    nearest = ((target[:, None] - PAINTS[None]) ** 2).sum(-1).argmin(1)
    mixed = 0.72 * PAINTS[nearest] + 0.28 * wanted + rng.normal(0, 0.02, wanted.shape)
    return np.asarray(np.clip(mixed, 0, 1))


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    wanted = scene(rng)
    image = Image.new("RGBA", (SIDE, SIDE), (*ink(hexes("ead9b0")[0]), 60))
    draw = ImageDraw.Draw(image)
    for spacing, radius in ((17, 13.5), (13, 10.0), (14, 7.5)):
        points = starts(SIDE, spacing, rng)
        colours = divide(look(wanted, points, SIDE), rng)
        sizes = radius * rng.uniform(0.75, 1.2, (len(points), 2))
        for (px, py), colour, (rx, ry) in zip(points, colours, sizes, strict=True):
            draw.ellipse((px - rx, py - ry, px + rx, py + ry), fill=(*ink(colour * 0.93), 150))
            draw.ellipse((px - 0.75 * rx, py - 0.8 * ry, px + 0.75 * rx, py + 0.7 * ry), fill=(*ink(colour), 235))
    dots = np.asarray(image, np.float32)
    return shrink(lit(dots[..., :3] / 255, relief(gaussian_filter(dots[..., 3], 2), 0.05), 0.22, 0.08))
