"""Explore: its numbers agree with a few lines of plain torch, and every view works on bundled weights."""

from __future__ import annotations

import time
from typing import Any

import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cache import ModelCache
from models.classifier import Classifier
from models.imagenet import ImageNet
from models.vgg import Features, from_torchvision_squeezenet, vgg_lite
from pipelines import images
from pipelines.base import Output, Result, run
from pipelines.explore import PIPELINE, ExploreParams, looking, probes, ready
from pipelines.explore.encode import Shelf, encode, judge, middle
from pipelines.params import ParamError, parse

SIDE = 64


def details(cache: ModelCache, content: PIL.Image.Image, **settings: Any) -> dict[str, Any]:
    """The numbers of one look."""
    *_, result = run(PIPELINE, parse(ExploreParams, {"content": content, "resolution": SIDE, **settings}), cache)
    assert isinstance(result, Result)
    return result.record.details


def features(cache: ModelCache, picture: PIL.Image.Image, layers: list[str]) -> dict[str, Tensor]:
    with cache.use("vgg-lite") as (module,), torch.no_grad():
        return module(images.to_tensor(picture, SIDE), layers, "average")  # type: ignore[no-any-return]


def test_statistics_are_those_of_plain_torch(cache: ModelCache, content: PIL.Image.Image) -> None:
    table = {row["layer"]: row for row in details(cache, content, view="layers")["table"]}
    for name, x in features(cache, content, ["conv1_1", "conv3_4", "conv5_2"]).items():
        row = table[name]
        assert row["shape"] == list(x.shape[1:])
        found = [row["minimum"], row["maximum"], row["mean"], row["active"]]
        assert found == pytest.approx([x.min().item(), x.max().item(), x.mean().item(), (x > 0).float().mean().item()])


def test_maps_come_most_active_first(cache: ModelCache, content: PIL.Image.Image) -> None:
    told = details(cache, content, view="layers", layer="conv2_1", count=5)
    means = features(cache, content, ["conv2_1"])["conv2_1"].mean((0, 2, 3))
    assert [row["channel"] for row in told["maps"]] == means.topk(5).indices.tolist() and told["layer"] == "conv2_1"


def test_gram_is_that_of_plain_torch(cache: ModelCache, content: PIL.Image.Image, style: PIL.Image.Image) -> None:
    (row,) = details(cache, content, view="gram", other=style, layer="conv2_1")["layers"]
    a, b = (
        torch.einsum("chw,dhw->cd", x[0], x[0]) / x[0, 0].numel()
        for x in (features(cache, p, ["conv2_1"])["conv2_1"] for p in (content, style))
    )
    expected = [a.norm().item(), b.norm().item(), ((a - b).norm() / a.norm()).item() ** 2]
    assert [row["norm"], row["norm_other"], row["difference"]] == pytest.approx(expected, rel=1e-4)
    assert details(cache, content, view="gram", other=content)["layers"][0]["difference"] == 0


def test_grad_cam_is_that_of_plain_torch(cache: ModelCache, content: PIL.Image.Image) -> None:
    told = details(cache, content, view="attention", label=3)["class"]
    with cache.use("cifar10") as (module,), torch.enable_grad():
        assert isinstance(module, Classifier)
        x = (images.to_tensor(middle(content, 32)) - module.mean) / module.std
        kept: list[Tensor] = []
        for name, step in module.steps.items():
            x = step(x)
            if name == "conv3_2":
                x = x.detach().requires_grad_()
                kept.append(x)
        (module.head(F.adaptive_max_pool2d(x, 1).flatten(1)) / 9)[0, 3].backward()  # type: ignore[no-untyped-call]
        (maps,) = kept
        assert maps.grad is not None
        expected = F.relu((maps.grad.mean((2, 3))[0][:, None, None] * maps[0]).sum(0)).detach()
    assert (told["class"], told["layer"]) == ("cat", "conv3_2")
    torch.testing.assert_close(torch.tensor(told["map"]), expected, rtol=1e-3, atol=1e-5)


