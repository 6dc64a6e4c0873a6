"""Gold leaf: a tree of spirals over a meadow of ornaments, in relief."""

import numpy as np
from PIL import Image, ImageDraw

from .canvas import Array, Rng, fill, grid, hexes, ink, lit, mix, noise, ramp, relief, ribbon, shrink, smoothstep

SIDE = 1920
GOLDS = hexes("6f4a12 a8741c d29a2a ecc04a f7df86")
JEWELS = hexes("1f6f6a 2a4fa0 c23a2c e8862a 3f8f4a 7a3f8f f4ead0 16130f d9557a 4fa8c0")


class Plate:
    """A picture drawn as colour with height (alpha), so that ornaments stand out in relief."""

    def __init__(self, ground: Array):
        self.image = Image.fromarray((np.clip(ground, 0, 1) * 255).astype(np.uint8)).convert("RGBA")
        self.image.putalpha(70)
        self.draw = ImageDraw.Draw(self.image)

    def shape(self, points: Array, colour: Array, height: int) -> None:
        """A filled polygon in picture units."""
        fill(self.draw, points, np.append(colour, height / 255), SIDE)

    def disc(self, x: float, y: float, r: float, colour: Array, height: int) -> None:
        """A filled circle in picture units."""
        self.draw.ellipse(
            [(x - r) * SIDE, (y - r) * SIDE, (x + r) * SIDE, (y + r) * SIDE], fill=ink(np.append(colour, height / 255))
        )


def spiral(x: float, y: float, angle: float, length: float, hand: int, turns: float = 2.4) -> tuple[Array, Array]:
    """A branch that sets out in a slight bow and ends in a logarithmic coil: path (N, 2) and direction (N,)."""
    bow = np.linspace(0, 1, 120)
    coil = np.linspace(0, 2 * np.pi * turns, 260)
    radius = 0.27 * length * np.exp(-0.155 * coil)
    heading = angle + hand * np.concatenate([0.75 * bow**2 - 0.35 * bow, 0.40 + coil])
    step = np.concatenate([np.full(120, length / 120), radius * coil[1]])
    return np.stack([x + np.cumsum(step * np.cos(heading)), y + np.cumsum(step * np.sin(heading))], -1), heading


def branch(
    plate: Plate, x: float, y: float, angle: float, length: float, width: float, hand: int, depth: int, rng: Rng
) -> None:
    """A coiling branch, its twigs beneath it, an ornament at its eye."""
    path, heading = spiral(x, y, angle, length, hand, rng.uniform(2.2, 2.6))
    for i, k in enumerate((34, 62, 90, 114, 150) if depth > 1 else (50, 105) if depth else ()):
        side = -hand if i % 3 != 1 else hand
        twig = length * rng.uniform(0.30, 0.42) * (1 if depth > 1 else 1.2)
        turn = float(heading[k]) + side * rng.uniform(0.5, 0.85)
        branch(plate, path[k, 0], path[k, 1], turn, twig, width * 0.60, side, depth - 1, rng)
    taper = width * np.linspace(1, 0.34, len(path))
    plate.shape(ribbon(path, taper + 0.0065), hexes("2a1708")[0], 150)
    plate.shape(ribbon(path, taper), GOLDS[1] * 0.72, 200)
    plate.shape(ribbon(path, taper * 0.52), GOLDS[3 + int(rng.integers(2))], 245)
    for k in range(12, 300, 16):
        if taper[k] > 0.008:
            plate.disc(path[k, 0], path[k, 1], taper[k] * 0.17, JEWELS[int(rng.choice([0, 2, 7]))], 210)
    ex, ey = path[-1]
    concentric(plate, ex, ey, max(0.005, 0.85 * width), rng)


def concentric(plate: Plate, x: float, y: float, r: float, rng: Rng) -> None:
    """A round ornament of two to four rings."""
    plate.disc(x, y, r * 1.12, hexes("2a1708")[0], 150)
    for k, part in enumerate((1.0, 0.72, 0.46, 0.22)):
        if r * part > 0.0022:
            plate.disc(x, y, r * part, GOLDS[3] if k == 1 else JEWELS[rng.integers(len(JEWELS))], 190 + 15 * k)


def eye(plate: Plate, x: float, y: float, size: float, angle: float, rng: Rng) -> None:
    """An almond with a pupil."""
    t = np.linspace(-1, 1, 40)
    c, s = np.cos(angle), np.sin(angle)
    for part, colour, height in ((1.15, hexes("2a1708")[0], 150), (1.0, GOLDS[4], 210), (0.72, JEWELS[6], 225)):
        u, v = part * size * t, 0.48 * part * size * (1 - t**2)
        outline = np.concatenate([np.stack([u, v], -1), np.stack([u[::-1], -v[::-1]], -1)])
        plate.shape(outline @ np.array([(c, s), (-s, c)]) + (x, y), colour, height)
    plate.disc(x, y, 0.30 * size, JEWELS[int(rng.integers(3))], 235)
    plate.disc(x, y, 0.15 * size, JEWELS[7], 250)


