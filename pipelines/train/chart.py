"""The map of a code of two numbers as it is learned: what is drawn where, and where held-out digits lie, by class."""

from __future__ import annotations

import torch
from PIL import ImageDraw
from torch import Tensor

from models.vae import VAE, lattice
from pipelines.images import to_image, to_tensor
from pipelines.sheet import preview_map

SIDE = 20  # digits a row
RADIUS, DIM = 3, 0.55  # pixels of a dot; how bright the digits below are
COLOURS = (
    "#e6194b", "#f58231", "#ffe119", "#7ad151", "#2a9d8f", "#42d4f4", "#4363d8", "#a26bfa", "#f032e6", "#c0c0c0",
)  # fmt: skip


@torch.no_grad()
def draw(network: VAE, x: Tensor, labels: Tensor) -> Tensor:
    """(3, H, W) in [0, 1]: the map's digits, and a dot in its class's colour at the code of each of (N, 1, 28, 28).

    Both axes are the normal distribution's shares, so that every digit of the map is equally likely.
    """
    where = network.bias.device
    image = to_image(preview_map(network.decode(lattice(SIDE).to(where)).sigmoid().cpu(), SIDE) * DIM)
    pen = ImageDraw.Draw(image)
    places = torch.special.ndtr(network.encode(x.to(where))[0].cpu().float())
    for (across, up), label in zip(places.tolist(), labels.tolist(), strict=True):
        centre = across * image.width, (1 - up) * image.height
        pen.circle(centre, RADIUS, COLOURS[label % len(COLOURS)])
    return to_tensor(image)[0]
