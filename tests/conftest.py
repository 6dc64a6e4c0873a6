"""Shared by all tests: no network, one thread, one cache, two tiny pictures; one server and one Chromium."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import PIL.Image
import pytest
import torch
from asking import end_in_mid_run
from page import PATIENCE, Open, open_tab
from playwright.sync_api import Browser, Page, expect, sync_playwright
from served import Served, serve

from models import registry
from models.cache import ModelCache

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the server or Chromium goes to a worker file by file; what needs Chromium is skipped without one."""
    for item in items:
        if {"served", "browser"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(item.path.name))
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(600))
            item.add_marker(pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"))


@pytest.fixture(autouse=True, scope="session")
def _quiet_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    torch.set_num_threads(1)  # at toy size two threads mostly wait for each other: 30 times slower beside other work
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # of processes that tests start
        patch.setenv("ATELIER_OFFLINE", "1")
        patch.delenv("ATELIER_WEIGHTS", raising=False)
        costs = tmp_path_factory.mktemp("costs")
        patch.setattr("pipelines.compare.estimate.folder", lambda: costs)  # what toys cost says nothing about real runs
        yield


@pytest.fixture(autouse=True)
def _nothing_measured(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the runs of another test have cost forecasts nothing here, whichever came first on this worker."""
    costs = tmp_path_factory.mktemp("costs")
    monkeypatch.setattr("pipelines.compare.estimate.folder", lambda: costs)


@pytest.fixture(scope="session")
def cache() -> ModelCache:
    """The real cache; the bundled network is loaded once for all tests."""
    return registry.open_cache()


@pytest.fixture(scope="session")
def content() -> PIL.Image.Image:
    """64x48: a sky that fades, a hill, a red ball."""
    y, x = np.mgrid[:48, :64]
    picture = np.stack([90 + x, 120 + y, 230 - 2 * y], -1)
    picture[y > 30 + 6 * np.sin(x / 9)] = (60, 110, 50)
    picture[(x - 44) ** 2 + (y - 20) ** 2 < 90] = (200, 50, 40)
    return PIL.Image.fromarray(picture.astype(np.uint8))


@pytest.fixture(scope="session")
def style() -> PIL.Image.Image:
    """56x56: ochre and blue strokes with a little noise."""
    y, x = np.mgrid[:56, :56]
    stroke = np.sin((x + 2 * y + 3 * np.sin(x / 5)) / 3)[..., None]
    picture = np.where(stroke > 0, (215, 160, 50), (35, 60, 140)) + np.random.default_rng(0).normal(0, 12, (56, 56, 3))
    return PIL.Image.fromarray(picture.clip(0, 255).astype(np.uint8))


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine on which none of the packages that carry weights is installed."""
    installed, carried = (
        metadata.distribution,
        {w.package for c in registry.CARDS for w in (c.weights, c.weights.twin) if w},
    )

    def distribution(name: str) -> metadata.Distribution:
        if name in carried - {""}:
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "distribution", distribution)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`python app.py --mcp` in a process of its own, for all tests that talk to a server.

    Toy models lie in a folder. After all that they made, a signal ends it in mid-run, and no file is left.
    """
    folder = tmp_path_factory.mktemp("served")
    with serve(folder, "--mcp", ATELIER_FOLDERS="1", ATELIER_METRICS="1", ATELIER_LOG="json") as server:
        yield server
        end_in_mid_run(server, signal.SIGTERM, folder)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; a visitor is a context of it."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())


@pytest.fixture
def visit(served: Served, browser: Browser) -> Iterator[Open]:
    """Open the page as a new visitor, on the tab of that name.

    Afterwards no script has failed, nothing was missing, and no request has left this machine.
    """
    failures: list[str] = []
    contexts = []

    def note(page: Page) -> None:
        page.on("console", lambda line: failures.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("response", lambda answer: failures.append(answer.url) if answer.status >= 400 else None)

    def outside(address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1":
            failures.append(f"left this machine: {address}")

    def go(tab: str = "Optimise", query: str = "", url: str = served.url, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: outside(request.url))
        context.on("page", note)
        page = context.new_page()
        page.goto(url + query)
        expect(page.locator("button.run:visible")).to_be_enabled(timeout=PATIENCE)
        if tab:
            open_tab(page, tab)
        return page

    yield go
    for context in contexts:
        context.close()
    assert not failures
