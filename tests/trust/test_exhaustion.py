"""What a visitor is told: out of memory is one sentence everywhere, and no sentence shows a folder of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from served import CONTENT, ROOT, STYLE

import cli
from models import device
from pipelines import PIPELINES
from pipelines.compare import engine, plan
from pipelines.images import ImageError
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
