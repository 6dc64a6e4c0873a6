"""Every benchmark runs, at toy size; its numbers mean nothing here but must be numbers."""

from __future__ import annotations

import itertools
import json
import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from scripts import execute
from served import Served

from benchmarks import baseline, blind, common, features, gatys, memory, serve, startup
from models import registry, weights
from pipelines import METHODS, images
from pipelines.gatys import GatysParams
from pipelines.params import ParamError, parse


def finite(*numbers: float) -> bool:
    return all(math.isfinite(n) and n > 0 for n in numbers)


@pytest.fixture(scope="module")
def loss() -> baseline.Objective:
    p = GatysParams(content=images.load(common.content("cat")), styles=[images.load(common.style("wave"))], size=64)
    return baseline.objective(p, torch.device("cpu"))


def test_gatys() -> None:
    rows = gatys.measure(quick=True)
    for r in rows:
        assert finite(r.seconds, r.first_preview, r.start_loss, r.loss, r.baseline_loss, r.ratio, r.baseline_steps)
        assert r.first_preview <= r.seconds and r.loss < r.start_loss
    assert "astronaut + impasto" in gatys.report(rows)


def test_what_a_crowd_asks_for_can_be_made() -> None:
    for asked in (serve.WHOLE, serve.QUICK):
        assert parse(METHODS["gan"].params, asked).count == asked["count"]


def test_baseline_reaches_a_loss_and_gives_up_on_none(loss: baseline.Objective) -> None:
    start = loss.judge(loss.start)
    ticks = itertools.count()
    seconds, steps, best = gatys.reach(loss, 0.9 * start, 50, lambda: float(next(ticks)))
    assert seconds == steps and best <= 0.9 * start  # each step takes one tick; judging takes none
    assert gatys.reach(loss, 0.0, 2.5, lambda: float(next(ticks)))[:2] == (None, 3)


def test_judge_is_the_loss_that_the_baseline_goes_down(loss: baseline.Objective) -> None:
    assert loss.judge(loss.start) == pytest.approx(float(loss(loss.start)), rel=1e-3)
    assert {value.dtype for value in loss.criterion.buffers()} == {torch.float32}


def test_feature_networks_are_painted_with_and_judged() -> None:
    if not weights.present(registry.MODELS["vgg16-hed"].weights):
        pytest.skip(f"needs the package of vgg16-hed: {weights.INSTALL}")
    pair = (common.content("cat"), common.style("wave"))
    candidate = weights.locate(registry.MODELS["vgg-lite"].weights)
    rows, wise = features.compare([candidate], [pair], size=64, steps=1)
    assert finite(*rows[0].loss, *wise.loss) and "VGG-16" in features.report(rows, wise)


def test_memory() -> None:
    rows = memory.measure(quick=True)
    assert all(finite(r.loaded, r.peak) and r.peak < 4e9 for r in rows)
    assert "peak RSS" in memory.report(rows)


def test_startup(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is the one that all tests share: here its start has no time of its own."""
    start = startup.served

    def there(script: str) -> AbstractContextManager[tuple[str, float]]:
        return nullcontext((f"{served.url}/", 1.0)) if script == "app.py" else start(script)

    monkeypatch.setattr(startup, "served", there)
    times = startup.measure(quick=True)
    assert finite(*times.empty, *times.page, *times.preview, *times.result, times.ratio)
    assert finite(*times.paint, *times.empty_paint, len(times.config[0]))
    assert "HTTP 200" in startup.report(times) and " kB by gzip" in startup.report(times)


def test_a_page_that_does_not_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no_such_page"), startup.served("benchmarks/no_such_page.py"):
        pass


def test_command_line() -> None:
    done = execute("benchmarks", "--help")
    assert done.returncode == 0 and all(name in done.stdout for name in ("startup", "gatys", "memory", "--quick"))
    assert "torch" in common.machine() and "\n" not in common.machine()


def test_a_judge_cannot_tell_the_ways_apart_and_the_count_can(tmp_path: Path) -> None:
    contents, styles = (
        [path(name) for name in names]
        for path, names in ((common.content, ("cat", "coffee")), (common.style, ("wave", "ink")))
    )
    ways = blind.Way.of(["stylize", "model=atelier"]), blind.Way.of(["stylize", "model=atelier", "strength=0"])
    pairs = blind.drawn(contents, styles, 3, seed=1)
    assert len({pair[:2] for pair in pairs}) == 3 and pairs == blind.drawn(contents, styles, 3, seed=1)
    assert {straight for *_, straight in blind.drawn(contents, styles, 4, seed=0)} == {True, False}
    blind.make(ways, pairs, 64, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01.png", "02.png", "03.png", "answers.csv", "key.json"]
    key = json.loads((tmp_path / "key.json").read_text())
    letters = [next(letter for letter, way in key[number].items() if way == str(ways[1])) for number in ("01", "02")]
    answers = f"sheet,preferred\n01,{letters[0]}\n02,{letters[1].lower()}\n03,=\n"
    (tmp_path / "answers.csv").write_text(answers)
    assert f"| {ways[1]} | 2 of 3 | 34% to 100% | 0.500 |" in blind.count(tmp_path)
    (tmp_path / "answers.csv").write_text("sheet,preferred\n01,left\n")
    with pytest.raises(ValueError, match="write A, B or ="):
        blind.count(tmp_path)
    with pytest.raises(ParamError, match="write it like"):
        blind.Way.of(["stylise"])
