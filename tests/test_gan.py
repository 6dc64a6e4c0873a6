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
from models.gan import BATCH, KINDS, discriminator, draw, generator, noise_of, sample, slerp
from pipelines import dataset
from pipelines.base import Progress, Result, run
from pipelines.gan import PIPELINE, GanParams, columns
from pipelines.params import ParamError, parse
from pipelines.sheet import grid
from training import gan as training

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
        ({"dataset": "faces"}, "choose one of 'mnist'"),
        ({"interpolate": 1}, "at least 2 frames"),
        ({"interpolate": 5, "nearest": True}, "set interpolate to 0"),
    ],
)
def test_wrong_settings_say_what_to_do(cache: ModelCache, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ParamError, match=said):
        make(cache, **given)


@pytest.fixture
def folder(tmp_path: Path, cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty training pictures, the first two of each class made by the generator itself."""
    for i, image in enumerate(make(cache, count=20).images):
        for split in ("train", "test"):
            place = tmp_path / split / str(i % 10)
            place.mkdir(parents=True, exist_ok=True)
            image.convert("L").save(place / f"{i:02d}.png")
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))
    return tmp_path


def test_nearest_training_picture_of_a_copy_is_the_original(cache: ModelCache, folder: Path) -> None:
    result = make(cache, count=3, seed=10, nearest=True)  # 3 of the 20
    assert dataset.present() and folder.is_dir()
    for i, row in enumerate(result.record.details["pictures"]):
        assert row["nearest"]["class"] == i and row["nearest"]["distance"] < 0.05
    assert result.sheet is not None
    assert grid([image for image in result.images for _ in range(2)], 2).size == result.sheet.size


def test_without_training_pictures_nearest_says_what_is_needed(
    cache: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATELIER_DATA", raising=False)
    assert not dataset.present()
    with pytest.raises(ParamError, match="set ATELIER_DATA"):
        make(cache, nearest=True)
    monkeypatch.setenv("ATELIER_DATA", str(tmp_path))
    assert not dataset.present()
    with pytest.raises(ParamError, match="does not hold MNIST"):
        make(cache, nearest=True)


def test_torchvision_layout_is_read(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
    (raw / "train-images-idx3-ubyte").write_bytes(bytes(16) + pixels.tobytes())
    (raw / "train-labels-idx1-ubyte").write_bytes(bytes(8) + bytes(range(7)))
    pictures, labels = dataset.digits(tmp_path, "train")
    assert pictures.shape == (7, 1, 28, 28) and labels.tolist() == list(range(7))
    assert (pictures[:, 0].numpy() == pixels).all()


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
