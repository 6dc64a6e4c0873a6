"""The page's frame, results, seeds, links and the drawer, in Chromium."""

from __future__ import annotations

import re
from pathlib import Path

from page import PATIENCE, Open, button, choose, download, drop, number, open_tab, run, wait_for_end
from playwright.sync_api import Locator, Page, Request, expect

from pipelines import PIPELINES
from ui.page import GROUPS

MOST_EVENTS, MOST_BYTES = 4, 4000  # of a visit: what Compare forecasts, which models there are
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def tabs(page: Page) -> list[str]:
    """Names of the tabs of the group that is shown."""
    return [t.strip() for t in page.locator('.rooms > .tab-wrapper [role="tab"]:visible').all_text_contents()]


def status(page: Page) -> Locator:
    return page.locator("[role=tabpanel]:visible .status:visible").first


def stale(page: Page) -> Locator:
    return page.locator(".stale:visible").first


def test_every_method_is_two_touches_away_on_a_phone(visit: Open) -> None:
    page = visit("", **PHONE)
    for group, names in GROUPS.items():
        page.locator(".groups nav").get_by_role("button", name=group, exact=True).tap()
        titles = [PIPELINES[name].title for name in names if name in PIPELINES]
        if len(names) == 1:
            continue  # open at once
        expect(page.locator('.rooms > .tab-wrapper [role="tab"]:visible')).to_have_count(len(titles))
        assert tabs(page) == titles
        for title in titles:
            page.get_by_role("tab", name=title, exact=True).tap()
            expect(page.get_by_role("tab", name=title, exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("table.models")).to_be_visible()


def test_compare_stands_in_two_groups_each_time_in_its_mode(visit: Open) -> None:
    page = visit("")
    groups = page.locator(".groups nav")
    for group, mode in (("Generate", "generate"), ("Restyle", "restyle")):
        groups.get_by_role("button", name=group, exact=True).click()
        page.get_by_role("tab", name="Compare", exact=True).click()
        expect(page.locator(f'input[type=radio][value="{mode}"]:visible')).to_be_checked()
        expect(groups.get_by_role("button", name=group, exact=True)).to_have_attribute("aria-current", "true")
    page.get_by_label("Generate", exact=True).check()  # in the form: the group follows
    expect(groups.get_by_role("button", name="Generate", exact=True)).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("tab", name="GAN", exact=True)).to_be_visible()
    groups.get_by_role("button", name="Look inside", exact=True).click()
    groups.get_by_role("button", name="Restyle", exact=True).click()
    expect(page.get_by_label("Restyle a picture", exact=True)).to_be_checked()


def test_a_result_is_whole_enlarged_by_a_click_and_marked_when_it_no_longer_fits(visit: Open) -> None:
    page = visit()
    for name in ("Curve", "Frames", "Record (JSON)", "Download PNG", "Variations"):
        expect(page.get_by_role("button", name=name).locator("visible=true")).to_have_count(0)
    choose(page, Size=64, Steps=4)
    button(page, "Run").click()
    wait_for_end(page)
    assert "0.0 s" not in status(page).inner_text().partition("·")[2]
    bars = page.locator(".picture:visible img").evaluate_all("all => all.map(i => getComputedStyle(i).backgroundColor)")
    assert set(bars) == {"rgba(0, 0, 0, 0)"}, "white bars beside the result"
    handle = page.locator(".picture:visible .outer").first.bounding_box()
    frame = page.locator(".picture:visible img").last.bounding_box()
    assert handle and frame
    left = frame["x"] + (frame["width"] - min(frame["width"], frame["height"])) / 2  # of the square in its frame
    assert handle["x"] + handle["width"] / 2 <= left + 5, "the photograph covers the result"
    page.locator(".picture:visible img").last.click()
    large = page.locator("dialog.enlarged img")
    expect(large).to_be_visible()
    expect(page.locator("dialog.enlarged p")).not_to_contain_text("Example")
    first = large.get_attribute("src")
    page.keyboard.press("+")
    assert "scale(1.25)" in (large.get_attribute("style") or "")
    page.keyboard.press("ArrowRight")  # the photograph, at the same size
    assert large.get_attribute("src") != first and "scale(1.25)" in (large.get_attribute("style") or "")
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()

    expect(page.locator(".stale:visible")).to_have_count(0)
    choose(page, Steps=5)
    expect(stale(page)).to_contain_text("Out of date")
    assert float(page.locator(".picture:visible").first.evaluate("e => getComputedStyle(e).opacity")) < 1
    choose(page, Steps=4)
    expect(page.locator(".stale:visible")).to_have_count(0)


