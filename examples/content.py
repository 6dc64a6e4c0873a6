"""Write the example photographs: `python examples/content.py`.

They come out of the installed scikit-image wheel (no download); who made each is in examples/README.md.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

FOLDER = Path(__file__).parent / "content"
LONGEST = 768
PHOTOGRAPHS: dict[str, Callable[[], NDArray[np.uint8]]] = {
    "astronaut": data.astronaut,
    "cat": data.chelsea,
    "coffee": data.coffee,
    "rocket": data.rocket,
    "hubble": data.hubble_deep_field,
}


def main() -> None:
    """Write FOLDER/NAME.jpg for each photograph: longest side at most LONGEST pixels, no metadata."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, load in PHOTOGRAPHS.items():
        picture = Image.fromarray(load())
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        path = FOLDER / f"{name}.jpg"
        picture.save(path, quality=92, subsampling=0, optimize=True)
        logging.info("%s %dx%d, %d KB", path.name, *picture.size, path.stat().st_size // 1024)


if __name__ == "__main__":
    main()
