"""What the method `stylize` can be asked, and the sizes it paints at."""

from __future__ import annotations

from models.moments import Colours
from models.restyle import Restyler
from pipelines.params import MOST_SEED, Image, ParamError, Params, Seed, param

LARGEST, SMALLEST = 2048, 64  # pixels on the longest side
SHEET_SIDE = 512  # pixels: each picture of a sheet, where no size is asked for


class StylizeParams(Params):
    """Restyle a photograph in one pass of a network that takes any style picture, also one it has never seen.

    A style is encoded once, as a vector; strength, mixtures and new contents then follow a slider.
    """

    content: Image = param(label="Content", description="The picture to restyle")
    styles: list[Image] = param(
        label="Styles", description="One to five pictures whose strokes and colours to use", min_length=1, max_length=5
    )
    model: Restyler = param(
        "atelier",
        label="Model",
        description="atelier is our own and always here; magenta is Google's, in a package or to be fetched",
    )
    strength: float = param(
        1.0, ge=0, le=1, label="Strength", description="How far to go from the photograph to the style"
    )
    style_scale: float = param(
        1.0, ge=0.25, le=2.5, label="Size of strokes", description="How large the style is shown to the network"
    )
    colours: Colours = param(
        "style", label="Colours", description="Whose colours the result has; can be changed afterwards"
    )
    size: int = param(
        0,
        ge=0,
        le=LARGEST,
        label="Size",
        description="Longest side of the result in pixels; 0: as large as the content",
    )
    every: bool = param(
        False,
        label="Every style",
        description="A sheet of the photograph in each of your styles and each example style",
        detail="The sheet is at most 4096 pixels wide and high; the pictures one by one have their size",
    )
    style_weights: list[float] = param(
        [], label="Style weights", description="One number for each style; none: all the same", advanced=True
    )
    colours_first: bool = param(
        False, label="Colours first", description="Recolour the styles before painting, not the picture afterwards",
        advanced=True,
    )  # fmt: skip
    steady: float = param(
        0.9, ge=0, le=0.99, label="Steadiness", description="Films: share of the frames before in what the norms see",
        advanced=True,
    )  # fmt: skip
    seed: Seed = param(
        0, ge=-1, le=MOST_SEED, label="Seed", description="For the record: nothing here is random", advanced=True
    )

    def longest_side(self) -> tuple[int, list[str]]:
        """Longest side of a result in pixels, and a remark where it is not what was asked for. Raises ParamError."""
        natural = max(self.content.size)
        if 0 < self.size < SMALLEST:
            raise ParamError(f"size is {self.size}: give {SMALLEST} to {LARGEST}, or 0 for as large as the content.")
        if self.size:
            return self.size, []
        if self.every:
            return min(natural, SHEET_SIDE), []
        if natural > LARGEST:
            return LARGEST, [f"the content is {natural} pixels long: made {LARGEST}, the largest size"]
        return natural, []
