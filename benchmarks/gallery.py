"""The README's gallery and the page's example result: `python -m benchmarks.gallery`. Default settings."""

from __future__ import annotations

import logging
from pathlib import Path

import PIL.Image

from models import registry
from models.cache import ModelCache
from pipelines import PIPELINES, images
from pipelines.base import Result, run
from pipelines.params import parse
from pipelines.sheet import GROUND, lay

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PAIRS = (
    ("astronaut", "impasto"),
    ("cat", "wave"),
    ("coffee", "ink"),
    ("cat", "glass"),
    ("astronaut", "facets"),
    ("cat", "pointillism"),
    ("rocket", "gold"),
    ("coffee", "mosaic"),
)
HEIGHT, GAP, COLUMNS = 260, 6, 2


def restyle(content: str, style: str, cache: ModelCache) -> Result:
    """The `gatys` result of two example pictures with default settings."""
    pipeline = PIPELINES["gatys"]
    given = {"content": EXAMPLES / "content" / f"{content}.jpg", "styles": [EXAMPLES / "styles" / f"{style}.jpg"]}
    result = [event for event in run(pipeline, parse(pipeline.params, given), cache, sha256=registry.sha256)][-1]
    assert isinstance(result, Result)
    log.info("%s + %s: %.1f s", content, style, result.record.seconds.run)
    return result


def strip(pictures: list[PIL.Image.Image]) -> PIL.Image.Image:
    """Pictures side by side at one height."""
    sized = [p.resize((round(p.width * HEIGHT / p.height), HEIGHT), PIL.Image.Resampling.LANCZOS) for p in pictures]
    return lay([sized], GAP, (0, 0), edge=0)[0]


def main() -> None:
    """Write docs/gallery.jpg and examples/results/gatys.png."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cache = registry.open_cache()
    rows = []
    for content, style in PAIRS:
        result = restyle(content, style, cache)
        if (content, style) == PAIRS[0]:
            (EXAMPLES / "results").mkdir(exist_ok=True)
            (EXAMPLES / "results" / "gatys.png").write_bytes(result.png())
        thumbnail = images.load(EXAMPLES / "styles" / f"{style}.jpg").resize((HEIGHT // 2, HEIGHT // 2))
        frame = PIL.Image.new("RGB", (HEIGHT // 2, HEIGHT), GROUND)
        frame.paste(thumbnail, (0, HEIGHT // 2))
        rows.append(strip([frame, result.images[0]]))
    width = max(row.width for row in rows)
    even = [lay([[row]], 0, width=width)[0] for row in rows]
    sheet, _ = lay([even[i : i + COLUMNS] for i in range(0, len(even), COLUMNS)], 3 * GAP)
    sheet.save(ROOT / "docs" / "gallery.jpg", quality=90)


if __name__ == "__main__":
    main()
