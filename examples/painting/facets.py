"""A cubist still life: guitar, bottle, fruit and score, broken into shaded planes with dark edges."""

import numpy as np
from PIL import Image, ImageDraw

from .canvas import (
    Array,
    Points,
    Rng,
    curve,
    fill,
    grid,
    hexes,
    ink,
    lit,
    mix,
    noise,
    ramp,
    relief,
    shrink,
    smoothstep,
    xy,
)

SIDE = 1280
DARK = hexes("1c1714")[0]
FAMILIES = np.radians([18, 62, 108, 151])


def shape(draw: ImageDraw.ImageDraw, points: Array, colour: str, width: int = 7) -> None:
    """A filled shape with a dark outline."""
    fill(draw, points, hexes(colour)[0], SIDE)
    loop = np.concatenate([points, points[:2]])
    draw.line((np.asarray(loop) * SIDE).ravel().tolist(), fill=ink(DARK), width=width, joint="curve")


def place(points: Points, x: float, y: float, size: float, degrees: float, smooth: bool = True) -> Array:
    """Points drawn about (0, 0), turned, scaled and moved; rounded if `smooth`."""
    p = curve(points, 160, closed=True) if smooth else np.asarray(points, np.float32)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(p @ np.array([(c, s), (-s, c)]) * size + (x, y), np.float32)


def still_life(rng: Rng) -> Array:
    """The things themselves, whole and flat: (SIDE, SIDE, 3)."""
    image = Image.new("RGB", (SIDE, SIDE), (96, 118, 128))
    draw = ImageDraw.Draw(image)
    for points, colour in (
        ([(-0.3, -0.3), (0.42, -0.3), (0.30, 0.62), (-0.3, 0.66)], "3f6f86"),
        ([(0.68, -0.3), (1.3, -0.3), (1.3, 0.7), (0.74, 0.6)], "a8443a"),
        ([(-0.3, 0.63), (1.3, 0.52), (1.3, 1.3), (-0.3, 1.3)], "9c6a38"),
        (xy("-0.3,0.86 0.5,0.78 1.3,0.9 1.3,1.3 -0.3,1.3"), "d9c49a"),
    ):
        shape(draw, np.array(points), colour)
    score = place([(-1, -0.7), (1, -0.7), (1, 0.7), (-1, 0.7)], 0.73, 0.80, 0.20, -14, smooth=False)
    shape(draw, score, "f1e6c9")
    for v in np.linspace(-0.55, 0.55, 12):
        line = place([(-0.85, v), (0.85, v)], 0.73, 0.80, 0.20, -14, smooth=False)
        draw.line((line * SIDE).ravel().tolist(), fill=ink(DARK), width=3)
        for u in rng.uniform(-0.8, 0.8, 4):
            (nx, ny), r = place([(u, v)], 0.73, 0.80, 0.20, -14, smooth=False)[0] * SIDE, 9
            draw.ellipse((nx - r, ny - 0.8 * r, nx + r, ny + 0.8 * r), fill=ink(DARK))
            draw.line((nx + r, ny, nx + r, ny - 36), fill=ink(DARK), width=4)
    bottle = xy("-0.3,1 -0.31,-0.05 -0.12,-0.38 -0.11,-0.98 0.11,-0.98 0.12,-0.38 0.31,-0.05 0.3,1")
    shape(draw, place(bottle, 0.76, 0.44, 0.30, 4), "1f5c46")
    shape(
        draw,
        place([(-0.31, 0.15), (0.31, 0.15), (0.31, 0.62), (-0.31, 0.62)], 0.76, 0.44, 0.30, 4, smooth=False),
        "ecdcae",
    )
    for x, y, size, colour in (
        (0.17, 0.82, 0.085, "c23a26"),
        (0.31, 0.86, 0.078, "e0a52c"),
        (0.24, 0.75, 0.07, "7f9a3a"),
    ):
        shape(draw, place(xy("-1,0 -0.6,-0.8 0,-0.72 0.6,-0.8 1,0 0.5,0.95 -0.5,0.95"), x, y, size, 8), colour)
    guitar(draw)
    return np.asarray(image, np.float32) / 255


