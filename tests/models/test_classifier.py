"""The CIFAR-10 classifier: its layers, its six views, its calibration, and a training that can stop and go on."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models import registry, weights
from models.classifier import CIFAR10, SIDE, Classifier
from models.recipes.cnn import prepare
from training import classifier as training


def small(seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    return Classifier((8, 8, 8)).eval()


def test_any_layer_and_the_rest_give_the_logits() -> None:
    model, x = small(), torch.rand(2, 3, SIDE, SIDE)
    found = model.activations(x)
    assert (
        tuple(found) == model.layers and found["conv2_2"].shape[-2:] == (7, 7) and found["conv3_2"].shape[-2:] == (3, 3)
    )
    for name, activations in found.items():
        torch.testing.assert_close(model.rest(name, activations), model(x))


def test_judge_is_the_mean_of_six_views_and_does_not_care_about_mirrors() -> None:
    model, x = small(), torch.rand(1, 3, SIDE, SIDE)
    torch.testing.assert_close(model.judge(x), model.judge(x.flip(-1)), rtol=1e-4, atol=1e-6)
    model.temperature = 2.0
    torch.testing.assert_close(model.probabilities(x), (model.judge(x) / 2).softmax(1))


def test_first_layer_whitens_patches() -> None:
    base = torch.nn.functional.avg_pool2d(
        torch.rand(300, 3, SIDE + 2, SIDE + 2), 3, 1
    )  # neighbours depend on each other
    model = small()
    prepare(model, base)
    with torch.no_grad():
        seen = model.steps["whiten"][0]((base - model.mean) / model.std)[:, :12]  # type: ignore[index]
    flat = seen.transpose(0, 1).flatten(1)
    second = flat @ flat.T / flat.shape[1]
    torch.testing.assert_close(second, torch.eye(12), rtol=0, atol=0.05)


def test_temperature_finds_the_one_that_made_the_labels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4000, 10, generator=generator)
    labels = torch.multinomial((logits / 2.5).softmax(1), 1, generator=generator)[:, 0]
    assert training.fitted_temperature(logits, labels) == pytest.approx(2.5, rel=0.05)
    assert training.calibration_error(logits / 2.5, labels) < 0.03 < training.calibration_error(logits, labels)


def test_a_picture_mirrored_in_one_epoch_is_not_in_the_next() -> None:
    x = torch.zeros(4, 3, SIDE, SIDE, dtype=torch.uint8)
    x[..., : SIDE // 2] = 255
    args = argparse.Namespace(batch=4, early=0, seed=0, device="cpu")

    def left(epoch: int) -> Tensor:
        ((pictures, labels),) = training.batches(x, torch.arange(4), args, epoch, torch.Generator().manual_seed(epoch))
        return (pictures[..., 3].mean((1, 2)) > 0.5)[labels.argsort()]

    assert torch.equal(left(0), ~left(1)) and torch.equal(left(0), left(2))


def trained(folder: Path, until: int, resume: bool = False) -> Classifier:
    """Train a toy of three epochs, whose process ends after epoch `until`."""
    flags = ["--widths", "8,8,8", "--batch", "16", "--epochs", "3", "--early", "1", "--runs", str(folder)]
    args = training.arguments([*flags, "--device", "cpu", *(["--resume"] if resume else [])])
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (48, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    data = (x, torch.arange(48) % 10)
    learner, run = training.assemble(args, data)

    class Ended(Exception):
        pass

    def note(**numbers: float) -> None:
        type(run).note(run, **numbers)
        if len(run.history) > until:
            raise Ended

    run.note = note  # type: ignore[method-assign]
    with contextlib.suppress(Ended):
        training.train(run, learner, data, data)
    model = learner.model
    assert isinstance(model, Classifier)
    return model


def test_stopped_and_continued_is_the_same_as_trained_at_once(tmp_path: Path) -> None:
    whole = trained(tmp_path / "a", 3)
    trained(tmp_path / "b", 1)  # ends in its second epoch, before the checkpoint
    parts = trained(tmp_path / "b", 3, resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name


def test_the_bundled_file_is_a_calibrated_classifier_of_its_ten_classes() -> None:
    card = registry.MODELS["cifar10"]
    config, tensors = weights.read(weights.BUNDLED / card.weights.file)
    learned = {t.dtype for name, t in tensors.items() if t.is_floating_point() and not name.startswith("real_")}
    assert card.weights.bytes <= 5_000_000 and learned == {torch.float16}
    model = card.load()
    assert isinstance(model, Classifier) and model.classes == CIFAR10
    assert model.temperature == config["temperature"] and 0.1 < model.temperature < 10 and model.floor > 0
