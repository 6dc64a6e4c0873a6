"""The score card of a result: distances of a restyled picture, how generated digits are read; each with what it is and
which way is better.

Nothing is ranked by them. They do not measure beauty, and one method may optimise the very number that judges it.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import PIL.Image
import torch
from torch import Tensor

from models.cache import Lender
from models.judge import Judge, examine
from models.losses import WassersteinLoss, mixed_moments
from models.moments import powers, wasserstein
from models.registry import MODELS
from models.vgg import Features
from models.weights import present
from pipelines import images
from pipelines.base import between_steps

# Under torchmetrics, with what it imports of each.
LIBRARIES = ("torch._dynamo", "torchvision", "transformers.models.auto.modeling_auto", "torchmetrics.functional.image")
JUDGE = "vgg-lite"  # the feature network that is always here
PERCEPTUAL = "lpips"
SIDE = 512  # pixels: larger pictures are judged at this size
BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, fine to coarse: Wang et al. 2003
WINDOW = 11  # pixels: SSIM's Gaussian window
D65 = (0.95047, 1.0, 1.08883)
RGB_TO_XYZ = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


@dataclass(frozen=True)
class Measure:
    """One number of the card: what it is called, how it is measured, what it says, and which way is better."""

    name: str
    how: str  # in a picture: symbols and names alone
    meaning: str
    better: Literal["higher", "lower"]
    digits: int


MEASURES: dict[str, Measure] = {
    "structure": Measure("Structure kept", "MS-SSIM", "MS-SSIM of luminance with the content; 1 is equal", "higher", 2),
    "style": Measure(
        "Style distance",
        "W2, vgg-lite",
        "Wasserstein-2 to the style in vgg-lite; 0 has the same statistics",
        "lower",
        2,
    ),
    "colour": Measure(
        "Colour distance", "W2, CIELAB", "Wasserstein-2 to the style's colours in CIELAB; 2 is just seen", "lower", 0
    ),
    "content": Measure("Seen distance", "LPIPS", "LPIPS to the content; 0 looks the same to people", "lower", 2),
    "asked": Measure(
        "Read as asked", "P(read = asked)", "Share that our classifier reads as the class asked for", "higher", 2
    ),
    "sure": Measure("Certainty", "max P", "How sure our classifier is of what it reads; 1 is certain", "higher", 2),
    # The next four are not taken here: pipelines/compare/engine.py knows them of the bundled generators.
    "distance": Measure(
        "Feature distance", "Frechet, n >= 2000", "Frechet distance to real pictures, over thousands", "lower", 2
    ),
    "precision": Measure("Precision", "k-NN", "Share of pictures that look real, over thousands", "higher", 2),
    "recall": Measure("Recall", "k-NN", "Share of real pictures that could be made, over thousands", "higher", 2),
    "nats": Measure("Surprise", "-log p, nats", "Nats for a real digit, over thousands; for a VAE a bound", "lower", 1),
}


def structure(result: Tensor, content: Tensor) -> float:
    """MS-SSIM of luminance (Wang et al. 2003), by torchmetrics, over as many of the five scales as fit.

    Args:
        result, content: (1, 3, H, W) in [0, 1] of one size, no side below 11.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

    short = min(result.shape[-2:])
    fits = [k for k in range(2, 6) if short // 2 ** (k - 1) > WINDOW]
    scales = max([k for k in fits if short // (k - 1) ** 2 >= WINDOW], default=1)  # torchmetrics refuses the others
    betas = tuple(beta / sum(BETAS[:scales]) for beta in BETAS[:scales])
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    pair = [(x.cpu() * luma).sum(1, keepdim=True) for x in (result, content)]
    return float(ms_ssim(pair[0], pair[1], data_range=1.0, betas=betas))


def style_distance(network: Features, result: Tensor, styles: Sequence[Tensor]) -> float:
    """Mean over the network's style layers of the squared Wasserstein-2 distance between Gaussians of activations,
    relative to the style's own size: 0 has its statistics, 1 is as far off as a blank picture.

    Args:
        result: (1, 3, H, W) in [0, 1]; styles: such pictures of any size, whose statistics are averaged.
    """
    layers, share = list(network.style), [1 / len(styles)] * len(styles)
    theirs, ours = [network(s, layers) for s in styles], network(result, layers)
    terms = [WassersteinLoss(*mixed_moments(theirs, name, share))(ours[name]) for name in layers]
    return float(torch.stack(terms).mean().clamp(min=0))


def lab(x: Tensor) -> Tensor:
    """(1, 3, H, W) sRGB in [0, 1] -> (3, N) CIELAB under D65, L in [0, 100]."""
    flat = x[0].flatten(1).double().cpu()
    linear = torch.where(flat <= 0.04045, flat / 12.92, ((flat + 0.055) / 1.055) ** 2.4)
    xyz = RGB_TO_XYZ.double() @ linear / torch.tensor(D65).double()[:, None]
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return torch.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def colour_distance(result: Tensor, styles: Sequence[Tensor]) -> float:
    """Wasserstein-2 distance between Gaussians of the colours in CIELAB, in its units: about 2 can just be seen."""
    ours = lab(result)
    theirs = [lab(s) for s in styles]
    mean = torch.stack([x.mean(1) for x in theirs]).mean(0)
    second = torch.stack([x @ x.T / x.shape[1] for x in theirs]).mean(0)
    a, b = torch.cov(ours, correction=0), second - torch.outer(mean, mean)
    (root,) = powers(b, 0.5, floor=0.0)
    return float(wasserstein(ours.mean(1) - mean, a.trace(), b.trace(), root @ a @ root).clamp(min=0).sqrt())


@torch.no_grad()
def scores(
    result: PIL.Image.Image, content: PIL.Image.Image | None, styles: Sequence[PIL.Image.Image], cache: Lender
) -> dict[str, float]:
    """The score card: the measures whose pictures and weights are there, by their names in MEASURES."""
    side = min(SIDE, max(result.size))
    x = images.to_tensor(result, side)
    card: dict[str, float] = {}
    if content is not None:
        target = images.to_tensor(content.resize((x.shape[-1], x.shape[-2]), PIL.Image.Resampling.LANCZOS))
        if min(x.shape[-2:]) >= WINDOW:
            card["structure"] = structure(x, target)
        if present(MODELS[PERCEPTUAL].weights) and min(x.shape[-2:]) >= 32:
            with cache.use(PERCEPTUAL) as (lpips,):
                pair = [(2 * p - 1).to(next(lpips.parameters()).device) for p in (x, target)]
                card["content"] = float(lpips(*pair))
    if styles:
        examples = [images.to_tensor(s, side) for s in styles]
        card["colour"] = colour_distance(x, examples)
        with cache.use(JUDGE) as (module,):
            network = cast(Features, module)
            if min(min(s.shape[-2:]) for s in (x, *examples)) >= network.smallest(network.style):
                where = network.mean.device
                card["style"] = style_distance(network, x.to(where), [s.to(where) for s in examples])
    return {name: card[name] for name in MEASURES if name in card}


@torch.no_grad()
def of_generated(pictures: Sequence[PIL.Image.Image], judge: str, label: int | None, cache: Lender) -> dict[str, float]:
    """The score card of generated pictures: how the classifier `judge`, which made none of them, reads them.

    Nothing for pictures that are not as large as those it knows. `label`: the class asked for, if any.
    """
    with cache.use(judge, working=64 << 20) as (module,):
        network = cast(Judge, module)
        if any(picture.size != network.shape[:0:-1] for picture in pictures):
            return {}
        x = torch.cat([images.to_tensor(picture)[:, : network.shape[0]] for picture in pictures])
        sure, read = examine(network, x)[1].softmax(1).max(1)
    asked = {} if label is None else {"asked": float((read == label).double().mean())}
    return {**asked, "sure": float(sure.mean())}


def warm() -> None:
    """Import what the measures need: seconds the first time, so piece by piece, and a run may start in between."""
    for name in LIBRARIES:
        with between_steps():
            importlib.import_module(name)
        time.sleep(0.01)  # the lock is not fair: let whoever waits have it
