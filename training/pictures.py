"""Labelled pictures as two tensors, uint8 and int64, and the random crops that training scripts draw from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

SUFFIXES = {".jpeg", ".jpg", ".png"}


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


def labelled(data: str, split: str, size: int | None = None) -> tuple[Tensor, Tensor]:
    """MNIST, CIFAR-10 or a folder of pictures, packed beside the data on first use.

    Args:
        data: "mnist" or "cifar10", fetched by torchvision into data/; or a folder with train/CLASS/*.png and
            test/CLASS/*.png (any picture format), classes in alphabetical order.
        split: "train" or "test".
        size: side in pixels to which a folder's pictures are resized; None: they are all of one size.

    Returns:
        Pictures (N, 1 or 3, H, W) uint8 (1 where all of them are grey), and class numbers (N,) int64.

    Raises:
        FileNotFoundError: when a folder is not laid out that way.
    """
    if data in {"mnist", "cifar10"}:
        import torchvision.datasets

        kind = {"mnist": torchvision.datasets.MNIST, "cifar10": torchvision.datasets.CIFAR10}[data]
        found = kind("data", train=split == "train", download=True)
        pixels, labels = torch.as_tensor(found.data), torch.as_tensor(found.targets)
        return (pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2).contiguous()), labels.long()
    folder = Path(data) / split
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir())
    files = [(p, i) for i, c in enumerate(classes) for p in sorted((folder / c).iterdir())]
    files = [(p, i) for p, i in files if p.suffix.lower() in SUFFIXES]
    if not files:
        raise FileNotFoundError(f"{folder} has no CLASS/*.png: give a folder with train/CLASS and test/CLASS.")
    packed = Path(data) / f"packed-{split}-{size or 'as-is'}.npz"
    if not packed.exists():
        pictures = np.stack([_pixels(path, size) for path, _ in tqdm(files, desc=f"packing {split}")])
        grey = bool((pictures == pictures[..., :1]).all())
        np.savez(packed, pictures=pictures[..., :1] if grey else pictures)
    pictures = np.load(packed)["pictures"]
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), torch.tensor([label for _, label in files])


def thinned(x: Tensor, y: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """At most `limit` pictures and their classes, evenly taken."""
    every = -(-len(x) // limit)
    return x[::every], y[::every]


def _pixels(path: Path, size: int | None) -> np.ndarray:  # (H, W, 3) uint8
    with Image.open(path) as image:
        rgb = image.convert("RGB")
        return np.asarray(rgb if size is None else rgb.resize((size, size), Image.Resampling.LANCZOS))
