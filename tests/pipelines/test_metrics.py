"""The score card: known answers at both ends, and the published definition in between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from models import vgg
from models.cache import ModelCache
from pipelines import images, metrics


def noisy(picture: PIL.Image.Image, deviation: float) -> PIL.Image.Image:
    noise = np.random.default_rng(0).normal(0, deviation, (picture.height, picture.width, 3))
    return PIL.Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def test_a_picture_next_to_itself_is_at_the_good_end(content: PIL.Image.Image, cache: ModelCache) -> None:
    found = metrics.scores(content, content, [content], cache)
    assert set(found) >= {"structure", "style", "colour"} and set(found) <= set(metrics.MEASURES)
    assert found["structure"] == pytest.approx(1, abs=1e-4)
    assert found["style"] == pytest.approx(0, abs=2e-3) and found["colour"] == pytest.approx(0, abs=1e-3)


def test_each_number_moves_the_way_it_says(content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache) -> None:
    steps = [metrics.scores(noisy(content, d), content, [style], cache)["structure"] for d in (5, 20, 80)]
    assert steps == sorted(steps, reverse=True) and steps[0] < 1
    far, near = (metrics.scores(x, content, [style], cache) for x in (content, style.resize(content.size)))
    assert near["style"] < far["style"] / 2 and near["colour"] < far["colour"] / 2
    assert {m.better for m in metrics.MEASURES.values()} == {"higher", "lower"}


def test_luminance_alone_makes_structure(content: PIL.Image.Image) -> None:
    x = images.to_tensor(content)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = (x * luma).sum(1, keepdim=True).expand_as(x)
    assert metrics.structure(grey, x) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("size", [(16, 24), (40, 40), (176, 200)])
def test_structure_uses_the_scales_that_fit(size: tuple[int, int]) -> None:
    x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    assert metrics.structure(x, x) == pytest.approx(1, abs=1e-4)
    assert 0 <= metrics.structure(x, x.flip(-1)) < 0.7


def test_lab_has_the_known_corners() -> None:
    """Values of CIE 1976 under D65, as in Lindbloom's calculator."""
    corners = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]]).T.reshape(1, 3, 2, 2)
    known = torch.tensor([[100.0, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]).T
    assert torch.allclose(metrics.lab(corners).float(), known, atol=0.02)


def test_colour_distance_of_two_plain_grounds_is_their_distance() -> None:
    white, black = torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    assert metrics.colour_distance(white, [black]) == pytest.approx(100, abs=0.01)
    assert metrics.colour_distance(white, [white, white]) == pytest.approx(0, abs=1e-4)


def test_a_flat_or_tiny_picture_still_has_a_card(style: PIL.Image.Image, cache: ModelCache) -> None:
    grey = PIL.Image.new("RGB", (20, 16), (90, 90, 90))
    found = metrics.scores(grey, grey, [style], cache)
    assert found["structure"] == pytest.approx(1, abs=1e-4) and all(np.isfinite(v) for v in found.values())


def test_lpips_takes_its_network_from_our_file(tmp_path: Path) -> None:
    """The module is torchmetrics' own; what is filled in is every tensor of the network, and nothing is downloaded."""
    import torchvision.models

    torch.manual_seed(0)
    official = torchvision.models.squeezenet1_1(weights=None)
    torch.save(official.state_dict(), tmp_path / "squeeze.pth")
    module = vgg.lpips_squeeze(tmp_path / "squeeze.pth")
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    assert float(module(x, x)) == 0 < float(module(x, -x))
    own = module.net.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(t, official.state_dict()["features." + n.split(".", 2)[2]]) for n, t in own.items())


@pytest.mark.parametrize("side", [11, 22, 24, 63, 96, 98, 99, 175, 192])
def test_structure_is_told_at_every_size(side: int) -> None:
    x = torch.rand(1, 3, side, side + 5, generator=torch.Generator().manual_seed(0))
    assert metrics.structure(x, x) == pytest.approx(1, abs=1e-4)
