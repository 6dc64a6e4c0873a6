"""Our own one-pass stylisation network: any style picture on any photograph.

The photograph goes through the first layers of vgg-lite, frozen. Its two deepest layers are given the style's mean and
covariance by the linear map that moves them least (Lu et al. 2019, arXiv:1906.00668), and a small decoder
paints from them alone: nothing finer than a quarter of the picture's size reaches it, so brush strokes are its own. Its
instance norms take scale and shift from the style (Dumoulin et al. 2016, arXiv:1610.07629; Ghiasi et al. 2017,
arXiv:1705.06830).

    code = network.encode_style(style)                     # once a style; codes mix linearly
    picture = network(content, code)                       # any size from 16x16
    statistics = network.content_statistics(small, code)         # of the whole picture, made smaller
    tile = network(part_of_content, code, statistics)            # tiles that share `statistics` agree with each other

A style is a vector of means, deviations and covariances: `(1 - s) * encode_style(content) + s * encode_style(style)` is
a weaker style. `content_statistics` is a vector as well: those of neighbouring frames may be averaged. Run it in
`device.autocast` with channels_last input where that is fast.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.moments import Statistics, moments, restate, shrunk, transported
from models.vgg import vgg_lite

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1")
SHORTEST_SIDE = 16
STRIDE = 8  # pixels: the deepest layer sees the picture this much smaller
SHRINK = (
    0.1,
    0.3,
)  # share of the diagonal in the covariances of the two deepest layers: small pictures have few samples


class Styled(nn.Module):
    """A 3x3 convolution between reflected borders, then an instance norm with the style's scale and shift."""

    def __init__(self, c_in: int, c_out: int, hidden: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1, padding_mode="reflect", bias=False)
        self.style = nn.Linear(hidden, 2 * c_out)
        nn.init.zeros_(self.style.weight)
        nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, style: Tensor, statistics: Statistics) -> Tensor:
        """(N, C, H, W), (N, hidden) -> (N, C', H, W)."""
        x = self.conv(x)
        shift, scale = self.style(style).float()[:, :, None, None].chunk(2, 1)
        return restate(x, statistics(x), (shift, 1 + scale))


