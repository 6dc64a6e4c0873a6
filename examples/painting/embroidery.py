"""Embroidery: birds and flowers in satin stitch on dark linen, mirrored as in a folk tale."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter

from .brush import follow, look, starts
from .canvas import Array, Points, Rng, curve, grid, hexes, ink, lit, mask, noise, relief, ribbon, shrink, xy

SIDE = 1920
FIELD = 640
REDS, PINKS, GOLDS = "7f1428 c0203a e84a4f", "c2386f e8709a f7b3c0", "b8741a f0a92a ffdf7a"
GREENS, TEALS, BLUES, CREAM = (
    "1f5a3a 3f9450 9cc860",
    "0f5f66 2a9a98 8fd8c8",
    "24408f 3f78cc 9cc8f0",
    "d8c8a0 f2e6c8 fffaf0",
)

Patch = tuple[Array, str, float | None]
"""An outline, the three shades of its thread, and the stitches' angle (None: straight in from the edge)."""


def petals(x: float, y: float, size: float, count: int, begin: float, slim: float = 0.5) -> list[Array]:
    """Outlines of petals round a point."""
    t = np.linspace(0, 1, 30)
    w = slim * size * np.sin(np.pi * t**0.8) ** 0.8
    out = []
    for a in begin + 2 * np.pi * np.arange(count) / count:
        spine = np.stack([x + size * (0.18 + 0.82 * t) * np.cos(a), y + size * (0.18 + 0.82 * t) * np.sin(a)], -1)
        out.append(ribbon(spine, w))
    return out


def circle(x: float, y: float, r: float) -> Array:
    """Outline of a circle."""
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.stack([x + r * np.cos(t), y + r * np.sin(t)], -1)


def flower(x: float, y: float, size: float, count: int, outer: str, inner: str, heart: str) -> list[Patch]:
    """A flower of two wheels of petals and a heart."""
    patches: list[Patch] = [(p, outer, None) for p in petals(x, y, size, count, -np.pi / 2)]
    patches += [(p, inner, None) for p in petals(x, y, 0.62 * size, count, -np.pi / 2 + np.pi / count, 0.42)]
    return [*patches, (circle(x, y, 0.25 * size), heart, 0.4), (circle(x, y, 0.11 * size), outer, 2.0)]


def vine(points: Points, width: float, leaves: int, size: float, greens: str = GREENS) -> list[Patch]:
    """A stem with leaves in turn on either side, each leaf in two halves."""
    path = curve(points, 160)
    patches: list[Patch] = []
    t = np.linspace(0, 1, 30)
    for i, k in enumerate(np.linspace(14, 150, leaves).astype(int)):
        dx, dy = path[min(k + 2, 159)] - path[k - 2]
        a = float(np.arctan2(dy, dx)) + (0.95 if i % 2 else -0.95)
        spine = np.stack([path[k, 0] + size * t * np.cos(a), path[k, 1] + size * t * np.sin(a)], -1)
        edge = 0.23 * size * np.sin(np.pi * t**0.75)
        side = np.array([-np.sin(a), np.cos(a)])
        for sign, tilt, shade in ((1, 0.6, greens), (-1, -0.6, TEALS if greens == GREENS else GREENS)):
            half = np.concatenate([spine, (spine + sign * edge[:, None] * side)[::-1]])
            patches.append((half, shade, a + tilt))
    return [(ribbon(path, width), greens, None), *patches]


