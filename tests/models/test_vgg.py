"""Feature networks: torchvision's own forward is the reference, on random weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cache import ModelCache
from models.vgg import (
    CONTENT_LAYERS,
    DEPTHS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    STYLE_LAYERS,
    WIDTHS,
    Features,
    filled,
    from_torchvision_squeezenet,
    vgg_lite,
)
from pipelines import images


def tensors_of(layers: nn.Sequential) -> Iterable[Tensor]:
    """torchvision's numbers in the order of its file."""
    return layers.state_dict().values()


Adapter = Callable[[nn.Sequential], Features]
ADAPTERS: dict[str, Adapter] = {
    "vgg19": lambda layers: filled(vgg_lite(WIDTHS, DEPTHS["vgg19"], IMAGENET_MEAN, IMAGENET_STD), tensors_of(layers)),
    "vgg16": lambda layers: filled(vgg_lite(WIDTHS, DEPTHS["vgg16"], IMAGENET_MEAN, IMAGENET_STD), tensors_of(layers)),
    "squeezenet1_1": from_torchvision_squeezenet,
}
VGG19 = [f"conv{block}_{i}" for block, depth in enumerate((2, 2, 4, 4, 4), 1) for i in range(1, depth + 1)]
VGG16 = [f"conv{block}_{i}" for block, depth in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, depth + 1)]
SQUEEZENET = ["conv1", *(f"fire{i}" for i in range(2, 10))]


@pytest.fixture(scope="module", params=ADAPTERS)
def pair(request: pytest.FixtureRequest) -> tuple[nn.Sequential, Features]:
    """torchvision's features and ours, over the same random weights."""
    import torchvision.models

    torch.manual_seed(0)
    # the classifier is not needed, and VGG's takes half a gigabyte: a meta device keeps it empty
    with torch.device("meta"):
        reference = getattr(torchvision.models, request.param)(weights=None).features
    reference = reference.to_empty(device="cpu").eval().requires_grad_(False)
    for parameter in reference.parameters():
        if parameter.ndim == 4:
            nn.init.kaiming_normal_(parameter)
        else:
            nn.init.normal_(parameter, std=0.1)
    return reference, ADAPTERS[request.param](copy.deepcopy(reference))


