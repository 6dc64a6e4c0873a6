"""Replicas of Ray Serve behind the page's engine, and Ray Data over a folder: real processes on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from gradio_client import Client, handle_file
from served import CONTENT, ROOT, STYLE, serve

from models import registry
from models.cache import ModelCache
from models.weights import WeightsError
from pipelines import METHODS, PIPELINES, record
from pipelines.base import Progress, Result, advance, run
from pipelines.params import parse

pytest.importorskip("ray", reason="requirements-ray.txt is not installed")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(600)]
PAINTING = {"content": CONTENT, "styles": [STYLE], "size": 96, "steps": 2000}


@pytest.fixture(scope="module")
def remote() -> Iterator[ModelCache]:
    """A cache whose methods run on two replicas."""
    import ray

    from scale import engine, replica
    from scale.serve import begin

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    begin()
    cache = registry.open_cache()
    cache.elsewhere = engine.Engine(replica.deploy((2, 2)))
    yield cache
    ray.shutdown()


def last_of(cache: ModelCache, method: str, **values: Any) -> Result:
    """What a run ends in."""
    pipeline = PIPELINES[method]
    *_, result = run(pipeline, parse(pipeline.params, values), cache, sha256=registry.sha256)
    assert isinstance(result, Result)
    return result


def test_many_pictures_once_each_and_what_is_there_is_skipped(tmp_path: Path) -> None:
    # Before there are replicas, which have the processors.
    content, out = tmp_path / "content", tmp_path / "out"
    content.mkdir()
    for i in range(5):
        PIL.Image.new("RGB", (64, 48), (40 * i, 90, 200)).save(content / f"{i}.jpg")
    (content / "bad.jpg").write_bytes(b"no picture")
    flags = ["stylize", "--content", str(content), "--styles", str(STYLE), "--size", "64", "--out", str(out), "--json"]
    command = [sys.executable, "-m", "scale.batch", *flags]

    def report() -> dict[str, Any]:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 1, done.stderr  # one was refused
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    first = report()
    assert (first["made"], first["skipped"], list(first["refused"])) == (5, 0, ["bad.jpg"])
    before = {path: path.stat().st_mtime for path in out.glob("*.png")}
    assert sorted(path.name for path in before) == [f"{i}.png" for i in range(5)]
    time.sleep(0.01)
    assert report()["skipped"] == 5 and all(path.stat().st_mtime == time for path, time in before.items())


@pytest.mark.parametrize("method", ["gan", "vae", "diffusion", "gatys"])
def test_a_replica_makes_the_same_pixels_and_no_model_is_loaded_here(
    remote: ModelCache, cache: ModelCache, method: str
) -> None:
    values: dict[str, Any] = {"seed": 3, "count": 2} if method != "gatys" else {**PAINTING, "steps": 3}
    assert last_of(remote, method, **values).picture.tobytes() == last_of(cache, method, **values).picture.tobytes()
    assert remote.snapshot() == []


def test_stop_reaches_a_run_and_continue_goes_on_from_there(remote: ModelCache) -> None:
    gatys = METHODS["gatys"]
    stream = run(gatys, parse(gatys.params, PAINTING), remote)
    event = next(stream)
    while not isinstance(event, Result):
        event = advance(stream, stop=isinstance(event, Progress) and event.step > 1)
        assert event is not None
    assert 1 < event.record.steps < 2000 and "stopped after" in event.record.notes[0]
    more = run(gatys, parse(gatys.params, PAINTING), remote, event.state)
    first = next(more)
    assert isinstance(first, Progress) and first.step > event.record.steps
    more.close()
    assert last_of(remote, "gan", count=1).images, "a run that was left gives its replica back"


def test_what_cannot_be_run_is_the_same_sentence(remote: ModelCache) -> None:
    with pytest.raises(WeightsError, match="not on this machine"):
        last_of(remote, "gan", weights="nothing.safetensors")


def test_a_comparison_of_the_page_runs_its_methods_there(remote: ModelCache) -> None:
    result = last_of(remote, "compare", content=CONTENT, styles=[STYLE], methods="gatys:steps=2,stylize", size=64)
    assert len(result.records) == 2 and remote.snapshot() == []


def test_a_run_goes_on_when_its_replica_is_killed(remote: ModelCache) -> None:
    from benchmarks.scale import processes

    gatys = METHODS["gatys"]
    stream = run(gatys, parse(gatys.params, {**PAINTING, "steps": 60}), remote)
    next(stream)
    for process in processes("ServeReplica"):
        os.kill(process, signal.SIGKILL)
    *_, result = stream
    assert isinstance(result, Result) and result.record.steps == 60
    assert result.record.notes == ["begun again: what worked on it was lost"]


def test_the_page_in_front_of_replicas(remote: ModelCache, tmp_path: Path) -> None:
    assert remote.elsewhere is not None
    with serve(tmp_path, "--engine", "ray") as page:
        client = Client(page.url, verbose=False, download_files=tmp_path)
        image, told = client.predict(
            content=handle_file(CONTENT), styles=[handle_file(STYLE)], size=64, steps=2, api_name="/gatys"
        )
        assert told["steps"] == 2 and record.read(image) is not None
        assert not any(row["resident"] for row in client.predict(api_name="/models")["models"])
