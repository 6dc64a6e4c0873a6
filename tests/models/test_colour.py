"""Whose colours a picture has, changed after the run."""

from __future__ import annotations

import PIL.Image
import pytest
import torch
from torch import Tensor

from models.moments import YIQ, match_statistics, recolour
from pipelines import images


@pytest.fixture(scope="module")
def pair(content: PIL.Image.Image, style: PIL.Image.Image) -> tuple[Tensor, Tensor]:
    """(3, 48, 64) each: as painted, and the photograph."""
    return images.to_tensor(style.resize((64, 48)))[0], images.to_tensor(content)[0]


def yiq(x: Tensor) -> Tensor:
    return torch.einsum("ij,jhw->ihw", YIQ, x)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.flatten(1).mean(1), torch.cov(x.flatten(1))


def test_style_leaves_it_as_it_is(pair: tuple[Tensor, Tensor]) -> None:
    assert torch.equal(recolour(*pair, "style"), pair[0])


def test_content_takes_luminance_from_the_painting_and_colour_from_the_photograph(pair: tuple[Tensor, Tensor]) -> None:
    painted, photograph = (0.4 + 0.2 * x for x in pair)  # so that nothing leaves [0, 1]
    mixed = yiq(recolour(painted, photograph, "content"))
    torch.testing.assert_close(mixed[0], yiq(painted)[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(mixed[1:], yiq(photograph)[1:], rtol=0, atol=1e-4)


def test_matched_has_the_photographs_mean_and_covariance(pair: tuple[Tensor, Tensor]) -> None:
    painted, photograph = (0.4 + 0.2 * x for x in pair)
    found, expected = moments(recolour(painted, photograph, "matched")), moments(photograph)
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-3)
    torch.testing.assert_close(found[1], expected[1], rtol=0.02, atol=1e-5)


@pytest.mark.parametrize("colours", ["style", "content", "matched"])
def test_a_photograph_keeps_its_own_colours_and_the_range_holds(pair: tuple[Tensor, Tensor], colours: str) -> None:
    painted, photograph = pair
    same = recolour(photograph, photograph, colours)  # type: ignore[arg-type]
    torch.testing.assert_close(same, photograph, rtol=0, atol=2e-3)
    found = recolour(painted, photograph, colours)  # type: ignore[arg-type]
    assert found.shape == photograph.shape and 0 <= float(found.min()) <= float(found.max()) <= 1


@pytest.mark.parametrize("colours", ["content", "matched"])
def test_pictures_of_one_colour(pair: tuple[Tensor, Tensor], colours: str) -> None:
    flat = torch.tensor([0.2, 0.5, 0.7]).view(3, 1, 1).expand(3, 48, 64)
    for painted, photograph in ((flat, pair[1]), (pair[0], flat), (flat, flat), (torch.zeros_like(flat), flat)):
        found = recolour(painted, photograph, colours)  # type: ignore[arg-type]
        assert found.isfinite().all() and 0 <= float(found.min()) <= float(found.max()) <= 1
    if colours == "matched":
        assert float((recolour(pair[0], flat, colours) - flat).abs().max()) < 0.01


def test_statistics_may_come_from_a_picture_of_another_size(pair: tuple[Tensor, Tensor]) -> None:
    noise = torch.rand(3, 40, 30, generator=torch.Generator().manual_seed(0))
    found = match_statistics(noise, 0.4 + 0.2 * pair[1])
    assert found.shape == noise.shape
    torch.testing.assert_close(moments(found)[0], moments(0.4 + 0.2 * pair[1])[0], rtol=0, atol=1e-3)