def normalised(x: Tensor) -> Tensor:
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    return (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def reference_activations(layers: nn.Sequential, x: Tensor, padding: str) -> list[Tensor]:
    """What follows each ReLU or Fire of torchvision's `features`, in order, the first convolution padded as told."""
    first = copy.deepcopy(layers[0])
    assert isinstance(first, nn.Conv2d)
    x = normalised(x)
    if max(first.padding) and padding == "replicate":
        first.padding = (0, 0)
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    found = []
    for layer in (first, *list(layers)[1:]):
        x = layer(x)
        if isinstance(layer, nn.ReLU) or type(layer).__name__ == "Fire":
            found.append(x.clone())
    return found


def test_forward_is_torchvisions(pair: tuple[nn.Sequential, Features]) -> None:
    reference, ours = pair
    x = torch.rand(2, 3, 50, 67)
    expected = reference_activations(reference, x, "replicate")
    found = ours(x, ours.layers, pooling="max")
    assert list(found) == list(ours.layers) and len(found) == len(expected)
    for (name, mine), theirs in zip(found.items(), expected, strict=True):
        assert float((mine - theirs).abs().max()) < 1e-4 * float(theirs.max()), name
    # Away from the border it is torchvision's forward to the letter, zero padding and all.
    plain = reference_activations(reference, x, "zeros")
    torch.testing.assert_close(found[ours.layers[0]][..., 2:-2, 2:-2], plain[0][..., 2:-2, 2:-2], rtol=1e-4, atol=1e-4)


def test_a_repeated_border_shows_no_edge_in_a_flat_picture(pair: tuple[nn.Sequential, Features]) -> None:
    _, ours = pair
    first = ours(torch.full((1, 3, 32, 32), 0.8), ours.layers[:1])[ours.layers[0]]
    torch.testing.assert_close(first, first[..., 8:9, 8:9].expand_as(first))


def test_layers_are_named_in_order(pair: tuple[nn.Sequential, Features]) -> None:
    _, ours = pair
    assert list(ours.layers) in (VGG19, VGG16, SQUEEZENET)
    assert set(ours.content) | set(ours.style) <= set(ours.layers)


def test_every_layer_works_at_its_smallest_size(pair: tuple[nn.Sequential, Features]) -> None:
    _, ours = pair
    for pooling in ("max", "average"):
        for name in ours.layers:
            least = ours.smallest([name])
            found = ours(torch.rand(1, 3, least, least + 3), [name], pooling)  # type: ignore[arg-type]
            assert min(found[name].shape) >= 1, name
            if least > 1:
                sentence = rf"^Input is {least + 3}x{least - 1} but must be at least {least}x{least}: choose a larger"
                with pytest.raises(ValueError, match=sentence):
                    ours(torch.rand(1, 3, least - 1, least + 3), [name])


@pytest.fixture(scope="module")
def lite() -> Features:
    torch.manual_seed(0)
    return vgg_lite((4, 4, 6, 6, 8), (2, 2, 4, 4, 2), (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)).eval().requires_grad_(False)


def test_lite_has_the_classic_layer_names(lite: Features) -> None:
    assert list(lite.layers) == [*VGG19[:12], "conv5_1", "conv5_2"]
    assert {*CONTENT_LAYERS, *STYLE_LAYERS} <= set(lite.layers)
    assert [lite.smallest([name]) for name in STYLE_LAYERS] == [1, 2, 4, 8, 16] and lite.smallest([]) == 1
    x = torch.rand(2, 3, 33, 48)
    shapes = {name: tuple(found.shape) for name, found in lite(x, lite.layers).items()}
    assert shapes["conv1_2"] == (2, 4, 33, 48) and shapes["conv2_1"] == (2, 4, 16, 24)
    assert shapes["conv5_2"] == (2, 8, 2, 3)


def test_lite_against_a_plain_stack(lite: Features) -> None:
    x = torch.rand(1, 3, 20, 24)
    plain = (x - torch.tensor((0.5, 0.4, 0.3)).view(3, 1, 1)) / torch.tensor((0.2, 0.25, 0.3)).view(3, 1, 1)
    convs: list[Any] = [module for module in lite.modules() if isinstance(module, nn.Conv2d)]
    plain = F.conv2d(F.pad(plain, (1, 1, 1, 1), mode="replicate"), convs[0].weight, convs[0].bias).relu()
    plain = F.avg_pool2d(F.conv2d(plain, convs[1].weight, convs[1].bias, padding=1).relu(), 2)
    plain = F.conv2d(plain, convs[2].weight, convs[2].bias, padding=1).relu()
    torch.testing.assert_close(lite(x, ["conv2_1"], "average")["conv2_1"], plain)


def test_only_what_is_asked_for_comes_back_and_nothing_deeper_is_computed(lite: Features) -> None:
    x = torch.rand(1, 3, 4, 4)  # too small for block 4
    assert list(lite(x, ["conv3_1", "conv1_2", "conv3_1"])) == ["conv1_2", "conv3_1"]
    assert lite(x, []) == {}
    torch.testing.assert_close(lite(x, ["conv1_2"])["conv1_2"], lite(x, ["conv1_2", "conv3_2"])["conv1_2"])


def test_pooling_is_chosen_at_each_call(lite: Features) -> None:
    x = torch.rand(1, 3, 32, 32)
    most, mean, again = (lite(x, ["conv2_1"], pooling)["conv2_1"] for pooling in ("max", "average", "max"))
    assert not torch.equal(most, mean) and torch.equal(most, again)
    default = lite(x, ["conv2_1"])["conv2_1"]
    assert torch.equal(default, most)


def test_errors_say_what_to_do(lite: Features) -> None:
    with pytest.raises(ValueError, match=r"^There is no layer conv9_1: choose from conv1_1, conv1_2, .*conv5_2\.$"):
        lite(torch.rand(1, 3, 32, 32), ["conv1_1", "conv9_1"])
    with pytest.raises(ValueError, match="There is no layer pool1"):
        lite(torch.rand(1, 3, 32, 32), ["pool1"])
    with pytest.raises(ValueError, match=r"^Input is 40x15 but must be at least 16x16: choose a larger size\.$"):
        lite(torch.rand(1, 3, 15, 40), ["conv5_1"])


def test_gradients_reach_the_picture_and_not_the_weights(lite: Features) -> None:
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    lite(x, ["conv5_2"], "average")["conv5_2"].sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in lite.parameters())


def test_bundled_network_is_scaled_to_mean_activation_one(cache: ModelCache, content: Any, style: Any) -> None:
    with cache.use("vgg-lite", working=0) as (module,):
        found = [module(images.to_tensor(picture, 128), STYLE_LAYERS, "average") for picture in (content, style)]
    for name in STYLE_LAYERS:
        mean = sum(float(activations[name].mean()) for activations in found) / 2
        assert 0.1 < mean < 10, f"{name} has mean {mean}"  # these two pictures are no photographs
