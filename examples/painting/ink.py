"""Ink wash: steep mountains in mist, a red sun, bamboo in front, on absorbent paper."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from .canvas import Array, Rng, curve, fill, grid, hexes, mask, mix, noise, ribbon, shrink, smoothstep, xy

SIDE = 1280
ABSORB = np.array([1.0, 0.93, 0.80], np.float32)
"""How strongly ink takes away red, green and blue: a bluish black when thin."""


def ridge(rng: Rng, peaks: int, low: float, high: float) -> Array:
    """Height of a row of steep rounded mountains as y for each column (SIDE,)."""
    x = np.linspace(0, 1, SIDE)
    y = np.full(SIDE, low)
    for _ in range(peaks):
        c, w, h = rng.uniform(-0.05, 1.05), rng.uniform(0.04, 0.11), rng.uniform(0.35, 1.0)
        lean = np.where(x < c, rng.uniform(0.7, 1.2), rng.uniform(0.8, 1.6))
        y = np.minimum(y, low - (low - high) * h * np.exp(-(np.abs((x - c) / (w * lean)) ** 2.4)))
    rough = sum(np.interp(x, np.linspace(0, 1, n), rng.normal(0, 0.32 / n, n)) for n in (24, 60, 140, 320))
    return np.asarray(y + rough, np.float32)


def mountain(top: Array, y: Array, strength: float, fade: float, rng: Rng) -> Array:
    """Density of ink of one range: dark along the ridge, axe-cut strokes below, lost in mist."""
    wet = noise(SIDE, rng, 9, 5)
    depth = y - top[None, :] + 0.008 * (wet - 0.5)
    inside = smoothstep(0.0, 0.0035, depth)
    blot = smoothstep(0.45, 0.75, wet)
    wash = np.exp(-np.clip(depth, 0, 1) / fade) * (0.55 + 0.6 * (noise(SIDE, rng, 5, 4) - 0.2))
    slope = np.gradient(gaussian_filter(top, 14)) * SIDE
    shift = np.clip(slope, -3, 3)[None, :] * depth
    cuts = noise(SIDE, rng, 26, 4, 0.22)
    rows, columns = np.indices(depth.shape, np.float32)
    cuts = map_coordinates(cuts, [rows, columns + 0.35 * shift * SIDE], order=1, mode="reflect")
    cuts = smoothstep(0.56, 0.74, cuts) * np.exp(-np.clip(depth, 0, 1) / (1.15 * fade))
    dry = noise(SIDE, rng, 150, 2, 3.0)
    line = np.exp(-(((depth - 0.004) / 0.0045) ** 2)) * smoothstep(0.25, 0.6, noise(SIDE, rng, 14, 3))
    density = strength * inside * (0.62 * wash + 0.75 * cuts * (0.4 + dry) + 0.25 * blot * wash)
    return density + 0.9 * strength * line * (0.55 + 0.9 * dry)


def trees(top: Array, strength: float, rng: Rng) -> Array:
    """Small pines dotted along a ridge."""
    image = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(image)
    for _ in range(70):
        column = int(rng.integers(SIDE))
        x, y, h = column / SIDE, float(top[column]), rng.uniform(0.014, 0.034)
        draw.line([x * SIDE, (y + 0.004) * SIDE, x * SIDE, (y - h) * SIDE], fill=200, width=3)
        for level in np.linspace(0.25, 1, 5):
            for _ in range(4):
                dx, r = rng.normal(0, 0.3 * h * (1.15 - level)), rng.uniform(0.0012, 0.003)
                cx, cy = (x + dx) * SIDE, (y - h * level) * SIDE
                draw.ellipse(
                    (cx - 2.2 * r * SIDE, cy - r * SIDE, cx + 2.2 * r * SIDE, cy + r * SIDE),
                    fill=int(rng.integers(110, 255)),
                )
    return np.asarray(strength * gaussian_filter(np.asarray(image, np.float32) / 255, 1.2))


def brushed(shape: Array, dark: float, rng: Rng, dry: float = 0.5) -> Array:
    """Density of a mask (SIDE, SIDE) painted in one go: pooled at its rim, streaked and broken inside."""
    inner = distance_transform_edt(shape > 0.5)
    rim = np.exp(-inner / 3.0)
    pool = noise(SIDE, rng, 18, 4)
    gaps = smoothstep(0.62, 0.80, noise(SIDE, rng, 120, 2, 0.15))
    soft = gaussian_filter(shape, 0.9)
    return np.asarray(dark * soft * (0.62 + 0.5 * pool + 0.45 * rim) * (1 - dry * gaps))


def stalk(foot: float, lean: float, width: float, rng: Rng) -> tuple[list[Array], list[Array]]:
    """A bamboo stem as joints, and the dark nodes between them: outlines."""
    joints, nodes = [], []
    y, x = 1.04, foot
    while y > -0.1:
        h = rng.uniform(0.15, 0.21)
        path = np.array([(x + lean * k * h, y - k * h) for k in np.linspace(0.025, 0.975, 30)], np.float32)
        flare = width * (1 + 0.28 * np.abs(np.linspace(-1, 1, 30)) ** 6)
        joints.append(ribbon(path, flare))
        y, x = y - h, x + lean * h
        nodes.append(
            curve(
                [(x - 0.72 * width, y - 0.006), (x, y + 0.003), (x + 0.72 * width, y - 0.006), (x, y + 0.010)],
                40,
                closed=True,
            )
        )
    return joints, nodes


def leaf(x: float, y: float, angle: float, length: float, droop: float) -> Array:
    """A leaf as one stroke: pressed, swelling, lifted to a point."""
    t = np.linspace(0, 1, 40)
    a = angle + droop * t
    path = np.stack([x + np.cumsum(np.cos(a)) * length / 40, y + np.cumsum(np.sin(a)) * length / 40], -1)
    return ribbon(path, length * 0.17 * np.sin(np.pi * t**0.72) ** 0.9 + 0.0008)


def bamboo(rng: Rng) -> Array:
    """Density of the stems and leaves in front."""
    density = np.zeros((SIDE, SIDE), np.float32)
    for foot, lean, width, dark in ((0.80, 0.10, 0.022, 0.75), (0.90, -0.04, 0.034, 1.25), (0.985, 0.05, 0.018, 0.6)):
        joints, nodes = stalk(foot, lean, width, rng)
        density = np.maximum(density, brushed(mask(SIDE, *joints), dark, rng, 0.75))
        density = np.maximum(density, brushed(mask(SIDE, *nodes), 2.6, rng, 0.2))
    for dark, count, size in ((0.55, 12, 0.13), (1.1, 12, 0.15), (2.4, 13, 0.165)):
        shapes = []
        for _ in range(count):
            cx, cy = rng.uniform(0.60, 1.0), rng.choice([0.05, 0.12, 0.2, 0.3, 0.42, 0.55]) + rng.normal(0, 0.02)
            middle = rng.uniform(1.2, 2.5)
            for turn in rng.permutation([-0.75, -0.3, 0.1, 0.5, 0.9])[: rng.integers(3, 6)]:
                shapes.append(leaf(cx, cy, middle + turn, size * rng.uniform(0.7, 1.15), rng.uniform(-0.3, 0.3)))
        for part in (shapes[::2], shapes[1::2]):
            density = np.maximum(density, 0) + brushed(mask(SIDE, *part), dark, rng, 0.55) * (
                1 - 0.5 * np.clip(density, 0, 1)
            )
    return density


def boat() -> Array:
    """A fisher's boat on the still water."""
    image = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(image)
    fill(
        draw, curve(xy("0.2,0.835 0.27,0.857 0.35,0.832 0.33,0.862 0.27,0.872 0.22,0.862"), 80, closed=True), 255, SIDE
    )
    fill(draw, curve(xy("0.262,0.85 0.262,0.822 0.275,0.806 0.288,0.822 0.29,0.85"), 40), 220, SIDE)
    fill(draw, [(0.252, 0.809), (0.275, 0.790), (0.298, 0.809)], 255, SIDE)
    draw.line([0.285 * SIDE, 0.825 * SIDE, 0.40 * SIDE, 0.775 * SIDE], fill=200, width=3)
    draw.line([0.40 * SIDE, 0.775 * SIDE, 0.405 * SIDE, 0.86 * SIDE], fill=110, width=2)
    return np.asarray(image, np.float32) / 255


