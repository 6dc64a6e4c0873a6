"""The judge of all generators: its readings, its distances against closed forms, and the table they end up in."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import pytest
import torch
from scripts import execute

from benchmarks import table
from benchmarks.coverage import precision_recall
from models import registry, weights
from models.judge import (
    DigitClassifier,
    examine,
    frechet_distance,
    gaussian,
    measure,
    read_as_asked,
)
from pipelines.params import ParamError
from training import evaluator as training


@pytest.fixture(scope="module")
def judge() -> DigitClassifier:
    return cast(DigitClassifier, registry.MODELS["digits"].load().eval().requires_grad_(False))


def spread(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A random mean (n,) and covariance (n, n)."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(n, n, generator=generator, dtype=torch.float64)
    return torch.randn(n, generator=generator, dtype=torch.float64), root @ root.T


def test_distance_of_a_gaussian_to_itself_is_nothing() -> None:
    assert frechet_distance(*spread(20), *spread(20)) == pytest.approx(0, abs=1e-6)


def test_distance_of_independent_numbers_has_a_closed_form() -> None:
    a, b = torch.tensor([[0, 1, 2], [3, 1, 0]], dtype=torch.float64)
    wide, narrow = torch.tensor([[4, 9, 0], [1, 9, 25]], dtype=torch.float64)  # variances; one of them is nothing
    wanted = 9 + 0 + 4 + (2 - 1) ** 2 + 0 + 5**2
    assert frechet_distance(a, wide.diag(), b, narrow.diag()) == pytest.approx(wanted)
    turn = torch.linalg.qr(spread(3)[1])[0]
    turned = (turn @ a, turn @ wide.diag() @ turn.T, turn @ b, turn @ narrow.diag() @ turn.T)
    assert frechet_distance(*turned) == pytest.approx(wanted)


def test_distance_is_the_usual_formula_and_symmetric() -> None:
    (mean_a, a), (mean_b, b) = spread(12, 1), spread(12, 2)
    root = torch.linalg.eigvals(a @ b).sqrt().sum().real  # trace of (AB)^1/2
    wanted = float((mean_a - mean_b).square().sum() + a.trace() + b.trace() - 2 * root)
    assert frechet_distance(mean_a, a, mean_b, b) == pytest.approx(wanted)
    assert frechet_distance(mean_b, b, mean_a, a) == pytest.approx(wanted)


def test_moments_are_those_of_numpy() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    mean, covariance = gaussian(x)
    np.testing.assert_allclose(mean, x.double().numpy().mean(0))
    np.testing.assert_allclose(covariance, np.cov(x.double().numpy().T))
    with pytest.raises(ValueError, match="at least 2"):
        gaussian(x[:1])


def covered(points: np.ndarray, centres: np.ndarray, k: int) -> float:
    """Equation 1 of Kynkaanniemi et al., one point at a time."""
    reach = [sorted(np.linalg.norm(centres - c, axis=1))[k] for c in centres]  # the nearest is the point itself
    inside = [any(np.linalg.norm(p - c) <= r for c, r in zip(centres, reach, strict=True)) for p in points]
    return float(np.mean(inside))


def test_precision_and_recall_are_those_of_the_paper() -> None:
    generator = torch.Generator().manual_seed(0)
    real, made = torch.randn(60, 3, generator=generator), 1.3 * torch.randn(40, 3, generator=generator) + 0.5
    wanted = covered(made.numpy(), real.numpy(), 3), covered(real.numpy(), made.numpy(), 3)
    assert precision_recall(real, made) == pytest.approx(wanted)
    assert 0 < wanted[0] < 1 and 0 < wanted[1] < 1


def test_precision_and_recall_tell_bad_from_few() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(200, 2, generator=generator), torch.randn(200, 2, generator=generator) + 50
    both = torch.cat([left, right])
    assert precision_recall(both, both) == (1, 1)
    assert precision_recall(both, both + 1000) == (0, 0)
    precision, recall = precision_recall(both, left)  # half of what there is, all of it real
    assert precision == 1 and recall == pytest.approx(0.5)
    with pytest.raises(ValueError, match="more than 3"):
        precision_recall(both, both[:3])


def test_features_come_before_the_last_layer(judge: DigitClassifier) -> None:
    x = torch.rand(7, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    features, logits = examine(judge, x)
    assert features.shape == (7, 128) and logits.shape == (7, 10) and float(features.min()) >= 0
    torch.testing.assert_close(logits, judge(x))
    with pytest.raises(ValueError, match=r"\(3, 28, 28\), but their classifier needs \(1, 28, 28\)"):
        examine(judge, x.expand(-1, 3, -1, -1))


def test_judge_is_as_good_and_as_small_as_its_card_says(judge: DigitClassifier) -> None:
    card = registry.MODELS["digits"].weights
    assert card.bytes <= 10**6 and weights.locate(card).stat().st_size == card.bytes
    assert "99.56 %" in card.quality and "n = 10,000" in card.quality
    assert float(torch.linalg.eigvalsh(judge.real_covariance).min()) > -1e-4 and judge.real_mean.shape == (128,)


def test_noise_is_far_from_digits(judge: DigitClassifier) -> None:
    x = torch.rand(300, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = measure(judge, x, torch.arange(300) % 10)
    assert found.distance > 20 and found.pictures == 300 and found.read_as_asked is not None
    assert found.read_as_asked < 0.3
    assert read_as_asked(torch.eye(10), torch.arange(10)) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty digits that the GAN made, as training and test pictures."""
    place = tmp_path_factory.mktemp("digits")
    module = registry.MODELS["gan-mnist"].load().eval().requires_grad_(False)
    made = table.function("models.gan:sample")(module, torch.arange(40) % 10, 500)
    for split in ("train", "test"):
        for i, pixels in enumerate((made[:, 0] * 255).round().byte().numpy()):
            (place / split / str(i % 10)).mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(pixels).save(place / split / str(i % 10) / f"{i:02d}.png")
    return place