def guitar(draw: ImageDraw.ImageDraw) -> None:
    """A guitar leaning across the middle, with hole, strings and frets."""
    where = (0.44, 0.54, 0.40, 28.0)
    body = xy(
        "0,-0.38 0.3,-0.34 0.37,-0.1 0.24,0.08 0.3,0.24 0.5,0.45 0.42,0.78 0,0.9 -0.42,0.78 "
        "-0.5,0.45 -0.3,0.24 -0.24,0.08 -0.37,-0.1 -0.3,-0.34"
    )
    shape(draw, place(body, *where), "c9822f", 10)
    shape(
        draw,
        place([(0.05 + 0.88 * u, 0.03 + 0.93 * v) for u, v in body[:8]] + [(0.05, -0.3)], *where, smooth=False),
        "a35a22",
        5,
    )
    turn = np.linspace(0, 2 * np.pi, 60)
    for r, colour in ((0.165, "e8c070"), (0.125, "17120f")):
        shape(
            draw,
            place([(r * float(np.cos(a)), 0.12 + r * float(np.sin(a))) for a in turn], *where, smooth=False),
            colour,
            5,
        )
    shape(draw, place([(-0.075, 0.05), (-0.06, -1.12), (0.06, -1.12), (0.075, 0.05)], *where, smooth=False), "3a241a")
    shape(draw, place([(-0.09, -1.12), (-0.12, -1.42), (0.12, -1.42), (0.09, -1.12)], *where, smooth=False), "d8b070")
    shape(draw, place([(-0.2, 0.55), (0.2, 0.55), (0.2, 0.62), (-0.2, 0.62)], *where, smooth=False), "17120f")
    for u in np.linspace(-0.05, 0.05, 5):
        draw.line(
            (place([(u, -1.3), (1.6 * u, 0.58)], *where, smooth=False) * SIDE).ravel().tolist(),
            fill=ink(hexes("f4e6c0")[0]),
            width=3,
        )
    for v in np.linspace(-1.05, -0.1, 9):
        draw.line(
            (place([(-0.06, v), (0.06, v)], *where, smooth=False) * SIDE).ravel().tolist(),
            fill=ink(hexes("c8a868")[0]),
            width=4,
        )


def split(cell: Array, rng: Rng) -> list[Array]:
    """Cut a convex cell (N, 2) again and again until it is small, smaller near the middle."""
    rolled = np.roll(cell, -1, 0)
    area = 0.5 * abs(float(np.sum(cell[:, 0] * rolled[:, 1] - rolled[:, 0] * cell[:, 1])))
    middle = cell.mean(0)
    limit = 0.006 + 0.045 * float(np.hypot(*(middle - 0.5))) ** 1.6
    if area < limit * rng.uniform(0.7, 1.7):
        return [cell]
    spread = np.linalg.eigh(np.cov((cell - middle).T))[1][:, -1]
    across = float(np.arctan2(spread[1], spread[0])) + np.pi / 2
    gap = np.abs(np.angle(np.exp(2j * (FAMILIES - across))))
    a = float(FAMILIES[np.argsort(gap)[rng.choice([0, 1], p=[0.7, 0.3])]]) + rng.normal(0, 0.12)
    normal = np.array([-np.sin(a), np.cos(a)])
    side = (cell - middle - rng.normal(0, 0.18, 2) * area**0.5) @ normal
    parts: tuple[list[Array], list[Array]] = ([], [])
    for i in range(len(cell)):
        j = (i + 1) % len(cell)
        parts[int(side[i] > 0)].append(cell[i])
        if side[i] * side[j] < 0:
            cut = cell[i] + (cell[j] - cell[i]) * side[i] / (side[i] - side[j])
            parts[0].append(cut)
            parts[1].append(cut)
    if min(map(len, parts)) < 3:
        return [cell]
    return [piece for part in parts for piece in split(np.array(part), rng)]


