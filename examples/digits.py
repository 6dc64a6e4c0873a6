"""Draw the example digits, as a hand would with a felt pen: `python examples/digits.py` writes digits/*.png."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

SIDE, PEN, FINE = 112, 9, 4  # pixels of the picture, width of the pen, and how much larger it is drawn first
Stroke = list[tuple[float, float]]


def arc(x: float, y: float, wide: float, high: float, start: float, end: float) -> Stroke:
    """Part of an ellipse around (x, y), angles in degrees from the right, clockwise; in shares of the side."""
    steps = [start + (end - start) * i / 40 for i in range(41)]
    return [(x + wide * math.cos(math.radians(a)), y + high * math.sin(math.radians(a))) for a in steps]


STROKES: dict[str, list[Stroke]] = {
    "0": [arc(0.5, 0.5, 0.19, 0.29, -80, 285)],
    "2": [[*arc(0.49, 0.36, 0.18, 0.16, -170, 30), (0.32, 0.78), (0.72, 0.77)]],
    "3": [[*arc(0.47, 0.35, 0.18, 0.15, -160, 80), *arc(0.47, 0.65, 0.20, 0.16, -80, 160)]],
    "4": [[(0.43, 0.2), (0.3, 0.55), (0.72, 0.53)], [(0.63, 0.32), (0.58, 0.84)]],
    "5": [[(0.68, 0.22), (0.38, 0.24), (0.35, 0.47), *arc(0.46, 0.62, 0.2, 0.18, -100, 140)]],
    "7": [[(0.3, 0.25), (0.7, 0.23), (0.45, 0.82)]],
    "8": [[*arc(0.51, 0.35, 0.13, 0.14, 90, 450), *arc(0.5, 0.65, 0.17, 0.16, -90, 270)]],
    "9": [[*arc(0.5, 0.38, 0.15, 0.15, -20, 340), (0.63, 0.5), (0.55, 0.83)]],
}


def draw(strokes: list[Stroke]) -> Image.Image:
    """Round-ended lines, black on white."""
    large = Image.new("L", (SIDE * FINE, SIDE * FINE), 255)
    pen = ImageDraw.Draw(large)
    radius = PEN * FINE / 2
    for stroke in strokes:
        points = [(x * SIDE * FINE, y * SIDE * FINE) for x, y in stroke]
        pen.line(points, 0, PEN * FINE, joint="curve")
        for x, y in points:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), 0)
    return large.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    folder = Path(__file__).parent / "digits"
    folder.mkdir(exist_ok=True)
    for name, strokes in STROKES.items():
        draw(strokes).save(folder / f"{name}.png", optimize=True)
