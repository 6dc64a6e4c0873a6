"""Mosaic: two koi circling, in rows of stone and glass that follow their outlines."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage.draw import polygon
from skimage.measure import find_contours

from .canvas import (
    Array,
    Rng,
    curve,
    grid,
    hexes,
    ink,
    lit,
    mask,
    mix,
    noise,
    ramp,
    relief,
    ribbon,
    shrink,
    smoothstep,
    xy,
)

SIDE = 1920
FIELD = 960
TILE = 0.0175
MARGIN = 0.085


def turn(points: Array, half: bool) -> Array:
    """The points, or the points turned by half a circle about the picture's middle."""
    return 1 - points if half else points


def around(points: Array) -> Array:
    """A curve through (degrees, radius) about the picture's middle."""
    degrees, radius = points.T
    a = np.radians(degrees)
    return curve(np.stack([0.5 + radius * np.cos(a), 0.5 + radius * np.sin(a)], -1), 160, closed=True)


def fish(half: bool) -> dict[str, Array]:
    """Outlines of one koi, tail first: it swims clockwise round the middle."""
    t = np.linspace(0, 1, 200)
    a = np.radians(-142 + 112 * t)
    spine = np.stack([0.5 + 0.235 * np.cos(a), 0.5 + 0.235 * np.sin(a)], -1).astype(np.float32)
    width = 0.165 * np.sin(np.pi * t**1.7 * 0.97 + 0.03) ** 0.72 + 0.03
    width[-8:] *= np.linspace(1, 0.4, 8)
    parts = {
        "tail": around(
            xy(
                "-136,0.235 -150,0.262 -168,0.345 -182,0.355 -171,0.275 -166,0.235 -172,0.2 -186,0.145 -168,0.135 "
                "-150,0.208"
            )
        ),
        "fin": around(xy("-60,0.295 -76,0.3 -90,0.385 -80,0.415 -66,0.385")),
        "belly": around(xy("-58,0.175 -84,0.165 -112,0.095 -88,0.085 -62,0.12")),
        "body": ribbon(spine, width),
    }
    parts["eye"] = np.stack([0.687 + 0.014 * np.cos(2 * np.pi * t), 0.330 + 0.014 * np.sin(2 * np.pi * t)], -1)
    return {name: turn(points, half) for name, points in parts.items()}


def water(x: Array, y: Array, body: Array, rng: Rng) -> Array:
    """Colour of the water: rings of blue about the fish, gold glints."""
    away = distance_transform_edt(body < 0.5) / FIELD
    rings = 0.5 + 0.5 * np.sin(95 * away + 3 * noise(FIELD, rng, 4, 3))
    tone = np.clip(0.75 * rings + 0.35 * noise(FIELD, rng, 6, 3) - 0.05, 0, 1)
    colour = ramp(tone, hexes("0b2350 123f7f 1a6f9f 2fa3a8 7fd0bf d8efd0"))
    middle = np.hypot(x - 0.5, y - 0.5)
    lotus = 0.062 + 0.018 * np.abs(np.sin(4 * np.arctan2(y - 0.5, x - 0.5)))
    bloom = ramp(np.clip(middle / lotus, 0, 1), hexes("f4c22f f0a02a fbe3d6 f5b4b8 e0637f c23a63"))
    return mix(colour, bloom, (middle < lotus).astype(np.float32))


def scene(rng: Rng) -> tuple[Array, Array]:
    """Colours (FIELD, FIELD, 3) and the number of the shape at each pixel (FIELD, FIELD)."""
    x, y = grid(FIELD)
    shapes = [fish(False), fish(True)]
    colour = water(x, y, mask(FIELD, *[p for f in shapes for p in f.values()]), rng)
    region = np.zeros((FIELD, FIELD), int)
    region = np.where(np.hypot(x - 0.5, y - 0.5) < 0.07, 20, region)
    for k, parts in enumerate(shapes):
        patches = noise(FIELD, rng, 8, 2)
        scales = 0.5 + 0.5 * np.sin(210 * x) * np.sin(210 * y)
        skin = ramp(
            np.clip(0.25 * scales + 0.85 * smoothstep(0.38, 0.62, patches), 0, 1),
            hexes("fdf6e0 f6dfae f28a1f df3f16 b81f14"),
        )
        if k:
            skin = ramp(
                np.clip(0.2 * scales + 0.9 * smoothstep(0.42, 0.62, patches), 0, 1),
                hexes("f9a51f f7c33a fbe6a8 d9480f 2a1a1f"),
            )
        for number, name in enumerate(("tail", "fin", "belly", "body", "eye")):
            inside = mask(FIELD, parts[name])
            rays = 0.5 + 0.5 * np.sin(
                46
                * np.arctan2(*(parts["body"][0 if name == "tail" else 120] - np.stack([x, y], -1)).transpose(2, 1, 0)).T
            )
            fan = ramp(np.clip(0.3 + 0.7 * rays, 0, 1), hexes("c8401a f59a2f fde3a8"))
            colour = mix(
                colour, {"body": skin, "eye": np.broadcast_to(hexes("14101a"), skin.shape)}.get(name, fan), inside
            )
            region = np.where(inside > 0.5, 1 + 5 * k + number, region)
    return border(x, y, colour, region)


