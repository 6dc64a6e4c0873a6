"""The strokes of the method `stylize`: styles as codes that are kept, their mixture, strength, and tiles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import PIL.Image
import torch
from torch import Tensor

from models.moments import YIQ, match_statistics, recolour
from models.restyle import Brush
from pipelines import images
from pipelines.params import shares
from pipelines.stylize import tiles
from pipelines.stylize.params import StylizeParams

MOST_CODES = 64
STYLE_SIDE = 1280  # pixels: styles are read at most this large; the largest at which one is shown is half of it


@dataclass
class Memo:
    """What a run leaves behind for the next one, on the CPU: codes of pictures, and the content painted in its own
    style."""

    codes: OrderedDict[tuple[object, ...], Tensor] = field(default_factory=OrderedDict)
    plain: tuple[tuple[object, ...], Tensor] | None = None

    def code(self, brush: Brush, x: Tensor, scale: float, *key: object) -> Tensor:
        """(1, D) of picture x (1, 3, H, W), encoded unless `key` is known; what was asked for last is kept longest."""
        key = (type(brush), scale, *key)
        found = self.codes.pop(key, None)
        self.codes[key] = brush.encode(x, scale).cpu() if found is None else found
        while len(self.codes) > MOST_CODES:
            self.codes.popitem(last=False)
        return self.codes[key].to(x)


@dataclass(frozen=True)
class Easel:
    """One photograph about to be painted: settings, network, the photograph (1, 3, H, W) in [0, 1], what is known."""

    p: StylizeParams
    brush: Brush
    content: Tensor
    memo: Memo

    @property
    def tiles(self) -> int:
        """Steps that painting it once takes: tiles, twice where the photograph's own style is painted first."""
        known = self.memo.plain is not None and self.memo.plain[0] == self._plain_key()
        once = len(tiles.boxes(*self.content.shape[2:]))
        return once if self.p.strength == 1 or known else 2 * once

    def code(self, style: PIL.Image.Image) -> Tensor:
        """The code (1, D) of a style picture, in the photograph's colours where they come first."""
        first = self.p.colours if self.p.colours_first else "style"
        key = (images.digest(style), first, images.digest(self.p.content) if first != "style" else "")
        x = images.to_tensor(style, min(STYLE_SIDE, max(style.size))).to(self.content)
        if first == "matched":
            x = match_statistics(x[0], self.content[0])[None]
        elif first == "content":
            x = grey_like(x, self.content)
        return self.memo.code(self.brush, x, self.p.style_scale, *key)

    def own(self) -> Tensor:
        """The code (1, D) of the photograph itself."""
        return self.memo.code(self.brush, self.content, 1.0, images.digest(self.p.content), tuple(self.content.shape))

    def mixture(self) -> Tensor:
        """The codes of all styles, mixed by their weights. Raises ParamError when the weights do not fit."""
        share = torch.tensor(shares(self.p.style_weights, len(self.p.styles))).to(self.content)
        return torch.einsum("n,nid->id", share, torch.stack([self.code(style) for style in self.p.styles]))

    def strokes(self, code: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Paint in the style `code`: yields tiles done and the picture so far, (1, 3, H, W) in [0, 1].

        Below full strength the code moves towards the photograph's own, and what the network loses of the photograph
        when it paints it in its own style is given back in the same measure: at 0 that is all of it.
        """
        strength, before, missing = self.p.strength, 0, None
        if strength < 1:
            if self.tiles > len(tiles.boxes(*self.content.shape[2:])):
                for before, y in enumerate(self._paint(self.own()), 1):
                    yield before, y
                self.memo.plain = (self._plain_key(), y.cpu())
            assert self.memo.plain is not None
            missing = self.content - self.memo.plain[1].to(self.content)
        for count, y in enumerate(self._paint(torch.lerp(self.own(), code, strength)), before + 1):
            if missing is not None:
                y = (y + (1 - strength) * missing).clamp(0, 1)
            yield count, self.recoloured(y)

    def recoloured(self, y: Tensor) -> Tensor:
        """The picture in the colours asked for; where the styles had the photograph's colours, it has them already."""
        if self.p.colours_first and self.p.colours == "matched":
            return y
        return recolour(y[0], self.content[0], self.p.colours)[None]

    def _paint(self, code: Tensor) -> Iterator[Tensor]:
        """Tile by tile, all with what the norms see of the whole photograph; in one piece they see it themselves."""
        many = len(tiles.boxes(*self.content.shape[2:])) > 1
        seen = self.brush.statistics(self.content, code) if many else None
        return tiles.paint(self.content, lambda x: self.brush.paint(x, code, seen))

    def _plain_key(self) -> tuple[object, ...]:
        return (type(self.brush), images.digest(self.p.content), tuple(self.content.shape))

    def distance(self, picture: Tensor, code: Tensor) -> float:
        """How far a picture's code is from the style's, in units of the photograph's distance: 0 is there, 1 is not."""
        found = self.brush.encode(picture, 1.0)
        return float((found - code).norm() / (self.own() - code).norm().clamp(min=1e-6))


def grey_like(style: Tensor, content: Tensor) -> Tensor:
    """The style's luminance, with mean and deviation of the content's (Gatys et al. 2016, section 3.2, equation 10)."""
    luma = YIQ[0].to(style)
    grey, target = (torch.einsum("c,nchw->nhw", luma, x)[:, None] for x in (style, content))
    moved = (grey - grey.mean()) * (target.std() / grey.std().clamp(min=1e-3)) + target.mean()
    return moved.clamp(0, 1).expand(-1, 3, -1, -1)
