"""VGG-16 as HED carries it: read from HDF5, folded and scaled without changing what it sees."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models import hed, registry, weights
from models.vgg import DEPTHS as LAYOUTS
from models.vgg import Features
from models.weights import WeightsError
from training.hed import mean_activations

DEPTHS = LAYOUTS["vgg16"]
VGG16_HED = registry.MODELS["vgg16-hed"].weights
LAYERS = [f"conv{block}_{i}" for block, depth in enumerate(DEPTHS, 1) for i in range(1, depth + 1)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file in the package's layout with two to five channels a layer."""
    monkeypatch.setattr(hed, "WIDTHS", (2, 3, 4, 5, 5))
    path, numbers = tmp_path / "net.weights.h5", np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        channels = 3
        for block, (width, depth) in enumerate(zip(hed.WIDTHS, DEPTHS, strict=True), 1):
            for i in range(depth):
                name = f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"
                file[f"{name}/0"] = numbers.normal(0, 0.3, (3, 3, channels, width)).astype("f4")
                file[f"{name}/1"] = numbers.normal(0, 0.1, width).astype("f4")
                channels = width
    return path


def test_preprocessing_and_scales_are_folded_in(small: Path) -> None:
    """The first two layers, computed as the package's authors do: BGR from 0 to 255 less the mean, HWIO weights."""
    network = hed.build(small)
    assert isinstance(network, Features) and list(network.layers) == LAYERS
    x = torch.rand(1, 3, 24, 28)
    bgr = 255 * x.flip(1) - 255 * torch.tensor(hed.MEAN[::-1]).view(3, 1, 1)
    with h5py.File(small) as file, torch.no_grad():
        found = network(x, LAYERS)
        (w1, b1), (w2, b2) = (
            [torch.from_numpy(file[f"block1/layers/{name}/vars/{k}"][()]) for k in (0, 1)]
            for name in ("conv2d", "conv2d_1")
        )
    first = F.conv2d(F.pad(bgr, (1, 1, 1, 1), mode="replicate"), w1.permute(3, 2, 0, 1), b1).relu()
    torch.testing.assert_close(found["conv1_1"] * hed.ACTIVATIONS[0], first, rtol=1e-4, atol=1e-3)
    second = F.conv2d(first, w2.permute(3, 2, 0, 1), b2, padding=1).relu()
    torch.testing.assert_close(found["conv1_2"] * hed.ACTIVATIONS[1], second, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_scales_change_nothing_but_the_scale(small: Path, pooling: str) -> None:
    plain, scaled = hed.build(small, (1.0,) * len(hed.ACTIVATIONS)), hed.build(small)
    x = torch.rand(1, 3, 33, 40)
    with torch.no_grad():
        a, b = (network(x, LAYERS, pooling) for network in (plain, scaled))  # type: ignore[arg-type]
    for name, mean in zip(LAYERS, hed.ACTIVATIONS, strict=True):
        torch.testing.assert_close(b[name] * mean, a[name], rtol=1e-3, atol=1e-4)


def test_other_files_are_refused(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.h5").write_bytes(b"no HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["block1/layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 2), "f4")
    for name in ("text.h5", "other.h5", "absent.h5"):
        with pytest.raises(WeightsError, match="is not VGG-16 as HED keeps it"):
            hed.build(tmp_path / name)
    monkeypatch.undo()
    with pytest.raises(WeightsError, match=r"is not VGG-16 as HED keeps it: .*size mismatch for steps.conv1_1"):
        hed.build(small)


@pytest.mark.weights
def test_every_layer_of_the_real_one_has_a_mean_of_one() -> None:
    path = weights.find(VGG16_HED)
    if path is None:
        pytest.skip(f"needs the package {VGG16_HED.package}: {weights.INSTALL}")
    network = hed.build(path)
    assert isinstance(network, Features)
    assert sum(p.numel() for p in network.parameters()) == 14_714_688  # VGG-16's thirteen convolutions
    means = mean_activations(network)
    assert all(0.98 <= mean <= 1.02 for mean in means), means
