"""What a run leaves behind: found wherever it is, counted, and moved as the same objects."""

from __future__ import annotations

import PIL.Image
import pytest
import torch

from models import device
from models.cache import ModelCache
from pipelines import gatys
from pipelines.base import Result, run
from pipelines.gatys import GatysParams
from pipelines.params import parse


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_canvas_is_found_whole(
    cache: ModelCache, content: PIL.Image.Image, style: PIL.Image.Image, optimizer: str
) -> None:
    p = parse(GatysParams, {"content": content, "styles": [style], "size": 64, "steps": 3, "optimizer": optimizer})
    *_, result = run(gatys.PIPELINE, p, cache)
    assert isinstance(result, Result)
    tensors = list(device.tensors_in(result.state))
    assert len(tensors) > 6 and device.bytes_in(result.state) > 2 * 64 * 48 * 3 * 4
    assert {t.device.type for t in tensors} == {"cpu"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_state_goes_to_the_card_and_back_as_the_same_tensors() -> None:
    state = [torch.zeros(3, requires_grad=True), {"moment": torch.ones(4)}, torch.tensor(1.0)]
    before = list(map(id, device.tensors_in(state)))
    for where in (torch.device("cuda"), torch.device("cpu")):
        device.move(state, where)
        assert [t.device.type for t in device.tensors_in(state)] == [where.type, where.type, "cpu"]
    assert list(map(id, device.tensors_in(state))) == before


def test_what_is_tied_counts_once() -> None:
    x = torch.zeros(10)
    assert device.bytes_in([x, {"again": x}, (x, "text", None)]) == 40 and device.bytes_in(None) == 0
