"""A toy: the content in the mean colour of the style, in a few steps. All that a new method brings is in this file."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from models.cache import Lender
from pipelines import images
from pipelines.base import Output, Pipeline, Progress, Steps
from pipelines.params import Image, Params, Seed, param


class BlendParams(Params):
    """Blend a photograph with the mean colour of a style."""

    content: Image = param(label="Content", description="Picture to tint")
    styles: list[Image] = param(label="Styles", description="Where the colour is from", min_length=1, max_length=2)
    size: int = param(96, ge=32, le=512, label="Size", description="Longest side in pixels")
    steps: int = param(3, ge=1, le=50, label="Coats", description="How many thin coats of paint")
    paint: Literal["wash", "gouache"] = param("wash", label="Paint", description="How much each coat covers")
    speckle: float = param(0.1, ge=0, le=1, label="Speckle", description="Noise in the paint", advanced=True)
    seed: Seed = param(0, ge=0, le=2**31 - 1, label="Seed", description="Where random numbers start", advanced=True)


def generate(p: BlendParams, _: Lender) -> Steps:
    x = images.to_tensor(p.content, p.size)  # (1, 3, H, W) in [0, 1]
    colour: Tensor = images.to_tensor(p.styles[0]).mean((2, 3), keepdim=True)
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(p.seed))
    cover = {"wash": 0.1, "gouache": 0.4}[p.paint]
    for step in range(1, p.steps + 1):
        x = x + cover * (colour + p.speckle * (noise - 0.5) - x)
        yield Progress(step, p.steps, x[0].clamp(0, 1), {"distance to the colour": (x - colour).abs().mean()})
    return Output([images.to_image(x[0].clamp(0, 1))])


PIPELINE = Pipeline("blend", "Blend", BlendParams, generate)
