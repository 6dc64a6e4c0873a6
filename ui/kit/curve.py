"""Curves of a run as a small SVG: drawn in under a millisecond, so it can follow a run live. The axis is logarithmic,
unless a curve goes below 0, as the losses of a game do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 200, 46, 22
COLOURS = ("#b9552f", "#2f7fb9", "#5b8c3a", "#8a5bb0", "#a8862a")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 2")  # readable without colour
NAMES = 3  # in a row under the curves
MOST_POINTS = 300
MOST_DECADES = 4  # below that a curve lies on the axis: a content loss starts at nothing


def draw(curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """An SVG of (step, value) curves; on a logarithmic axis a 0 is left out.

    Args:
        curves: label -> points in order of steps.

    Returns:
        HTML, or an empty string when there are fewer than two points.
    """
    kept = {name: [(s, v) for s, v in points if math.isfinite(v)] for name, points in curves.items()}
    linear = any(v < 0 for points in kept.values() for _, v in points)
    if not linear:
        kept = {name: [(s, math.log10(v)) for s, v in points if v > 0] for name, points in kept.items()}
    kept = {name: points[:: max(1, len(points) // MOST_POINTS)] for name, points in kept.items() if len(points) > 1}
    if not kept:
        return ""
    steps = [s for points in kept.values() for s, _ in points]
    values = [v for points in kept.values() for _, v in points]
    high, last = max(values), max(steps)
    low = min(values) if linear else max(min(values), high - MOST_DECADES)
    low = min(low, high - 0.1)

    def place(step: int, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - 8) * step / last
        y = 8 + (HEIGHT - BOTTOM - 8) * min(1.0, (high - value) / (high - low))
        return f"{x:.1f},{y:.1f}"

    foot = HEIGHT + 22 * -(-len(kept) // NAMES)
    parts = [f'<svg viewBox="0 0 {WIDTH} {foot}" role="img" aria-label="{escape(", ".join(kept))}">']
    for share in (0.0, 0.5, 1.0):
        height = high - share * (high - low)
        value = float(f"{height if linear else 10**height:.2g}")  # 150, not 1.5e+02
        y = 8 + (HEIGHT - BOTTOM - 8) * share
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" opacity="0.12"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    parts.append(f'<text x="{WIDTH - 8}" y="{HEIGHT - 4}" text-anchor="end">{last}</text>')
    for i, (name, points) in enumerate(kept.items()):
        line = " ".join(place(s, v) for s, v in points)
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash}"/>'
        )
        x, y = LEFT + i % NAMES * (WIDTH - LEFT) / NAMES, HEIGHT + 12 + i // NAMES * 22
        parts.append(
            f'<line x1="{x:.0f}" x2="{x + 22:.0f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2.4" '
            f'stroke-dasharray="{dash}"/><text x="{x + 28:.0f}" y="{y + 4}">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>"])
