"""Linocut: an owl before the moon, cut with a gouge in two blocks: vermilion and black."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from .brush import follow, look, starts
from .canvas import Array, Rng, curve, fill, grid, hexes, mask, mix, noise, ribbon, shrink, smoothstep, xy

SIDE = 1920
FIELD = 640
INK, CREAM, VERMILION, OCHRE, TEAL = hexes("16151a f3e8cf d8432a e9a23b 2f6f73")
MOON = (0.56, 0.36, 0.315)


class Block:
    """What the printer cuts: light (share carved away), direction of the cuts, their length and the second ink."""

    def __init__(self, rng: Rng):
        self.rng = rng
        self.x, self.y = grid(FIELD)
        self.light = np.zeros((FIELD, FIELD), np.float32)
        self.angle = np.zeros((FIELD, FIELD), np.float32)
        self.length = np.full((FIELD, FIELD), 60.0, np.float32)
        self.second = np.broadcast_to(CREAM, (FIELD, FIELD, 3)).copy()

    def lay(self, where: Array, light: Array | float, angle: Array | float, length: float, second: Array) -> None:
        """Set everything inside a mask (FIELD, FIELD)."""
        inside = where > 0.5
        self.light = np.where(inside, light, self.light).astype(np.float32)
        self.angle = np.where(inside, angle, self.angle).astype(np.float32)
        self.length = np.where(inside, length, self.length).astype(np.float32)
        self.second = np.where(inside[..., None], second, self.second).astype(np.float32)


def night(block: Block) -> None:
    """Sky cut in rings round the moon, the moon itself, hills with firs."""
    x, y = block.x, block.y
    mx, my, r = MOON
    far = np.hypot(x - mx, y - my)
    ring = np.arctan2(y - my, x - mx) + np.pi / 2
    glow = smoothstep(0.75, r, far)
    block.lay(
        np.ones_like(x),
        0.10 + 0.42 * glow + 0.10 * np.sin(far * 90),
        ring,
        95,
        mix(TEAL, OCHRE, smoothstep(0.55, 0.33, far)),
    )
    craters = noise(FIELD, block.rng, 6, 2)
    block.lay(
        (far < r).astype(np.float32),
        0.97 - 0.32 * smoothstep(0.55, 0.75, craters) - 0.25 * smoothstep(0.25, 0.33, far),
        ring,
        46,
        VERMILION,
    )
    for base, wave, light, second in ((0.66, 0.05, 0.46, TEAL), (0.75, 0.04, 0.30, TEAL), (0.86, 0.03, 0.40, OCHRE)):
        top = base + wave * np.sin(5 * x + 20 * base) + 0.01 * np.sin(23 * x)
        slope = np.arctan(np.gradient(top, axis=1) * FIELD) + 0.35
        tone = light + 0.22 * np.sin(75 * (y - top) + 3 * x) - 1.6 * np.clip(0.03 - (y - top), 0, 1)
        block.lay((y > top).astype(np.float32), tone, slope, 70, second)
        firs(block, base, wave)


def firs(block: Block, base: float, wave: float) -> None:
    """A row of firs on a hill."""
    for cx in np.sort(block.rng.uniform(-0.02, 1.02, 13)):
        foot = base + wave * np.sin(5 * cx + 20 * base) + 0.025
        h = block.rng.uniform(0.07, 0.15) * (0.6 + base - 0.3)
        steps = np.linspace(0, 1, 7)
        half = np.ravel(np.stack([0.30 * h * steps + 0.004, 0.17 * h * steps + 0.002], -1))
        ys = np.ravel(np.stack([foot - h + h * steps, foot - h + h * steps + 0.004], -1))
        outline = np.concatenate([np.stack([cx + half, ys], -1), np.stack([cx - half, ys], -1)[::-1]])
        side = np.where(block.x > cx, 0.95, np.pi - 0.95)
        block.lay(mask(FIELD, outline), 0.08 + 0.30 * (block.x > cx), side, 26, TEAL)


def owl(block: Block) -> None:
    """Body with rows of feathers, wings, ruffs about the eyes, beak, claws on a branch."""
    x, y = block.x, block.y
    perch = ribbon(
        curve(xy("-0.05,0.8 0.2,0.775 0.5,0.8 0.8,0.765 1.05,0.79"), 200),
        0.052 + 0.008 * np.sin(np.linspace(0, 30, 200)),
    )
    block.lay(mask(FIELD, perch), 0.36 + 0.3 * np.sin(120 * y + 14 * np.sin(7 * x)), 0.10 * np.cos(8 * x), 90, OCHRE)
    tail = curve(xy("0.42,0.7 0.4,0.9 0.44,0.95 0.5,0.96 0.56,0.95 0.6,0.9 0.58,0.7"), 120)
    block.lay(mask(FIELD, tail), 0.28 + 0.3 * np.sin(150 * x), np.pi / 2, 60, OCHRE)
    body = curve(
        xy(
            "0.5,0.19 0.62,0.195 0.685,0.29 0.7,0.45 0.675,0.64 0.6,0.77 0.5,0.8 0.4,0.77 0.325,0.64 "
            "0.3,0.45 0.315,0.29 0.38,0.195"
        ),
        300,
        closed=True,
    )
    rim = (body - (0.5, 0.5)) * 1.03 + (0.5, 0.5)
    block.lay(mask(FIELD, rim), 0.0, 0.0, 10, CREAM)
    rows = (y - 0.2) * 21
    across = (x - 0.5) * 17 + 0.5 * (np.floor(rows) % 2)
    u, v = across - np.round(across), rows - np.floor(rows)
    scallop = v - 0.75 * (1 - 3.2 * u * u)
    feather = 0.15 + 0.75 * smoothstep(-0.75, -0.1, scallop) * smoothstep(0.10, 0.0, scallop)
    block.lay(mask(FIELD, body), feather, np.pi / 2 + 1.4 * u, 24, mix(CREAM, OCHRE, 0.55 * smoothstep(0.45, 0.75, y)))
    sides(block)
    beak = xy("0.473,0.345 0.527,0.345 0.512,0.385 0.5,0.425 0.488,0.385")
    block.lay(mask(FIELD, beak), 0.75 * (x < 0.503), np.pi / 2, 30, OCHRE)
    for cx in (0.405, 0.44, 0.475, 0.535, 0.57, 0.605):
        toe = curve(xy("-0.014,0.775 0.014,0.775 0.012,0.82 0,0.84 -0.012,0.82") + np.array([cx, 0]), 50, closed=True)
        block.lay(mask(FIELD, toe), 0.5 * (x < cx), np.pi / 2, 20, OCHRE)


def sides(block: Block) -> None:
    """What the owl has twice: wing, ear tuft, eye."""
    x, y = block.x, block.y
    for s in (-1, 1):
        wing = xy("0.155,0.36 0.205,0.42 0.215,0.55 0.175,0.7 0.1,0.82 0.115,0.66 0.12,0.5")
        outline = curve(np.stack([0.5 + s * wing[:, 0], wing[:, 1]], -1), 160, closed=True)
        bands = 0.5 + 0.5 * np.sin(85 * (y - 0.55 * s * (x - 0.5)))
        block.lay(mask(FIELD, (outline - outline.mean(0)) * 1.10 + outline.mean(0)), 0.0, 0.0, 10, CREAM)
        block.lay(mask(FIELD, outline), 0.12 + 0.6 * bands, np.pi / 2 - 0.35 * s, 44, OCHRE)
        tuft = np.array([(0.07, 0.235), (0.14, 0.21), (0.185, 0.115), (0.20, 0.26)])
        block.lay(mask(FIELD, np.stack([0.5 + s * tuft[:, 0], tuft[:, 1]], -1)), 0.35, -np.pi / 2 + 0.5 * s, 34, OCHRE)
        eye(block, 0.5 + 0.093 * s, 0.315)


def eye(block: Block, cx: float, cy: float) -> None:
    """A ruff cut in rays, a ring, the pupil with its glint."""
    d = np.hypot(block.x - cx, block.y - cy)
    ray = np.arctan2(block.y - cy, block.x - cx)
    for radius, light, second in (
        (0.104, 0.0, CREAM),
        (0.098, 0.80, CREAM),
        (0.052, 0.0, CREAM),
        (0.045, 1.3, VERMILION),
        (0.025, 0.0, CREAM),
    ):
        block.lay((d < radius).astype(np.float32), light, ray, 34, second)
    block.lay((np.hypot(block.x - cx + 0.008, block.y - cy + 0.009) < 0.008).astype(np.float32), 1.3, 0.0, 12, CREAM)


def carve(block: Block) -> Array:
    """Where the black block still prints: (SIDE, SIDE) in [0, 1]."""
    image = Image.new("L", (SIDE, SIDE), 255)
    draw = ImageDraw.Draw(image)
    points = starts(SIDE, 13.5, block.rng)
    light = look(block.light, points, SIDE)
    keep = light > 0.06 + 0.10 * block.rng.random(len(points))
    points, light = points[keep], light[keep]
    lengths = look(block.length, points, SIDE) * block.rng.uniform(0.6, 1.2, len(points))
    profile = np.sin(np.pi * np.linspace(0.03, 0.97, 9) ** 0.8) ** 0.7
    for path, tone in zip(follow(block.angle, points, lengths, SIDE), light, strict=True):
        width = (1.5 + 10.5 * min(float(tone), 1.25) ** 1.5) * block.rng.uniform(0.75, 1.2)
        fill(draw, ribbon(path / SIDE, width / SIDE * profile), 0, SIDE)
    solid = Image.fromarray((block.light > 1.1).astype(np.uint8) * 255).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32) / 255 * (1 - np.asarray(solid, np.float32) / 255)


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    block = Block(rng)
    night(block)
    owl(block)
    key = carve(block)
    second = Image.fromarray((np.clip(block.second, 0, 1) * 255).astype(np.uint8)).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )
    salt = smoothstep(0.86, 0.96, noise(SIDE, rng, 210, 2))
    colour = mix(np.asarray(second, np.float32) / 255, CREAM, 0.55 * salt + 0.10 * noise(SIDE, rng, 20, 4))
    key = smoothstep(0.35, 0.65, gaussian_filter(key, 1.6) + 0.12 * (noise(SIDE, rng, 150, 2) - 0.5))
    key = key * (1 - 0.50 * smoothstep(0.84, 0.95, noise(SIDE, rng, 260, 2)))
    rgb = mix(colour, INK, key)
    return shrink(rgb * (1 + 0.05 * (noise(SIDE, rng, 200, 2) - 0.5))[..., None])
