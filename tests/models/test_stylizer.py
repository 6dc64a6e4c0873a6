"""Our one-pass stylisation network: codes, statistics and sizes; what its training script does with one step."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from models import weights
from models.moments import EPS, Statistics, covariance, moments, shrunk, transport, transported
from models.stylizer import Stylizer
from training import stylizer as training

SHAPE = {"widths": (4, 6, 8, 10), "depths": (2, 2, 1, 1), "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}


@pytest.fixture(scope="module")
def network() -> Stylizer:
    torch.manual_seed(0)
    return Stylizer(**SHAPE, core=8, blocks=1, hidden=16).eval()  # type: ignore[arg-type]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_moments_are_those_of_torch() -> None:
    x = noise(2, 5, 9, 7)
    mean, deviation = moments(x)
    assert torch.allclose(mean, x.mean((2, 3), keepdim=True), atol=1e-6)
    assert torch.allclose(deviation, (x.var((2, 3), correction=0, keepdim=True) + EPS).sqrt(), atol=1e-6)


def test_transport_gives_the_covariance_asked_for_and_moves_nothing_that_has_it() -> None:
    x, y = (torch.einsum("dc,nchw->ndhw", noise(6, 6, seed=s) - 0.3, noise(2, 6, 40, 40, seed=s + 1)) for s in (1, 5))
    old, new = covariance(x), covariance(y)
    assert torch.allclose(old[0], x[0].flatten(1).cov(correction=0), atol=1e-5)
    found = transported(x, moments(x)[0], transport(old, new), moments(y)[0])
    assert torch.allclose(covariance(found), new, atol=1e-3) and torch.allclose(
        moments(found)[0], moments(y)[0], atol=1e-4
    )
    assert torch.allclose(transport(old.double(), old.double()).float(), torch.eye(6).expand(2, 6, 6), atol=1e-4)
    assert torch.allclose(shrunk(x, 1.0), torch.diag_embed(old.diagonal(dim1=1, dim2=2) + EPS), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 31), (40, 23), (64, 48)])
@torch.no_grad()
def test_a_picture_of_any_size_comes_back_in_its_size(network: Stylizer, height: int, width: int) -> None:
    code = network.encode_style(noise(1, 3, 32, 32))
    made = network(noise(2, 3, height, width), code)
    assert made.shape == (2, 3, height, width) and made.dtype == torch.float32
    assert 0 <= float(made.min()) <= float(made.max()) <= 1 and float(made.std()) > 0.01


@torch.no_grad()
def test_too_small_a_picture_says_what_is_needed(network: Stylizer) -> None:
    code = network.encode_style(noise(1, 3, 16, 16))
    for refused in (lambda: network.encode_style(noise(1, 3, 15, 40)), lambda: network(noise(1, 3, 40, 15), code)):
        with pytest.raises(ValueError, match="must be at least 16x16: choose a larger size"):
            refused()


@torch.no_grad()
def test_colours_follow_the_style_even_untrained(network: Stylizer) -> None:
    red = torch.tensor([0.8, 0.2, 0.1])[:, None, None] + 0.1 * (noise(1, 3, 64, 64) - 0.5)
    made = network(noise(1, 3, 64, 64, seed=1), network.encode_style(red))
    assert torch.allclose(made.mean((0, 2, 3)), red.mean((0, 2, 3)), atol=0.02)
    assert torch.allclose(made.std((2, 3)), red.std((2, 3)), atol=0.02)


@torch.no_grad()
def test_a_mixture_of_codes_lies_between_its_styles(network: Stylizer) -> None:
    content = noise(1, 3, 32, 32)
    dark, bright = (network.encode_style(noise(1, 3, 32, 32) * 0.2 + shift) for shift in (0.1, 0.7))
    means = [float(network(content, dark + share * (bright - dark)).mean()) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert means == sorted(means) and means[-1] - means[0] > 0.4


@torch.no_grad()
def test_own_statistics_change_nothing_and_those_of_the_whole_join_tiles(network: Stylizer) -> None:
    whole = noise(1, 3, 64, 160)
    whole[..., 80:] *= 0.3  # halves that differ: each would be normalised on its own
    code = network.encode_style(noise(1, 3, 48, 48, seed=2))
    seen = network.content_statistics(whole, code)
    made = network(whole, code)
    assert torch.allclose(network(whole, code, seen), made, atol=1e-5)
    tile, alone = network(whole[..., :112], code, seen), network(whole[..., :112], code)
    inside = (..., slice(0, 48))  # far from the cut, at a multiple of the stride
    assert torch.allclose(tile[inside], made[inside], atol=1e-4)
    assert float((alone[inside] - made[inside]).abs().max()) > 0.02


@torch.no_grad()
def test_a_flat_picture_stays_flat_up_to_its_edges(network: Stylizer) -> None:
    """Zeros around the picture would draw a frame: reflected borders do not."""
    code = network.encode_style(noise(1, 3, 48, 48))
    seen = network.content_statistics(noise(1, 3, 48, 48), code)
    made = network(torch.full((1, 3, 48, 48), 0.4), code, seen)
    assert float(made.std((2, 3)).max()) < 1e-4


def test_only_the_decoder_learns(network: Stylizer) -> None:
    names = {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad}
    assert "encoder" not in names and {"style", "deep", "core", "paint", "colours"} <= names


def test_losses_are_zero_at_their_targets_and_ignore_what_they_should() -> None:
    x, y = [[noise(2, c, 16, 16, seed=seed + c) for c in (4, 6, 8)] for seed in (0, 9)]
    assert float(training.style_loss(x, x)) < 1e-3 < float(training.style_loss(x, y))
    rolled = [f.roll(5, 3) for f in x]  # the same texture elsewhere
    assert float(training.style_loss(rolled, x)) < 1e-3 and float(training.content_loss(rolled, x)) > 1
    brighter = [3 * f + 1 for f in x]  # the same arrangement, another contrast
    assert float(training.content_loss(brighter, x)) < 1e-3 < float(training.style_loss(brighter, x))
    assert float(training.roughness(torch.full((1, 3, 8, 8), 0.3))) == 0


def test_training_packs_learns_and_writes_a_file_that_describes_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(4):
        pixels = (noise(24, 30, 3, seed=i) * 255).byte().numpy()
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "0.png").read_bytes()[:200])
    packed, kept = training.pack([tmp_path], 24, tmp_path / "packed.npy")
    assert packed.shape[1:] == (3, 24, 24) and len(packed) + len(kept) == 4, "the broken one is left out"
    torch.manual_seed(0)
    encoder = Stylizer(**SHAPE).encoder  # type: ignore[arg-type]
    wider = SHAPE | {"widths": [*SHAPE["widths"], 9]}  # type: ignore[misc]
    weights.write(tmp_path / "features.safetensors", wider, encoder.state_dict(), {})
    monkeypatch.setattr(training, "DEPTHS", SHAPE["depths"])
    args = argparse.Namespace(
        features=tmp_path / "features.safetensors",
        device=torch.device("cpu"),
        rate=3e-3,
        batch=4,
        seed=0,
        epochs=1,
        sizes=[32],
        resume=False,
        runs=tmp_path / "runs",
        **training.WEIGHTS,
    )
    trainer = training.Trainer(args, packed, packed)
    before = {name: p.clone() for name, p in trainer.model.named_parameters()}
    losses = [{name: float(v) for name, v in trainer.step(32, 3e-3).items()} for _ in range(12)]
    changed = {name.split(".")[0] for name, p in trainer.model.named_parameters() if not torch.equal(p, before[name])}
    assert "encoder" not in changed and {"core", "paint", "deep", "colours"} <= changed
    assert sum(row["same"] for row in losses[-3:]) < sum(row["same"] for row in losses[:3])
    code = trainer.model.encode_style(noise(1, 3, 32, 32))
    made = trainer.model.decode(trainer.model.features(noise(1, 3, 32, 32)), code, Statistics())
    assert torch.isfinite(made).all() and trainer.model.code_size == 62 + 8**2 + 10**2
