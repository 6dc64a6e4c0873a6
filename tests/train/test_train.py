"""Train: what is drawn, what is learned, exact continuing, what goes wrong, and the network used again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import PIL.Image
import pytest
import safetensors.torch
import torch

import cli
from models import own, registry, weights
from models.cache import ModelCache, OutOfBudget
from models.judge import DigitClassifier, examine
from models.stylemix import Reader
from models.weights import WeightsError, WeightsMissing
from pipelines import PIPELINES, record
from pipelines.base import STOP, Progress, Result, run
from pipelines.images import load
from pipelines.params import parse, settings
from pipelines.sheet import grid
from pipelines.train import NETWORKS, PIPELINE, drawn
from pipelines.train.data import open_source
from pipelines.train.params import Model
from ui.kit import curve
from ui.kit.form.examples import RESULTS

TOY: dict[str, Any] = {"capacity": "tiny", "batch": 8, "steps": 4, "seed": 3}


def trained(cache: ModelCache, state: Any = None, **values: Any) -> Result:
    params = parse(PIPELINE.params, {**TOY, **values})
    *_, result = run(PIPELINE, params, cache, state, registry.sha256)
    assert isinstance(result, Result)
    return result


def tensors(result: Result) -> dict[str, torch.Tensor]:
    return safetensors.torch.load(result.file)  # from memory: tensors of a file change when it is written again


def test_drawn_digits_are_read_as_asked_and_the_seed_decides_them(cache: ModelCache) -> None:
    x, labels = drawn.batch(300, torch.Generator().manual_seed(5))
    assert x.shape == (300, 1, 28, 28) and float(x.min()) >= 0 and float(x.max()) <= 1
    assert torch.equal(x, drawn.batch(300, torch.Generator().manual_seed(5))[0])
    assert len({one.numpy().tobytes() for one in x}) == 300
    with cache.use("digits") as (judge,):
        assert isinstance(judge, DigitClassifier)
        right = examine(judge, x)[1].argmax(1) == labels
    assert float(right.float().mean()) > 0.98
    edge = torch.cat([x[..., 0], x[..., -1], x[:, :, 0], x[:, :, -1]])
    assert float(edge.max()) < 0.5  # nothing is cut off


def test_style_mixing_learns_from_drawn_digits_over_drawn_textures(cache: ModelCache) -> None:
    source = open_source(parse(PIPELINE.params, {"model": "stylemix"}))
    x, labels = source.batch(200, torch.Generator().manual_seed(5))
    assert x.shape == (200, 3, 32, 32) and 0 <= float(x.min()) <= float(x.max()) <= 1
    assert torch.equal(x, source.batch(200, torch.Generator().manual_seed(5))[0]) and len(source.held[0]) == 1000
    with cache.use(source.judge) as (reader,):
        assert isinstance(reader, Reader)
        assert float((examine(reader, x)[1].argmax(1) == labels).float().mean()) > 0.7


@pytest.mark.parametrize("model", get_args(Model))
def test_stopped_continued_downloaded_and_dropped_it_is_the_same_bit_for_bit(
    model: Model, cache: ModelCache, tmp_path: Path
) -> None:
    whole = trained(cache, model=model)
    params = parse(PIPELINE.params, {**TOY, "model": model})
    stream = run(PIPELINE, params, cache)
    for _ in range(2):
        last = next(stream)
    assert isinstance(last, Progress)
    half = stream.send(STOP)
    assert isinstance(half, Result) and half.record.steps == 2 and half.file
    rest = trained(cache, half.state, model=model)
    assert rest.record.steps == 4
    first, second = tensors(whole), tensors(rest)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert [i.tobytes() for i in rest.images] == [i.tobytes() for i in whole.images]
    if (kind := NETWORKS[model]) in own.KINDS:
        (path := tmp_path / "mine.safetensors").write_bytes(rest.file)
        state = own.load(own.name_of(kind, str(path))).state_dict()
        assert all(torch.equal(state[name].half(), first[name].half()) for name in first)


def test_a_finished_training_goes_on_for_as_long_again(cache: ModelCache) -> None:
    assert trained(cache, trained(cache, model="vae").state, model="vae").record.steps == 8


def test_a_network_learns(cache: ModelCache) -> None:
    result = trained(cache, model="cnn", steps=120, batch=64, capacity="small")
    assert result.record.metrics["accuracy"] > 0.9 and not result.record.notes


@pytest.mark.parametrize("loss", ["hinge", "non-saturating", "wasserstein-gp"])
def test_every_loss_moves_both_sides(loss: str, cache: ModelCache) -> None:
    numbers = trained(cache, model="gan-dense", loss=loss).record.metrics
    assert {"discriminator", "generator", "gradient", "held-out", "read as asked"} <= set(numbers)


def test_a_loss_that_is_no_number_keeps_the_last_good_network(
    cache: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.train.KEEP", 1)
    before = trained(cache, model="vae", steps=2)
    from models.recipes.vae import Learner

    own_losses = Learner.losses

    def spoiled(self: Learner, *given: Any) -> Any:
        total, parts = own_losses(self, *given)
        taken = self.optimizer.param_groups[0]["taken"]
        return (total * torch.nan, {**parts, "kl": parts["kl"] * torch.nan}) if taken == 3 else (total, parts)

    monkeypatch.setattr(Learner, "losses", spoiled)
    result = trained(cache, model="vae", steps=4, rate=1e-3)
    (note,) = result.record.notes
    assert note == (
        "at step 3 the loss was no number: the network is as it was after step 2; "
        "choose a rate below 0.001, such as 0.0001"
    )
    assert all(bool(t.isfinite().all()) for t in tensors(result).values()) and before.file


def test_data_that_is_not_here_and_models_that_cannot_draw_it(
    cache: ModelCache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))
    with pytest.raises(WeightsMissing, match="set ATELIER_DATA"):
        trained(cache, data="fashion")


def test_torchvisions_garments_are_found(cache: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        (folder / f"{split}-images-idx3-ubyte").write_bytes(bytes(16) + bytes(range(256)) * 784 * 4)
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(bytes(8) + bytes(i % 10 for i in range(1024)))
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))
    result = trained(cache, model="gan-dense", data="fashion")
    assert "read as asked" not in result.record.metrics and result.record.params["data"] == "fashion"
    (path := tmp_path / "garments.safetensors").write_bytes(result.file)
    params = parse(PIPELINES["gan"].params, {"weights": str(path), "count": 2})
    *_, again = run(PIPELINES["gan"], params, cache)
    assert isinstance(again, Result) and again.record.notes == [own.UNJUDGED]
    assert "read as asked" not in again.record.metrics  # the judge of digits knows no garments


@pytest.mark.parametrize("model", ["gan-dense", "vae", "pixelcnn", "diffusion", "stylemix"])
def test_a_network_is_used_in_the_tab_of_its_kind(model: Model, cache: ModelCache, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    assert cli.main(["train", "--model", model, "--out", str(path), *flags()]) == 0
    method = "gan" if model == "gan-dense" else model
    given = {"weights": str(path), "count": 2} | ({"steps": 2} if model == "diffusion" else {})
    params = parse(PIPELINES[method].params, given)
    *_, result = run(PIPELINES[method], params, cache, sha256=registry.sha256)
    assert isinstance(result, Result) and result.record.models["own:mine.safetensors"] == weights.digest(path)
    assert (
        result.record.params["weights"] == "mine.safetensors" and str(tmp_path) not in result.record.model_dump_json()
    )
    other = "vae" if method == "gan" else "gan"
    with pytest.raises(WeightsError, match=f"mine.safetensors holds a network of {method}, not of {other}"):
        own.config_of(own.name_of(other, str(path)))


def flags() -> list[str]:
    return [part for name, value in TOY.items() for part in (f"--{name}", str(value))]


def test_files_that_are_no_network_are_one_sentence(tmp_path: Path) -> None:
    good = registry.MODELS["vae-mnist"].weights
    bundled = weights.locate(good)
    assert own.load(own.name_of("vae", str(bundled))) is not None  # a bundled file is a network, too
    cut, odd, huge = (tmp_path / f"{name}.safetensors" for name in ("cut", "odd", "huge"))
    cut.write_bytes(bundled.read_bytes()[:5000])
    weights.write(odd, {"latent": 3}, {"x": torch.zeros(2)})
    weights.write(huge, {"latent": 10**9}, {"x": torch.zeros(2)})
    weights.write(tmp_path / "cnn.safetensors", {}, {"x": torch.zeros(2)}, {"network": "cnn"})  # which has no tab
    with pytest.raises(WeightsError, match=r"a network of cnn, not of vae: give another file that Train made\."):
        own.load(own.name_of("vae", str(tmp_path / "cnn.safetensors")))
    for path, said in ((cut, "no whole safetensors file"), (odd, "no network of vae"), (huge, "no network of vae")):
        with pytest.raises(WeightsError, match=said) as caught:
            own.load(own.name_of("vae", str(path)))
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(WeightsError, match=r"'nothing\.safetensors' is not on this machine"):
        own.name_of("vae", str(tmp_path / "nothing.safetensors"))


def test_the_same_settings_make_the_same_network_bit_for_bit(cache: ModelCache) -> None:
    first, second = (tensors(trained(cache, model="vae")) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_batch_that_does_not_fit_names_a_smaller_one(cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("models.recipes.vae.Learner.losses", full)
    with pytest.raises(
        OutOfBudget, match="A step with 8 pictures does not fit into memory: choose a Batch of 4 or less"
    ):
        trained(cache, model="vae")
    assert not any(model.pins for model in cache.snapshot())


def test_a_code_of_two_numbers_is_shown_as_its_map(cache: ModelCache) -> None:
    params = parse(PIPELINE.params, {**TOY, "model": "vae", "latent": 2})
    first, *_, result = run(PIPELINE, params, cache)
    assert isinstance(first, Progress) and first.preview is not None and first.preview.shape == (3, 560, 560)
    assert isinstance(result, Result) and result.sheet is not None and result.sheet.size == (560, 560)
    assert len(result.images) == 50 and result.images[0].size == (28, 28)
    colours = result.sheet.getcolors(1 << 20)
    assert colours is not None and len({colour for _, colour in colours if len(set(colour)) > 1}) >= 9  # a class each


def test_settings_matter_for_some_networks_alone() -> None:
    known = {s.name: s for s in settings(PIPELINE.params)}
    values = {s.name: s.default for s in known.values()}

    def there(**changes: str) -> set[str]:
        return {name for name, s in known.items() if s.matters({**values, **changes})}

    always = {"model", "data", "pictures", "minutes", "capacity", "rate", "batch", "steps", "seed"}
    assert there() == always | {"loss", "latent"}
    assert there(loss="wasserstein-gp") == always | {"loss", "latent", "penalty"}
    assert there(model="vae", loss="wasserstein-gp") == always | {"beta", "latent"}
    assert there(model="cnn") == there(model="pixelcnn") == there(model="diffusion") == always
    assert there(model="stylemix") == there(model="stylemix", pictures="mine.zip") == always | {"style"}
    assert there(model="cnn", pictures="mine.zip") == always | {"side"}


def test_a_setting_that_does_nothing_is_accepted_outside_of_the_form(cache: ModelCache) -> None:
    first, second = (tensors(trained(cache, model="vae", **given)) for given in ({}, {"loss": "hinge"}))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_losses_below_zero_are_drawn_too() -> None:
    game, positive = ([(1, 2.0), (2, sign * 3.0), (3, sign * 5.0)] for sign in (-1, 1))
    assert ">-5</text>" in curve.draw({"generator": game}) and curve.draw({"generator": game}).count(",") == 3
    assert ">3.2</text>" in curve.draw({"loss": positive})  # the middle of a logarithmic axis


def test_the_example_is_what_the_defaults_make_in_as_many_steps() -> None:
    found = record.read(RESULTS / "train.png")
    assert found is not None and parse(PIPELINE.params, found.params) == PIPELINE.params(steps=1900)
    assert load(RESULTS / "train.png").size == trained_size()


def trained_size() -> tuple[int, int]:
    """Of a sheet of five rows of ten digits."""
    return grid([PIL.Image.new("RGB", (drawn.SIDE, drawn.SIDE))] * 50, 10).size


def test_in_compare_it_stands_beside_the_bundled_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.safetensors"
    assert cli.main(["train", "--model", "gan", "--out", str(path), *flags()]) == 0
    methods = f"gan:conv,gan:weights={path}"
    sheet = str(tmp_path / "both.png")
    assert (
        cli.main(["compare", "--methods", methods, "--dataset", "mnist", "--count", "4", "--out", sheet, "--json"]) == 0
    )
    told = capsys.readouterr().out
    assert "own:mine.safetensors" in told and "gan:weights=mine.safetensors" in told and str(tmp_path) not in told