def facet(cell: Array, things: Array, strokes: Array, height: Array, out: Array, rng: Rng) -> None:
    """Paint one plane into `out` and its brushwork into `height`: its own view of the things, its own light."""
    low, high = (
        np.clip(cell.min(0) * SIDE - 2, 0, SIDE).astype(int),
        np.clip(cell.max(0) * SIDE + 3, 0, SIDE).astype(int),
    )
    if (high <= low).any():
        return
    image = Image.new("L", (int(high[0] - low[0]), int(high[1] - low[1])))
    ImageDraw.Draw(image).polygon([tuple(p) for p in (cell * SIDE - low).tolist()], fill=255)
    inside = np.asarray(image, np.float32) / 255
    ys, xs = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    cx, cy = cell.mean(0) * SIDE
    turn, zoom = rng.normal(0, 0.16), rng.uniform(0.75, 1.15)
    dx, dy = rng.normal(0, 0.034 * SIDE, 2)
    u, v = (xs - cx) * zoom, (ys - cy) * zoom
    sx = np.clip(cx + dx + np.cos(turn) * u - np.sin(turn) * v, 0, SIDE - 1).astype(int)
    sy = np.clip(cy + dy + np.sin(turn) * u + np.cos(turn) * v, 0, SIDE - 1).astype(int)
    light = float(rng.choice(FAMILIES)) + rng.normal(0, 0.2) + np.pi * int(rng.integers(2))
    across = np.cos(light) * (xs - cx) + np.sin(light) * (ys - cy)
    span = float(np.abs(across[inside > 0.5]).max()) + 1 if (inside > 0.5).any() else 1.0
    t = np.clip(across / span, -1, 1)
    brush = light + np.pi / 2 + rng.normal(0, 0.3)
    bu = (np.cos(brush) * xs + np.sin(brush) * ys + 3000).astype(int) % SIDE
    bv = (-np.sin(brush) * xs + np.cos(brush) * ys + 3000).astype(int) % SIDE
    mark = strokes[bv, bu]
    tint = hexes("e9d6a8 8f9f9c 5f7f8f c08a4f 3f3a36")[rng.choice(5, p=[0.34, 0.22, 0.16, 0.18, 0.10])]
    colour = mix(things[sy, sx], tint, rng.choice([0.08, 0.22, 0.5], p=[0.5, 0.3, 0.2]) + 0.15 * (mark - 0.5))
    colour = colour * (0.97 + 0.50 * t + 0.42 * (mark - 0.5))[..., None]
    colour = mix(colour, hexes("f6ead0")[0], 0.42 * smoothstep(0.45, 1.0, t + 0.5 * (mark - 0.5)))
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    out[window] = mix(out[window], colour, inside)
    height[window] = height[window] * (1 - inside) + mark * inside


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    things = still_life(rng)
    strokes = 0.65 * noise(SIDE, rng, 26, 2, 16.0) + 0.35 * noise(SIDE, rng, 70, 2, 14.0)
    height = np.zeros((SIDE, SIDE), np.float32)
    out = np.zeros((SIDE, SIDE, 3), np.float32)
    cells = split(np.array([(-0.02, -0.02), (1.02, -0.02), (1.02, 1.02), (-0.02, 1.02)]), rng)
    lines = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(lines)
    for cell in cells:
        facet(cell, things, strokes, height, out, rng)
        for a, b in zip(cell, np.roll(cell, -1, 0), strict=True):
            if rng.random() < 0.62:
                reach = rng.uniform(0.0, 0.10) * (b - a)
                normal = (
                    np.array([a[1] - b[1], b[0] - a[0]]) / (np.hypot(*(b - a)) + 1e-6) * rng.uniform(0.0012, 0.0048)
                )
                stroke = np.array([a - reach, (a + b) / 2 + normal, b + reach, (a + b) / 2 - normal])
                fill(draw, stroke, int(rng.integers(150, 256)), SIDE)
                draw.line((np.array([a, b]) * SIDE).ravel().tolist(), fill=int(rng.integers(150, 256)), width=5)
    x, y = grid(SIDE)
    grey = out.mean(-1, keepdims=True)
    out = np.clip(grey + 1.3 * (out - grey), 0, 1) * 1.06
    broken = smoothstep(0.25, 0.5, noise(SIDE, rng, 130, 2))
    out = mix(out, DARK, np.asarray(lines, np.float32) / 255 * (0.55 + 0.45 * broken))
    vignette = ramp(np.clip(np.hypot(x - 0.5, y - 0.5) * 1.3, 0, 1), hexes("ffffff fffaf0 d8d0c4"))
    return shrink(lit(np.clip(out * vignette, 0, 1), relief(height + 0.25 * noise(SIDE, rng, 220, 2), 5.0), 0.30, 0.10))
