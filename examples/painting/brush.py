"""Brush strokes that follow a field of directions and leave bristle marks with relief."""

import numpy as np
from PIL import Image, ImageDraw

from .canvas import Array, Rng, ink, lit, relief


class Easel:
    """A square canvas of `side` pixels; paint is colour plus height, and later strokes cover earlier ones."""

    def __init__(self, side: int, ground: Array):
        self.side = side
        self.image = Image.new("RGBA", (side, side), (*ink(ground), 90))  # alpha holds the height of the paint
        self.draw = ImageDraw.Draw(self.image)

    def stroke(self, path: Array, width: float, colour: Array, rng: Rng, bristle: float = 0.036) -> None:
        """One stroke along path (K, 2) in pixels; bristles differ by `bristle` in brightness and end raggedly."""
        tangent = np.gradient(path, axis=0)
        tangent /= np.hypot(*tangent.T)[:, None] + 1e-6
        normal = np.stack([tangent[:, 1], -tangent[:, 0]], -1)
        count = max(3, int(width / 2.6))
        across = np.linspace(-0.5, 0.5, count) + rng.normal(0, 0.25 / count, count)
        shade = rng.normal(0, bristle, count) + 0.03 * across
        height = 110 + 75 * np.abs(across * 2) ** 3 + rng.normal(0, 22, count)  # paint piles up at the edges
        trim = (np.abs(across) ** 2 * 1.2 + rng.random(count) * 0.22) * len(path) / 3
        last = len(path)
        for i in rng.permutation(count):
            start, end = int(trim[i]), last - int(trim[i] * rng.random())
            if end - start < 2:
                continue
            line = path[start:end] + normal[start:end] * (across[i] * width)
            fill = (*ink(colour + shade[i]), int(np.clip(height[i], 0, 255)))
            self.draw.line(line.ravel().tolist(), fill=fill, width=max(2, round(width / count * 2)), joint="curve")

    def finish(self, strength: float = 0.07, depth: float = 0.4, glint: float = 0.3) -> Array:
        """The picture (side, side, 3) in [0, 1] under raking light."""
        paint = np.asarray(self.image, np.float32)
        return lit(paint[..., :3] / 255, relief(paint[..., 3], strength, 1.3), depth, glint)


def starts(side: int, spacing: float, rng: Rng) -> Array:
    """Jittered grid of points (N, 2) in pixels over the whole canvas and a little beyond, in random order."""
    axis = np.arange(-spacing, side + spacing, spacing)
    x, y = np.meshgrid(axis, axis)
    points = np.stack([x.ravel(), y.ravel()], -1) + rng.uniform(-0.6, 0.6, (x.size, 2)) * spacing
    return rng.permutation(points).astype(np.float32)


def follow(angle: Array, points: Array, lengths: Array, side: int, steps: int = 9) -> Array:
    """Walk from points (N, 2) along the directions angle (M, M), by lengths (N,) pixels: paths (N, steps, 2).

    Half of the way is walked backwards, so a point is the middle of its path.
    """
    step = (lengths / (steps - 1))[:, None]
    half = steps // 2
    back, forth = [points], [points]
    for way, sign in ((back, -1), (forth, 1)):
        for _ in range(half):
            here = way[-1]
            a = look(angle, here, side)
            way.append(here + sign * step * np.stack([np.cos(a), np.sin(a)], -1))
    return np.stack([*back[:0:-1], *forth], 1)


def look(field: Array, points: Array, side: int) -> Array:
    """The nearest values of field (M, M, ...) at points (N, 2) in pixels of a canvas of `side`."""
    m = len(field)
    index = np.clip((points * (m / side)).astype(int), 0, m - 1)
    return np.asarray(field[index[:, 1], index[:, 0]])