def bird() -> list[Patch]:
    """A bird on the left, looking in."""
    body = xy(
        "0.145,0.6 0.2,0.535 0.275,0.47 0.305,0.425 0.345,0.41 0.375,0.435 0.375,0.475 0.36,0.55 0.31,0.615 0.235,0.64"
    )
    patches: list[Patch] = []
    for k, (tx, ty) in enumerate(((0.035, 0.62), (0.04, 0.675), (0.065, 0.725), (0.105, 0.755))):
        spine = curve([(0.20, 0.60), ((0.20 + tx) / 2 - 0.01, (0.60 + ty) / 2 + 0.004), (tx, ty)], 40)
        patches.append(
            (
                ribbon(spine, 0.036 * np.sin(np.pi * np.linspace(0.15, 0.98, 40)) + 0.004),
                (REDS, GOLDS, TEALS, BLUES)[k],
                None,
            )
        )
    patches.append((curve(body, 160, closed=True), BLUES, 2.35))
    patches.append(
        (curve(xy("0.33,0.5 0.365,0.49 0.355,0.555 0.305,0.61 0.26,0.618 0.31,0.57"), 100, closed=True), REDS, 2.1)
    )
    for k, shades in enumerate((TEALS, GOLDS, PINKS)):
        wing = [
            (0.30 - 0.012 * k, 0.475 + 0.012 * k),
            (0.315 - 0.02 * k, 0.53),
            (0.255 - 0.01 * k, 0.585 - 0.008 * k),
            (0.165 + 0.025 * k, 0.60 - 0.012 * k),
            (0.215 + 0.012 * k, 0.53 + 0.004 * k),
        ]
        patches.append((curve(wing, 100, closed=True), shades, 2.7 + 0.15 * k))
    patches.append((np.array([(0.372, 0.432), (0.425, 0.452), (0.374, 0.468)]), GOLDS, 0.1))
    patches += [(circle(0.343, 0.442, 0.016), CREAM, 0.0), (circle(0.345, 0.443, 0.008), "0a0a14 14141f 2a2a3a", 0.0)]
    crest: list[Patch] = [(p, GOLDS, None) for p in petals(0.335, 0.40, 0.06, 9, -np.pi / 2, 0.2)[:2]]
    return crest + patches


def design() -> list[Patch]:
    """All patches of the left half and the middle, then the mirrored ones; first to be stitched first."""
    half: list[Patch] = []
    half += vine([(0.47, 0.96), (0.33, 0.90), (0.20, 0.86), (0.10, 0.91)], 0.012, 8, 0.085)
    half += vine([(0.50, 0.70), (0.42, 0.72), (0.33, 0.75), (0.26, 0.71)], 0.012, 6, 0.075)
    half += vine(xy("0.48,0.38 0.4,0.33 0.3,0.32 0.17,0.37 0.09,0.49"), 0.012, 9, 0.085)
    half += vine([(0.46, 0.24), (0.38, 0.14), (0.27, 0.10), (0.17, 0.17)], 0.011, 8, 0.075, TEALS)
    half += flower(0.155, 0.215, 0.125, 8, PINKS, REDS, GOLDS)
    half += flower(0.115, 0.885, 0.105, 7, GOLDS, REDS, BLUES)
    half += flower(0.325, 0.815, 0.085, 6, BLUES, CREAM, GOLDS)
    half += flower(0.335, 0.235, 0.07, 6, CREAM, GOLDS, REDS)
    for x, y, r in xy(
        "0.055,0.06,0.022 0.06,0.35,0.02 0.24,0.405,0.018 0.43,0.53,0.02 0.42,0.6,0.014 0.2,0.77,0.02 0.43,0.86,0.018 "
        "0.31,0.045,0.022 0.42,0.065,0.015 0.05,0.555,0.015 0.235,0.955,0.02 0.045,0.77,0.018 0.41,0.955,0.014"
    ):
        half += [(circle(x, y, r), REDS, 0.8), (circle(x, y, 0.45 * r), GOLDS, 2.2)]
    half += bird()
    mirrored: list[Patch] = [
        (np.array([1, 0]) + p * np.array([-1, 1]), shades, None if a is None else np.pi - a) for p, shades, a in half
    ]
    middle = vine([(0.5, 1.0), (0.5, 0.8), (0.5, 0.55), (0.5, 0.3)], 0.016, 10, 0.085)
    middle += flower(0.5, 0.215, 0.185, 10, REDS, PINKS, GOLDS)
    middle += flower(0.5, 0.735, 0.11, 8, PINKS, CREAM, TEALS)
    return half + mirrored + middle


def linen(rng: Rng) -> Array:
    """The woven ground with height as fourth channel: (SIDE, SIDE, 4) in [0, 1]."""
    x, y = grid(SIDE)
    warp, weft = (
        np.sin(2 * np.pi * 150 * x + 2 * noise(SIDE, rng, 20, 2)),
        np.sin(2 * np.pi * 150 * y + 2 * noise(SIDE, rng, 20, 2)),
    )
    over = np.sign(np.sin(np.pi * 150 * x) * np.sin(np.pi * 150 * y))
    weave = np.where(over > 0, 0.5 + 0.5 * np.abs(warp), 0.5 + 0.5 * np.abs(weft)) * (
        0.75 + 0.5 * noise(SIDE, rng, 200, 2)
    )
    tone = (
        hexes("1a1f3f")[0]
        + (hexes("2f3a66")[0] - hexes("1a1f3f")[0]) * weave[..., None] * (0.7 + 0.6 * noise(SIDE, rng, 8, 3))[..., None]
    )
    return np.concatenate([tone, 0.08 + 0.09 * weave[..., None]], -1).astype(np.float32)


