"""Adam at several scales, and L-BFGS when it leaves the valley."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pipelines.gatys.painter import Canvas
from pipelines.gatys.pyramid import PyramidAdam, PyramidLBFGS


def goal(x: Tensor) -> Tensor:
    """Least where areas and single pixels of x (1, 3, 32, 32) are both as wanted."""
    target = torch.linspace(0, 1, 32).expand(1, 3, 32, 32) + 0.1 * torch.eye(32)
    return (x - target).pow(2).mean()


def descended(image: Tensor, engine: torch.optim.Optimizer | PyramidAdam, steps: int) -> float:
    for _ in range(steps):
        image.grad = None
        torch.autograd.backward(goal(image))
        engine.step()
    return float(goal(image).detach())


def test_several_scales_get_further_than_pixels_alone_and_one_scale_is_adam(monkeypatch: pytest.MonkeyPatch) -> None:
    start = torch.full((1, 3, 32, 32), 0.5)
    plain, pyramid = start.clone().requires_grad_(), start.clone().requires_grad_()
    adam = torch.optim.Adam([plain], lr=0.01, betas=(0.9, 0.99))
    assert descended(pyramid, PyramidAdam(pyramid, 0.01), 12) < 0.5 * descended(plain, adam, 12)
    monkeypatch.setattr("pipelines.gatys.pyramid.LEVELS", 1)
    alone = start.clone().requires_grad_()
    descended(alone, PyramidAdam(alone, 0.01), 12)
    assert torch.allclose(alone, plain, atol=1e-6)


def test_lbfgs_at_several_scales_descends_and_keeps_what_is_changed_in_between() -> None:
    def end(change: float) -> float:
        image = torch.full((1, 3, 32, 32), 0.5, requires_grad=True)
        engine = PyramidLBFGS(image)

        def closure() -> Tensor:
            image.grad = None
            torch.autograd.backward(loss := 1e4 * goal(image))
            return loss.detach()

        for _ in range(12):
            engine.step(closure)
            image.data += change
        return float(goal(image).detach())

    start = float(goal(torch.full((1, 3, 32, 32), 0.5)))
    assert end(0.0) < 0.01 * start < end(0.5)


def test_moments_are_carried_to_another_size() -> None:
    small, large = (torch.full((1, 3, side, side), 0.5, requires_grad=True) for side in (32, 45))
    old, new = PyramidAdam(small, 0.01), PyramidAdam(large, 0.01)
    descended(small, old, 3)
    new.carry(old)
    for before, after in zip(old.moves, new.moves, strict=False):
        state = new.adam.state[after]
        assert state["exp_avg"].shape == after.shape and int(state["step"]) == 3
        assert torch.allclose(state["exp_avg"].mean(), old.adam.state[before]["exp_avg"].mean(), rtol=0.1, atol=1e-6)


def exploding(x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Convex near grey, a cliff outside: what L-BFGS without a line search falls off."""
    loss = (x - 0.5).pow(2).sum() + (40 * (x - 0.9).clamp(min=0)).pow(8).sum()
    return loss, {"loss": loss.detach()}


def test_lbfgs_that_diverges_goes_on_with_adam_from_the_best_picture() -> None:
    torch.manual_seed(0)
    canvas = Canvas(torch.full((1, 3, 8, 8), 0.89), [], "lbfgs", 0.03)
    canvas.resize(8, 8)
    canvas.image.data[..., 0] = 0.95
    losses = [float(canvas.advance(exploding)["loss"]) for _ in range(60)]
    assert canvas.optimizer == "adam" and canvas.step == 60
    assert len(canvas.notes) == 1 and canvas.notes[0].startswith("L-BFGS diverged at step ")
    assert losses[-1] < min(losses[:3]) and canvas.picture().isfinite().all()
