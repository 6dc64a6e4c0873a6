"""The variational autoencoder: its bounds, its prior, its views, and how a picture becomes a digit."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from PIL import ImageDraw
from torch.distributions import Normal, kl_divergence

from models import vae
from models.cache import ModelCache
from models.vae import VAE, lattice
from pipelines import digits
from pipelines.base import Result, run
from pipelines.images import ImageError
from pipelines.params import ParamError, parse
from pipelines.vae import PIPELINE, VaeParams
from training.vae import nats_fitted


def toy(components: int = 0, latent: int = 3) -> VAE:
    torch.manual_seed(0)
    network = VAE(latent, hidden=16, depth=2, components=components, places=2).eval()
    if components:
        network.spreads.data.normal_(std=0.3)
        network.shares.data.normal_()
    return network.requires_grad_(False)


def drawing(ink: Any = "black", ground: Any = "white", size: tuple[int, int] = (120, 90)) -> PIL.Image.Image:
    image = PIL.Image.new("RGB", size, ground)
    ImageDraw.Draw(image).line([(50, 20), (60, 20), (55, 70)], ink, 8)
    return image


def result(cache: ModelCache, **values: Any) -> Result:
    *_, last = run(PIPELINE, parse(VaeParams, values), cache)
    assert isinstance(last, Result)
    return last


def test_the_divergence_from_a_normal_prior_is_the_known_one() -> None:
    mean, spread = torch.randn(5, 3), torch.randn(5, 3)
    found = toy().divergence(mean, spread)
    torch.testing.assert_close(found.dimensions, kl_divergence(Normal(mean, (spread / 2).exp()), Normal(0.0, 1.0)))
    assert (found.choice == 0).all()


def test_the_divergence_from_a_mixture_bounds_the_true_one_and_is_the_sum_of_its_parts() -> None:
    network, mean, spread = toy(components=4), torch.randn(6, 3), torch.randn(6, 3) * 0.2 - 2
    found = network.divergence(mean, spread)
    assert (found.choice >= -1e-5).all()
    q = Normal(mean, (spread / 2).exp())
    z = q.sample(torch.Size([20_000]))
    true = (q.log_prob(z).sum(2) - network.log_prior(z.flatten(0, 1)).view(20_000, 6)).mean(0)
    assert (found.total > true - 0.05).all() and (found.total < true + 1).all()


def test_the_prior_is_a_density() -> None:
    network = toy(components=3, latent=1)
    z = torch.linspace(-12, 12, 5000)[:, None]
    assert float(network.log_prior(z).exp().sum() * 24 / 5000) == pytest.approx(1, abs=1e-3)


def test_more_samples_give_a_tighter_bound_and_the_same_seed_the_same_number() -> None:
    network, x = toy(components=2), torch.rand(8, 1, 28, 28)
    loose, tight = (vae.nats(network, x, None, 0, samples=k).mean() for k in (1, 64))
    assert tight < loose and vae.nats(network, x, None, 0).mean() == loose
    fitted = nats_fitted(network, x, 0, steps=60).mean()
    assert tight < fitted < loose, "fitting q closes a part of the gap, and never all of it"


def test_a_picture_does_not_depend_on_how_many_are_asked_for() -> None:
    network, labels = toy(components=3), torch.tensor([3, 1, 4, 1, 5])
    torch.testing.assert_close(vae.sample(network, labels, 7)[:2], vae.sample(network, labels[:2], 7))
    torch.testing.assert_close(vae.sample(network, None, 7, 40)[:3], vae.sample(network, None, 7, 3))


def test_a_class_is_drawn_from_its_own_place() -> None:
    network = toy()
    network.place_means[7] += 50
    codes = vae.draw_codes(network, torch.tensor([7, 6]), 2, 0)
    assert codes[0].min() > 40 and codes[1].abs().max() < 10


def test_without_temperature_all_codes_of_one_gaussian_are_alike() -> None:
    codes = vae.draw_codes(toy(), None, 5, 0, temperature=0.0)
    assert (codes == codes[0]).all()


def test_the_lattice_has_as_much_probability_in_each_cell() -> None:
    shares = Normal(0.0, 1.0).cdf(lattice(30))
    assert shares[0, 0] == pytest.approx(1 / 60) and shares[0, 1] == pytest.approx(59 / 60)
    assert torch.allclose(shares.view(30, 30, 2)[0, :, 0].diff(), torch.tensor(1 / 30), atol=1e-5)


@pytest.mark.parametrize(("ink", "ground"), [("black", "white"), ("white", "black"), ((90, 90, 90), (200, 200, 200))])
def test_a_drawing_becomes_a_digit_as_mnist_has_it(ink: Any, ground: Any) -> None:
    x = digits.prepare(drawing(ink, ground))[0, 0]
    rows, columns = np.flatnonzero(x.amax(1) > 0.3), np.flatnonzero(x.amax(0) > 0.3)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in {19, 20} and x.max() > 0.9 and x[0].max() == 0
    middle = (x.sum(1) * torch.arange(28)).sum() / x.sum()
    assert abs(float(middle) - 13.5) < 1.0


def test_a_digit_of_28_pixels_is_taken_as_it_is() -> None:
    x = torch.zeros(28, 28)
    x[5:20, 3:6] = 1.0
    image = PIL.Image.fromarray((x.numpy() * 255).astype(np.uint8)).convert("RGB")
    assert torch.equal(digits.prepare(image)[0, 0], x)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (drawing("red", "blue"), "in colour"),
        (PIL.Image.new("RGB", (50, 50), "white"), "empty"),
        (PIL.Image.fromarray(np.tile(np.arange(0, 250, 2, np.uint8)[None, :, None], (90, 1, 3))), "even ground"),
    ],
)
def test_what_is_no_digit_is_refused_with_what_to_do(picture: PIL.Image.Image, words: str) -> None:
    with pytest.raises(ImageError, match=f"{words}.*draw one digit"):
        digits.prepare(picture)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"count": 0}, "count is 0.*1 to 100"),
        ({"label": 12}, "label is 12.*0 to 9"),
        ({"view": "digit"}, "digit is missing: draw one digit"),
        ({"view": "manifold", "model": "large"}, "set model to map"),
    ],
)
def test_wrong_settings_say_what_to_do(values: dict[str, Any], words: str, cache: ModelCache) -> None:
    with pytest.raises(ParamError, match=words):
        result(cache, **values)


def test_your_digit_comes_back_with_its_account(cache: ModelCache) -> None:
    made = result(cache, view="digit", digit=drawing(), count=3)
    told, numbers = made.record.details, made.record.metrics
    assert len(made.images) == 5 and len(told["code"]) == len(told["kl_by_dimension"]) == 40
    assert sum(told["kl_by_dimension"]) + told["kl_of_component"] == pytest.approx(numbers["kl"], abs=0.05)
    assert numbers["reconstruction"] + numbers["kl"] == pytest.approx(numbers["nats"], abs=1e-3)


def test_a_walk_starts_at_your_digit_and_ends_at_the_other(cache: ModelCache) -> None:
    other = drawing().rotate(90, fillcolor="white")
    made = result(cache, view="walk", digit=drawing(), second=other, count=4, model="map")
    back = result(cache, view="walk", digit=other, second=drawing(), count=4, model="map")
    assert made.images[0].tobytes() == back.images[-1].tobytes() and len(made.images) == 4


def test_the_map_of_the_bundled_weights_has_digits_and_codes(cache: ModelCache) -> None:
    assert result(cache, view="manifold", model="map").picture.size == (840, 840)
    with cache.use("vae-map-mnist") as (module,):
        assert isinstance(module, VAE) and len(module.atlas_codes) == len(module.atlas_labels) == 1000
        assert set(module.atlas_labels.tolist()) == set(range(10))
