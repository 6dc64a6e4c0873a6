"""What a visitor is told: out of memory is one sentence everywhere, and no sentence shows a folder of the server."""

from __future__ import annotations

import gc
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from served import CONTENT, ROOT, STYLE

import cli
from models import device, registry
from models.cache import OutOfBudget
from models.diffusion import Denoiser
from pipelines import PIPELINES
from pipelines.base import Result, run
from pipelines.compare import engine, plan
from pipelines.images import ImageError
from pipelines.params import parse
from ui.kit import session, show


def allocation() -> RuntimeError:
    """What PyTorch raises where RAM is short."""
    with pytest.raises(RuntimeError, match="DefaultCPUAllocator") as caught:
        torch.empty(2**50)
    return caught.value


ERRORS = {"RAM": allocation(), "Python": MemoryError(), "card": torch.OutOfMemoryError("CUDA out of memory")}
SHORT = pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)


@SHORT
def test_memory_that_is_short_is_known_by_every_error_that_tells_it(error: Exception) -> None:
    assert device.out_of_memory(error) and session.explain(error) == device.OUT_OF_MEMORY
    update = show.failed(error, None, PIPELINES["gatys"])
    assert device.OUT_OF_MEMORY in update.status and update.cures[0]  # a smaller size is offered
    (entry,) = plan.entries("gatys", PIPELINES, {})
    card = engine.Card(entry, None)
    card.fail(error)
    assert card.sentence == device.OUT_OF_MEMORY


def tensors() -> int:
    """How many are alive."""
    gc.collect()
    return sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())


def test_a_hundred_runs_that_run_short_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, method, chance = registry.open_cache(), PIPELINES["diffusion"], random.Random(0)
    params = parse(method.params, {"count": 1, "steps": 4, "seed": 0})
    forward, calls = Denoiser.forward, iter([0])

    def short(self: Denoiser, *given: Any, **named: Any) -> Any:
        if next(calls, None) is None:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, *given, **named)

    def cycle() -> None:
        nonlocal calls
        calls = iter(range(chance.randrange(4)))
        with pytest.raises(OutOfBudget, match=r"choose|less|smaller"):
            list(run(method, params, cache))
        assert all(model.pins == 0 for model in cache.snapshot())

    *_, before = run(method, params, cache)
    monkeypatch.setattr(Denoiser, "forward", short)
    cycle()
    alive, held = tensors(), device.held_bytes(cache.device)
    for _ in range(100):
        cycle()
    assert tensors() <= 1.05 * alive and device.held_bytes(cache.device) <= 1.05 * held
    monkeypatch.undo()
    *_, after = run(method, params, cache)
    assert isinstance(before, Result) and isinstance(after, Result)
    assert before.picture.tobytes() == after.picture.tobytes()


def test_other_errors_are_not_taken_for_it() -> None:
    assert not device.out_of_memory(RuntimeError("shape mismatch")) and not device.out_of_memory(ValueError())


@SHORT
def test_the_command_line_says_it(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    flags = ["gatys", "--content", str(CONTENT), "--styles", str(STYLE), "--out", str(tmp_path / "a.png")]
    monkeypatch.setattr(cli, "run", fail)
    assert cli.main(flags) == 2 and capsys.readouterr().err.splitlines() == [device.OUT_OF_MEMORY]


@pytest.mark.parametrize("name", ["weights/vgg-lite.safetensors", "a b/ü.png", "x.png"])
def test_a_sentence_for_visitors_shows_no_folder_of_the_server(name: str, tmp_path: Path) -> None:
    for folder in (ROOT, Path.home(), tmp_path):
        error = ImageError(f"'{folder / name}' is not an existing file: give the path of a picture.")
        said = session.explain(error)
        assert str(folder) not in said and Path(name).name in said and said.endswith("give the path of a picture.")
    assert session.explain(ImageError("OWNER/NAME holds a/b.png: 1/2.")) == "OWNER/NAME holds a/b.png: 1/2."