def border(x: Array, y: Array, colour: Array, region: Array) -> tuple[Array, Array]:
    """A frame of bands with a running pattern."""
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    along = np.where(np.minimum(x, 1 - x) < np.minimum(y, 1 - y), y, x)
    bands = hexes("6f1d1b e0b040 1a1a24 f3e3bf b5382a")
    stripe = np.clip((edge / MARGIN * 5).astype(int), 0, 4)
    frame = bands[stripe]
    zigzag = ((along * 14 + (stripe == 2)) % 1 < 0.5) & ((stripe == 1) | (stripe == 2))
    frame = np.where(zigzag[..., None], hexes("1f5f8f")[0], frame)
    inside = edge < MARGIN
    return np.where(inside[..., None], frame, colour), np.where(inside, 90, region)


def quad(cx: float, cy: float, angle: float, w: float, h: float, rng: Rng) -> Array:
    """A slightly uneven four-sided tile (4, 2)."""
    corners = np.array([(-w, -h), (w, -h), (w, h), (-w, h)]) / 2 * (1 + rng.normal(0, 0.07, (4, 2)))
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(corners @ np.array([(c, s), (-s, c)]) + (cx, cy), np.float32)


def lay(region: Array, rng: Rng) -> list[Array]:
    """Tiles (4, 2) in rows along the outlines of every shape, then smaller ones in what is left."""
    taken = np.zeros((FIELD, FIELD), bool)
    tiles: list[Array] = []

    def put(tile: Array, crowd: float) -> None:
        rows, columns = polygon(tile[:, 1] * FIELD, tile[:, 0] * FIELD, shape=taken.shape)  # type: ignore[no-untyped-call]
        if len(rows) and taken[rows, columns].mean() <= crowd:
            taken[rows, columns] = True
            tiles.append(tile)

    for number in np.unique(region):
        inside = np.pad(region == number, 1, constant_values=number == 90)
        depth = gaussian_filter(distance_transform_edt(inside), 1.2)[1:-1, 1:-1] / FIELD
        size = TILE * (0.72 if 1 <= number <= 20 else 0.97)
        for level in np.arange(0.52, 60) * size:
            for path in find_contours(depth, level):  # type: ignore[no-untyped-call]
                path = path[:, ::-1] / FIELD
                arc = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
                for s in np.arange(size * rng.uniform(0.3, 0.7), arc[-1], size):
                    (x0, x1, x), (y0, y1, y) = (
                        np.interp([s - size / 3, s + size / 3, s], arc, path[:, i]) for i in (0, 1)
                    )
                    w = size * rng.uniform(0.80, 0.93)
                    put(quad(x, y, float(np.arctan2(y1 - y0, x1 - x0)), w, size * 0.86, rng), 0.10)
    for _ in range(5):
        room = distance_transform_edt(~taken)
        ys, xs = np.nonzero((room > 3.2) & (room >= gaussian_filter(room, 1.5)))
        for i in rng.permutation(len(xs)):
            r = room[ys[i], xs[i]] / FIELD
            put(quad(xs[i] / FIELD, ys[i] / FIELD, rng.uniform(0, 1.57), 1.6 * r, 1.6 * r, rng), 0.05)
    return tiles


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    colour, region = scene(rng)
    image = Image.new("RGBA", (SIDE, SIDE), (*ink(hexes("4a4038")[0]), 30))
    draw = ImageDraw.Draw(image)
    for tile in lay(region, rng):
        cx, cy = np.clip(tile.mean(0) * FIELD, 0, FIELD - 1).astype(int)
        tint = np.clip(colour[cy, cx] * (1 + rng.normal(0, 0.10)) + rng.normal(0, 0.028, 3), 0, 1)
        draw.polygon([tuple(p) for p in (tile * SIDE).tolist()], fill=(*ink(tint), int(rng.integers(170, 235))))
    stones = np.asarray(image, np.float32)
    height = gaussian_filter(stones[..., 3], 1.5) + 16 * noise(SIDE, rng, 130, 2)
    rgb = stones[..., :3] / 255 * (0.90 + 0.22 * noise(SIDE, rng, 170, 3))[..., None]
    return shrink(lit(rgb, relief(height, 0.035, 1.0), 0.55, 0.22))