def stitch(draw: ImageDraw.ImageDraw, path: Array, colour: Array, width: float, rng: Rng) -> None:
    """One thread along path (K, 2) in pixels: dark beside, lighter on its back, sunk at both ends."""
    line = path.ravel().tolist()
    draw.line(line, fill=(*ink(colour * 0.42), 90), width=round(width * 1.5))
    for i in range(len(path) - 1):
        lift = np.sin(np.pi * (i + 0.5) / (len(path) - 1))
        shade = colour * (0.70 + 0.42 * lift)
        x0, y0, x1, y1 = line[2 * i : 2 * i + 4]
        draw.line((x0, y0, x1, y1), fill=(*ink(shade), int(120 + 90 * lift)), width=round(width))
    inner = path[1:-1] - 0.2 * width
    draw.line(
        inner.ravel().tolist(),
        fill=(*ink(colour * 1.12 + 0.10), 235),
        width=max(1, round(width * (0.3 + 0.1 * rng.random()))),
    )


def sew(draw: ImageDraw.ImageDraw, patch: Patch, rng: Rng) -> None:
    """Fill one patch with stitches, lighter towards its middle."""
    outline, shades, angle = patch
    inside = mask(FIELD, outline)
    low, high = (np.clip(v * FIELD, 4, FIELD - 4).astype(int) for v in (outline.min(0), outline.max(0)))
    window = (slice(low[1] - 4, high[1] + 4), slice(low[0] - 4, high[0] + 4))
    depth, field = np.zeros((FIELD, FIELD)), np.full((FIELD, FIELD), angle or 0.0)
    depth[window] = distance_transform_edt(inside[window] > 0.5)
    if angle is None:
        dy, dx = np.gradient(gaussian_filter(depth[window], 2.5))
        field[window] = np.arctan2(dy, dx)
    low, high = outline.min(0) * SIDE, outline.max(0) * SIDE
    points = rng.uniform(low, high, (int(np.prod(high - low) / 60), 2))
    points = points[look(inside, points, SIDE) > 0.5]
    near = look(depth, points, SIDE) * SIDE / FIELD
    paths = follow(field, points, np.clip(1.3 * near + 16, 20, 46) * rng.uniform(0.8, 1.2, len(points)), SIDE, 7)
    levels = np.clip(near / (depth.max() * SIDE / FIELD), 0, 1)
    palette = hexes(shades)
    for path, level in zip(paths, levels, strict=True):
        shade = palette[int(np.clip(round(2 * level + rng.normal(0, 0.35)), 0, 2))]
        stitch(draw, path, np.clip(shade + rng.normal(0, 0.03), 0, 1), 7.0, rng)


def seed(draw: ImageDraw.ImageDraw, rng: Rng) -> None:
    """Quilt the ground with rows of small stitches that ripple out from the middle flowers."""
    x, y = grid(FIELD)
    wave = np.sqrt((x - 0.5) ** 2 + (y - 0.215) ** 2) + np.sqrt((x - 0.5) ** 2 + (y - 0.735) ** 2)
    dy, dx = np.gradient(wave)
    points = starts(SIDE, 15, rng)
    row = look(wave, points, SIDE) * 46
    points, row = points[np.abs(row - np.round(row)) < 0.2], row[np.abs(row - np.round(row)) < 0.2]
    threads = hexes("35509c 4a6fc0 2f7f98 5f4a9c")
    paths = follow(np.arctan2(dx, -dy), points, rng.uniform(20, 30, len(points)), SIDE, 5)
    for path, r in zip(paths, np.round(row).astype(int), strict=True):
        stitch(draw, path, threads[r % 4] + rng.normal(0, 0.02), 5.0, rng)


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    image = Image.fromarray((linen(rng) * 255).astype(np.uint8), "RGBA")
    draw = ImageDraw.Draw(image)
    seed(draw, rng)
    for patch in design():
        sew(draw, patch, rng)
    threads = np.asarray(image, np.float32)
    shadow = gaussian_filter(threads[..., 3], 14) - threads[..., 3]
    rgb = threads[..., :3] / 255 * (1 - 0.0022 * np.clip(shadow, 0, 120))[..., None]
    return shrink(lit(rgb, relief(threads[..., 3], 0.03, 1.2), 0.40, 0.18))
