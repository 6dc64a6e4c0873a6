"""Labelled pictures as two uint8/int64 tensors, and the random crops every training script draws from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

SUFFIXES = {".jpeg", ".jpg", ".png"}


def tiny_imagenet(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Read Tiny ImageNet's own folder layout.

    Args:
        folder: the unpacked `tiny-imagenet-200`.
        split: "train" or "val".

    Returns:
        Pictures (N, 3, 64, 64) uint8 RGB, and class numbers (N,) int64 in the order of `wnids.txt`.

    Raises:
        FileNotFoundError: when `folder` is not laid out like Tiny ImageNet.
    """
    wnids = (folder / "wnids.txt").read_text().split()
    number = {wnid: i for i, wnid in enumerate(wnids)}
    if split == "train":
        files = [(p, number[w]) for w in wnids for p in sorted((folder / "train" / w / "images").iterdir())]
    else:
        rows = [line.split("\t") for line in (folder / "val" / "val_annotations.txt").read_text().splitlines()]
        files = [(folder / "val" / "images" / row[0], number[row[1]]) for row in rows]
    packed = folder / f"packed-{split}.npy"
    if not packed.exists():
        pictures = np.empty((len(files), 64, 64, 3), np.uint8)
        for i, (path, _) in enumerate(tqdm(files, desc=f"packing {split}")):
            with Image.open(path) as image:
                pictures[i] = np.asarray(image.convert("RGB"))
        np.save(packed, pictures)
    pictures = np.load(packed)
    return torch.from_numpy(pictures).permute(0, 3, 1, 2), torch.tensor([label for _, label in files])


def random_resized_crops(x: Tensor, size: int, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
    """One random crop and flip a picture, resized: torchvision's RandomResizedCrop for a whole batch at once.

    Args:
        x: (N, 3, H, W) uint8.
        size: side of the result in pixels.
        scale: smallest and largest share of the picture's area that a crop covers, each in (0, 1].
        generator: where the crops come from.

    Returns:
        (N, 3, size, size) float32 in [0, 1], channels last.
    """
    n = x.shape[0]
    r = torch.rand(5, n, generator=generator)
    area = scale[0] + (scale[1] - scale[0]) * r[0]
    aspect = torch.exp((r[1] * 2 - 1) * np.log(4 / 3))
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width * flip, height
    theta[:, 0, 2], theta[:, 1, 2] = (r[2] * 2 - 1) * (1 - width), (r[3] * 2 - 1) * (1 - height)
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    pixels = x.float().div_(255).contiguous(memory_format=torch.channels_last)
    return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
