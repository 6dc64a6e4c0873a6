"""One generator with two codes: what is drawn (a digit and its shape), and how it looks (colours and texture).

The content code fills a small stack of feature maps; the style code sets the mean and deviation of every layer after
that and nothing else, so it can recolour and retexture what is there but has no say in where (AdaIN, Huang and Belongie
2017, arXiv:1703.06868; as a generator: Karras, Laine and Aila 2018, arXiv:1812.04948).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.gan import draw, noise_of

SIDE = 32  # pixels
LAYERS = 5  # where the style enters, coarse to fine


class Layer(nn.Module):
    """A convolution, perhaps to twice the side, whose channels then take the style's mean and deviation."""

    def __init__(self, c_in: int, c_out: int, hidden: int, twice: bool) -> None:
        super().__init__()
        self.twice = twice
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.style = nn.Linear(hidden, 2 * c_out)
        nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, C, S, S), (N, hidden) -> (N, C', S or 2S, the same)."""
        x = self.conv(F.interpolate(x, scale_factor=2) if self.twice else x)
        shift, scale = self.style(w)[:, :, None, None].chunk(2, 1)
        return F.leaky_relu(F.instance_norm(x) * (1 + scale) + shift, 0.2)


class StyleMixer(nn.Module):
    """Class, content noise and style -> a picture of 32x32 pixels in colour."""

    neutral: Tensor  # (hidden,): the mean style, for the layers where no style enters

    def __init__(
        self,
        noise: int = 32,
        style: int = 32,
        widths: tuple[int, ...] = (96, 96, 64, 48),
        hidden: int = 96,
        classes: int = 10,
    ) -> None:
        """Args: numbers of content noise and of style; channels at 4, 8, 16 and again 16 pixels; numbers of a style's
        inner code; classes."""
        super().__init__()
        a, b, c, d = widths
        self.noise, self.style, self.hidden, self.classes = noise, style, hidden, classes
        self.start = nn.Linear(noise + classes, a * 16)
        self.mapping = nn.Sequential(
            nn.Linear(style, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2)
        )
        for layer in (self.mapping[0], self.mapping[2]):  # PyTorch's own start leaves styles that hardly matter
            nn.init.kaiming_normal_(layer.weight, 0.2, nonlinearity="leaky_relu")  # type: ignore[arg-type]
        sizes = ((a, a, False), (a, b, True), (b, c, True), (c, d, False), (d, d, False))
        self.layers = nn.ModuleList(Layer(i, o, hidden, twice) for i, o, twice in sizes)
        self.last = nn.Conv2d(d, 12, 3, padding=1)  # the four pixels of each place: a third of the work at 32 pixels
        self.register_buffer("neutral", torch.zeros(hidden))

    def styles(self, z: Tensor) -> Tensor:
        """(N, style) standard normal -> inner codes (N, hidden), which mix linearly."""
        w: Tensor = self.mapping(F.normalize(z, dim=1) * z.shape[1] ** 0.5)
        return w

    def forward(self, z: Tensor, labels: Tensor, w: Tensor) -> Tensor:
        """Draw.

        Args:
            z: (N, noise) standard normal.
            labels: (N,) classes.
            w: (N, LAYERS, hidden) inner codes of the styles, one a layer.

        Returns:
            (N, 3, 32, 32) float32 in [0, 1].
        """
        x = self.start(torch.cat([z, F.one_hot(labels, self.classes).to(z)], 1)).unflatten(1, (-1, 4, 4))
        for i, layer in enumerate(self.layers):
            x = layer(x, w[:, i])  # (N, a, 4, 4), (N, b, 8, 8), (N, c, 16, 16), then (N, d, 16, 16) twice
        return (F.pixel_shuffle(self.last(x), 2).float().tanh() + 1) / 2


@torch.no_grad()
def one_style(network: StyleMixer, labels: Tensor, contents: Tensor, styles: Tensor) -> Tensor:
    """(N,) classes, (N, noise) and (N, style) standard normal -> (N, 3, 32, 32) in [0, 1] on the CPU, each picture in
    one style throughout."""
    w = network.styles(styles.to(network.neutral))
    return draw(network, contents, labels, w[:, None].expand(-1, LAYERS, -1))


def sample(network: StyleMixer, labels: Tensor, seed: int) -> Tensor:
    """(N,) classes -> (N, 3, 32, 32) in [0, 1]: content and style of picture i from the noise of seed + i."""
    seeds = [seed + i for i in range(len(labels))]
    return one_style(network, labels, noise_of(seeds, network.noise), noise_of(seeds, network.style))


class Reader(nn.Module):
    """Reads digits of any colour on any ground. It never meets the generator in training: it is for judging it."""

    shape = (3, 32, 32)  # of the pictures it knows
    temperature = 1.0

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96), classes: int = 10) -> None:
        super().__init__()
        sizes = (3, *widths)
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2))
            for a, b in pairwise(sizes)
        )
        self.dense = nn.Linear(widths[-1] * 16, 128)
        self.head = nn.Linear(128, classes)

    def features(self, x: Tensor) -> Tensor:
        """Penultimate layer of (N, 3, 32, 32) in [0, 1]: (N, 128)."""
        for conv in self.convs:
            x = conv(x)
        return F.relu(self.dense(x.flatten(1)))

    def scores(self, features: Tensor) -> Tensor:
        """Logits (N, classes) of `features`."""
        logits: Tensor = self.head(F.dropout(features, 0.3, self.training))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) in [0, 1] -> logits (N, classes)."""
        return self.scores(self.features(x))
