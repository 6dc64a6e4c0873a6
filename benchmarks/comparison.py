"""How near to the style, and how much is left of the photograph: `python -m benchmarks.comparison`.

Pictures kept out of training are painted by every method that is here; a table goes to standard output and a contact
sheet to docs/comparison.jpg. The style distance is that of Magenta's 100 numbers, which no method here was trained on;
Magenta itself was, so it has an advantage in that column.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import common
from benchmarks.common import EXAMPLES, ROOT, table
from models import registry, restyle
from models.cache import ModelCache
from models.magenta import StylePredictor
from models.moments import YIQ
from pipelines import PIPELINES, images
from pipelines.base import Result, run
from pipelines.compare import contact
from pipelines.params import parse
from pipelines.sheet import lay

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "atelier": ("stylize", {"model": "atelier"}),
    "magenta": ("stylize", {"model": "magenta"}),
    "gatys": ("gatys", {}),
}
CELL, LINE = 132, 22  # pixels, of the contact sheet: a picture, and the name under the photograph
Scores = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
    """One picture: whose it is, and its scores."""

    method: str
    content: str
    style: str
    distance: float  # of Magenta's vectors, Euclidean
    structure: float  # MS-SSIM of luminance, 1 is the photograph's own
    edges: float  # correlation of edge strengths, 1 is the photograph's own
    seconds: float


def luminance(x: Tensor) -> Tensor:
    """(1, 3, H, W) -> (1, 1, H, W) in [0, 1]."""
    return torch.einsum("c,nchw->nhw", YIQ[0], x)[:, None]


def edges(x: Tensor) -> Tensor:
    """Edge strength of (1, 3, H, W) by Sobel's filters on smoothed luminance."""
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    y = F.avg_pool2d(luminance(x), 3, 1, 1)
    parts = F.conv2d(F.pad(y, [1] * 4, mode="replicate"), torch.stack([kernel, kernel.T])[:, None])
    return parts.square().sum(1).sqrt()


def judge(cache: ModelCache) -> Callable[[Tensor, Tensor, Tensor], Scores]:
    """Scores of (result, content, style), pictures (1, 3, H, W) in [0, 1]: distance, structure, edges."""
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

    @torch.no_grad()
    def scores(result: Tensor, photograph: Tensor, painting: Tensor) -> Scores:
        with cache.use("magenta-style") as (module,):
            predictor = cast(StylePredictor, module)
            codes = [predictor(restyle.squares(x, 1.0).to(cache.device)) for x in (result, painting)]
        distance = float((codes[0] - codes[1]).norm())
        levels = 5 if min(result.shape[2:]) > 160 else 3  # its window of 11 pixels must fit the smallest level
        betas = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)[:levels]
        alike = float(ms_ssim(luminance(result), luminance(photograph), data_range=1.0, betas=betas))
        pair = torch.stack([edges(result).flatten(), edges(photograph).flatten()])
        return distance, alike, float(torch.corrcoef(pair)[0, 1])

    return scores


def paint(method: str, photograph: Path, painting: Path, size: int, cache: ModelCache) -> Result:
    """The method's picture at default settings."""
    name, changes = METHODS[method]
    pipeline = PIPELINES[name]
    given = {"content": photograph, "styles": [painting], "size": size, **changes}
    *_, result = run(pipeline, parse(pipeline.params, given), cache)
    assert isinstance(result, Result)
    return result


def compare(
    contents: Sequence[Path], styles: Sequence[Path], methods: dict[str, int], size: int, cache: ModelCache
) -> Iterator[tuple[Row, PIL.Image.Image]]:
    """Every method (of which so many pictures at most, spread evenly) on every pair, and the untouched photograph."""
    scores = judge(cache)
    pairs = [(c, s) for c in contents for s in styles]
    for method, most in {"the photograph": len(pairs), **methods}.items():
        for photograph, painting in pairs[:: max(1, -(-len(pairs) // most))]:
            start = time.perf_counter()
            picture = images.load(photograph).resize(images.fit(*images.load(photograph).size, size))
            if method in METHODS:
                picture = paint(method, photograph, painting, size, cache).images[0]
            seconds = time.perf_counter() - start
            x, c = images.to_tensor(picture), images.to_tensor(images.load(photograph), size)
            told = scores(x, c, images.to_tensor(images.load(painting)))
            yield Row(method, photograph.stem, painting.stem, *told, seconds), picture


def report(rows: Sequence[Row]) -> str:
    """The table for the README: means over pictures."""
    lines = []
    for method in dict.fromkeys(r.method for r in rows):
        mine = [r for r in rows if r.method == method]
        lines.append(
            (
                method, str(len(mine)), f"{mean(r.distance for r in mine):.2f}",
                f"{mean(r.structure for r in mine):.3f}", f"{mean(r.edges for r in mine):.3f}",
            )
        )  # fmt: skip
    head = ("method", "n", "style distance (less is nearer)", "MS-SSIM of luminance", "edge agreement")
    return table(head, lines)


def contact_sheet(pictures: dict[tuple[str, str, str], PIL.Image.Image], styles: Sequence[Path]) -> PIL.Image.Image:
    """A row for each photograph and method, a column for each style; the styles on top, the photographs on the left."""
    rows = [row for row in dict.fromkeys((content, method) for method, content, _ in pictures) if row[1] in METHODS]
    rows.sort(key=lambda row: (row[0], [*METHODS].index(row[1])))
    before = {content: picture for (method, content, _), picture in pictures.items() if method == "the photograph"}
    cells = [[None, *(images.load(path) for path in styles)]]
    cells += [[before[content], *(pictures.get((method, content, s.stem)) for s in styles)] for content, method in rows]
    places = [[contact.placed(picture, CELL, CELL) for picture in row] for row in cells]
    names = [[name] + [""] * len(styles) for name in ("", *(method for _, method in rows))]
    return lay(places, below=[0] + [LINE] * len(rows), captions=names, size=LINE - 6)[0]


def main() -> None:
    """Print the table, write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--contents", type=Path, default=EXAMPLES / "content", help="folder of photographs")
    parser.add_argument("--styles", type=Path, default=EXAMPLES / "styles", help="folder of styles")
    parser.add_argument("--methods", nargs="+", choices=[*METHODS], default=[*METHODS])
    parser.add_argument("--most", type=int, default=10, help="contents and styles taken of each folder")
    parser.add_argument("--gatys", type=int, default=4, help="pictures made by gatys, which is slow")
    parser.add_argument("--size", type=int, default=384, help="longest side in pixels")
    parser.add_argument("--sheet", type=Path, default=ROOT / "docs" / "comparison.jpg", help="contact sheet to write")
    flags = parser.parse_args()
    contents, styles = common.pictures_in(flags.contents, flags.most), common.pictures_in(flags.styles, flags.most)
    rows, pictures = [], {}
    many = {method: flags.gatys if method == "gatys" else len(contents) * len(styles) for method in flags.methods}
    for row, picture in compare(contents, styles, many, flags.size, registry.open_cache()):
        print(f"{row.method}: {row.content} + {row.style}, {row.seconds:.1f} s", file=sys.stderr)
        rows.append(row)
        pictures[row.method, row.content, row.style] = picture
    contact_sheet(pictures, styles).save(flags.sheet, quality=88)
    print(report(rows))


if __name__ == "__main__":
    main()