def leaf_ground(rng: Rng) -> Array:
    """Sheets of gold leaf with seams, wear and faint whirls: (SIDE, SIDE, 3)."""
    x, y = grid(SIDE)
    cells = 11
    column, row = (
        np.floor(x * cells + 0.08 * (noise(SIDE, rng, 12, 2) - 0.5)),
        np.floor(y * cells + 0.08 * (noise(SIDE, rng, 12, 2) - 0.5)),
    )
    tone = rng.random((cells + 2, cells + 2))[row.astype(int), column.astype(int)]
    flow = noise(SIDE, rng, 3, 2)
    whirl = 0.5 + 0.5 * np.sin(70 * flow + 14 * y)
    value = 0.34 * tone + 0.42 * noise(SIDE, rng, 9, 5) + 0.14 * whirl + 0.12
    gold = ramp(np.clip(value, 0, 1), GOLDS)
    seam = np.minimum(np.abs(x * cells - np.round(x * cells)), np.abs(y * cells - np.round(y * cells)))
    gold = mix(gold, GOLDS[0], 0.35 * smoothstep(0.03, 0.0, seam))
    return mix(gold, hexes("5a2f12")[0], 0.55 * smoothstep(0.70, 0.9, noise(SIDE, rng, 40, 3)))


def confetti(plate: Plate, rng: Rng) -> None:
    """Small raised curls and dots all over the gold."""
    for _ in range(420):
        x, y = rng.random(2)
        r = rng.uniform(0.006, 0.016)
        t = np.linspace(0, 4.2 * np.pi, 46)
        path = np.stack([x + r * t / 13 * np.cos(t + x * 50), y + r * t / 13 * np.sin(t + x * 50)], -1)
        plate.shape(ribbon(path, 0.0026), ramp(rng.random(1), GOLDS)[0], 190)
    for _ in range(900):
        x, y = rng.random(2)
        plate.disc(x, y, rng.uniform(0.0012, 0.0028), GOLDS[int(rng.choice([0, 4]))], 190)


def trunk(plate: Plate, rng: Rng) -> None:
    """The stem, tiled with triangles, eyes and blocks."""
    t = np.linspace(0, 1, 120)
    path = np.stack([0.5 + 0.015 * np.sin(5 * t), 1.02 - 0.53 * t], -1)
    width = 0.075 + 0.10 * (1 - t) ** 3 + 0.03 * t**6
    plate.shape(ribbon(path, width + 0.010), hexes("2a1708")[0], 150)
    plate.shape(ribbon(path, width), GOLDS[2], 195)
    for k in range(3, 116, 3):
        (x, y), w = path[k], width[k] * 0.92
        pieces = max(4, int(w / 0.016))
        for i in range(pieces):
            cx, h = x - w / 2 + (i + 0.5) * w / pieces, 0.0066
            half = 0.42 * w / pieces
            colour = JEWELS[rng.integers(len(JEWELS))] if rng.random() < 0.42 else GOLDS[rng.integers(5)]
            kind = rng.integers(3)
            if kind == 0:
                plate.shape(np.array([(cx - half, y + h), (cx, y - h), (cx + half, y + h)]), colour, 225)
            elif kind == 1:
                plate.shape(
                    np.array([(cx - half, y - h), (cx + half, y - h), (cx + half, y + h), (cx - half, y + h)]),
                    colour,
                    220,
                )
            else:
                plate.disc(cx, y, min(half, h), colour, 230)
    for k in (22, 48, 74, 98):
        eye(plate, path[k, 0], path[k, 1], 0.034, rng.normal(0, 0.15), rng)


def meadow(plate: Plate, rng: Rng) -> None:
    """A bank of round flowers, leaves and triangles at the foot."""
    x = np.linspace(-0.02, 1.02, 200)
    top = 0.845 + 0.035 * np.cos(9 * x) + 0.05 * np.exp(-(((x - 0.5) / 0.16) ** 2)) * -1
    plate.shape(np.concatenate([np.stack([x, top], -1), [(1.02, 1.05), (-0.02, 1.05)]]), hexes("16382f")[0], 90)
    for _ in range(1500):
        px = rng.uniform(-0.02, 1.02)
        low = float(np.interp(px, x, top))
        py = low + (1.03 - low) * rng.random()
        r = rng.uniform(0.006, 0.027) * (0.6 + 0.6 * (py - low) / 0.2)
        kind = rng.random()
        if kind < 0.42:
            concentric(plate, px, py, r * 0.8, rng)
        elif kind < 0.72:
            a = rng.uniform(0, np.pi)
            tri = np.array([(px + r * np.cos(a + d), py + r * np.sin(a + d)) for d in (0, 2.1, 4.2)])
            plate.shape(
                tri, JEWELS[rng.integers(len(JEWELS))] if rng.random() < 0.5 else GOLDS[rng.integers(1, 5)], 180
            )
        elif kind < 0.80:
            eye(plate, px, py, r, rng.uniform(-0.6, 0.6), rng)
        else:
            plate.disc(px, py, 0.3 * r, GOLDS[4], 200)


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    plate = Plate(leaf_ground(rng))
    confetti(plate, rng)
    meadow(plate, rng)
    for hand, angle, length in (
        (-1, -2.80, 0.375),
        (1, -0.34, 0.375),
        (-1, -2.22, 0.41),
        (1, -0.92, 0.41),
        (1, -1.66, 0.33),
    ):
        branch(plate, 0.505 + 0.02 * np.cos(angle), 0.52, angle, length, 0.030, hand, 2, rng)
    trunk(plate, rng)
    drawn = np.asarray(plate.image, np.float32)
    hammered = 14 * noise(SIDE, rng, 120, 3)
    rgb = drawn[..., :3] / 255 * (0.94 + 0.14 * noise(SIDE, rng, 90, 3))[..., None]
    x, y = grid(SIDE)
    glow = 1.06 - 0.28 * np.hypot(x - 0.48, y - 0.40)
    return shrink(lit(np.clip(rgb * glow[..., None], 0, 1), relief(drawn[..., 3] + hammered, 0.045, 1.3), 0.42, 0.28))
