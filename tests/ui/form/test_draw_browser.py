"""A visitor draws a digit with the mouse, on the real page in Chromium."""

from __future__ import annotations

import re
from pathlib import Path

from page import PATIENCE, Open, button, download
from page import open_tab as to_tab
from playwright.sync_api import Locator, Page, Route, expect


def open_tab(page: Page, name: str) -> None:
    to_tab(page, name)
    expect(page.locator(".board canvas:visible")).to_have_count(1, timeout=PATIENCE)


def stroke(page: Page, *places: tuple[float, float]) -> None:
    """Draw one line through places given as shares of the board."""
    box = page.locator(".board canvas:visible").bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def run_button(page: Page) -> Locator:
    return page.locator("button.run:visible")


def given(page: Page) -> Locator:
    """The drawing where it arrived: in the picture input."""
    return page.locator(".block:visible", has_text="Your digit").locator("img").first


def test_a_drawn_digit_comes_back_from_the_vae_lands_on_the_map_and_is_completed(visit: Open, tmp_path: Path) -> None:
    page = visit()
    open_tab(page, "VAE")
    place = page.locator("canvas.map[data-ready]")
    place.scroll_into_view_if_needed()
    expect(place).to_be_visible(timeout=PATIENCE)
    code = page.locator(".atlas output:visible")
    expect(code).to_contain_text("z =", timeout=PATIENCE)
    before = code.inner_text()
    place.click(position={"x": 40, "y": 40})
    expect(code).not_to_have_text(before, timeout=PATIENCE)
    clicked = code.inner_text()
    page.locator(".board canvas:visible").scroll_into_view_if_needed()
    stroke(page, (0.3, 0.25), (0.7, 0.25), (0.45, 0.8))
    expect(given(page)).to_be_visible(timeout=PATIENCE)
    run_button(page).click()
    expect(page.get_by_text("KL by dimension")).to_be_visible(timeout=PATIENCE)
    expect(code).not_to_have_text(clicked, timeout=PATIENCE)
    _, record = download(page, tmp_path)
    assert record.params["view"] == "digit" and record.metrics["nats"] > 0
    the_top_of_a_drawn_digit_is_completed(page, tmp_path)


def test_the_place_of_the_map_says_what_will_be_there_until_it_is(visit: Open) -> None:
    page, held = visit(), list[Route]()
    page.route(re.compile("component_server"), lambda route: held.append(route))
    open_tab(page, "VAE")
    empty, key = page.locator(".atlas .empty"), page.locator(".atlas .key")
    empty.scroll_into_view_if_needed()
    expect(empty).to_have_text("The map is being drawn: nine hundred digits.")
    expect(key).to_be_hidden()
    expect(page.locator("canvas.map")).to_be_hidden()
    held[0].fulfill(body="null", content_type="application/json")  # of a server that could not
    expect(empty).to_have_text("The map could not be drawn: press to try again.")
    page.unroute(re.compile("component_server"))
    empty.click()
    expect(page.locator("canvas.map[data-ready]")).to_be_visible()
    expect(key).to_be_visible()
    expect(empty).to_be_hidden()


def the_top_of_a_drawn_digit_is_completed(page: Page, folder: Path) -> None:
    """By PixelCNN."""
    open_tab(page, "PixelCNN")
    page.get_by_label("Complete a digit").check()
    expect(given(page)).to_be_visible()  # an example: nothing is amiss before anything is drawn
    button(page, "Wipe").locator("visible=true").click()
    expect(given(page)).to_be_hidden()
    stroke(page, (0.3, 0.25), (0.7, 0.25), (0.45, 0.8))
    expect(given(page)).to_be_visible(timeout=PATIENCE)
    run_button(page).click()
    expect(page.get_by_text("what the top may be")).to_be_visible(timeout=PATIENCE)
    _, record = download(page, folder)
    assert record.params["view"] == "complete" and len(record.details["classes"]) == record.params["count"]
    wipe = button(page, "Wipe")
    wipe.locator("visible=true").click()
    expect(given(page)).to_be_hidden(timeout=PATIENCE)
