"""Every state of a run in Chromium: whatever happens, the tab ends in one in which Run can be pressed."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from page import Open, button, choose, number, open_tab, steps_so_far, wait_for_end, wait_for_step
from playwright.sync_api import Browser, Locator, Page, expect
from served import Served, serve

SOON = 20_000  # milliseconds: long before the run in front ends, on a busy machine too; test_run.py holds the second


def status(page: Page) -> Locator:
    return page.locator("[role=tabpanel]:visible .status:visible").first


def run_button(page: Page) -> Locator:
    return page.locator("button.run:visible")


def stop_button(page: Page) -> Locator:
    return button(page, "Stop").locator("visible=true")


def seed_box(page: Page) -> Locator:
    return page.locator("[role=tabpanel]:visible").get_by_label("Seed", exact=True).locator("visible=true").first


def test_a_number_that_cannot_be_gets_a_sentence_and_the_next_run_works(visit: Open) -> None:
    page = visit("GAN")
    for typed, sentence in (("4294967295", "seed is 4294967295"), ("", "seed is empty"), ("-2", "seed is -2")):
        seed_box(page).fill(typed)
        page.keyboard.press("Control+Enter")
        expect(status(page)).to_contain_text(sentence)
        expect(run_button(page)).to_be_enabled(timeout=SOON)
    seed_box(page).fill("-1")
    page.keyboard.press("Control+Enter")
    expect(status(page)).to_contain_text(re.compile(r"seed \d+"))
    assert "seed -1" not in status(page).inner_text()
    open_tab(page, "Optimise")
    number(page, "Size").fill("3000")
    page.keyboard.press("Control+Enter")
    expect(status(page)).to_contain_text("Size is 3000")
    expect(run_button(page)).to_be_enabled(timeout=SOON)


def test_stop_belongs_to_the_run_beside_it_waiting_or_running(visit: Open) -> None:
    page = visit("Optimise")
    choose(page, Size=128, Steps=2000)
    run_button(page).click()
    wait_for_step(page, 2)
    open_tab(page, "GAN")
    run_button(page).click()
    expect(status(page)).to_contain_text("next in line")
    stop_button(page).click()
    expect(status(page)).to_contain_text("stopped", timeout=SOON)
    expect(run_button(page)).to_be_enabled(timeout=SOON)
    open_tab(page, "Optimise")
    before = steps_so_far(page)
    wait_for_step(page, before + 2)  # it goes on
    open_tab(page, "GAN")
    run_button(page).click()  # does not erase the Stop that follows elsewhere
    open_tab(page, "Optimise")
    stop_button(page).click()
    expect(run_button(page)).to_be_enabled()
    wait_for_end(page)
    open_tab(page, "GAN")
    expect(status(page)).to_contain_text("seed 0")


def test_two_visitors_wait_for_each_other_and_stop_only_their_own(visit: Open) -> None:
    one, two = visit("Optimise"), visit("Optimise")
    for page in (one, two):
        choose(page, Size=128, Steps=2000)
    run_button(one).click()
    wait_for_step(one, 2)
    run_button(two).click()
    expect(status(two)).to_contain_text("next in line")
    stop_button(one).click()
    wait_for_end(one)
    wait_for_step(two, 1)
    stop_button(two).click()
    wait_for_end(two)


class Proxy:
    """A TCP proxy on loopback whose connections can be cut."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.pairs: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.server.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target), 5)
                except OSError:
                    near.close()
                    continue
                self.pairs += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Close every connection there is."""
        for end in self.pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.pairs.clear()


@contextmanager
def opened(browser: Browser, url: str, tab: str) -> Iterator[Page]:
    """The page without the checks of `visit`: here requests are meant to fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.goto(url)
    expect(page.locator("button.run:visible")).to_be_enabled()
    open_tab(page, tab)
    yield page
    context.close()


def test_a_reload_in_mid_run_leaves_nothing_behind_but_the_settings(browser: Browser, served: Served) -> None:
    with opened(browser, served.url, "Optimise") as page:
        choose(page, Size=128, Steps=3000)
        run_button(page).click()
        wait_for_step(page, 2)
        page.reload()
        expect(number(page, "Steps")).to_have_value("3000")  # the same tab again, with its settings
        expect(run_button(page)).to_be_enabled()
        open_tab(page, "GAN")
        run_button(page).click()
        expect(status(page)).to_contain_text("seed 0", timeout=30_000)  # not after the 3,000 steps
        open_tab(page, "Optimise")
        assert steps_so_far(page) == 0


@pytest.mark.timeout(600)
def test_a_cut_stream_and_a_server_that_restarts_leave_a_usable_tab(browser: Browser, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with serve(folders[0]) as server:
        port = int(server.url.rpartition(":")[2])
        proxy = Proxy(port)
        with opened(browser, f"http://127.0.0.1:{proxy.port}", "Optimise") as page:
            notice = page.locator(".notice")
            choose(page, Size=64, Steps=2000)
            run_button(page).click()
            wait_for_step(page, 2)
            proxy.cut()
            expect(notice).to_contain_text("press Run again")
            expect(number(page, "Steps")).to_have_value("2000")
            choose(page, Steps=3)
            run_button(page).click()
            wait_for_end(page)
            expect(notice).to_have_count(0)
            server.stop()
            run_button(page).click()
            with serve(folders[1], port=port):
                expect(notice).to_contain_text("press Run again")
                expect(run_button(page)).to_be_enabled()
                run_button(page).click()
                wait_for_end(page)
