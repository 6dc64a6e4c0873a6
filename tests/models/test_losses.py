"""Losses against plain formulas, and their gradients against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.losses import (
    ContentLoss,
    Criterion,
    GramLoss,
    TotalVariation,
    WassersteinLoss,
    gram,
    mixed_moments,
    raw_moments,
)


def activations(seed: int, channels: int = 4, height: int = 6, width: int = 5) -> Tensor:
    """(1, C, H, W), not negative, as after a ReLU."""
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(seed))


def gaussian(mean: list[float], deviation: list[float]) -> Tensor:
    """(1, C, 1, 2^C): corners of a box, so that the mean is `mean` and the covariance diag(deviation^2), exactly."""
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * len(mean))
    return (torch.tensor(mean) + signs * torch.tensor(deviation)).T[None, :, None]


def numeric_gradient(loss: torch.nn.Module, x: Tensor, step: float) -> Tensor:
    """Central differences, one number at a time; for losses that compute in float32."""
    found = torch.zeros(x.numel())
    for i in range(x.numel()):
        shift = torch.zeros(x.numel())
        shift[i] = step
        shift = shift.view_as(x)
        found[i] = (loss(x + shift) - loss(x - shift)).double() / (2 * step)
    return found.view_as(x)


def test_gram_is_the_mean_of_channel_products() -> None:
    x = activations(0)
    plain = torch.zeros(4, 4)
    for i in range(6):
        for j in range(5):
            plain += torch.outer(x[0, :, i, j], x[0, :, i, j])
    torch.testing.assert_close(gram(x), plain / 30)


def test_gram_of_bfloat16_is_accumulated_in_float32() -> None:
    x = torch.full((1, 2, 100, 100), 0.1, dtype=torch.bfloat16)
    assert gram(x).dtype == torch.float32
    torch.testing.assert_close(gram(x), torch.full((2, 2), float(x.flatten()[0]) ** 2), rtol=1e-4, atol=0)


def test_moments_hold_mean_and_covariance() -> None:
    x = activations(1)
    mean, second = raw_moments(x)
    flat = x[0].flatten(1)
    torch.testing.assert_close(mean, flat.mean(1))
    torch.testing.assert_close(second - torch.outer(mean, mean), torch.cov(flat, correction=0))


def test_mixed_moments_are_those_of_the_pictures_side_by_side() -> None:
    one, two = activations(2), activations(3)
    mixed = mixed_moments([{"a": one}, {"a": two}], "a", [0.5, 0.5])
    torch.testing.assert_close(mixed, raw_moments(torch.cat([one, two], 3)))
    torch.testing.assert_close(mixed_moments([{"a": one}, {"a": two}], "a", [1.0, 0.0]), raw_moments(one))


def test_each_loss_is_zero_at_its_target_and_about_one_for_a_blank() -> None:
    x = activations(4)
    blank = torch.zeros_like(x)
    for loss in (ContentLoss(x), GramLoss(gram(x)), WassersteinLoss(*raw_moments(x))):
        assert abs(float(loss(x))) < 1e-4
        assert float(loss(blank)) == pytest.approx(1, abs=0.02)
        assert not any(buffer.requires_grad for buffer in loss.buffers())


def test_content_and_gram_losses_against_plain_torch() -> None:
    x, target = activations(5), activations(6)
    plain = (x - target).pow(2).sum() / target.pow(2).sum()
    torch.testing.assert_close(ContentLoss(target)(x), plain)
    plain = (gram(x) - gram(target)).norm() ** 2 / gram(target).norm() ** 2
    torch.testing.assert_close(GramLoss(gram(target))(x), plain)


def test_wasserstein_of_diagonal_gaussians_has_a_closed_form() -> None:
    m1, s1, m2, s2 = [1.0, 0.5, 2.0], [0.5, 1.0, 0.25], [0.0, 1.0, 2.5], [1.0, 0.5, 0.5]
    target = gaussian(m2, s2)
    mean, second = raw_moments(target)
    torch.testing.assert_close(second - torch.outer(mean, mean), torch.tensor(s2).pow(2).diag())
    distance = sum((a - b) ** 2 for a, b in zip(m1 + s1, m2 + s2, strict=True))
    size = sum(b**2 for b in m2 + s2)
    loss = WassersteinLoss(mean, second)
    assert float(loss(gaussian(m1, s1))) == pytest.approx(distance / size, rel=2e-3)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0))).Q  # keeps distances
    turned = WassersteinLoss(*raw_moments(torch.einsum("ij,njhw->nihw", turn, target)))
    found = turned(torch.einsum("ij,njhw->nihw", turn, gaussian(m1, s1)))
    assert float(found) == pytest.approx(distance / size, rel=2e-3)


def test_wasserstein_tells_correlations_apart_that_have_equal_variances() -> None:
    one = torch.linspace(0, 1, 30).view(1, 1, 5, 6)
    together, against = torch.cat([one, one], 1), torch.cat([one, 1 - one], 1)
    assert float(WassersteinLoss(*raw_moments(together))(against)) > 0.1


def test_gradients_match_finite_differences() -> None:
    target, x = activations(8, 3, 4, 3), activations(9, 3, 4, 3).requires_grad_()
    for loss in (ContentLoss(target), GramLoss(gram(target)), WassersteinLoss(*raw_moments(target))):
        (found,) = torch.autograd.grad(loss(x), x)
        expected = numeric_gradient(loss, x.detach(), 1e-2)
        torch.testing.assert_close(found, expected, rtol=0.03, atol=2e-4)
    wide = torch.rand(1, 3, 4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(TotalVariation(), (wide,))


def test_gram_gradient_is_equation_6_of_the_paper() -> None:
    target, x = activations(10), activations(11).requires_grad_()
    loss = GramLoss(gram(target))
    (found,) = torch.autograd.grad(loss(x), x)
    flat = x.detach()[0].flatten(1)
    plain = 4 / flat.shape[1] * (gram(x) - gram(target)).detach() @ flat / gram(target).pow(2).sum()
    torch.testing.assert_close(found, plain.view_as(x))


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_flat_activations_give_finite_gradients(value: float) -> None:
    """A one-colour picture has equal eigenvalues, where the eigenvectors' gradient would be infinite."""
    flat = torch.full((1, 4, 6, 5), value)
    for first, second in ((flat, activations(12)), (activations(12), flat), (flat, flat)):
        for loss in (ContentLoss(first), GramLoss(gram(first)), WassersteinLoss(*raw_moments(first))):
            x = second.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(x), x)
            assert gradient.isfinite().all(), type(loss).__name__


