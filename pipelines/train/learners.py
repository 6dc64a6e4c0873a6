"""Each network at each size, with its recipe, as the form asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from models.recipes import Recipe, cnn, diffusion, gan, pixelcnn, stylemix, vae
from pipelines.params import ParamError
from pipelines.train.data import GREY, SIDE
from pipelines.train.params import Capacity, TrainParams

Widths = dict[Capacity, tuple[int, ...]]
GAN: dict[int, Widths] = {  # by number of colours: channels of each layer
    1: {"tiny": (48, 16, 16), "small": (64, 32, 32), "bundled": (96, 48, 48)},
    3: {"tiny": (64, 48, 32, 32), "small": (128, 96, 64, 64), "bundled": (256, 192, 128, 128)},
}
DENSE: Widths = {"tiny": (128, 256), "small": (256, 512), "bundled": (256, 512, 1024)}
DIGITS: Widths = {"tiny": (8, 16, 32), "small": (16, 32, 64), "bundled": (24, 48, 96)}
PHOTOGRAPHS: Widths = {"tiny": (24, 64, 64), "small": (32, 128, 128), "bundled": (64, 256, 256)}
STYLEMIX: Widths = {"tiny": (32, 32, 24, 16), "small": (64, 64, 48, 32), "bundled": (96, 96, 64, 48)}
VAE: dict[Capacity, dict[str, Any]] = {
    "tiny": {"latent": 16, "hidden": 128, "depth": 2},
    "small": {"latent": 16, "hidden": 256, "depth": 3},
    "bundled": vae.LARGE,
}
PIXELCNN: dict[Capacity, dict[str, Any]] = {
    "tiny": {"width": 16, "layers": 2, "hidden": 32},
    "small": {"width": 24, "layers": 3, "hidden": 48},
    "bundled": {"width": 32, "layers": 4},
}
DIFFUSION: dict[int, Widths] = {
    1: {"tiny": (16, 32), "small": (32, 48), "bundled": diffusion.WIDTHS[1]},
    3: {"tiny": (32, 48, 64), "small": (48, 64, 96), "bundled": diffusion.WIDTHS[3]},
}


def batch_of(p: TrainParams, colours: int) -> int:
    """Pictures in a step."""
    if p.batch:
        return p.batch
    if p.model == "cnn" and colours == 3:
        return cnn.PHOTOGRAPHS
    modules = {"vae": vae, "pixelcnn": pixelcnn, "diffusion": diffusion, "cnn": cnn, "stylemix": stylemix}
    return int(modules.get(p.model, gan).BATCH)


def learner(p: TrainParams, first: Tensor, classes: Sequence[str]) -> Recipe:
    """What `p` asks for, from nothing; `first`: some pictures (N, C, H, W) in [0, 1], on the device to learn on.

    Raises ParamError for a network that cannot draw such pictures.
    """
    colours, side = first.shape[1], first.shape[2]
    if p.model in GREY and colours != 1:
        raise ParamError(f"model is {p.model}, which draws grey pictures alone: choose another model, or data.")
    rate: dict[str, Any] = {"rate": p.rate} if p.rate else {}
    match p.model:
        case "gan" | "gan-dense":
            kind, widths = ("conv", GAN[colours][p.capacity]) if p.model == "gan" else ("mlp", DENSE[p.capacity])
            if kind == "conv" and side > SIDE:  # from 4x4 pixels on, as ever
                widths = (widths[0], *widths)
            shape = {"classes": len(classes), "size": side, "channels": colours, "widths": widths}
            config = {"kind": kind, **shape} | ({"noise": p.latent} if p.latent else {})
            return gan.Learner(first, config, loss=None if p.loss == "recipe" else p.loss, penalty=p.penalty, **rate)
        case "vae":
            config = VAE[p.capacity] | ({"latent": p.latent} if p.latent else {})
            if p.latent == 2:
                config = {**config, "atlas": vae.MAP["atlas"], "components": 0}
            return vae.Learner(first, config, beta=p.beta, **rate)
        case "pixelcnn":
            return pixelcnn.Learner(first, {**PIXELCNN[p.capacity], "classes": len(classes)}, **rate)
        case "diffusion":
            config = diffusion.configure(colours, side, len(classes), DIFFUSION[colours][p.capacity])
            return diffusion.Learner(first, config, **rate)
        case "stylemix":
            config = {"widths": STYLEMIX[p.capacity], "classes": len(classes)}
            return stylemix.Learner(first, config, style=p.style, **rate)
        case "cnn" if colours == 1:
            return cnn.DigitLearner(first, {"widths": DIGITS[p.capacity]}, **rate)
        case "cnn":
            config = {"widths": PHOTOGRAPHS[p.capacity], "classes": list(classes)}
            return cnn.Learner(first, config, batch_of(p, colours), **rate)
