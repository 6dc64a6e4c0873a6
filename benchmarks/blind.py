"""Which of two ways of restyling people prefer when they cannot know which is which.

    python -m benchmarks.blind make --a stylize model=atelier --b stylize model=magenta --out sheets
    python -m benchmarks.blind count --out sheets

`make` writes sheets/01.png ..., each a photograph, a style, and under the letters A and B what the two made of them, in
an order drawn anew for every pair; and sheets/answers.csv, in which the judge writes A, B or = behind each number.
`count` reads that file beside key.json, which the judge has not opened. The table has the sign test's two-sided p
(Dixon and Mood 1946; pairs without a preference are left out, as there) and Wilson's 95 % interval of the share.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
from scipy.stats import binomtest

from benchmarks import common
from models import registry
from models.cache import ModelCache
from pipelines import PIPELINES, images
from pipelines.base import Result, run
from pipelines.params import ParamError, parse
from pipelines.sheet import lay

SIDE = 384  # pixels: longest side of a picture on a sheet
LETTERS = 20  # pixels
ANSWERS, KEY = "answers.csv", "key.json"
PLACES = ("A", "B")
NEITHER = "="


@dataclass(frozen=True)
class Way:
    """A method and the settings in which it differs from its defaults."""

    method: str
    settings: dict[str, str]

    @classmethod
    def of(cls, words: Sequence[str]) -> Way:
        """Read `stylize model=magenta`. Raises ParamError for a method that is not there, or a word without "="."""
        method, *rest = words
        if method not in PIPELINES or any("=" not in word for word in rest):
            raise ParamError(f"{' '.join(words)} is no method with settings: write it like stylize model=magenta.")
        return cls(method, dict(word.split("=", 1) for word in rest))

    def __str__(self) -> str:
        return " ".join([self.method, *(f"{name}={value}" for name, value in self.settings.items())])

    def paint(self, content: Path, style: Path, size: int, cache: ModelCache) -> PIL.Image.Image:
        """Its picture of a photograph and a style, `size` pixels at the longest side."""
        pipeline = PIPELINES[self.method]
        values = {"content": content, "styles": [style], "size": size, **self.settings}
        *_, result = run(pipeline, parse(pipeline.params, values), cache)
        assert isinstance(result, Result)
        return result.images[0]


def drawn(contents: Sequence[Path], styles: Sequence[Path], count: int, seed: int) -> list[tuple[Path, Path, bool]]:
    """`count` different pairs by chance (all, where there are fewer), and whether the first way stands under A."""
    chance = random.Random(seed)
    pairs = [(content, style) for content in contents for style in styles]
    return [(*pair, chance.random() < 0.5) for pair in chance.sample(pairs, min(count, len(pairs)))]


def sheet(number: int, pictures: Sequence[PIL.Image.Image]) -> PIL.Image.Image:
    """Photograph, style, A and B in one row."""
    small = [picture.copy() for picture in pictures]
    for picture in small:
        picture.thumbnail((SIDE, SIDE), PIL.Image.Resampling.LANCZOS)
    names = [f"{number:02}  photograph", "style", *PLACES]
    return lay([small], 12, below=[LETTERS + 8], captions=[names], size=LETTERS)[0]


def make(ways: tuple[Way, Way], pairs: Sequence[tuple[Path, Path, bool]], size: int, out: Path) -> None:
    """Write the sheets, the key, and the file for the answers."""
    out.mkdir(parents=True, exist_ok=True)
    cache = registry.open_cache()
    key = {}
    for number, (content, style, straight) in enumerate(pairs, 1):
        order = ways if straight else ways[::-1]
        pictures = [way.paint(content, style, size, cache) for way in order]
        sheet(number, [images.load(content), images.load(style), *pictures]).save(out / f"{number:02}.png")
        key[f"{number:02}"] = dict(zip(PLACES, map(str, order), strict=True))
    (out / KEY).write_text(json.dumps(key, indent=1), "utf-8")
    with (out / ANSWERS).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("sheet", "preferred"), *((number, "") for number in key)])


def count(out: Path) -> str:
    """The answers as a table. Raises ValueError for an answer that is neither A, B nor =, or for none at all."""
    key: dict[str, dict[str, str]] = json.loads((out / KEY).read_text("utf-8"))
    with (out / ANSWERS).open(newline="", encoding="utf-8") as file:
        answers = {row["sheet"]: row["preferred"].strip().upper() for row in csv.DictReader(file) if row["preferred"]}
    if wrong := {number: answer for number, answer in answers.items() if answer not in (*PLACES, NEITHER)}:
        raise ValueError(f"{out / ANSWERS} has {wrong}: write A, B or =.")
    votes = [key[number][answer] for number, answer in answers.items() if answer != NEITHER]
    if not votes:
        raise ValueError(f"{out / ANSWERS} prefers nothing yet: write A, B or = behind the numbers.")
    rows = []
    for way in sorted(set(next(iter(key.values())).values())):
        test = binomtest(votes.count(way), len(votes))
        low, high = test.proportion_ci(method="wilson")
        rows.append((way, f"{votes.count(way)} of {len(answers)}", f"{low:.0%} to {high:.0%}", f"{test.pvalue:.3f}"))
    return common.table(("way", "preferred", "share, 95 % interval", "p"), rows)


def main() -> None:
    """Make sheets, or count the answers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blind", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("action", choices=("make", "count"))
    parser.add_argument("--a", nargs="+", metavar="WAY", help="a method and its settings: stylize model=atelier")
    parser.add_argument("--b", nargs="+", metavar="WAY", help="the other")
    parser.add_argument("--contents", type=Path, default=common.EXAMPLES / "content", help="folder of photographs")
    parser.add_argument("--styles", type=Path, default=common.EXAMPLES / "styles", help="folder of styles")
    parser.add_argument("--count", type=int, default=40, help="pairs")
    parser.add_argument("--size", type=int, default=384, help="longest side in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the pairs and of their order")
    parser.add_argument("--out", type=Path, default=Path("sheets"), help="folder of the sheets")
    flags = parser.parse_args()
    if flags.action == "count":
        print(count(flags.out))
        return
    if not flags.a or not flags.b:
        parser.error("make needs --a and --b.")
    try:
        ways = Way.of(flags.a), Way.of(flags.b)
    except ParamError as error:
        parser.error(str(error))
    pairs = drawn(common.pictures_in(flags.contents), common.pictures_in(flags.styles), flags.count, flags.seed)
    make(ways, pairs, flags.size, flags.out)


if __name__ == "__main__":
    main()
