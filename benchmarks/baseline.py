"""The plain way to paint: one size, fp32, Adam, nothing else. What Atelier's run is measured against.

Same network, same losses and weights, same pictures as the run it is compared with, and the learning rate that suits
plain Adam best of those tried; no autocast, no channels_last, one scale, no averaging.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from models import registry
from models.losses import ContentLoss, Criterion, WassersteinLoss, raw_moments
from models.vgg import Features
from pipelines import images
from pipelines.gatys import GatysParams, balance, usual_weights

RATE = 0.03  # of Adam, in brightness


@dataclass(frozen=True)
class Objective:
    """The loss of `p` at full size in fp32: what the baseline goes down, and the one judge of both."""

    network: Features
    criterion: Criterion
    start: Tensor  # the content, (1, 3, H, W) in [0, 1]
    pooling: str

    def __call__(self, x: Tensor) -> Tensor:
        """Loss of (1, 3, H, W), a 0-d tensor with gradient."""
        return cast(Tensor, self.criterion(x, self.network(x, self.criterion.layers, self.pooling))[0])

    @torch.no_grad()
    def judge(self, x: Tensor) -> float:
        """Loss of (1, 3, H, W) as it would be saved: in [0, 1] and rounded to 8 bits."""
        return float(self(x.clamp(0, 1).mul(255).round().div(255)))


@torch.no_grad()
def objective(p: GatysParams, device: torch.device) -> Objective:
    """Targets encoded in fp32 with a network of its own, so that nothing is shared with the run under test.

    Of `p` it takes what the default run uses: the first style, Wasserstein-2 loss, the network's usual layers.
    """
    network = cast(Features, registry.MODELS[p.model].load().to(device).eval().requires_grad_(False))
    content = images.to_tensor(p.content, p.size).to(device)
    style = images.to_tensor(p.styles[0], round(p.size * p.style_scale)).to(device)
    seen = network(content, network.content, p.pooling)
    wanted = network(style, network.style, p.pooling)
    criterion = Criterion(
        {name: ContentLoss(seen[name]) for name in network.content},
        {name: WassersteinLoss(*raw_moments(wanted[name])) for name in network.style},
        usual_weights(network.style),
        balance(p),
    )
    return Objective(network, criterion, content, p.pooling)


def paint(loss: Objective, rate: float = RATE) -> Iterator[Tensor]:
    """Endless: the picture (1, 3, H, W) after each step of Adam, from the content."""
    image = loss.start.clone().requires_grad_()
    engine = torch.optim.Adam([image], lr=rate)
    while True:
        engine.zero_grad()
        torch.autograd.backward(loss(image))
        engine.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        yield image.detach()
