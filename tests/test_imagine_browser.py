"""The Imagine tab in Chromium, with a toy model in a folder and with models that are not here."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import toy_pipelines
from page import PATIENCE, button, choose, download, drop, number, sizes, wait_for_end
from playwright.sync_api import Locator, Page, expect
from test_browser import Open, browser, pytestmark, url, visit

__all__ = ["browser", "pytestmark", "url", "visit"]


def text(page: Page, info: str) -> Locator:
    """A text box by what is written under its label."""
    return page.locator("label:visible", has_text=info).locator("textarea, input")


def open_tab(visit: Open) -> Page:
    page = visit()
    page.get_by_role("tab", name="Imagine").first.click()
    expect(text(page, "What to see in it")).to_be_visible(timeout=PATIENCE)
    return page


def use(page: Page, folder: Path) -> None:
    model = text(page, "An id on the Hugging Face hub")
    model.fill(str(folder))
    model.press("Tab")
    expect(page.locator(".offer:visible")).to_contain_text("a model of your own choice", timeout=PATIENCE)


def wait_for_picture(page: Page) -> None:
    expect(page.locator(".status:visible").filter(has_text=re.compile("loading|加载")).first).to_be_visible(timeout=PATIENCE)
    expect(button(page, "Run")).to_be_enabled(timeout=PATIENCE)


LOST = "`make test-slow`: its first click on Run was lost once in a whole suite, cause not found"


@pytest.mark.skipif("ATELIER_SLOW" not in os.environ, reason=LOST)
def test_a_full_run_of_a_toy_model(visit: Open, tmp_path: Path) -> None:
    page, folder = open_tab(visit), toy_pipelines.folder("checked")
    button(page, "Paper city").click()
    expect(text(page, "What to see in it")).to_have_value(re.compile("folded paper"))
    use(page, folder)
    choose(page, Size=64, Count=2)
    button(page, "Run").click()
    wait_for_picture(page)
    assert sizes(page) == [(140, 72)]
    expect(page.locator(".status:visible").filter(has_text="loading").first).to_contain_text("safety checker")
    kept = tmp_path / "kept"
    kept.mkdir()
    path, record = download(page, kept)
    assert record.pipeline == "imagine" and record.params["model"] == str(folder) and record.params["count"] == 2

    button(page, "Use as content").click()
    choose(page, Count=1, Strength=0.9)
    page.wait_for_timeout(1000)
    button(page, "Run").click()
    wait_for_end(page)
    assert sizes(page)[0][0] == 64

    drop(page, page.locator(".restore:visible button").first, path)
    expect(number(page, "Count")).to_have_value("2", timeout=PATIENCE)
    page.get_by_role("tab", name="Models").first.click()
    expect(page.locator("table.models")).to_contain_text("checked · unet", timeout=PATIENCE)


def test_a_model_that_is_not_here_says_what_to_do_and_the_page_goes_on(visit: Open) -> None:
    page = open_tab(visit)
    panel = page.locator(".offer:visible")
    expect(panel).to_contain_text(re.compile(r"not on this machine: 2\.6 GB to fetch"), timeout=PATIENCE)
    expect(panel).to_contain_text("(computed)")
    button(page, "Run").click()
    alert = page.get_by_role("alert").first
    expect(alert).to_contain_text("stabilityai/sd-turbo is not on this machine, and the network is", timeout=PATIENCE)
    expect(button(page, "Fetch the weights in Models").locator("visible=true")).to_be_visible()
    button(page, "Fetch 2.6 GB").click()
    expect(panel.get_by_role("alert")).to_contain_text("the network is switched off", timeout=PATIENCE)
    page.get_by_label("Stable Diffusion XL").check()
    expect(number(page, "Size")).to_have_value("1024", timeout=PATIENCE)
    expect(panel).to_contain_text("6.9 GB to fetch", timeout=PATIENCE)
    expect(text(page, "An id on the Hugging Face hub")).to_have_value("stabilityai/stable-diffusion-xl-base-1.0")
    expect(button(page, "Run")).to_be_enabled(timeout=PATIENCE)


def test_a_phone_shows_the_prompt_first_and_scrolls_one_way(visit: Open) -> None:
    page = open_tab(visit)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    prompt = text(page, "What to see in it").bounding_box()
    models = page.locator(".offer:visible").bounding_box()
    pictures = page.locator(".strip:visible").first.bounding_box()
    assert prompt and models and pictures and prompt["y"] < models["y"] < pictures["y"]
