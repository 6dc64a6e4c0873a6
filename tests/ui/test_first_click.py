"""The true first click of every tab: a visitor presses Run, and nothing else. What takes long is stopped half-way."""

from __future__ import annotations

import re
import time

import pytest
from page import PATIENCE, Open, button, open_tab, steps_so_far
from playwright.sync_api import Locator, Page, expect

from pipelines import PIPELINES

SHORT = 2  # seconds for a run to end by itself; with its defaults Optimise takes ten times as long
COST = re.compile(r"^\s*[\d.]+ s ·")
LACKS = {"imagine": "stabilityai/sd-turbo is not on this machine"}


def a_picture_comes(page: Page, panel: Locator, stop: Locator) -> None:
    """The run ends in a picture and a line about what it cost, if need be because Stop is pressed."""
    cost, begun, stopped = panel.locator(".status:visible", has_text=COST).first, time.monotonic(), False
    while not cost.is_visible() and time.monotonic() < begun + PATIENCE / 1000:
        if not stopped and time.monotonic() > begun + SHORT and steps_so_far(page):
            stop.dispatch_event("click")  # it may end by itself in this moment
            stopped = True
        page.wait_for_timeout(100)
    expect(cost).to_be_visible()
    expect(panel.locator(".picture img:visible").first).to_have_js_property("complete", True)


def a_card_comes(panel: Locator, stop: Locator) -> None:
    """The cheapest method has its picture and what it cost; the others are stopped."""
    expect(panel.locator(".compare:not(.stored) article.card.done img").first).to_be_visible()
    stop.dispatch_event("click")


@pytest.mark.timeout(600)
def test_run_makes_a_picture_in_every_tab_as_it_is_found(visit: Open) -> None:
    page = visit("")
    for pipeline in PIPELINES.values():
        open_tab(page, pipeline.title)
        panel = page.locator("[role=tabpanel]:visible")
        run, stop = page.locator("button.run:visible"), button(page, "Stop").locator("visible=true")
        expect(run).to_be_enabled()
        run.click()
        if pipeline.name in LACKS:
            expect(panel.get_by_role("alert").first).to_contain_text(LACKS[pipeline.name])
        elif pipeline.name == "compare":
            a_card_comes(panel, stop)
        else:
            a_picture_comes(page, panel, stop)
            expect(panel.get_by_role("alert").locator("visible=true")).to_have_count(0)
        expect(stop).to_be_disabled(timeout=PATIENCE)
        expect(run).to_be_enabled()
