"""What can be read and reached on the page: widths, words, contrast, screen readers, the keyboard, in Chromium."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import axe_playwright_python
import PIL.Image
import pytest
from page import Open, button, content, open_method, open_tab
from playwright.sync_api import expect

from pipelines import PIPELINES

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
INK = {"light": "rgb(43, 39, 36)", "dark": "rgb(236, 231, 225)"}  # of texts


@pytest.mark.parametrize("size", [(1280, 800), (768, 1024), (390, 844)])
def test_nothing_is_wider_than_the_screen_and_run_is_in_reach(visit: Open, size: tuple[int, int]) -> None:
    options: dict[str, Any] = {"viewport": {"width": size[0], "height": size[1]}}
    page = visit("", **(options | ({"is_mobile": True, "has_touch": True} if size[0] < 640 else {})))
    for name in ("gatys", "stylize", "gan", "stylemix", "vae", "pixelcnn", "diffusion", "imagine"):
        open_method(page, name)
        expect(page.locator("button.run:visible")).to_be_in_viewport()
        assert page.evaluate(f"document.documentElement.scrollWidth <= {size[0]}"), name
        if size[0] < 640 and name != "imagine":
            first = page.locator("[role=tabpanel]:visible :is(.picture, .atlas):visible").first
            expect(first).to_be_in_viewport()
    if size[0] < 640:
        open_method(page, "gatys")
        button(page, "Settings ↓").locator("visible=true").tap()
        expect(content(page)).to_be_in_viewport()


CUT = """() => [...document.querySelectorAll('.prompt, .dice, .groups nav button, table.models td.number, footer *')]
    .filter(node => node.offsetParent && node.clientWidth && node.scrollWidth > node.clientWidth + 1)
    .map(node => `${node.className}: ${node.textContent}`)"""
UNDER = """() => [...document.querySelectorAll('.restore')].filter(node => {
    const range = document.createRange();
    range.selectNodeContents(node.querySelector('button .wrap'));
    const label = node.querySelector('[data-testid="block-label"]').getBoundingClientRect();
    return node.offsetParent && range.getBoundingClientRect().top < label.bottom - 1;
}).length"""


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_no_word_is_cut_or_lies_under_another(visit: Open, width: int, locale: str) -> None:
    page = visit("", viewport={"width": width, "height": 900}, locale=locale)
    for name in ("gatys", "imagine", "gan"):
        open_method(page, name)
        expect(page.locator(".restore:visible")).to_have_count(1)
        assert page.evaluate(UNDER) == 0, name
        assert page.evaluate(CUT) == [], name
    open_method(page, "stylize")
    tick = page.locator(".tick:visible").first
    assert tick.evaluate("e => e.getBoundingClientRect().width") >= 180, tick.inner_text()
    if width < 640:
        assert not re.search(r"^\s*·|·\s*$", page.locator("footer").inner_text())
        tops = page.locator(".groups nav button:not(.last)").evaluate_all("all => all.map(one => one.offsetTop)")
        assert len(set(tops)) == 1, "the groups take two lines"
    open_method(page, "models")
    expect(page.locator("table.models:visible").first).to_be_visible()
    assert page.evaluate(CUT) == []
    box = page.locator(".scroll:has(table.models):visible, .prose:has(table.models):visible").first
    assert box.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "the table is wider than its place"
    open_method(page, "explore")
    page.locator(".segments:visible label").nth(5).click()  # frequencies, whose numbers have five columns
    expect(page.locator("[role=tabpanel]:visible table.models th:visible")).to_have_count(5)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_no_serious_fault_for_screen_readers(visit: Open, locale: str) -> None:
    page = visit("", locale=locale, reduced_motion="reduce")  # no colour on its way to another
    page.evaluate(AXE)
    faults = []
    for name in (*PIPELINES, "models"):
        open_method(page, name)
        if name == "gan":  # what comes with a result, too
            page.locator("button.run:visible").click()
            expect(page.locator(".status:visible a").first).to_be_visible()
        for scheme in ("light", "dark"):
            page.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")
            expect(page.locator("h1").first).to_have_css("color", INK[scheme])  # colours are on their way for a while
            page.wait_for_timeout(200)
            report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            faults += [
                f"{name}, {scheme}: {fault['id']}: {node['html'][:200]}"
                for fault in report["violations"]
                if fault["impact"] in {"serious", "critical"}
                for node in fault["nodes"]
            ]
    assert not faults, json.dumps(faults, indent=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_focus_is_seen_and_never_under_the_bar(visit: Open, scheme: str) -> None:
    page = visit(color_scheme=scheme, viewport={"width": 1280, "height": 800})
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        kind, outline, hidden = page.evaluate(
            """() => {
                const node = document.activeElement, box = node.getBoundingClientRect();
                const marked = node.matches('[type=radio], [type=checkbox]') ? node.closest('label') ?? node : node;
                const bar = [...document.querySelectorAll('.actions')].find(one => one.offsetParent);
                const top = bar.getBoundingClientRect().top;
                return [node.type || node.tagName, getComputedStyle(marked).outlineStyle,
                        !bar.contains(node) && box.left < 560 && box.top > top - 2 && box.top < innerHeight];
            }"""
        )
        seen.add(kind)
        assert outline != "none", kind
        assert not hidden, kind
    assert {"radio", "range", "number"} & seen


def test_the_skip_link_goes_to_run_and_its_keys_are_told(visit: Open) -> None:
    page = visit()
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("button.run:visible")).to_be_focused()
    expect(page.get_by_text("Run: Ctrl+Enter").locator("visible=true")).to_be_visible()


def test_chips_speak_english(visit: Open) -> None:
    page = visit("Diffusion")
    raw = re.compile(r"dpm\+\+|^ddpm$|^atelier$|^samples$|^manifold$")
    expect(page.get_by_label("Scheduler", exact=True).locator("visible=true")).to_have_value("DDPM (fresh noise)")
    for name in ("Stylise", "VAE", "PixelCNN"):
        open_tab(page, name)
        texts = page.locator("[role=tabpanel]:visible label").all_inner_texts()
        assert not [text for text in texts if raw.search(text)]


def test_the_thumb_of_a_slider_is_seen_on_a_light_page(visit: Open) -> None:
    page = visit(color_scheme="light")
    slider = page.locator("input[type=range]:visible").first
    before = PIL.Image.open(io.BytesIO(slider.screenshot())).convert("RGB")
    width, height = before.size
    slider.fill(slider.get_attribute("max") or "")
    free = PIL.Image.open(io.BytesIO(slider.screenshot())).convert("RGB").crop((width - height, 0, width, height))
    thumb = [pixel for pixel in free.getdata() if pixel[0] - pixel[2] > 60]  # of the accent's colour
    assert len(thumb) > height, "the thumb is white on white"


@pytest.mark.parametrize("name", ["gatys", "compare", "explore"])
def test_the_track_of_a_slider_is_dark_on_a_dark_page(visit: Open, name: str) -> None:
    page = visit("", color_scheme="dark")
    open_method(page, name)
    if name == "explore":
        page.locator(".segments:visible label", has_text="Invert").click()
    slider = page.locator("input[type=range]:visible").first
    slider.scroll_into_view_if_needed()
    width, height = PIL.Image.open(io.BytesIO(slider.screenshot())).size
    bright = PIL.Image.open(io.BytesIO(slider.screenshot())).convert("L").crop((width * 3 // 4, 0, width, height))
    assert max(bright.getdata()) < 160, "the track's free end is light"
