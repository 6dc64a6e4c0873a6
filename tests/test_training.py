"""The training scripts at toy size: a few steps, a checkpoint that goes on, a file that the page can read."""

from __future__ import annotations

import sys
from pathlib import Path

import PIL.Image
import pytest
import torch

from benchmarks.features import bundled
from models import registry, weights
from models.registry import ModelCard
from models.stylemix import StyleMixer
from models.vgg import Pool, vgg_lite
from training import features, gan, judges, stylemix


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, and a teacher of a few channels in place of the package's."""
    torch.manual_seed(0)
    wise = vgg_lite((6, 6, 8, 8, 8), (2, 2, 3, 3, 2), (0, 0, 0), (1, 1, 1))
    for step in wise.steps.values():
        if not isinstance(step, Pool):
            torch.nn.init.kaiming_normal_(step[0].weight)  # type: ignore[index]
    card = ModelCard("toy", "Toy", registry.MODELS["vgg-lite"].weights, lambda _: wise)
    monkeypatch.setattr(features.registry, "MODELS", {"toy": card})
    monkeypatch.setattr(features, "TEACHER", "toy")
    monkeypatch.setattr(features, "WIDTHS", (3, 4, 4, 5, 5))
    monkeypatch.setattr(features, "FITTED", 500)
    monkeypatch.setattr(features, "SCALED", 4)
    monkeypatch.setattr(features, "PLACES", 40)
    source = torch.Generator().manual_seed(0)
    for kind in ("photographs", "paintings"):
        (tmp_path / kind).mkdir()
        pixels = torch.randint(0, 256, (24, 32, 3), generator=source, dtype=torch.uint8).numpy()
        PIL.Image.fromarray(pixels).resize((340, 330)).save(tmp_path / kind / "a.png")
    (tmp_path / "paintings" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    return tmp_path


def command(toys: Path, *more: str) -> list[str]:
    folders = ["--photographs", str(toys / "photographs"), "--paintings", str(toys / "paintings")]
    files = ["--checkpoint", str(toys / "run.pt"), "--out", str(toys / "a.safetensors")]
    return [*folders, *files, "--samples", "4", *more]


def test_a_network_learns_from_its_teacher_stops_and_goes_on(toys: Path) -> None:
    features.main(command(toys, "--steps", "1"))
    features.main(command(toys, "--steps", "2", "--resume"))
    network = bundled(toys / "a.safetensors")
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = network(x, network.layers, "average")
    assert network.layers[-1] == "conv5_2" and found["conv5_2"].shape == (2, 5, 4, 4)
    assert all(bool(maps.isfinite().all()) for maps in found.values())
    assert torch.load(toys / "run.pt", weights_only=True)["step"] == 2


def test_each_layer_is_scaled_to_a_mean_of_one_by_one_number() -> None:
    torch.manual_seed(3)  # with some weights a layer of four channels is dead
    network = vgg_lite((4, 4, 4, 4, 4), features.DEPTHS, features.MEAN, features.STD).requires_grad_(False)
    x = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = network(x, ["conv2_2"], "average")["conv2_2"]
    features.normalise(network, x)
    after = network(x, network.layers, "average")
    assert all(float(after[name].mean()) == pytest.approx(1, abs=1e-3) for name in ("conv1_1", "conv2_2"))
    assert torch.allclose(after["conv2_2"], before / before.mean(), rtol=1e-3, atol=1e-4)


def test_least_squares_see_through_the_relu() -> None:
    source = torch.Generator().manual_seed(0)
    known, truth = torch.randn(4000, 6, generator=source), torch.randn(6, 3, generator=source)
    solution, missed = features.least_squares(known, (known @ truth).relu())
    plain = torch.linalg.lstsq(known, (known @ truth).relu()).solution
    assert missed < 0.05 and (solution - truth).norm() < 0.3 * (plain - truth).norm()


def test_the_best_channels_explain_the_others() -> None:
    source = torch.Generator().manual_seed(0)
    own = torch.randn(1000, 2, generator=source)
    x = torch.cat([own[:, :1], own[:, :1] * 0.5, own[:, 1:] * 0.7, own[:, 1:]], 1)
    assert features.best_channels(torch.cov(x.T), 2).tolist() == [0, 3]


def test_inner_products_agree_under_rotation_and_scale_only() -> None:
    x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1))).Q
    assert float(features.alike(x, 3 * x @ turn)) == pytest.approx(0, abs=1e-5)
    assert float(features.alike(x, x * torch.linspace(0, 3, 8))) > 0.05


