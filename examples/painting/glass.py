"""Stained glass: a sun over mountains, a river and a lily, in cells of streaky glass held by lead."""

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import cKDTree

from .canvas import Array, Rng, curve, grid, hexes, lit, mask, mix, noise, ramp, relief, shrink, smoothstep

SIDE = 1280
SUN = (0.5, 0.33)


def regions(x: Array, y: Array) -> Array:
    """The big shapes as whole numbers (SIDE, SIDE): sky rays, sun rings, hills, river, petals, frame."""
    angle = np.arctan2(y - SUN[1], x - SUN[0])
    distance = np.hypot(x - SUN[0], y - SUN[1])
    region = np.floor((angle + np.pi) / (2 * np.pi) * 20).astype(int) % 20
    region = np.where(distance < 0.17, 20, region)
    region = np.where(distance < 0.115, 21, region)
    far = 0.47 + 0.09 * np.sin(7 * x + 0.4) * np.cos(3 * x)
    near = 0.56 - 0.10 * np.cos(5.2 * x + 0.4)
    region = np.where(y > far, 22, region)
    region = np.where(y > near, 23, region)
    river = 0.5 + 0.13 * np.sin(9 * (y - 0.45)) * smoothstep(0.45, 0.8, y)
    wide = 0.012 + 0.55 * np.clip(y - 0.5, 0, 1) ** 1.3
    region = np.where((np.abs(x - river) < wide) & (y > 0.53), 24, region)
    for number, points in leaves():
        region = np.where(mask(SIDE, points) > 0.5, number, region)
    for number, points in petals():
        region = np.where(mask(SIDE, points) > 0.5, number, region)
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    return np.where(edge < 0.055, 60, region)


def petals() -> list[tuple[int, Array]]:
    """Petals of three lilies at the foot: (region number, outline)."""
    shapes = []
    for flower, (cx, cy, size) in enumerate(((0.24, 0.78, 0.15), (0.78, 0.74, 0.13), (0.52, 0.87, 0.10))):
        for i, turn in enumerate((-1.15, 1.15, -0.62, 0.62, 0.0)):
            ax, ay = np.sin(turn), -np.cos(turn)
            t = np.array([0, 0.35, 0.75, 1.0, 0.75, 0.35])
            w = np.array([0, 0.17, 0.2, 0.0, -0.2, -0.17])
            outline = np.stack([cx + size * (t * ax - w * ay), cy + size * (t * ay + w * ax)], -1)
            shapes.append((30 + 5 * flower + i, curve(outline, 80, closed=True)))
    return shapes


def leaves() -> list[tuple[int, Array]]:
    """Long leaves below the lilies."""
    shapes = []
    tips = ((0.24, 0.80, 0.05, 0.68), (0.24, 0.80, 0.40, 0.70), (0.78, 0.76, 0.95, 0.62), (0.78, 0.76, 0.63, 0.66))
    for i, (cx, foot, tx, ty) in enumerate(tips):
        middle = np.array([(cx + tx) / 2 + (0.02 if tx > cx else -0.02), (foot + ty) / 2 + 0.03])
        side = np.array([0.025, 0.03])
        outline = [(cx, 0.98), tuple(middle + side), (tx, ty), tuple(middle - side - (0.01, 0.02))]
        shapes.append((50 + i, curve(outline, 80, closed=True)))
    return shapes


