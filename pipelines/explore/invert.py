"""A picture made again from one layer's features alone: Mahendran and Vedaldi 2015, arXiv:1412.0035.

This differs from the paper in two ways. The picture is optimised as its spectrum, in which low frequencies come first
(Olah et al. 2017, Feature Visualization), so that deep layers give shapes where pixels give noise. And each channel
counts alike: the rare ones are a hundred times louder here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import PIL.Image
import torch
from torch import Tensor, nn

from models import device
from models.losses import TotalVariation
from pipelines import images
from pipelines.base import Output, Progress, Steps
from pipelines.explore import draw
from pipelines.explore.encode import Encoding, activations, layer_names

if TYPE_CHECKING:
    from pipelines.explore import ExploreParams

RATE = 0.015  # highest step, of the spectrum
CONTRAST = 4.0  # of the picture to its spectrum, before the sigmoid
PANEL, COLUMNS = 200, 3  # pixels; panels in a row


class Spectrum(nn.Module):
    """`count` pictures as what Adam moves: their Fourier coefficients, low ones the most. Starts from faint noise."""

    scale: Tensor

    def __init__(self, count: int, height: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.height, self.width = height, width
        frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])
        scale = 1 / frequency.clamp(min=1 / max(height, width))
        self.register_buffer("scale", scale / scale.pow(2).mean().sqrt())
        self.values = nn.Parameter(0.05 * torch.randn(count, 3, *scale.shape, 2, generator=generator))

    def forward(self) -> Tensor:
        """(count, 3, height, width) in [0, 1]."""
        spectrum = torch.view_as_complex(self.values) * self.scale
        x: Tensor = torch.fft.irfft2(spectrum, s=(self.height, self.width), norm="ortho")
        return (CONTRAST * x).sigmoid()


class InvertLoss(nn.Module):
    """Squared difference to the target's activations, each channel relative to its own energy; 1 is a blank picture."""

    target: Tensor
    weight: Tensor

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        energy = target.pow(2).mean((0, 2, 3), keepdim=True)
        weight = 1 / (energy + 0.01 * energy.mean() + 1e-12)  # silent channels must not drown the others
        self.register_buffer("target", target)
        self.register_buffer("weight", weight / (weight * energy).mean().clamp(min=1e-12))

    def forward(self, x: Tensor) -> Tensor:
        loss: Tensor = ((x.float() - self.target).pow(2) * self.weight).mean()
        return loss


def invert(p: ExploreParams, module: nn.Module, encoded: Encoding) -> Steps:
    """Optimise one picture a layer, all side by side, until its features at that layer match."""
    names = layer_names(p.layer, encoded.features, encoded.style)
    where = next(module.parameters()).device
    targets = {name: InvertLoss(encoded.features[name].to(where)) for name in names}
    generator = torch.Generator().manual_seed(p.seed)
    height, width = encoded.pixels.shape[-2:]
    spectrum = Spectrum(len(names), height, width, generator).to(where)
    optimizer = torch.optim.Adam(spectrum.parameters(), lr=RATE, betas=(0.9, 0.99))
    size = images.fit(width, height, PANEL)
    x, losses, sheet = torch.empty(0), {}, PIL.Image.new("RGB", size)
    for step in range(1, p.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (0.1 + 0.45 * (1 + math.cos(math.pi * (step - 1) / p.steps)))
        losses = advance(p, module, spectrum, targets, optimizer)
        with torch.no_grad():
            x = spectrum().cpu()
        pairs = zip([encoded.pixels[0], *x], ["", *names], strict=True)
        cells = [(draw.panel(one, *size, smooth=True), name) for one, name in pairs]
        sheet = draw.sheet([cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)])
        yield Progress(step, p.steps, images.to_tensor(sheet)[0], dict(losses))
    errors = (x - encoded.pixels[0]).pow(2).mean((1, 2, 3)).sqrt().tolist()
    table = [
        {"layer": name, "loss": float(losses[name]), "pixels": error} for name, error in zip(names, errors, strict=True)
    ]
    details = {"layers": table, "grid": draw.Grid(*size, COLUMNS, skip=1).record()}
    return Output([images.to_image(one) for one in x], losses, [], sheet, details)


def advance(
    p: ExploreParams,
    module: nn.Module,
    spectrum: Spectrum,
    targets: dict[str, InvertLoss],
    optimizer: torch.optim.Optimizer,
) -> dict[str, float | Tensor]:
    """One step of all pictures; returns each layer's loss."""
    losses: dict[str, float | Tensor] = {}
    smoothness = TotalVariation()
    with torch.enable_grad():
        optimizer.zero_grad()
        x = spectrum()
        total = x.new_zeros(())
        for i, (name, target) in enumerate(targets.items()):
            one = x[i : i + 1]
            with device.autocast(x.device):
                features = activations(module, one.contiguous(memory_format=torch.channels_last), [name])[name]
            loss = target(features)
            total = total + loss + p.tv_weight * smoothness(one)
            losses[name] = loss.detach()
        total.backward()
    optimizer.step()
    return losses