def test_a_generator_goes_on_from_its_weights_and_the_nearest_epoch_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            folder = tmp_path / "toy" / split / name
            folder.mkdir(parents=True)
            for i in range(4):
                PIL.Image.new("RGB", (32, 32), (60 * i, 90, 200)).save(folder / f"{i}.png")
    away = iter([3.0, 5.0])
    monkeypatch.setattr(gan, "distance", lambda *_: next(away))
    monkeypatch.setattr(gan, "LEAD", 1)
    common_flags = ["gan", "--data", str(tmp_path / "toy"), "--noise", "8", "--widths", "8,8,8", "--batch", "4"]

    def train(*more: str) -> None:
        monkeypatch.setattr(sys, "argv", [*common_flags, *more])
        gan.main()

    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train("--epochs", "1", "--runs", str(tmp_path / "one"), "--out", str(first))
    train("--epochs", "2", "--start", str(first), "--best", "--runs", str(tmp_path / "two"), "--out", str(second))
    best = torch.load(tmp_path / "two" / "best.pt", weights_only=True)
    config, tensors = weights.read(second)
    assert config["classes"] == 2 and all(
        torch.allclose(best[k].float(), t.float(), atol=1e-2) for k, t in tensors.items()
    )


def test_style_mixing_takes_the_step_that_train_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = torch.Generator().manual_seed(0)
    for name, size, mode in (("digits", 28, "L"), ("textures", 32, "RGB")):
        for folder in (tmp_path / name / split / str(i) for split in ("train", "test") for i in range(10)):
            folder.mkdir(parents=True)
            pixels = torch.randint(0, 256, (size, size, len(mode)), generator=source, dtype=torch.uint8).numpy()
            PIL.Image.fromarray(pixels.squeeze()).save(folder / "a.png")
    for constant in ("STEPS", "READER_STEPS", "READ"):
        monkeypatch.setattr(stylemix, constant, 2)
    monkeypatch.setattr(stylemix, "read_as_asked", lambda *_: 0.5)
    data = ["--data", str(tmp_path / "digits"), "--textures", str(tmp_path / "textures"), "--batch", "4"]
    files = ["--runs", str(tmp_path / "run"), "--out", str(tmp_path / "a.safetensors"), "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["stylemix", *data, *files])
    stylemix.main()
    history = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["state"]["history"]
    assert set(history[0]) == {"discriminator", "generator", "gradient", "read"}
    network = StyleMixer()
    network.load_state_dict(weights.read(tmp_path / "a.safetensors")[1], strict=True)
    assert bool(network.neutral.any()) and (tmp_path / "a-reader.safetensors").is_file()


def test_colours_are_altered_and_mixing_keeps_the_sizes() -> None:
    x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    changed = judges.coloured(x)
    assert changed.shape == x.shape and not torch.allclose(changed, x)
    maps = [torch.rand(2, c, s, s) for c, s in ((4, 16), (6, 8), (8, 4))]
    mixing = judges.Mixing((4, 6, 8), (5, 5, 7))
    assert [tuple(m.shape) for m in mixing(maps)] == [(2, 5, 16, 16), (2, 5, 8, 8), (2, 7, 4, 4)]
    assert not any(p.requires_grad for p in mixing.parameters()) and mixing.state_dict()
