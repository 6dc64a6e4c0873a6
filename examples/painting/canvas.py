"""What every picture shares: coordinates, noise, palettes, curves, masks, light.

Arrays are float32; colours lie in [0, 1]; points are (x, y) in units of the picture's side, (0, 0) top left.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter

Array = NDArray[Any]
Rng = np.random.Generator
Points = Sequence[tuple[float, float]] | Array

SIZE = 640
"""Side of a finished picture in pixels."""


def grid(side: int) -> tuple[Array, Array]:
    """x and y of every pixel centre: two (side, side) arrays in (0, 1)."""
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = np.meshgrid(axis, axis)
    return x, y


def hexes(text: str) -> Array:
    """Colours from "1b2a6b f3a81c ...": (N, 3) in [0, 1]."""
    return np.array([[int(word[i : i + 2], 16) / 255 for i in (0, 2, 4)] for word in text.split()], np.float32)


def xy(text: str) -> Array:
    """Points (N, 2) from "0.1,0.2 0.3,0.4 ...", or rows (N, K) of K numbers each."""
    return np.array([row.split(",") for row in text.split()], np.float64)


def ramp(t: Array, colours: Array) -> Array:
    """Colours (N, 3) spread evenly over t in [0, 1] and interpolated: t.shape + (3,)."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(t, stops, colours[:, c]) for c in range(3)], -1).astype(np.float32)


def smoothstep(low: float, high: float, t: Array) -> Array:
    """0 below low, 1 above high, smooth between; low > high turns it round."""
    u = np.clip((t - low) / (high - low), 0, 1)
    return np.asarray(u * u * (3 - 2 * u))


def mix(a: Array, b: Array, weight: Array | float) -> Array:
    """a where weight is 0, b where it is 1; the weight of colours (..., 3) has no axis for the channels."""
    w = np.asarray(weight, np.float32)
    if a.shape[-1] == 3 or b.shape[-1] == 3:
        w = w[..., None]
    return np.asarray(a * (1 - w) + b * w)


def noise(side: int, rng: Rng, cells: float, octaves: int = 4, stretch: float = 1.0) -> Array:
    """Smooth fractal noise (side, side) in [0, 1], mean near 0.5; `stretch` > 1 makes it run sideways."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        n = cells * 2**octave
        rows, columns = max(2, round(n * stretch**0.5) + 1), max(2, round(n / stretch**0.5) + 1)
        if max(rows, columns) > side:
            break
        coarse = Image.fromarray(rng.random((rows, columns), np.float32) - 0.5)
        total += np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) / 2**octave
    total /= 4 * float(total.std()) + 1e-9
    return np.asarray(np.clip(total + 0.5, 0, 1))


def curve(points: Points, count: int = 200, closed: bool = False) -> Array:
    """A smooth curve (count, 2) through the points."""
    p = np.asarray(points, np.float64)
    if closed:
        p = np.concatenate([p, p[:1]])
    t = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(p, axis=0).T) ** 0.5)])  # centripetal: no loops
    spline = CubicSpline(t, p, bc_type="periodic" if closed else "natural")
    return np.asarray(spline(np.linspace(0, t[-1], count)), np.float32)


def normals(path: Array) -> Array:
    """Unit normals (N, 2) of a curve (N, 2), to the left of its direction on the page."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.hypot(*tangent.T)[:, None] + 1e-9
    return np.stack([tangent[:, 1], -tangent[:, 0]], -1)


def ribbon(path: Array, width: Array | float) -> Array:
    """The outline (2N, 2) of a band of the given full width (number or (N,)) along a curve (N, 2)."""
    side = normals(path) * np.broadcast_to(np.asarray(width) / 2, (len(path),))[:, None]
    return np.concatenate([path + side, (path - side)[::-1]])


def fill(draw: ImageDraw.ImageDraw, points: Points, colour: Any, side: int) -> None:
    """Fill a polygon given in picture units with a colour in [0, 1] (or a grey value 0 to 255)."""
    draw.polygon([tuple(p) for p in (np.asarray(points) * side).tolist()], fill=ink(colour))


def ink(colour: Any) -> Any:
    """A colour (3,) or (4,) in [0, 1] as the tuple of 0 to 255 that Pillow draws with; whole numbers pass through."""
    if isinstance(colour, int):
        return colour
    return tuple(int(v) for v in np.clip(np.asarray(colour) * 255 + 0.5, 0, 255))


def mask(side: int, *polygons: Points) -> Array:
    """1 inside any of the polygons, else 0: (side, side)."""
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for points in polygons:
        fill(draw, points, 255, side)
    return np.asarray(image, np.float32) / 255


def relief(height: Array, strength: float, blur: float = 1.0) -> Array:
    """How much light from the top left a surface (H, W) catches: about -1 (shade) to 1 (glint), 0 where flat."""
    h = gaussian_filter(height, blur)
    dy, dx = np.gradient(h)
    return np.asarray(np.clip(strength * (dx * 0.6 + dy * 0.8), -1, 1))


def lit(rgb: Array, light: Array, depth: float = 0.35, glint: float = 0.25) -> Array:
    """Shade a picture (H, W, 3) with a relief (H, W): dark sides darker, bright sides towards white."""
    light = light[..., None]
    return np.clip(rgb * (1 + depth * light) + glint * np.clip(light, 0, 1) ** 2, 0, 1)


def shrink(rgb: Array, side: int = SIZE) -> Array:
    """Average a supersampled picture down to (side, side, 3)."""
    image = Image.fromarray((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8))
    return np.asarray(image.resize((side, side), Image.Resampling.BOX), np.float32) / 255
