"""Pop art: a rocket leaves in a burst, in flat primaries, Ben-Day dots and black contours of changing width."""

import numpy as np
from PIL import Image, ImageDraw

from .canvas import Array, Rng, curve, fill, grid, hexes, mask, mix, noise, normals, shrink, smoothstep, xy

SIDE = 1920
BLACK, WHITE, YELLOW, RED, BLUE = hexes("15131a fbf6e8 ffd51f e5262b 1d56c4")
NOZZLE = np.array([0.40, 0.60])


def dots(tone: Array, x: Array, y: Array, pitch: float, degrees: float) -> Array:
    """Halftone screen: 1 in round dots whose area share is tone (SIDE, SIDE) in [0, 1]."""
    a = np.radians(degrees)
    c, s = float(np.cos(a)) / pitch, float(np.sin(a)) / pitch
    u, v = c * x + s * y, c * y - s * x
    distance = np.hypot(u - np.floor(u) - 0.5, v - np.floor(v) - 0.5)
    radius = np.sqrt(np.clip(tone, 0, 1) / np.pi) * 1.04
    return smoothstep(0.02, -0.02, distance - radius)


def contour(draw: ImageDraw.ImageDraw, loop: Array, width: float, rng: Rng) -> None:
    """A black outline round a closed shape (N, 2), thick below and right, thin where light falls."""
    loop = np.concatenate([loop, loop[:2]])
    side = normals(loop)
    swell = width * (
        0.75
        + 0.45 * np.abs(side[:, 0] * 0.5 + side[:, 1] * 0.85)
        + 0.15 * np.sin(np.linspace(0, 9, len(loop)) + rng.random())
    )
    for p, r in zip(loop, swell / 2, strict=True):
        x, y, w = p[0] * SIDE, p[1] * SIDE, r * SIDE
        draw.ellipse((x - w, y - w, x + w, y + w), fill=255)
    draw.line((loop * SIDE).ravel().tolist(), fill=255, width=max(2, int(width * SIDE * 0.75)), joint="curve")


def dense(points: list[tuple[float, float]] | Array, count: int = 700) -> Array:
    """Evenly spaced points along a polygon with sharp corners."""
    p = np.asarray(points, np.float64)
    p = np.concatenate([p, p[:1]])
    arc = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(p, axis=0).T))])
    s = np.linspace(0, arc[-1], count)
    return np.stack([np.interp(s, arc, p[:, 0]), np.interp(s, arc, p[:, 1])], -1)


def star(x: float, y: float, inner: float, outer: float, points: int, rng: Rng) -> Array:
    """A comic burst: spikes of uneven length."""
    a = np.linspace(0, 2 * np.pi, 2 * points, endpoint=False) + rng.normal(0, 0.035, 2 * points)
    r = np.where(np.arange(2 * points) % 2, inner, outer * rng.uniform(0.78, 1.12, 2 * points))
    return dense(np.stack([x + r * np.cos(a), y + r * np.sin(a)], -1), 1400)


def cloud(puffs: list[tuple[float, float, float]]) -> list[Array]:
    """Outlines of round puffs (x, y, radius)."""
    t = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    return [np.stack([x + r * np.cos(t), y + r * np.sin(t) * 0.92], -1) for x, y, r in puffs]


def rocket() -> dict[str, Array]:
    """Parts of the rocket, flying to the upper right."""
    parts = {
        "fin_a": dense([(-0.105, 0.10), (-0.24, 0.34), (-0.23, 0.47), (-0.07, 0.34)]),
        "fin_b": dense([(0.105, 0.10), (0.24, 0.34), (0.23, 0.47), (0.07, 0.34)]),
        "nozzle": dense([(-0.07, 0.33), (0.07, 0.33), (0.10, 0.41), (-0.10, 0.41)]),
        "body": curve(
            xy("0,-0.52 0.1,-0.34 0.145,-0.08 0.13,0.16 0.075,0.36 -0.075,0.36 -0.13,0.16 -0.145,-0.08 -0.1,-0.34"),
            500,
            closed=True,
        ),
        "nose": curve(xy("0,-0.525 0.075,-0.4 0.115,-0.29 0,-0.262 -0.115,-0.29 -0.075,-0.4"), 300, closed=True),
        "band": dense(xy("-0.128,0.19 0,0.225 0.128,0.19 0.105,0.28 0,0.305 -0.105,0.28")),
        "fin_c": dense([(-0.018, 0.14), (0.018, 0.14), (0.026, 0.46), (-0.026, 0.46)]),
    }
    t = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    for name, r in (("rim", 0.085), ("window", 0.058)):
        parts[name] = np.stack([r * np.cos(t), -0.09 + r * np.sin(t)], -1)
    a = np.radians(38)
    turn = np.array([(np.cos(a), np.sin(a)), (-np.sin(a), np.cos(a))])
    return {name: points @ turn * 0.74 + (0.60, 0.40) for name, points in parts.items()}


