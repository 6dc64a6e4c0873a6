"""The diffusion network at toy size, with random weights, and runs of the method over it."""

from __future__ import annotations

from typing import Any

import torch

from models import hub, registry
from models.cache import ModelCache
from models.diffusion import Denoiser
from models.recipes.diffusion import SCHEDULER, configure
from pipelines.base import Result, run
from pipelines.dataset import DATASETS
from pipelines.diffusion import PIPELINE
from pipelines.diffusion.params import DiffusionParams
from pipelines.params import parse


def small(channels: int = 1, side: int = 28, **scheduler: Any) -> Denoiser:
    """The layout of a bundled network, of digits unless told otherwise, tiny and with random weights."""
    config = configure(channels, side, 10)
    levels = ([8, 16], ["DownBlock2D"] * 2, ["UpBlock2D"] * 2)
    names = ("block_out_channels", "down_block_types", "up_block_types")
    config["unet"] |= {**dict(zip(names, levels, strict=True)), "attention_head_dim": 8}
    torch.manual_seed(0)
    return Denoiser(**{**config, "scheduler": {**SCHEDULER, **scheduler}}).eval().requires_grad_(False)


def cache_of(network: Denoiser) -> ModelCache:
    """A cache with `network` for the bundled ones, the real classifiers, and whatever of the hub is asked for."""

    class Loaders(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            return lambda: hub.load_part(name)

        def __contains__(self, name: object) -> bool:
            return True

    bundled = {f"diffusion-{name}": lambda: network for name in DATASETS}
    known = bundled | {kind.judge: registry.MODELS[kind.judge].load for kind in DATASETS.values()}
    return ModelCache(Loaders(known), torch.device("cpu"), 1 << 30)


def made(cache: ModelCache, **values: Any) -> Result:
    """The result of a run with three steps unless told otherwise."""
    *_, result = run(PIPELINE, parse(DiffusionParams, {"steps": 3, "count": 2, **values}), cache)
    assert isinstance(result, Result)
    return result


def bytes_of(result: Result) -> list[bytes]:
    return [image.tobytes() for image in result.images]