def test_total_variation_counts_neighbours_across_and_down() -> None:
    steps = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]).expand(1, 3, 2, 3)
    assert float(TotalVariation()(steps)) == pytest.approx(0.5)  # across (1, 0), down 0
    assert float(TotalVariation()(torch.full((1, 3, 4, 4), 0.7))) == 0
    x = activations(13)
    torch.testing.assert_close(TotalVariation()(x), TotalVariation()(x.transpose(2, 3)))


def test_criterion_adds_up_weighs_layers_and_says_so() -> None:
    image, found = activations(14, 3), {"deep": activations(15), "shallow": activations(16)}
    targets = {"deep": activations(17), "shallow": activations(18)}
    style = {name: GramLoss(gram(target)) for name, target in targets.items()}
    layer_weights = {"deep": 1.0, "shallow": 3.0}
    criterion = Criterion({"deep": ContentLoss(targets["deep"])}, style, layer_weights, (2.0, 0.5, 10.0))
    assert criterion.layers == ("deep", "shallow")  # once, though content and style both need it
    loss, parts = criterion(image, found)
    content = ContentLoss(targets["deep"])(found["deep"])
    styles = 0.25 * style["deep"](found["deep"]) + 0.75 * style["shallow"](found["shallow"])
    variation = TotalVariation()(image)
    torch.testing.assert_close(loss, 2 * content + 0.5 * styles + 10 * variation)
    torch.testing.assert_close(parts, {"loss": loss, "content": content, "style": styles, "variation": variation})
    assert "content 2, style 0.5, total variation 10" in repr(criterion)