def seal(rng: Rng) -> Array:
    """How much vermilion: a square stamp with carved strokes."""
    image = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(image)
    left, top, s = 0.07, 0.885, 0.062
    fill(draw, [(left, top), (left + s, top), (left + s, top + s), (left, top + s)], 255, SIDE)
    for k in range(3):
        for a, b in (
            ((0.14, 0.2 + 0.28 * k), (0.44, 0.2 + 0.28 * k)),
            ((0.58, 0.16 + 0.3 * k), (0.86, 0.16 + 0.3 * k)),
            ((0.28 + 0.22 * k, 0.14), (0.28 + 0.22 * k, 0.86)),
        ):
            draw.line(
                [(left + s * a[0]) * SIDE, (top + s * a[1]) * SIDE, (left + s * b[0]) * SIDE, (top + s * b[1]) * SIDE],
                fill=0,
                width=5,
            )
    stamp = gaussian_filter(np.asarray(image, np.float32) / 255, 0.8)
    return np.asarray(stamp * smoothstep(0.15, 0.4, noise(SIDE, rng, 130, 2)))


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    x, y = grid(SIDE)
    paper = (
        hexes("efe3c6")[0]
        * (1 + 0.05 * (noise(SIDE, rng, 6, 5) - 0.5) + 0.05 * (noise(SIDE, rng, 320, 2, 3) - 0.5))[..., None]
    )
    density = 0.20 * smoothstep(0.55, 0.9, noise(SIDE, rng, 3, 4, 4)) * smoothstep(0.5, 0.0, y)
    wobble = 0.012 * (noise(SIDE, rng, 12, 4) - 0.5)
    disc = smoothstep(0.118, 0.110, np.hypot(x - 0.30, y - 0.22) + wobble)
    red = disc * (0.75 + 0.55 * (noise(SIDE, rng, 10, 4) - 0.3)) * smoothstep(0.36, 0.22, y)
    for peaks, low, high, strength, fade in (
        (8, 0.42, 0.16, 0.40, 0.10),
        (6, 0.56, 0.26, 0.75, 0.11),
        (5, 0.70, 0.44, 1.25, 0.10),
        (4, 0.84, 0.62, 2.1, 0.075),
    ):
        top = ridge(rng, peaks, low, high)
        mist = 1 - 0.75 * smoothstep(0.02, 0.16, y - top[None, :])
        density = density * np.where(y > top[None, :], mist, 1)
        red = red * np.where(y > top[None, :], 0.25, 1)
        density = density + mountain(top, y, strength, fade, rng) + trees(top, 0.9 * strength, rng)
    water = smoothstep(0.80, 0.86, y)
    ripples = smoothstep(0.62, 0.8, noise(SIDE, rng, 9, 4, 30.0)) * smoothstep(0.80, 0.95, y)
    density = density * (1 - 0.93 * water) + 0.5 * ripples
    density = density + 1.9 * gaussian_filter(boat(), 1.0) + bamboo(rng)
    tooth = 0.8 + 0.4 * noise(SIDE, rng, 260, 2)
    bleed = gaussian_filter(density, 5)
    density = (0.8 * density + 0.22 * bleed) * tooth
    picture = paper * np.exp(-density[..., None] * ABSORB * 1.15)
    picture = picture * np.exp(-red[..., None] * np.array([0.12, 1.25, 1.5], np.float32))
    return shrink(mix(picture, hexes("b8281f")[0], 0.92 * seal(rng)))