class Block(nn.Module):
    """Two styled convolutions around a skip."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.one, self.two = Styled(channels, channels, hidden), Styled(channels, channels, hidden)

    def forward(self, x: Tensor, style: Tensor, statistics: Statistics) -> Tensor:
        y: Tensor = self.two(F.relu(self.one(x, style, statistics)), style, statistics)
        return x + y


class Stylizer(nn.Module):
    """Encoder, style as a vector, decoder.

    Args:
        widths, depths, mean, std: of the encoder, as in `models.vgg.vgg_lite`; it ends at conv4_1.
        core: channels of the decoder's middle, at a quarter of the picture's size.
        blocks: residual blocks there.
        hidden: numbers between the code and the scales and shifts.
    """

    code_mean: Tensor
    code_deviation: Tensor

    def __init__(
        self,
        widths: tuple[int, ...],
        depths: tuple[int, ...],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        core: int = 96,
        blocks: int = 2,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        self.config = {"widths": widths, "depths": depths, "mean": mean, "std": std, "core": core, "blocks": blocks}
        self.config["hidden"] = hidden
        self.encoder = vgg_lite(widths, depths, mean, std).requires_grad_(False)
        for name in self.encoder.layers:  # zeros would draw a frame around the picture
            conv = self.encoder.get_submodule(f"steps.{name}.0")
            conv.padding_mode, conv._reversed_padding_repeated_twice = "reflect", [1, 1, 1, 1]  # type: ignore[assignment]
        w1, w2, w3, w4 = widths
        self.widths = (3, *widths)
        self.moments_size = 2 * sum(self.widths)
        self.code_size = self.moments_size + w3**2 + w4**2
        self.register_buffer("code_mean", torch.zeros(self.moments_size))
        self.register_buffer("code_deviation", torch.ones(self.moments_size))
        self.style = nn.Sequential(
            nn.Linear(self.moments_size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.deep = Styled(w4, core, hidden)
        self.join3 = nn.Conv2d(w3, core, 1)
        self.core = nn.ModuleList(Block(core, hidden) for _ in range(blocks))
        self.up2, self.up1 = Styled(core, w2, hidden), Styled(w2, w1, hidden)
        self.fine = Styled(w1, 16, hidden)
        self.paint = nn.Conv2d(16, 3, 3, padding=1, padding_mode="reflect", bias=False)
        self.colours = nn.Linear(hidden, 6)
        nn.init.zeros_(self.colours.weight)
        nn.init.zeros_(self.colours.bias)

    def features(self, x: Tensor) -> list[Tensor]:
        """Activations of `LAYERS` for (N, 3, H, W) in [0, 1] with sides of at least 16."""
        activations = self.encoder(x, LAYERS, "average")
        return [activations[name] for name in LAYERS]

    def summarise(self, x: Tensor, features: list[Tensor]) -> Tensor:
        """The code (N, D) of pictures x whose `features` are known."""
        colours = torch.logit(x.float().clamp(0.02, 0.98))
        plain = [part.flatten(1) for layer in (colours, *features) for part in moments(layer)]
        deep = [shrunk(f, share).flatten(1) for f, share in zip(features[-2:], SHRINK, strict=True)]
        return torch.cat(plain + deep, 1)

    def encode_style(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], sides of at least 16 -> (N, D) float32: means and deviations of colours and layers,
        covariances of the two deepest.

        Raises ValueError when a side is shorter than 16 pixels. A short side of about 256 is what it was trained on.
        """
        _check(x)
        return self.summarise(x, self.features(x))

    def content_statistics(self, content: Tensor, code: Tensor) -> Tensor:
        """What the norms measure on the way: (N, 3, H, W) in [0, 1], (N or 1, D) -> (N, S) float32, for `forward`."""
        statistics = Statistics()
        self._run(content, code, statistics)
        return torch.cat(statistics.values, 1)

    def forward(self, content: Tensor, code: Tensor, statistics: Tensor | None = None) -> Tensor:
        """Restyle.

        Args:
            content: (N, 3, H, W) in [0, 1], sides of at least 16.
            code: (N or 1, D) from `encode_style`, or a mixture of several.
            statistics: (N or 1, S) from `content_statistics`, to be used instead of this picture's own.

        Returns:
            (N, 3, H, W) float32 in [0, 1].

        Raises:
            ValueError: when a side is shorter than 16 pixels.
        """
        return self._run(content, code, Statistics(statistics))

    def _run(self, content: Tensor, code: Tensor, statistics: Statistics) -> Tensor:
        _check(content)
        height, width = content.shape[2:]
        padding = (0, -width % STRIDE, 0, -height % STRIDE)
        x = F.pad(content, padding, mode="reflect") if any(padding) else content
        return self.decode(self.features(x), code, statistics)[:, :, :height, :width]

    def decode(self, features: list[Tensor], code: Tensor, statistics: Statistics) -> Tensor:
        """Paint from the encoder's layers: (N, C, H / 2^i, W / 2^i) each -> (N, 3, H, W) in [0, 1]."""
        return self.paint_from(self.restyled(features, code, statistics), code, statistics)

    def restyled(self, features: list[Tensor], code: Tensor, statistics: Statistics) -> list[Tensor]:
        """The two deepest layers with the style's means and covariances: (N, C, H/4, W/4) and (N, C', H/8, W/8)."""
        parts = self._parts(code)
        layers = []
        for f, share, (target, _), covariances in zip(features[-2:], SHRINK, parts[-4:-2], parts[-2:], strict=True):
            mean, _ = statistics(f)
            layers.append(transported(f, mean, statistics.map(f, share, covariances[0]), target))
        return layers

    def paint_from(self, restyled: list[Tensor], code: Tensor, statistics: Statistics) -> Tensor:
        """The decoder alone: what `restyled` returns -> (N, 3, H, W) in [0, 1]."""
        colour = self._parts(code)[0]
        style = self.style((code[:, : self.moments_size] - self.code_mean) / self.code_deviation)  # (N, hidden)
        f3, f4 = restyled
        x = _double(F.relu(self.deep(f4, style, statistics))) + self.join3(f3)  # (N, core, H/4, W/4)
        for block in self.core:
            x = block(x, style, statistics)
        x = _double(F.relu(self.up2(F.relu(x), style, statistics)))  # (N, w2, H/2, W/2)
        x = _double(F.relu(self.up1(x, style, statistics)))  # (N, w1, H, W)
        x = F.relu(self.fine(x, style, statistics))  # (N, 16, H, W)
        x = self.paint(x).float()  # (N, 3, H, W)
        shift, scale = self.colours(style).float()[:, :, None, None].chunk(2, 1)
        return torch.sigmoid(restate(x, statistics(x), (colour[0] + shift, colour[1] * scale.exp())))

    def _parts(self, code: Tensor) -> list[tuple[Tensor, ...]]:
        """A code (N, D) in its parts: colours and layers as (mean, deviation), (N, C, 1, 1); covariances (N, C, C)."""
        plain, deep = code[:, : self.moments_size].float(), code[:, self.moments_size :].float()
        pieces = iter(torch.split(plain[:, :, None, None], [w for w in self.widths for _ in range(2)], 1))
        plain_parts: list[tuple[Tensor, ...]] = [(mean, next(pieces)) for mean in pieces]
        widths = self.widths[-2:]
        squares = torch.split(deep, [w * w for w in widths], 1)
        return plain_parts + [(part.view(-1, w, w),) for part, w in zip(squares, widths, strict=True)]


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _check(x: Tensor) -> None:
    if min(x.shape[-2:]) < SHORTEST_SIDE:
        raise ValueError(
            f"Input is {x.shape[-1]}x{x.shape[-2]} but must be at least {SHORTEST_SIDE}x{SHORTEST_SIDE}: "
            "choose a larger size."
        )
