"""Paint the example styles: `python examples/paint.py [NAME ...]` (all of them by default).

Each picture has its own seed, so painting one alone gives the same pixels as painting all.
"""

import argparse
import importlib
import io
import logging
import time
from pathlib import Path

import numpy as np
from painting.canvas import Array
from PIL import Image

FOLDER = Path(__file__).parent / "styles"
LARGEST_BYTES = 250_000
SEEDS = {
    "impasto": 1889,
    "pointillism": 1884,
    "glass": 1250,
    "wave": 1831,
    "ink": 1502,
    "mosaic": 547,
    "facets": 1912,
    "halftone": 1963,
    "watercolour": 1802,
    "gold": 1908,
    "embroidery": 1890,
    "linocut": 1958,
}


def jpeg(rgb: Array) -> tuple[bytes, int]:
    """A picture (H, W, 3) in [0, 1] as JPEG and its quality: 90, or as little less as LARGEST_BYTES asks for.

    Raises ValueError when even quality 75 is too large.
    """
    picture = Image.fromarray((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8))
    for quality in range(90, 74, -1):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() < LARGEST_BYTES:
            return buffer.getvalue(), quality
    raise ValueError(f"{buffer.tell()} bytes at quality {quality} but at most {LARGEST_BYTES} wanted: use less noise.")


def main() -> None:
    """Paint the pictures named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SEEDS)} (default: all)")
    names = parser.parse_args().names or list(SEEDS)
    for name in names:
        if name not in SEEDS:
            parser.error(f"There is no picture {name}: choose from {', '.join(SEEDS)}.")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        begin = time.perf_counter()
        module = importlib.import_module(f"painting.{name}")
        content, quality = jpeg(module.paint(np.random.default_rng(SEEDS[name])))
        (FOLDER / f"{name}.jpg").write_bytes(content)
        seconds = time.perf_counter() - begin
        logging.info("%s.jpg quality %d, %d KB, %.1f s", name, quality, len(content) // 1000, seconds)


if __name__ == "__main__":
    main()