class Sheet:
    """The printed sheet: three inks as masks, and the key plate with the contours."""

    def __init__(self, rng: Rng):
        self.rng = rng
        self.x, self.y = grid(SIDE)
        self.rgb = np.broadcast_to(WHITE, (SIDE, SIDE, 3)).copy()
        self.key = Image.new("L", (SIDE, SIDE))
        self.draw = ImageDraw.Draw(self.key)

    def flat(self, where: Array, colour: Array) -> None:
        """Print one ink all over a mask."""
        self.rgb = mix(self.rgb, colour, where)

    def screen(
        self, where: Array, colour: Array, tone: Array | float, pitch: float = 0.0145, degrees: float = 45
    ) -> None:
        """Print one ink in dots over a mask."""
        field = np.broadcast_to(np.asarray(tone, np.float32), self.x.shape)
        self.rgb = mix(self.rgb, colour, where * dots(field, self.x, self.y, pitch, degrees))

    def outline(self, loop: Array, width: float) -> None:
        """Cut a contour into the key plate; what it encloses hides older contours."""
        fill(self.draw, loop, 0, SIDE)
        contour(self.draw, loop, width, self.rng)


def sky(sheet: Sheet) -> None:
    """Rays from the nozzle, a ringed planet, stars."""
    x, y = sheet.x, sheet.y
    angle = np.arctan2(y - float(NOZZLE[1]), x - float(NOZZLE[0]))
    far = np.hypot(x - float(NOZZLE[0]), y - float(NOZZLE[1]))
    beam = smoothstep(-0.03, 0.03, np.sin(11 * angle + 0.4))
    sheet.flat(1 - beam, BLUE)
    sheet.flat(beam, WHITE)
    sheet.screen(beam, BLUE, np.clip(1.15 * (far - 0.22), 0.04, 0.62))
    sheet.screen(1 - beam, BLACK, np.clip(0.75 * (far - 0.45), 0, 0.4), degrees=20)
    t = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    planet = np.stack([0.185 + 0.125 * np.cos(t), 0.20 + 0.125 * np.sin(t)], -1)
    disc = mask(SIDE, planet)
    sheet.flat(disc, YELLOW)
    sheet.screen(disc, RED, np.clip(3.4 * ((x - 0.13) * 0.6 + (y - 0.13) * 0.9), 0, 0.85), 0.0135, 15)
    sheet.outline(planet, 0.009)
    a = np.radians(-22)
    rim = [
        np.stack(
            [
                0.185 + r * (np.cos(t) * np.cos(a) - 0.24 * np.sin(t) * np.sin(a)),
                0.20 + r * (np.cos(t) * np.sin(a) + 0.24 * np.sin(t) * np.cos(a)),
            ],
            -1,
        )
        for r in (0.205, 0.160)
    ]
    upper = ((y - 0.20) - np.tan(a) * (x - 0.185) < 0) & (disc > 0.5)
    ring = (mask(SIDE, rim[0]) - mask(SIDE, rim[1])) * ~upper
    sheet.flat(ring, RED)
    for loop in rim:
        half = np.roll(loop, 8, 0)[:216]  # the half in front of the planet: t from -0.12 to pi + 0.12
        sheet.draw.line((half * SIDE).ravel().tolist(), fill=255, width=12, joint="curve")
    for cx, cy, r in xy("0.42,0.1,0.045 0.93,0.62,0.05 0.9,0.86,0.032 0.07,0.45,0.035 0.55,0.2,0.02"):
        spark = star(cx, cy, 0.34 * r, r, 5, sheet.rng)
        sheet.flat(mask(SIDE, spark), YELLOW)
        sheet.outline(spark, 0.0055)


