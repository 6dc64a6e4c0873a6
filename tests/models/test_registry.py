"""The list of models agrees with the files in weights/, and its settings are checked."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
import torch

from models import registry, restyle, vgg, weights
from models.cache import OutOfBudget
from pipelines import PIPELINES, gan
from pipelines.params import settings

CARDS = {card.name: card for card in registry.CARDS}
BUNDLED = {name: card for name, card in CARDS.items() if not card.weights.urls and not card.weights.package}
MB = 1_000_000


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_file_is_the_one_its_record_names(name: str) -> None:
    known = BUNDLED[name].weights
    data = (weights.BUNDLED / known.file).read_bytes()
    assert (len(data), sha256(data).hexdigest()) == (known.bytes, known.sha256)
    assert len(data) <= 10 * MB and known.licence and known.source


def test_bundle_is_small_and_every_file_is_known() -> None:
    files = [file for file in weights.BUNDLED.iterdir() if file.suffix == ".safetensors"]
    assert {file.name for file in files} == {card.weights.file for card in BUNDLED.values()}
    assert sum(file.stat().st_size for file in files) <= 80 * MB


def test_bundled_network_is_half_precision_and_describes_itself() -> None:
    config, tensors = weights.read(weights.BUNDLED / registry.MODELS["vgg-lite"].weights.file)
    assert {"widths", "depths", "mean", "std"} == set(config) and tuple(config["depths"]) == (2, 2, 4, 4, 2)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    module = CARDS["vgg-lite"].load()
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert all(p.isfinite().all() for p in module.parameters())


def test_names_are_unique_and_every_choice_of_a_method_is_a_model() -> None:
    assert len(CARDS) == len(registry.CARDS) and set(registry.MODELS) == set(CARDS) == set(registry.Loaders())
    assert all(card.title and card.weights.name for card in CARDS.values())
    made_of: dict[str, tuple[str, ...]] = {**restyle.MODELS}  # a choice that is no model's name -> the models behind it
    made_of |= {choice: (name,) for (_, choice), name in gan.WEIGHTS.items()}
    made_of |= {"large": ("vae-mnist",), "map": ("vae-map-mnist",)}
    for pipeline in PIPELINES.values():
        for setting in settings(pipeline.params):
            if setting.name == "model" and not pipeline.file:  # what is trained is made from nothing
                parts = {part for choice in setting.choices for part in made_of.get(choice, (choice,))}
                assert parts <= set(CARDS), f"{pipeline.name} offers models that nobody can load"


def test_the_digest_for_the_record_is_that_of_the_file_in_use() -> None:
    assert registry.sha256("vgg-lite") == registry.MODELS["vgg-lite"].weights.sha256


@pytest.mark.parametrize("variable", ["ATELIER_RAM_GB", "ATELIER_VRAM_GB"])
@pytest.mark.parametrize("text", ["plenty", "0", "-1", "nan", "inf", "1e9", "4GB", " "])
def test_a_wrong_budget_is_one_sentence(monkeypatch: pytest.MonkeyPatch, variable: str, text: str) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ValueError, match=rf"^{variable} is '{text}': give a number of gigabytes above 0\.$"):
        registry.open_cache()


def test_budgets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_RAM_GB", "")
    monkeypatch.delenv("ATELIER_VRAM_GB", raising=False)
    default = registry.open_cache()
    assert (default.ram_budget, default.vram_budget) == (8 << 30, None)
    monkeypatch.setenv("ATELIER_RAM_GB", "0.001")
    monkeypatch.setenv("ATELIER_VRAM_GB", "1.5")
    small = registry.open_cache()
    assert (small.ram_budget, small.vram_budget) == (1073741, 3 << 29)
    with pytest.raises(OutOfBudget, match="raise ATELIER_RAM_GB"), small.use("vgg-lite", working=0):
        pass


def test_a_wrong_device_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_DEVICE", "tpu")
    with pytest.raises(ValueError, match=r"^ATELIER_DEVICE is 'tpu', but this machine has: .*cpu\.$"):
        registry.open_cache()


def test_opening_loads_nothing_and_warming_loads_the_bundled_network() -> None:
    cache = registry.open_cache()
    assert cache.snapshot() == []
    registry.warm(cache)
    assert [(row.name, row.pins) for row in cache.snapshot()] == [("vgg-lite", 0)]


def test_squeezenet_is_built_from_a_plain_state_dict(tmp_path: Path) -> None:
    import torchvision.models

    torch.manual_seed(0)
    reference = torchvision.models.squeezenet1_1(weights=None)
    torch.save(reference.state_dict(), tmp_path / "net.pth")
    module = vgg.torchvision_network("squeezenet1_1")(tmp_path / "net.pth")
    x = torch.rand(1, 3, 64, 64)
    mean, std = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1), torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    with torch.no_grad():
        expected = reference.features((x - mean) / std)
        torch.testing.assert_close(module(x, ["fire9"])["fire9"], expected, rtol=1e-4, atol=1e-5)
