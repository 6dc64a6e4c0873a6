"""The GAN: its networks, its walks, its training at toy size, and what the method promises beyond the contract."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from models import weights
from models.cache import ModelCache
from models.gan import BATCH, KINDS, draw, generator, noise_of, sample, slerp
from pipelines.base import Progress, Result, run
from pipelines.gan import PIPELINE, GanParams, columns
from pipelines.params import ParamError, parse
from training import gan as training
from training.judges import SHIFT, discriminator, shifted

KIND = pytest.mark.parametrize("kind", KINDS)


def make(cache: ModelCache, **given: Any) -> Result:
    *_, result = run(PIPELINE, parse(GanParams, given), cache)
    assert isinstance(result, Result)
    return result


@KIND
@pytest.mark.parametrize("shape", [(1, 28), (3, 32)])
def test_networks_take_digits_and_colour_pictures(kind: str, shape: tuple[int, int]) -> None:
    channels, size = shape
    made = generator(kind, widths=(8, 8, 4), size=size, channels=channels)
    judge = discriminator(kind, size=size, channels=channels)
    labels = torch.arange(5)
    x = made(torch.randn(5, made.noise), labels)
    assert x.shape == (5, channels, size, size) and 0 <= float(x.detach().min()) <= float(x.detach().max()) <= 1
    assert judge(x, labels).shape == (5,)


def test_the_judge_of_photographs_speaks_for_every_place_and_saves_no_frozen_network() -> None:
    judge = discriminator("features", size=32, channels=3)
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    said = judge(x, torch.arange(4))
    assert said.shape == (4, 5 * 16)
    said.sum().backward()
    assert x.grad is not None and float(x.grad.abs().sum()) > 0
    assert all(name.startswith("heads.") for name in judge.state_dict())
    assert sum(p.numel() for p in judge.parameters()) < 2_000_000


def test_pictures_are_shifted_each_by_itself_and_by_little() -> None:
    torch.manual_seed(0)
    x = torch.arange(32.0).expand(40, 3, 32, 32)  # a ramp from left to right
    moved = {float(shifted(x)[i, 0, 16, 16] - x[i, 0, 16, 16]) for i in range(40)}
    assert len(moved) > 4 and max(map(abs, moved)) <= SHIFT


@KIND
def test_the_class_changes_the_picture(kind: str) -> None:
    made = generator(kind).eval()
    z = noise_of([3, 3], made.noise)
    one, two = draw(made, z, torch.tensor([1, 2]))
    assert not torch.equal(one, two)


@KIND
def test_a_picture_does_not_depend_on_how_many_are_made(kind: str) -> None:
    made = generator(kind).eval()
    labels = torch.arange(BATCH + 5) % 10
    many = sample(made, labels, seed=7)
    assert torch.equal(sample(made, labels[:3], seed=7), many[:3])
    assert torch.equal(sample(made, labels[BATCH:], seed=7 + BATCH), many[BATCH:])


def test_walk_keeps_to_the_sphere_and_its_ends() -> None:
    a, b = noise_of([0, 1], 64), noise_of([2, 3], 64)
    a, b = 3 * a / a.norm(dim=1, keepdim=True), 3 * b / b.norm(dim=1, keepdim=True)
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    for share in (0.25, 0.5, 0.9):
        torch.testing.assert_close(slerp(a, b, share).norm(dim=1), torch.full((2,), 3.0))
    whole = torch.nn.functional.cosine_similarity(a, b).acos()
    part = torch.nn.functional.cosine_similarity(a, slerp(a, b, 0.25)).acos()
    torch.testing.assert_close(part, whole / 4, rtol=1e-4, atol=1e-5)


def test_walk_between_the_same_noise_stays_there() -> None:
    a = noise_of([4], 64)
    torch.testing.assert_close(slerp(a, a, 0.5), a)
    opposite = slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.5)
    torch.testing.assert_close(opposite, torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)]]))


@KIND
def test_weights_read_as_asked(cache: ModelCache, kind: str) -> None:
    """What the README says, at a size at which it can be off by chance."""
    result = make(cache, model=kind, count=100)
    assert result.record.metrics["read as asked"] >= (0.95 if kind == "conv" else 0.85)
    assert {row["class"] for row in result.record.details["pictures"]} == set(range(10))


def test_photographs_are_made_and_read_by_their_own_classifier(cache: ModelCache) -> None:
    one, two = (make(cache, dataset="cifar10", count=20, seed=5) for _ in range(2))
    assert [i.tobytes() for i in one.images] == [i.tobytes() for i in two.images]
    assert one.images[0].size == (32, 32) and len({i.tobytes() for i in one.images}) == 20
    assert one.record.metrics["read as asked"] > 0.3  # a tenth by chance
    assert set(one.record.models) == {"gan-cifar10", "cifar10"}
    with pytest.raises(ParamError, match="choose conv for cifar10"):
        make(cache, dataset="cifar10", model="mlp")


def test_picture_i_is_the_same_for_every_count_and_comes_from_seed_plus_i(cache: ModelCache) -> None:
    few, many = make(cache, count=3, label=4), make(cache, count=20, label=4)
    later = make(cache, count=4, label=4, seed=16)
    assert [i.tobytes() for i in few.images] == [i.tobytes() for i in many.images[:3]]
    assert [i.tobytes() for i in later.images] == [i.tobytes() for i in many.images[16:]]


def test_without_truncation_pictures_differ_and_with_all_of_it_they_are_one(cache: ModelCache) -> None:
    alike = make(cache, count=4, label=2, truncation=0)
    apart = make(cache, count=4, label=2)
    assert len({i.tobytes() for i in alike.images}) == 1 and len({i.tobytes() for i in apart.images}) == 4


def test_walk_goes_from_the_seeds_to_the_others(cache: ModelCache) -> None:
    steps = list(run(PIPELINE, GanParams(count=2, label=5, interpolate=4, to_seed=30), cache))
    result = steps.pop()
    assert isinstance(result, Result) and len(result.images) == 8 and len(steps) == 4
    ends = [make(cache, count=2, label=5, seed=seed).images for seed in (0, 30)]
    for walk in range(2):
        first, last = result.images[4 * walk], result.images[4 * walk + 3]
        for found, wanted in ((first, ends[0][walk]), (last, ends[1][walk])):  # up to the rounding of the arc
            assert np.abs(np.asarray(found, int) - np.asarray(wanted, int)).max() <= 2
    frames = [step.preview for step in steps if isinstance(step, Progress)]
    assert all(frame is not None for frame in frames) and not torch.equal(frames[0], frames[-1])  # type: ignore[arg-type]
    assert result.record.details["from"] == [0, 1] and result.record.details["to"] == [30, 31]


def test_grid_has_a_column_for_each_class_where_that_fits() -> None:
    assert columns(GanParams(count=30)) == 10 and columns(GanParams(count=30, label=3)) == 6
    assert columns(GanParams(count=16)) == 4 and columns(GanParams(count=2, interpolate=9)) == 9


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": 0}, "count is 0"),
        ({"label": 12}, "label is 12"),
        ({"dataset": "faces"}, "choose one of 'mnist' or 'cifar10'"),
        ({"interpolate": 1}, "at least 2 frames"),
        ({"interpolate": 5, "nearest": True}, "set interpolate to 0"),
    ],
)
def test_wrong_settings_say_what_to_do(cache: ModelCache, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamError, match=said):
        make(cache, **given)


@KIND
@pytest.mark.parametrize("channels", [1, 3])
def test_training_resumes_exactly_and_its_file_describes_itself(
    kind: str, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    size = 28 if channels == 1 else 32
    for i in range(20):
        (data / "train" / str(i % 10)).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (size, size, channels), np.uint8)
        PIL.Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(data / "train" / str(i % 10) / f"{i}.png")

    def train(name: str, *more: str) -> Path:
        out = tmp_path / f"{name}.safetensors"
        flags = ["--data", str(data), "--model", kind, "--widths", "8,8,4", "--batch", "10", "--device", "cpu"]
        monkeypatch.setattr("sys.argv", ["gan", *flags, "--runs", str(tmp_path / name), "--out", str(out), *more])
        training.main()
        return out

    config, tensors = weights.read(train("whole", "--epochs", "2"))
    made = generator(**config)
    made.load_state_dict(tensors, strict=True)
    assert sample(made.eval(), torch.tensor([0, 1]), 0).shape == (2, channels, size, size)

    def pull_the_plug(_x: torch.Tensor, path: Path, _columns: int) -> None:
        if path.name == "epoch-002.png":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "sheet", pull_the_plug)
        train("cut", "--epochs", "2")
    _, resumed = weights.read(train("cut", "--epochs", "2", "--resume"))
    assert all(torch.equal(resumed[name], tensor) for name, tensor in tensors.items())