def blast(sheet: Sheet) -> None:
    """Three bursts inside one another and the smoke below."""
    for inner, outer, ink_, tone, width in (
        (0.20, 0.37, RED, 0.0, 0.010),
        (0.155, 0.27, YELLOW, 0.5, 0.009),
        (0.085, 0.16, WHITE, 0.0, 0.007),
    ):
        shape = star(0.375, 0.635, inner, outer, 15, sheet.rng)
        area = mask(SIDE, shape)
        sheet.flat(area, ink_)
        if tone:
            sheet.screen(
                area, RED, np.clip(4.2 * (np.hypot(sheet.x - 0.375, sheet.y - 0.635) - 0.09), 0, 0.55), 0.0135, 15
            )
        sheet.outline(shape, width)
    smoke(sheet)


def smoke(sheet: Sheet) -> None:
    """Three banks of billows, each with one scalloped outline, dotted shade and a few inner curls."""
    for base, radius, count in ((0.86, 0.085, 10), (0.93, 0.075, 11), (1.01, 0.075, 11)):
        puffs = [
            (
                float(cx),
                float(base + 0.05 * abs(cx - 0.4) + sheet.rng.normal(0, 0.014)),
                float(radius * sheet.rng.uniform(0.7, 1.25)),
            )
            for cx in np.linspace(-0.02, 1.02, count) + sheet.rng.normal(0, 0.012, count)
        ]
        loops = cloud(puffs)
        area = np.maximum(mask(SIDE, *loops), mask(SIDE, [(0, base + 0.02), (1, base + 0.02), (1, 1.1), (0, 1.1)]))
        sheet.flat(area, WHITE)
        near = np.full_like(sheet.x, 9)
        for cx, cy, r in puffs:
            near = np.minimum(near, np.hypot(sheet.x - (cx - 0.3 * r), sheet.y - (cy - 0.5 * r)) / r)
        sheet.screen(area, BLUE, np.clip(1.1 * (near - 0.6), 0, 0.5), 0.0135, 75)
        for loop in loops:
            contour(sheet.draw, loop, 0.0085, sheet.rng)
        for cx, cy, r in puffs:
            fill(sheet.draw, cloud([(cx, cy, r - 0.0035)])[0], 0, SIDE)
        fill(sheet.draw, [(0, base + 0.03), (1, base + 0.03), (1, 1.1), (0, 1.1)], 0, SIDE)
        for cx, cy, r in puffs:
            box = [(cx - 0.62 * r) * SIDE, (cy - 0.55 * r) * SIDE, (cx + 0.62 * r) * SIDE, (cy + 0.69 * r) * SIDE]
            begin = sheet.rng.uniform(170, 300)
            sheet.draw.arc(box, begin, begin + sheet.rng.uniform(60, 120), fill=255, width=11)


def paint(rng: Rng) -> Array:
    """The picture, (SIZE, SIZE, 3) in [0, 1]."""
    sheet = Sheet(rng)
    sky(sheet)
    blast(sheet)
    a = np.radians(38)
    across = ((sheet.x - 0.60) * np.cos(a) + (sheet.y - 0.40) * np.sin(a)) / 0.74
    inks = {
        "fin_a": RED,
        "fin_b": RED,
        "fin_c": RED,
        "nozzle": BLUE,
        "body": WHITE,
        "nose": RED,
        "band": YELLOW,
        "rim": YELLOW,
        "window": BLUE,
    }
    for name, loop in rocket().items():
        area = mask(SIDE, loop)
        sheet.flat(area, inks[name])
        if name == "body":
            sheet.screen(area, RED, np.clip(3.2 * across + 0.12, 0.0, 0.42), 0.0125, 45)
        elif name == "window":
            sheet.flat(area * smoothstep(0.01, 0.0, np.abs(across + 0.03) - 0.012), WHITE)
        else:
            sheet.screen(area, BLACK, np.clip(3.0 * across - 0.1, 0, 0.45), 0.0125, 45)
        sheet.outline(loop, 0.0095)
    key = np.asarray(sheet.key, np.float32) / 255
    plate = np.pad(sheet.rgb, ((3, 0), (0, 4), (0, 0)), "edge")[:-3, 4:]  # the colours are a little out of register
    rgb = mix(plate, BLACK, key)
    pulp = 0.05 * (noise(SIDE, rng, 300, 2) - 0.5) + 0.05 * (noise(SIDE, rng, 12, 4) - 0.5)
    return shrink(np.clip(rgb * (1 + pulp)[..., None] * hexes("fff8e6")[0], 0, 1))
