"""Every state of a run in Chromium: whatever happens, the tab ends in one in which Run can be pressed."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import PIL.Image
import pytest
from page import PATIENCE, Open, button, choose, content, number, open_tab, steps_so_far, wait_for_end, wait_for_step
from playwright.sync_api import Browser, Locator, Page, expect
from served import Served, local

SOON = 20_000  # milliseconds: long before the run in front ends, on a busy machine too; test_run.py holds the second


def status(page: Page) -> Locator:
    return page.locator("[role=tabpanel]:visible .status:visible").first


def run_button(page: Page) -> Locator:
    return page.locator("button.run:visible")


def stop_button(page: Page) -> Locator:
    return button(page, "Stop").locator("visible=true")


def seed_box(page: Page) -> Locator:
    return page.locator("[role=tabpanel]:visible").get_by_label("Seed", exact=True).locator("visible=true").first


def test_a_visitor_types_what_cannot_be_and_stops_what_waits_and_what_runs(visit: Open) -> None:
    page = visit("GAN")
    numbers_that_cannot_be_get_a_sentence_and_the_next_run_works(page)
    open_tab(page, "GAN")
    seed_box(page).fill("0")
    open_tab(page, "Optimise")
    stop_belongs_to_the_run_beside_it(page)


def numbers_that_cannot_be_get_a_sentence_and_the_next_run_works(page: Page) -> None:
    """From GAN to Optimise."""
    for typed, sentence in (("4294967295", "Seed is 4294967295"), ("", "Seed is empty"), ("-2", "Seed is -2")):
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


def stop_belongs_to_the_run_beside_it(page: Page) -> None:
    """Waiting or running."""
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


def test_a_reload_in_mid_run_leaves_nothing_behind_but_the_settings(
    browser: Browser, served: Served, tmp_path: Path
) -> None:
    own = tmp_path / "own.png"
    PIL.Image.new("RGB", (96, 72), (90, 120, 60)).save(own)
    with opened(browser, served.url, "Optimise") as page:
        page.locator("[role=tabpanel]:visible input[type=file][accept='image/*']").first.set_input_files(own)
        expect(content(page)).to_have_js_property("naturalWidth", 96)
        choose(page, Size=128, Steps=3000)
        run_button(page).click()
        wait_for_step(page, 2)
        for sent in served.log.parent.rglob("own.png"):
            sent.unlink()  # as the server does after an hour: the browser has it still
        page.reload()
        expect(number(page, "Steps")).to_have_value("3000")  # the same tab again, with its settings
        expect(content(page)).to_have_js_property("naturalWidth", 96)
        expect(run_button(page)).to_be_enabled()
        open_tab(page, "GAN")
        run_button(page).click()
        expect(status(page)).to_contain_text("seed 0", timeout=30_000)  # not after the 3,000 steps
        open_tab(page, "Optimise")
        assert steps_so_far(page) == 0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@contextmanager
def kept(page: Page) -> Iterator[None]:
    """What the block changes is in the browser's storage."""
    before = page.evaluate("JSON.stringify(localStorage)")
    yield
    page.wait_for_function("before => JSON.stringify(localStorage) !== before", arg=before, timeout=PATIENCE)


def test_compare_and_explore_keep_their_settings_over_a_reload(browser: Browser, served: Served) -> None:
    with opened(browser, served.url, "Compare") as page:
        expect(page.locator(".forecast:visible tr").first).to_be_visible()
        with kept(page):
            choose(page, Size=96)
        with kept(page):
            page.locator(".methods:visible input").first.uncheck()
        page.reload()
        expect(number(page, "Size")).to_have_value("96")
        expect(page.locator(".methods:visible input").first).not_to_be_checked()
        open_tab(page, "Explore")
        expect(page.get_by_role("button", name="Record (JSON)").locator("visible=true")).to_have_count(0)
        page.locator(".segments:visible label", has_text="Layers").click()
        network, layer = (
            page.locator(".block:visible", has_text=text).locator("input").last
            for text in ("Whose features are shown", "Shallow to deep")
        )
        network.click()
        page.get_by_role("option", name="CIFAR-10").click()
        layer.click()
        with kept(page):
            page.get_by_role("option", name="conv2_1").click()
        offer = page.get_by_role("button", name="Use conv2_1 for style in Optimise")
        expect(offer).to_be_visible()
        with kept(page):
            page.locator(".segments:visible label", has_text="Gram").click()  # where other layers are shown
        expect(offer).to_be_hidden()
        with kept(page):
            page.locator(".segments:visible label", has_text="Layers").click()
        expect(offer).to_be_visible()
        expect(run_button(page)).to_be_enabled()
        page.reload()
        expect(page.locator(".segments:visible label.selected")).to_have_text("Layers")
        expect(layer).to_have_value("conv2_1")
        expect(page.locator("table.models, p").get_by_text("of layer conv2_1").locator("visible=true")).to_be_visible()


@pytest.mark.timeout(600)
def test_a_cut_stream_and_a_server_that_restarts_leave_a_usable_tab(browser: Browser, stack: ExitStack) -> None:
    with local() as first:
        port = int(first.rpartition(":")[2])
        proxy = Proxy(port)
        page = stack.enter_context(opened(browser, f"http://127.0.0.1:{proxy.port}", "Optimise"))
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
    run_button(page).click()
    with local(port):
        expect(notice).to_contain_text("press Run again")
        expect(run_button(page)).to_be_enabled()
        run_button(page).click()
        wait_for_end(page)


LATE = """
const ask = window.fetch.bind(window);
window.fetch = async (...given) => {
  const answer = await ask(...given);
  if (!new URL(given[0].url ?? given[0], location.href).pathname.endsWith("/queue/data")) return answer;
  const parts = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({
    async transform(text, onward) {
      for (const part of text.split(/(?<=\\n\\n)/)) {
        if (part.includes("close_stream")) await new Promise((wake) => setTimeout(wake, 3000));
        onward.enqueue(part);
      }
    },
  }));
  return new Response(parts.pipeThrough(new TextEncoderStream()), answer);
};
"""


def test_a_run_that_is_pressed_while_the_stream_of_the_one_before_closes_is_heard(
    browser: Browser, served: Served
) -> None:
    """The server has closed the stream; the browser hears of it only after the next run was joined."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.add_init_script(LATE)
    with closing(context):
        page = context.new_page()
        page.goto(served.url)
        expect(page.locator("button.run:visible")).to_be_enabled()
        open_tab(page, "GAN")
        for seed in ("11", "12", "13"):
            seed_box(page).fill(seed)
            seed_box(page).press("Tab")
            run_button(page).click()
            expect(status(page)).to_contain_text(f"seed {seed}", timeout=SOON)
            expect(run_button(page)).to_be_enabled(timeout=SOON)