def test_a_sheet_lies_under_no_slider_and_a_click_takes_a_cell(visit: Open) -> None:
    page = visit("Stylise")
    choose(page, Size=64)
    page.get_by_label("Every style").check()
    run(page)
    expect(page.get_by_text("Before and after").locator("visible=true")).to_have_count(0)
    expect(page.locator(".picture:visible img")).to_have_count(1)
    sheet = page.locator(".picture:visible img")
    sheet.scroll_into_view_if_needed()
    box, shape = sheet.bounding_box(), sheet.evaluate("i => i.naturalWidth / i.naturalHeight")
    assert box
    width, height = min(box["width"], box["height"] * shape), min(box["height"], box["width"] / shape)
    place = {"x": (box["width"] - width) / 2 + 0.3 * width, "y": (box["height"] - height) / 2 + 0.1 * height}
    sheet.click(position=place)  # type: ignore[arg-type]  # the second style
    expect(page.get_by_text("Before and after").locator("visible=true")).to_be_visible()
    expect(page.get_by_label("Every style")).not_to_be_checked()
    styles = page.locator("#styles-gallery:visible")
    expect(styles.locator("img").first).to_have_attribute("src", re.compile("embroidery"))
    expect(page.locator(".stale:visible")).to_have_count(0)
    styles.get_by_role("button", name="Clear").click()
    expect(styles.locator("img")).to_have_count(0)
    button(page, "Surprise me").click()  # paints, though there was no style
    expect(styles.locator("img").first).to_be_visible()
    expect(status(page)).to_contain_text(" s ·")
    expect(page.locator(".stale:visible")).to_have_count(0)


def test_seeds_are_thrown_used_again_and_varied(visit: Open, tmp_path: Path) -> None:
    page = visit("GAN")
    seed = page.get_by_label("Seed", exact=True).locator("visible=true")
    button(page, "Dice").locator("visible=true").click()
    expect(seed).not_to_have_value("0")
    seed.fill("-1")
    seed.press("Tab")
    run(page)
    expect(page.locator(".stale:visible")).to_have_count(0)
    button(page, "Use this seed").locator("visible=true").click()
    expect(seed).not_to_have_value("-1")
    (tmp_path / "kept").mkdir()
    path, told = download(page, tmp_path / "kept")
    assert seed.input_value() == str(told.seed) and path.name == f"0-gan-seed{told.seed}.png"
    button(page, "Variations").locator("visible=true").click()
    expect(page.locator(".picture:visible img").first).to_have_js_property("naturalWidth", 1172, timeout=PATIENCE)
    expect(button(page, "Run").locator("visible=true")).to_be_enabled(timeout=PATIENCE)
    _, varied = download(page, tmp_path / "kept")
    assert varied.seed == told.seed
    assert varied.details["seeds"] == [(told.seed or 0) + 16 * i for i in (1, 2, 3, 4)]
    assert "0.0 s" not in status(page).inner_text()


def test_a_link_opens_a_tab_with_settings_or_says_why_not(visit: Open) -> None:
    page = visit("", "?tab=gatys&size=96&steps=7&strength=0.3&optimizer=lbfgs")
    expect(status(page)).to_contain_text("Settings of the link. Pictures are not in it.")
    for name, value in (("Size", "96"), ("Steps", "7"), ("Strength", "0.3")):
        expect(number(page, name)).to_have_value(value)
    other = visit("", "?tab=gan&count=4000")
    expect(other.get_by_role("alert").locator("visible=true")).to_contain_text("4000")
    third = visit("", "?tab=gan&count=4&label=7")
    expect(number(third, "Count")).to_have_value("4")
    run(third)
    link = third.get_by_role("link", name="Link to these settings")
    assert link.get_attribute("href") == "?tab=gan&label=7&count=4"


