"""Watercolour: poppies and cornflowers, wet in wet, with hard rims, backruns and pigment settled in the paper."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter

from .canvas import Array, Rng, curve, fill, grid, hexes, noise, relief, ribbon, shrink, smoothstep, xy

SIDE = 1280


class Paper:
    """A sheet of rough paper that takes up washes; `density` is what each colour channel has lost (SIDE, SIDE, 3)."""

    def __init__(self, rng: Rng):
        self.rng = rng
        self.tooth = 0.6 * noise(SIDE, rng, 150, 2) + 0.4 * noise(SIDE, rng, 300, 1)
        self.cloud = [noise(SIDE, rng, cells, 4) for cells in (5, 14, 14)]
        self.fine = noise(SIDE, rng, 45, 3)
        self.density = np.zeros((SIDE, SIDE, 3), np.float32)

    def wash(
        self,
        outline: Array,
        colour: str,
        strength: float = 1.0,
        ragged: float = 0.012,
        rim: float = 0.7,
        soft: float = 0.0,
        lift: float = 0.0,
    ) -> None:
        """One pool of colour: rim is how much pigment dries at its edge, soft (pixels) blurs it as on wet paper.

        lift in [0, 1] takes up that share of the paint beneath first.
        """
        pad = int(ragged * SIDE + 3 * soft) + 6
        low = np.clip(outline.min(0) * SIDE - pad, 0, SIDE - 1).astype(int)
        high = np.clip(outline.max(0) * SIDE + pad, 1, SIDE).astype(int)
        if (high - low < 4).any():
            return
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        turn = int(self.rng.integers(4))  # another part of the same noise for every wash
        one, two, three = (np.rot90(c, turn)[window] for c in self.cloud)
        image = Image.new("L", (int(high[0] - low[0]), int(high[1] - low[1])))
        fill(ImageDraw.Draw(image), outline - low / SIDE, 255, SIDE)
        flat = np.asarray(image) > 127
        signed = distance_transform_edt(flat) - distance_transform_edt(~flat)
        signed = signed + ragged * SIDE * 1.6 * (0.55 * two + 0.45 * np.rot90(self.fine, turn)[window] - 0.5)
        body = gaussian_filter(smoothstep(-1.3, 1.3, signed), soft) if soft else smoothstep(-1.3, 1.3, signed)
        level = 0.42 + 0.95 * (0.5 * one + 0.5 * three) ** 1.3
        if rim:
            level = level + rim * (np.exp(-np.clip(signed, 0, 99) / 3.2) + 0.35 * np.exp(-np.clip(signed, 0, 99) / 16))
        grain = 1 + 0.75 * (0.5 - self.tooth[window])
        absorb = -np.log(np.clip(hexes(colour)[0], 0.02, 0.985))
        self.density[window] *= 1 - lift * body[..., None]
        self.density[window] += strength * (body * level * grain)[..., None] * absorb

    def bloom(self, x: float, y: float, radius: float, strength: float) -> None:
        """A backrun: a drop of water pushes the pigment out into a frilled dark rim."""
        gx, gy = grid(SIDE)
        angle = np.arctan2(gy - y, gx - x)
        frill = 0.22 * (self.fine - 0.5) + 0.16 * (self.cloud[1] - 0.5) + 0.03 * np.sin(9 * angle)
        d = np.hypot(gx - x, gy - y) / radius + frill
        factor = 1 - 0.55 * strength * smoothstep(1.0, 0.45, d) + 0.8 * strength * np.exp(-(((d - 1.0) / 0.045) ** 2))
        self.density *= factor[..., None]

    def spatter(self, colour: str, x: float, y: float, spread: float, count: int) -> None:
        """Drops shaken from the brush."""
        for _ in range(count):
            cx, cy = self.rng.normal((x, y), spread)
            self.wash(blob(cx, cy, 0.0015 + 0.007 * self.rng.random() ** 3, self.rng), colour, 0.8, 0.001, 0.6)


def blob(
    x: float, y: float, radius: float, rng: Rng, wobble: float = 0.16, squash: float = 1.0, turn: float = 0.0
) -> Array:
    """A rounded uneven outline."""
    a = np.linspace(0, 2 * np.pi, 11)[:-1]
    r = radius * (1 + rng.normal(0, wobble, 10))
    u, v = r * np.cos(a), r * np.sin(a) * squash
    return curve(
        np.stack([x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], -1),
        90,
        closed=True,
    )


def poppy(paper: Paper, x: float, y: float, size: float, colours: tuple[str, ...]) -> None:
    """Overlapping petals, a dark heart, a ring of stamens."""
    rng = paper.rng
    begin = rng.uniform(0, 6)
    for k, a in enumerate(begin + np.linspace(0, 2 * np.pi, 6)[:-1]):
        dx, dy = 0.52 * size * np.cos(a), 0.40 * size * np.sin(a)
        paper.wash(
            blob(x + dx, y + dy, 0.58 * size, rng, 0.13, 0.8, a), colours[k % len(colours)], 0.85, 0.016, 0.6, lift=0.62
        )
    for a in rng.uniform(0, 2 * np.pi, 7):  # folds
        tip = (x + 0.95 * size * np.cos(a), y + 0.72 * size * np.sin(a))
        path = curve(
            [
                (x + 0.2 * size * np.cos(a), y + 0.2 * size * np.sin(a)),
                (x + 0.6 * size * np.cos(a + 0.15), y + 0.5 * size * np.sin(a + 0.15)),
                tip,
            ],
            40,
        )
        paper.wash(
            ribbon(path, 0.05 * size * np.sin(np.pi * np.linspace(0.05, 1, 40)) + 0.001), colours[-1], 0.4, 0.003, 0.3
        )
    paper.wash(blob(x, y, 0.21 * size, rng, 0.12), "2a2140", 1.0, 0.008, 0.5, 2.0)
    for a in rng.uniform(0, 2 * np.pi, 26):
        r = size * rng.uniform(0.22, 0.36)
        paper.wash(
            blob(x + r * np.cos(a), y + 0.8 * r * np.sin(a), 0.022 * size + 0.001, rng), "1c1a30", 1.6, 0.001, 0.2
        )


def cornflower(paper: Paper, x: float, y: float, size: float) -> None:
    """A ragged wheel of blue florets."""
    rng = paper.rng
    for a in np.linspace(0, 2 * np.pi, 14)[:-1] + rng.normal(0, 0.12, 13):
        r = size * rng.uniform(0.75, 1.1)
        c, s = np.cos(a), np.sin(a)
        path = xy("0.15,0 0.55,0.12 1,0.3 0.86,0.06 1.06,-0.02 0.86,-0.1 0.98,-0.3 0.55,-0.12")
        points = np.array([(x + r * (u * c - v * s), y + 0.85 * r * (u * s + v * c)) for u, v in path])
        paper.wash(
            curve(points, 60, closed=True), ("2f4fc4", "3f6fdc", "4a3fb4")[rng.integers(3)], 0.85, 0.004, 0.6, lift=0.5
        )
    paper.wash(blob(x, y, 0.26 * size, rng, 0.2), "4a1f7a", 1.1, 0.006, 0.5, 1.5)


def stem(paper: Paper, x: float, y: float, foot: float, colour: str, width: float) -> None:
    """A stalk from the foot of the sheet to (x, y), with a leaf or two."""
    rng = paper.rng
    bend = rng.normal(0, 0.04)
    path = curve([(foot, 1.04), ((foot + x) / 2 + bend, (1.04 + y) / 2), (x, y)], 120)
    paper.wash(ribbon(path, width * rng.uniform(0.7, 1.3, 120)), colour, 1.0, 0.002, 0.5)
    for k in rng.integers(15, 80, 2):
        px, py = path[k]
        side = rng.choice([-1, 1])
        reach = rng.uniform(0.07, 0.15)
        spine = curve(
            [(px, py), (px + side * 0.55 * reach, py - 0.35 * reach), (px + side * reach, py - 0.75 * reach)], 50
        )
        paper.wash(
            ribbon(spine, 0.24 * reach * np.sin(np.pi * np.linspace(0.02, 1, 50) ** 0.8) + 0.001),
            colour,
            0.85,
            0.008,
            0.7,
        )


def backdrop(paper: Paper) -> None:
    """Wet washes that run into one another, a few dry-edged ones on top, backruns."""
    rng = paper.rng
    for colour, x, y, r in (
        ("8fc4ea", 0.2, 0.15, 0.34),
        ("f6d88a", 0.72, 0.16, 0.30),
        ("c9b4e6", 0.48, 0.33, 0.30),
        ("a4d8d4", 0.9, 0.46, 0.28),
        ("f4bfa8", 0.10, 0.50, 0.26),
        ("b9d98a", 0.3, 0.86, 0.36),
        ("8cc4a0", 0.78, 0.88, 0.36),
        ("7fb0dc", 0.5, 0.04, 0.26),
    ):
        paper.wash(blob(x, y, r, rng, 0.2), colour, 0.95, 0.07, 0.12, 13.0)
    for colour, x, y, r in (
        ("a8cdee", 0.33, 0.22, 0.17),
        ("e8c8e8", 0.86, 0.28, 0.14),
        ("9cc98a", 0.62, 0.78, 0.2),
        ("86b8dc", 0.08, 0.3, 0.12),
    ):
        paper.wash(blob(x, y, r, rng, 0.25), colour, 0.75, 0.04, 0.55)
    for x, y, r in xy("0.17,0.13,0.085 0.83,0.2,0.07 0.93,0.6,0.065 0.07,0.63,0.06 0.55,0.1,0.05"):
        paper.bloom(x, y, r, 0.75)


def greenery(paper: Paper, heads: Array) -> None:
    """A stem for each flower head (N, 3: x, y, size), and blades of grass."""
    rng = paper.rng
    for x, y, size in heads:
        foot = 0.5 + 0.75 * (x - 0.5) + rng.normal(0, 0.03)
        stem(paper, x, y, foot, ("3f7a3a", "5f9440", "2f6a58")[rng.integers(3)], 0.009 if size > 0.1 else 0.006)
    for _ in range(26):
        x = rng.uniform(0, 1)
        tip = (x + rng.normal(0, 0.09), rng.uniform(0.62, 0.84))
        path = curve([(x, 1.04), (x + rng.normal(0, 0.03), 0.9), tip], 60)
        blade = ribbon(path, 0.011 * np.linspace(1, 0.1, 60))
        paper.wash(blade, ("4f8a3f", "7aa83f", "2f6f5f")[rng.integers(3)], 0.7, 0.002, 0.5)


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    paper = Paper(rng)
    backdrop(paper)
    poppies = xy("0.35,0.36,0.155 0.68,0.28,0.125 0.6,0.56,0.165 0.2,0.62,0.115 0.87,0.5,0.1")
    blues = xy("0.47,0.175,0.06 0.14,0.36,0.065 0.415,0.68,0.07 0.8,0.71,0.065 0.91,0.27,0.05 0.24,0.82,0.055")
    greenery(paper, np.concatenate([poppies, blues]))
    for k, (x, y, size) in enumerate(poppies):
        poppy(paper, x, y, size, (("f0482a", "f47a32", "d92a34"), ("f25a5f", "f08a4a", "c8243f"))[k % 2])
    for x, y, size in blues:
        cornflower(paper, x, y, size)
    for colour, x, y in (("e84a30", 0.42, 0.48), ("3f5fcf", 0.3, 0.2), ("5f9a3f", 0.6, 0.85), ("f2b83a", 0.75, 0.42)):
        paper.spatter(colour, x, y, 0.2, 26)
    paper.bloom(0.66, 0.60, 0.05, 0.5)
    paper.bloom(0.30, 0.33, 0.04, 0.5)
    sheet = hexes("fbf6ea")[0] * (1 + 0.10 * relief(paper.tooth, 4.0))[..., None]
    return shrink(sheet * np.exp(-paper.density))