def test_table_at_toy_size_keeps_the_rows_that_were_not_asked_for(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.json"
    text = table.run(folder, 40, ["gan"], out)
    rows: dict[str, dict[str, Any]] = json.loads(out.read_text("utf-8"))
    gan = rows["gan"]
    assert (
        set(rows) == {"real", "binary", "gan"}
        and gan["pictures"] == 40
        and gan["sha256"] == registry.sha256("gan-mnist")
    )
    assert gan["distance"] > 0 and 0 < gan["precision"] <= 1 and gan["samples_per_second"] > 0
    assert rows["real"]["distance"] < gan["distance"] * 2 and rows["real"]["precision"] == 1  # the same pictures
    assert abs(rows["real"]["efficientnet"]) < 1e-3 < rows["binary"]["efficientnet"]
    again = table.run(folder, 20, ["gan-mlp"], out)
    lines = again.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "Real digits (training set)",
        "The same, black or white",
        "GAN, convolutional",
        "GAN, dense",
    ]
    assert text.splitlines()[4] == lines[4] and lines[5].split("|")[-2].strip() == "20"
    assert all(line.count("|") == len(table.HEAD) + 2 for line in lines)


def test_table_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ParamError, match="set ATELIER_DATA"):
        table.run(tmp_path, 10, ["gan"], tmp_path / "table.json")
    done = execute("benchmarks.table", "--data", str(tmp_path), "--out", str(tmp_path / "t.json"))
    assert done.returncode == 2 and "does not hold MNIST" in done.stderr and done.stdout == ""


def test_missing_numbers_are_dashes() -> None:
    assert table.cells({"title": "x", "pictures": 10, "distance": math.pi}) == ["x", "3.14", *["–"] * 9, "10"]


def test_training_writes_a_judge_with_the_moments_of_its_test_pictures(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "digits.safetensors"
    flags = [
        "--data",
        str(folder),
        "--epochs",
        "1",
        "--batch",
        "20",
        "--runs",
        str(tmp_path / "runs"),
        "--out",
        str(out),
    ]
    monkeypatch.setattr("sys.argv", ["evaluator", *flags, "--device", "cpu"])
    training.main()
    config, tensors = weights.read(out)
    made = DigitClassifier(**config)
    made.load_state_dict(tensors, strict=True)
    assert tensors["real_covariance"].dtype == torch.float32 and tensors["head.weight"].dtype == torch.float16
    pictures, _ = training.labelled(str(folder), "test")
    mean, covariance = gaussian(examine(made.eval(), pictures.float() / 255)[0])
    torch.testing.assert_close(made.real_mean.double(), mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made.real_covariance.double(), covariance, rtol=1e-3, atol=1e-5)


def test_training_moves_digits_but_keeps_them() -> None:
    x = torch.zeros(50, 1, 28, 28)
    x[:, :, 10:18, 12:16] = 1
    y = training.moved(x, torch.Generator().manual_seed(0))
    assert not torch.equal(x, y) and 0 <= float(y.min()) <= float(y.max()) <= 1
    assert 20 < float(y.sum((1, 2, 3)).min()) <= float(y.sum((1, 2, 3)).max()) < 50  # of 32