def test_total_variation_is_torchmetrics(content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache) -> None:
    from torchmetrics.functional.image import total_variation

    told = details(cache, content, view="frequencies", other=style)["pictures"]
    for row, picture in zip(told, (content, style), strict=True):
        x = images.to_tensor(picture, SIDE)
        assert row["total_variation"] == pytest.approx(float(total_variation(x)), rel=1e-5)
        assert row["per_pixel"] == pytest.approx(row["total_variation"] / x[0].numel())


def test_sobel_measures_slopes() -> None:
    ramp = torch.arange(8.0).expand(1, 2, 8, 8)
    assert torch.allclose(probes.sobel(ramp)[..., 1:-1], torch.ones(1, 2, 8, 6))
    assert torch.allclose(probes.sobel(0.5 * ramp.mT)[..., 1:-1, :], torch.full((1, 2, 6, 8), 0.5))
    assert probes.sobel(torch.full((1, 3, 5, 5), 0.7)).abs().max() < 1e-6


def networks() -> dict[str, nn.Module]:
    import torchvision.models

    torch.manual_seed(0)
    squeeze = from_torchvision_squeezenet(torchvision.models.squeezenet1_1(weights=None).features)
    lite = vgg_lite((4, 4, 4), (2, 1, 2), (0, 0, 0), (1, 1, 1))
    return {"vgg": lite, "squeezenet": squeeze, "cifar10": Classifier((4, 4, 4))}


@pytest.mark.parametrize(("kind", "layer"), [("vgg", "conv3_1"), ("squeezenet", "fire4"), ("cifar10", "conv2_1")])
def test_a_field_of_view_is_where_the_gradient_comes_from(kind: str, layer: str) -> None:
    network = networks()[kind].eval().double()
    for parameter in network.parameters():  # all positive: nothing can cancel out or be cut off
        parameter.data = parameter.data.abs() + 0.01
    x = torch.rand(1, 3, 96, 96, dtype=torch.float64, requires_grad=True)
    assert isinstance(network, (Features, Classifier))
    out = network.activations(x) if isinstance(network, Classifier) else network(x, [layer], "average")
    row, column = (side // 2 for side in out[layer].shape[-2:])
    (gradient,) = torch.autograd.grad(out[layer][0, :, row, column].sum(), x)
    seen = gradient.abs().sum((0, 1)).nonzero()
    (top, left), (bottom, right) = seen.min(0).values.tolist(), (seen.max(0).values + 1).tolist()
    box = probes.field_of(network.steps.items(), layer).box(row, column, 96, 96)
    if kind == "vgg":
        assert box == (left, top, right, bottom)
    else:  # max pooling passes the gradient of one pixel alone
        assert box[0] <= left and box[1] <= top and right <= box[2] and bottom <= box[3]


def test_the_patch_is_where_the_channel_is_strongest(cache: ModelCache) -> None:
    picture = PIL.Image.new("RGB", (SIDE, SIDE), (90, 90, 90))
    picture.paste((255, 255, 0), (40, 8, 52, 20))
    maps = features(cache, picture, ["conv2_2"])["conv2_2"][0]
    channel = int((maps.amax((1, 2)) - maps.mean((1, 2))).argmax())
    patch = details(cache, picture, view="attention", layer="conv2_2", channel=channel)["patch"]
    left, top, right, bottom = patch["box"]
    assert patch["activation"] == pytest.approx(float(maps[channel].max()))
    assert left < 54 and right > 38 and top < 22 and bottom > 6, "the box does not touch the only thing there is"


def test_invert_comes_nearer_to_the_picture(cache: ModelCache, content: PIL.Image.Image) -> None:
    p = ExploreParams(content=content, view="invert", layer="conv1_1,conv2_1", resolution=48, steps=25)
    *steps, result = run(PIPELINE, p, cache)
    assert isinstance(result, Result) and len(result.images) == 2
    first, last = steps[0].metrics, result.record.metrics  # type: ignore[union-attr]
    assert all(last[name] < 0.5 * float(first[name]) for name in ("conv1_1", "conv2_1"))
    shallow, deep = (row["pixels"] for row in result.record.details["layers"])
    assert shallow < 0.15 and shallow < deep


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"view": "layers", "layer": "conv9_9"}, "There is no layer conv9_9 here: choose from conv1_1, "),
        ({"view": "layers", "layer": "conv1_1,conv2_1"}, "layers shows one layer at a time, not 2"),
        ({"view": "attention", "channel": 999}, "channel is 999, but conv4_2 has the channels 0 to 255."),
        ({"view": "attention", "label": 10}, "label is 10, but cifar10 knows the classes 0 to 9."),
        ({"view": "upside"}, "view is 'upside': choose one of 'classify', "),
    ],
)
def test_errors_say_what_to_do(
    cache: ModelCache, content: PIL.Image.Image, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParamError, match=f"^{sentence}"):
        details(cache, content, **settings)


