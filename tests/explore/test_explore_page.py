"""Explore as visitors and programs meet it: the tab in Chromium, and the endpoint, both with no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from gradio_client import Client, handle_file
from page import PATIENCE, Open, button, download, drop, open_tab
from playwright.sync_api import Locator, Page, expect
from served import CONTENT, STYLE, Served

pytestmark = pytest.mark.timeout(900)


def look(page: Page, view: str) -> None:
    """Switch to a view."""
    page.locator(".segments:visible label", has_text=view).click()


def status(page: Page) -> Locator:
    return page.locator(".status:visible").first


def shown(page: Page, text: str) -> None:
    """That text is among the numbers, and Run can be pressed again."""
    expect(page.get_by_text(text).locator("visible=true").first).to_be_visible(timeout=PATIENCE)
    expect(button(page, "Stop").locator("visible=true")).to_be_disabled(timeout=PATIENCE)


def first_click(page: Page, folder: Path) -> Path:
    """Run answers on what is filled in; returns the downloaded picture."""
    button(page, "Run").locator("visible=true").click()
    expect(page.locator("table.models:visible").first).to_contain_text("cat", timeout=PATIENCE)
    shown(page, "expected calibration error")
    path, record = download(page, folder)
    assert record.params["view"] == "classify" and record.details["cifar10"]["best"][0]["class"] == "cat"
    page.get_by_role("button", name="How the CIFAR-10 classifier learnt").click()
    curve = page.get_by_role("img", name="Accuracy by epoch, in %")
    expect(curve).to_be_visible()
    return path


def hand_layers_on(page: Page) -> None:
    """A layer by its row in the table becomes a style layer in Optimise, one by its picture the content layer."""
    look(page, "Layers")
    shown(page, "Every layer, with its numbers")
    page.get_by_role("gridcell").get_by_text("conv2_2", exact=True).first.click()
    button(page, "Use conv2_2 for style in Optimise").click()
    expect(status(page)).to_contain_text("The style layers in Optimise are now: conv2_2.", timeout=PATIENCE)
    look(page, "Gram")
    shown(page, "size of G")
    expect(status(page)).to_contain_text("from stored features")
    page.locator(".picture:visible img").first.click(position={"x": 330, "y": 100})
    use = page.get_by_role("button", name=re.compile(r"Use conv[123]_1 for content in Optimise")).locator(
        "visible=true"
    )
    name = re.findall(r"conv\d_1", use.inner_text())[0]
    use.click()
    expect(status(page)).to_contain_text(f"{name} is now the content layer in Optimise.")
    open_tab(page, "Optimise")
    page.get_by_role("button", name="Advanced").locator("visible=true").click()
    for label, value in (("Style layers", "conv2_2"), ("Content layers", name)):
        expect(page.get_by_label(label).locator("visible=true").first).to_have_value(value)
    open_tab(page, "Explore")


def invert_live(page: Page) -> None:
    """An inversion is seen while it is made; Stop keeps it; another view ends the next one and is not painted over."""
    picture, running = page.locator(".picture:visible img").first, re.compile(r"step \d+/60")
    before = picture.get_attribute("src") or ""
    look(page, "Invert")
    for _ in range(2):
        expect(picture).not_to_have_attribute("src", before, timeout=PATIENCE)
        before = picture.get_attribute("src") or ""
    expect(status(page)).to_contain_text(running)
    button(page, "Stop").locator("visible=true").click()
    expect(status(page)).to_contain_text("stopped after step", timeout=PATIENCE)
    shown(page, "features missed")
    button(page, "Run").locator("visible=true").click()
    expect(status(page)).to_contain_text(running, timeout=PATIENCE)
    look(page, "Frequencies")
    shown(page, "as Optimise counts it")
    page.wait_for_timeout(1000)  # four pictures of the inversion would come in that time
    expect(page.locator("table.models:visible").first).to_contain_text("total variation")


def test_a_visitor_looks_in_every_way(visit: Open, tmp_path: Path) -> None:
    page = visit("Explore")
    classified = first_click(page, tmp_path)
    hand_layers_on(page)
    look(page, "Attention")
    shown(page, "the patch that excites channel")
    invert_live(page)
    button(page, "Take the last pictures of Optimise").click()
    shown(page, "times as much")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    drop(page, page.locator(".restore:visible button").first, classified)
    expect(page.locator(".segments:visible label.selected")).to_have_text("Classify", timeout=PATIENCE)
    shown(page, "expected calibration error")


def test_a_look_is_marked_when_it_no_longer_fits_kept_and_linked(visit: Open) -> None:
    page = visit("Explore", "?tab=explore&view=gram&layer=conv1_1,conv2_1&tv_weight=3")
    expect(page.locator(".segments:visible label.selected")).to_have_text("Gram", timeout=PATIENCE)
    shown(page, "size of G")
    stale = page.locator(".block.stale:visible")
    expect(stale).to_have_count(0)
    link = page.get_by_role("link", name="Link to these settings, without the pictures").locator("visible=true")
    assert link.get_attribute("href") == "?tab=explore&view=gram&layer=conv1_1,conv2_1"
    look(page, "Invert")
    shown(page, "features missed")
    expect(stale).to_have_count(0)
    look(page, "Layers")  # whose usual layer the look fills in
    shown(page, "Every layer, with its numbers")
    expect(page.get_by_role("combobox", name="Layer", exact=True)).not_to_have_value("usual")
    expect(stale).to_have_count(0)
    look(page, "Invert")
    shown(page, "features missed")
    page.get_by_role("button", name="Advanced").locator("visible=true").click()
    smoothness = page.get_by_label("Smoothness", exact=True).locator("visible=true")
    smoothness.fill("4")
    smoothness.press("Tab")
    expect(stale).to_contain_text("Out of date")
    assert float(page.locator(".picture:visible").first.evaluate("e => getComputedStyle(e).opacity")) < 1
    look(page, "Gram")  # which has no smoothness
    shown(page, "size of G")
    expect(stale).to_have_count(0)
    again = page.context.new_page()
    again.goto(page.url.partition("?")[0])
    expect(again.locator("button.run:visible")).to_be_enabled(timeout=PATIENCE)
    open_tab(again, "Explore")
    expect(again.locator(".segments:visible label.selected")).to_have_text("Gram", timeout=PATIENCE)
    shown(again, "size of G")
    button(again, "Last results").click()
    drawer = again.locator("dialog.drawer")
    expect(drawer.locator("figure").filter(has_text="Explore").first).to_be_visible()
    drawer.get_by_role("button", name="Open again").last.click()
    expect(again.locator(".segments:visible label.selected")).to_have_text("Gram", timeout=PATIENCE)


@pytest.fixture(scope="module")
def client(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(served.url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ({"view": "classify"}, {"cifar10"}),
        ({"view": "layers", "layer": "conv2_1", "count": 4}, {"layer", "maps", "table"}),
        ({"view": "gram", "layer": "conv1_1,conv2_1"}, {"layers"}),
        ({"view": "invert", "layer": "conv1_1", "steps": 2}, {"layers"}),
        ({"view": "attention", "label": 3, "channel": 5}, {"class", "patch"}),
        ({"view": "frequencies"}, {"pictures"}),
    ],
    ids=lambda value: value["view"] if isinstance(value, dict) else "",
)
def test_programs_get_the_picture_and_the_numbers(client: Client, given: dict[str, Any], numbers: set[str]) -> None:
    pictures = {"content": handle_file(CONTENT), "other": handle_file(STYLE)}
    path, record = client.predict(**pictures, resolution=64, **given, api_name="/explore")
    assert record["pipeline"] == "explore" and record["params"]["view"] == given["view"]
    assert numbers <= set(record["details"]) and record["metrics"]
    with PIL.Image.open(path) as picture:
        assert picture.format == "PNG" and min(picture.size) > 60 and set(picture.info) == {"atelier"}