def cells(region: Array, x: Array, y: Array, rng: Rng) -> Array:
    """Number of the piece of glass at each pixel: Voronoi cells, cut along the big shapes."""
    warp = 0.02
    px, py = x + warp * (noise(SIDE, rng, 5, 2) - 0.5), y + warp * (noise(SIDE, rng, 5, 2) - 0.5)
    piece = np.zeros(region.shape, int)
    count = 1
    for number in np.unique(region):
        where = region == number
        # sky pieces lie along their ray, water and hills lie flat, petals are cut once across
        stretch = {24: (0.45, 1.5), 22: (0.8, 1.2), 23: (0.8, 1.3)}.get(int(number), (1.0, 1.0))
        area = where.mean()
        n = max(1, round(area * (260 if number == 60 else 150 if number >= 20 else 95)))
        n = {21: 1, 20: 16}.get(int(number), 2 if 30 <= number < 45 else 4 if 50 <= number < 55 else n)
        spots = np.stack([px[where] * stretch[0], py[where] * stretch[1]], -1)
        seeds = spots[rng.choice(len(spots), n, replace=False)]
        for _ in range(4):  # Lloyd's steps: pieces of like size
            nearest = cKDTree(seeds).query(spots[:: max(1, len(spots) // 20000)])[1]
            thin = spots[:: max(1, len(spots) // 20000)]
            seeds = np.array([thin[nearest == k].mean(0) if (nearest == k).any() else seeds[k] for k in range(n)])
        piece[where] = count + cKDTree(seeds).query(spots)[1]
        count += n
    return piece


def tint(number: int, cy: float, cx: float, rng: Rng) -> Array:
    """Colour of one piece from its region and the place of its middle."""
    if number < 20:
        far = float(np.hypot(cx - SUN[0], cy - SUN[1]))
        warm = (
            "ffd24a ff9a2e e8512f b92f5b 6a2f8f 2f3f9f 1f5fb8"
            if number % 2
            else "ffe58a ffb64a d9457a 8a3fa0 3f55b8 2f86cf 58b8dc"
        )
        return ramp(np.array(np.clip((far - 0.16) / 0.5 + rng.normal(0, 0.05), 0, 1)), hexes(warm))
    palettes = {
        20: "ffb31f ff8a1f ffc93f",
        21: "fff0a0",
        22: "5a3f9f 7a4fb0 4a6fc0 8a5fb8",
        24: "1f7fc4 2fa6d0 6fd0d8 1f5fb0 a8e4dc",
        23: "1f7a4a 3f9f3f 86b82f 0f5f54 c0c83a",
        60: "8f1f2f b02f2f 1f3f8f 6f1f5f d08f1f 1f5f8f",
    }
    if 50 <= number < 60:
        return np.asarray(hexes("1f8f3f 3fae4a 0f6f3f 7fc04a")[rng.integers(4)])
    if 30 <= number < 50:
        reds = ("ffd6d0 ff8fa0 e8405f", "fff2d0 ffd070 f59a2f", "f4e0ff d09af0 9a4fd0")[(number - 30) // 5]
        return np.asarray(hexes(reds)[rng.integers(3)])
    choices = hexes(palettes[number])
    return np.asarray(choices[rng.integers(len(choices))])


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    x, y = grid(SIDE)
    region = regions(x, y)
    piece = cells(region, x, y, rng)
    first = np.unique(piece, return_index=True)[1]
    rows, columns = np.divmod(np.arange(piece.size), SIDE)
    size = np.bincount(piece.ravel())
    my, mx = (np.bincount(piece.ravel(), v) / np.maximum(size, 1) / SIDE for v in (rows, columns))
    table = np.zeros((piece.max() + 1, 3), np.float32)
    for index in first:
        k = int(piece.flat[index])
        table[k] = np.clip(tint(int(region.flat[index]), my[k], mx[k], rng) + rng.normal(0, 0.035, 3), 0, 1)
    glass = table[piece]
    seam = np.zeros(piece.shape, bool)
    thick = np.zeros(piece.shape, bool)
    for labels, out in ((piece, seam), (region, thick)):
        out[:-1] |= labels[:-1] != labels[1:]
        out[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    away = np.minimum(distance_transform_edt(~seam), distance_transform_edt(~thick) - 3.0)
    glow = smoothstep(2, 42, away)
    slope = rng.uniform(-1, 1, (len(table), 2))[piece]
    tilt = slope[..., 0] * (x - mx[piece]) + slope[..., 1] * (y - my[piece])
    streaks = noise(SIDE, rng, 9, 5, 5.0) - 0.5
    swirl = noise(SIDE, rng, 26, 4) - 0.5
    glass = glass * (0.62 + 0.46 * glow + 2.2 * tilt + 0.30 * streaks + 0.18 * swirl)[..., None]
    glass = mix(glass, np.ones(3, np.float32), np.clip(0.28 * glow * (0.5 + 1.2 * swirl + streaks), 0, 0.5))
    ripples = relief(gaussian_filter(noise(SIDE, rng, 70, 2), 2), 14)
    glass = lit(glass, ripples, 0.10, 0.12)
    lead_width = 5.6 + 1.2 * (noise(SIDE, rng, 30, 2) - 0.5)
    body = np.clip(1 - away / lead_width, 0, 1)
    lead = hexes("1a1a20")[0] + 0.10 * noise(SIDE, rng, 120, 2)[..., None]
    lead = lit(lead, relief(np.sqrt(body), 3.0, 1.2), 0.9, 0.35)
    halo = gaussian_filter(np.clip(glass, 0, 1), (9, 9, 0))
    picture = mix(lead, glass, smoothstep(-0.8, 0.8, away - lead_width))
    return shrink(np.clip(picture + 0.16 * halo**2, 0, 1))
