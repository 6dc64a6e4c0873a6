"""The plan of the house: imports point one way and in no circle, functions stay short, the start stays light."""

from __future__ import annotations

import subprocess
import sys

import house


def test_imports_point_one_way() -> None:
    assert [text for room in house.rooms() for text in house.wrong_imports(room)] == []


def test_there_are_no_circles() -> None:
    assert house.circles(house.rooms()) == []


def test_functions_are_short_and_no_folder_is_crowded() -> None:
    assert house.long_functions() == [] and house.crowded() == []


def test_the_walk_sees_the_methods_and_what_functions_import() -> None:
    by_name = {room.name: room for room in house.rooms()}
    assert {"app.py", "models/cache.py", "ui/page.py", "pipelines/gatys/__init__.py"} <= set(by_name)
    assert {"gatys", "compare", "explore"} <= set(house.methods())
    assert "torchvision.models" in by_name["models/vgg.py"].imports  # inside a builder


def test_start_imports_torch_and_nothing_heavier() -> None:
    code = (
        "import sys, pipelines, ui.page, cli, app\n"
        "print(*sorted({'torchvision', 'diffusers', 'transformers', 'torch', 'scipy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=house.ROOT, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.split() == ["torch"]