def test_an_unlike_picture_is_not_sure(cache: ModelCache) -> None:
    *_, result = run(PIPELINE, ExploreParams(content=PIL.Image.new("RGB", (40, 40), (127, 127, 127))), cache)
    assert isinstance(result, Result) and not result.record.details["cifar10"]["sure"]
    assert any(note.startswith(("Not sure", "None of these")) for note in result.record.notes)
    best = result.record.details["cifar10"]["best"]
    assert best == sorted(best, key=lambda row: -row["probability"]) and len(best) == 5


def test_imagenet_halves_are_the_whole() -> None:
    import torchvision.models

    torch.manual_seed(0)
    whole = torchvision.models.vgg11(weights=None, num_classes=7, init_weights=False).eval()
    whole.classifier = nn.Sequential(nn.Linear(512 * 49, 7))
    network, x = ImageNet(whole, list("abcdefg")).eval(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(x), whole((x - network.mean) / network.std))
    judged = judge(PIL.Image.new("RGB", (50, 40), (10, 200, 90)), "toy", network)
    cam = probes.grad_cam(judged.maps["conv5_4"], network.read, 2)
    assert cam.shape == (14, 14) and float(cam.min()) >= 0 and judged.square.size == (40, 40)


def counted(network: nn.Module) -> list[int]:
    """How often `network` has run, as a list that grows."""
    calls: list[int] = []
    network.register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


def test_encoded_once_every_view_reads_the_shelf(
    cache: ModelCache, content: PIL.Image.Image, style: PIL.Image.Image
) -> None:
    shelf = Shelf()
    with cache.use("vgg-lite") as (module,):
        calls = counted(module)
    generate = looking(shelf)

    def look(**settings: Any) -> Output:
        p = ExploreParams(content=content, resolution=SIDE, **settings)
        steps = generate(p, cache)
        next(steps)
        with pytest.raises(StopIteration) as end:
            next(steps)
        assert ready(p, shelf)
        return end.value.value  # type: ignore[no-any-return]

    assert not ready(ExploreParams(content=content, view="layers", resolution=SIDE), shelf)
    first = look(view="layers")
    for settings in ({"view": "gram"}, {"view": "attention"}, {"view": "layers", "layer": "conv1_1"}):
        look(**settings)
    assert len(calls) == 1, "a view ran the network again"
    look(view="gram", other=style)
    assert len(calls) == 2 and look(view="layers").details == first.details


def test_the_shelf_is_bounded_in_bytes_and_in_time(cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [PIL.Image.new("RGB", (48, 48), (i, 0, 0)) for i in range(4)]
    with cache.use("vgg-lite") as (module,):
        one = encode(pictures[0], "vgg-lite", module, 48).bytes
        shelf = Shelf(budget=2 * one + one // 2, seconds=60)
        for picture in pictures[:3]:
            shelf.features(picture, "vgg-lite", module, 48)
        keys = [Shelf.key(picture, "vgg-lite", 48) for picture in pictures]
        assert [key in shelf for key in keys] == [False, True, True, False] and shelf.bytes == 2 * one
        Shelf(budget=one - 1).features(pictures[0], "vgg-lite", module, 48)  # too large to be kept: no error
    now = time.monotonic()
    monkeypatch.setattr("pipelines.explore.encode.time.monotonic", lambda: now + 61)
    assert keys[2] not in shelf and shelf.bytes == 0
