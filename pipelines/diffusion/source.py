"""Where `diffusion` gets its network from, bundled or of the hub, and how a picture becomes one that it knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import PIL.Image
import torch
from PIL import ImageOps
from torch import Tensor

from models import hub, own
from models.cache import Lender
from models.diffusion import Denoiser
from models.judge import DigitClassifier, Judge
from pipelines import digits, images
from pipelines.dataset import DATASETS, Name, check_shape
from pipelines.params import ParamError

BUNDLED: dict[Name, str] = {"mnist": "diffusion-mnist", "cifar10": "diffusion-cifar10"}
FAMILIES = {"DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"}
WORKING = 256 << 20  # bytes of activations


@dataclass(frozen=True)
class Source:
    """A network, what it is called, and who can judge its pictures (the classifier of what it was trained on)."""

    name: str
    network: Denoiser
    judge: Judge | None

    @property
    def digits(self) -> bool:
        """Whether it makes digits."""
        return isinstance(self.judge, DigitClassifier)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @property
    def trained_steps(self) -> int:
        """Steps it was trained with."""
        return int(self.network.scheduler.get("num_train_timesteps", 1000))


@contextmanager
def borrow(dataset: Name, model: str, weights: str, label: int | None, cache: Lender) -> Iterator[Source]:
    """The bundled network of a data set or, where `weights` is not empty, one's own in its place; where `model` is not,
    one of the hub or of a folder.

    Raises:
        WeightsMissing: when it is not on this machine. WeightsError: when it is damaged.
        ParamError: when it makes no pictures from noise alone.
    """
    if not model:
        name = own.name_of("diffusion", weights) if weights else BUNDLED[dataset]
        with cache.use(name, DATASETS[dataset].judge, working=WORKING) as (network, judge):
            denoiser = cast(Denoiser, network)
            check_shape(name, dataset, denoiser.shape, denoiser.classes, label)
            yield Source(own.public(name), denoiser, cast(Judge, judge) if own.judged(name, dataset) else None)
        return
    scheduler = scheduler_config(model)
    kind = hub.part_class(model, "unet").__name__
    if kind != "UNet2DModel" or {"vae", "vqvae", "movq"} & set(hub.components(hub.index(model))):
        raise ParamError(
            f"{model} does not turn noise into pixels by itself: use it in Imagine, or give an unconditional "
            f"one here, such as google/ddpm-cifar10-32."
        )
    with cache.use(f"{hub.PREFIX}{model}#unet", working=4 * WORKING) as (unet,):
        config = cast(Any, unet).config
        if config.out_channels != config.in_channels or config.in_channels not in {1, 3}:
            raise ParamError(f"{model} has {config.in_channels} channels in and {config.out_channels} out: not pixels.")
        if config.num_class_embeds or config.sample_size is None:
            raise ParamError(f"{model} needs a class, or has no sample_size: give an unconditional model.")
        yield Source(model, Denoiser(unet, scheduler), None)


def scheduler_config(model: str) -> dict[str, Any]:
    """How a model of the hub was trained: its scheduler_config.json, in its folder or in the pipeline's.

    Raises:
        WeightsMissing: when the model is not on this machine.
        ParamError: when it has no such file, or is of another family than these schedulers.
    """
    top = hub.folder(model)
    files = (folder / "scheduler_config.json" for folder in (top / "scheduler", top))
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise ParamError(f"{model} has no scheduler_config.json: give a pipeline like google/ddpm-cifar10-32.")
    config: dict[str, Any] = json.loads(file.read_text("utf-8"))
    family = str(config.get("_class_name"))
    if family not in FAMILIES:
        raise ParamError(f"{model} was trained for {family}, which none of these schedulers replaces.")
    return config


def prepared(picture: PIL.Image.Image, source: Source, strict: bool) -> Tensor:
    """A picture as the network knows them, (1, C, H, W) in [-1, 1]: a digit as MNIST has them, else the middle square.

    Args:
        picture: mode RGB.
        strict: it must be a digit where the network makes digits; else one in colour is taken as it is, in grey.

    Raises:
        ImageError: for what is no digit where one is wanted.
    """
    channels, height, width = source.network.shape
    if source.digits and (strict or not _colourful(picture)):
        return (digits.prepare(picture) * 2 - 1).to(source.device)
    x = images.to_tensor(ImageOps.fit(picture, (width, height), PIL.Image.Resampling.LANCZOS))  # (1, 3, H, W)
    x = x.mean(1, keepdim=True) if channels == 1 else x
    return (x * 2 - 1).to(source.device)


def _colourful(picture: PIL.Image.Image) -> bool:
    pixels = images.to_tensor(picture)[0]
    return float((pixels.amax(0) - pixels.amin(0)).mean()) > digits.COLOUR