def asked(page: Page, address: str) -> list[str]:
    """What a page that is opened asks the server for beside files: each event's body."""
    bodies: list[str] = []
    away: set[Request] = set()

    def sent(request: Request) -> None:
        if request.method == "POST":
            bodies.append(request.post_data or "")
            away.add(request)

    page.on("request", sent)
    for ended in ("requestfinished", "requestfailed"):
        page.on(ended, lambda request: away.discard(request))
    page.goto(address)
    expect(page.locator(".forecast:visible tr").first).to_be_visible()
    page.wait_for_timeout(3000)  # forecasts that nobody needs would come in that time
    while away:
        page.wait_for_timeout(100)
    return bodies


def test_a_visitor_who_touches_nothing_asks_for_little(visit: Open) -> None:
    page = visit("")
    fresh = asked(page.context.new_page(), page.url)
    assert len(fresh) <= MOST_EVENTS and sum(map(len, fresh)) < MOST_BYTES, fresh
    choose(page, Size=128)
    again = asked(page.context.new_page(), page.url)
    assert len(again) <= MOST_EVENTS + 2 and sum(map(len, again)) < 2 * MOST_BYTES, again


def test_results_are_kept_in_a_drawer_and_open_their_own_tab(visit: Open, tmp_path: Path) -> None:
    page = visit("GAN")
    choose(page, Count=4)
    run(page)
    (tmp_path / "kept").mkdir()
    path, _ = download(page, tmp_path / "kept")
    page.reload()
    expect(page.locator("button.run:visible")).to_be_enabled(timeout=PATIENCE)
    expect(number(page, "Count")).to_have_value("4")  # settings outlast a reload
    choose(page, Count=9)
    open_tab(page, "Optimise")
    page.set_viewport_size({"width": 390, "height": 844})
    button(page, "Last results").click()
    drawer = page.locator("dialog.drawer")
    edges = drawer.evaluate("e => [e, ...e.querySelectorAll('*')].map(n => n.getBoundingClientRect().left)")
    assert min(edges) >= 0, "the drawer is cut"
    page.set_viewport_size({"width": 1280, "height": 1000})
    expect(drawer.locator("figure")).to_have_count(1)
    drawer.get_by_role("button", name="Open again").click()
    expect(page.get_by_role("tab", name="GAN", exact=True)).to_have_attribute("aria-selected", "true")
    expect(number(page, "Count")).to_have_value("4")
    choose(page, Count=9)
    open_tab(page, "Optimise")
    drop(page, page.locator(".restore:visible button").first, path)  # on the wrong tab
    expect(page.get_by_role("tab", name="GAN", exact=True)).to_have_attribute("aria-selected", "true")
    expect(number(page, "Count")).to_have_value("4")
    run(page)
    button(page, "Last results").click()
    pins = drawer.get_by_role("button", name="Compare", exact=True)
    expect(pins).to_have_count(2)
    for pin in pins.all():
        pin.click()
    viewer = page.locator("dialog.viewer")
    expect(viewer.locator(".pane > img")).to_have_count(2)
    expect(viewer.locator(".differ")).to_have_count(0)  # the drawer says nothing of settings
    viewer.get_by_role("button", name="Close", exact=True).click()
    drawer.get_by_role("button", name="Forget", exact=True).first.click()
    expect(drawer.locator("figure")).to_have_count(1)


def test_a_stroke_is_run_when_the_pen_is_lifted(visit: Open) -> None:
    page = visit("VAE")
    box = page.locator(".board canvas:visible").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 40, steps=5)
    page.mouse.move(box["x"] + 90, box["y"] + 160, steps=5)
    page.mouse.up()
    expect(page.get_by_text("nats").locator("visible=true").first).to_be_visible(timeout=PATIENCE)


def test_look_closer_follows_the_newest_run(visit: Open) -> None:
    page = visit("GAN")
    run(page)
    page.locator(".picture:visible img").first.click(position={"x": 60, "y": 60})
    panel = page.locator(".closer:visible")
    expect(panel).to_contain_text("seed 0")
    seed = page.get_by_label("Seed", exact=True).locator("visible=true")
    seed.fill("500")
    seed.press("Tab")
    button(page, "Run").locator("visible=true").click()
    expect(panel).to_contain_text("seed 500", timeout=PATIENCE)
