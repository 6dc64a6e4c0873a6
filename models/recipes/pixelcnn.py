"""The gated PixelCNN's recipe: likelihood of digits that are made black or white anew each time.

Small batches keep a layer's activations in the processor's cache: a third of the time of batches of 64 on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from models import device, pixelcnn
from models.pixelcnn import PixelCNN
from models.recipes import Losses, Recipe, black_or_white, shades

RATE, BATCH = 2e-3, 16


class Learner(Recipe):
    """-log p of a digit given its class, in nats."""

    clip, held = 50.0, 200

    def __init__(self, first: Tensor, config: dict[str, Any], rate: float = RATE) -> None:
        """Args: pictures (N, 1, H, W) in [0, 1] to begin from; arguments of PixelCNN; highest rate."""
        model = PixelCNN(**config).to(first.device).to(memory_format=torch.channels_last)
        nn.init.zeros_(model.last.weight)
        model.last.bias.data.zero_()  # type: ignore[union-attr]
        model.bias.data.copy_(shades(first))
        options: dict[str, Any] = {"lr": rate, "warm": 200}
        optimizer = torch.optim.AdamW([{"params": model.parameters(), **options}], betas=(0.9, 0.99), weight_decay=1e-3)
        super().__init__(model, config, optimizer, 0.999)
        self.classes = model.count

    @override
    def losses(self, x: Tensor, labels: Tensor, done: float, random: torch.Generator) -> tuple[Tensor, Losses]:
        digits = black_or_white(x, random)
        with device.autocast(x.device):
            logits = self.model(digits, labels)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, digits, reduction="sum") / len(x)
        return loss, {"nats": loss}

    @torch.no_grad()
    def held_out(self, pictures: Tensor, labels: Tensor) -> dict[str, float]:
        return {"held-out": float(pixelcnn.nats(self.network, pictures, labels, seed=1).mean())}

    @torch.no_grad()
    def samples(self, seed: int) -> Iterator[Tensor]:
        """Row by row."""
        labels, _ = self.row_by_row(2)
        for drawing in pixelcnn.draw(self.network, labels, pixelcnn.noise_for(self.network, len(labels), seed)):
            if drawing.pixels % self.network.side == 0:
                yield drawing.x.cpu().clone()
