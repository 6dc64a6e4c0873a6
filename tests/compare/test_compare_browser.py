"""A newcomer answers "which method for my picture, and what does it cost?" on the first tab, reading nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from page import PATIENCE, Open, button, choose, drop, number, open_tab
from playwright.sync_api import Page, expect

from pipelines import record


def arrive(visit: Open, query: str = "", **options: Any) -> Page:
    page = visit("Compare", query, **options)
    expect(page.locator(".forecast:visible tr").first).to_be_visible()
    return page


def finish(page: Page) -> None:
    """The comparison on the page has ended."""
    expect(page.locator("article.card.waiting, article.card.running")).to_have_count(0, timeout=PATIENCE)
    expect(button(page, "Stop")).to_be_disabled(timeout=PATIENCE)


def only(page: Page, *methods: str) -> None:
    """Choose these methods and no other, once they are on the page."""
    for name in methods:
        expect(page.locator(f".methods:visible input:is([name='{name}'], [value='{name}'])")).to_be_visible()
    for chip in page.locator(".methods:visible input").all():
        chip.set_checked((chip.get_attribute("name") or chip.get_attribute("value")) in methods)


def lay_over(page: Page) -> None:
    """Pin both cards, and look at them in every way of the viewer."""
    for pin in page.locator("article.card button.pin").all():
        pin.click()
    viewer = page.get_by_role("dialog")
    expect(viewer.locator(".differ")).to_contain_text("Optimiser")
    expect(viewer.locator(".differ tr")).to_have_count(2)
    expect(viewer.get_by_text("Strength 0.65")).to_be_hidden()
    viewer.get_by_text("In common").click()
    expect(viewer.get_by_text("Strength 0.65")).to_be_visible()
    for mode in ("Flip", "Side by side", "Difference"):
        viewer.get_by_role("button", name=mode, exact=True).click()
        expect(viewer.locator(f".stage[data-mode={mode.split()[0].lower()}]")).to_be_visible()
    expect(viewer.locator(".stage")).to_have_css("filter", "brightness(3)")
    expect(viewer.locator(".pane.b")).to_have_css("mix-blend-mode", "difference")
    page.keyboard.press("+")
    shift = "e => e.map(x => x.style.transform)"
    assert len(set(viewer.locator(".pane > img").evaluate_all(shift))) == 1, "zoom is not in step"
    viewer.get_by_role("button", name="Close", exact=True).click()


def come_back(page: Page) -> None:
    """The link brings the settings back, this browser its last sheet, and that its settings again."""
    again = page.context.new_page()
    again.goto(page.url + (page.get_by_role("link", name="Link to these settings").get_attribute("href") or ""))
    expect(again.get_by_role("spinbutton", name="number input for Size", exact=True)).to_have_value("64")
    choose(again, Size=96)
    open_tab(again, "Optimise")
    button(again, "Last results").click()
    again.locator("dialog.drawer").get_by_role("button", name="Open again").click()
    expect(number(again, "Size").locator("visible=true")).to_have_value("64")
    expect(again.locator(".forecast:visible tr:not(.absent)")).to_have_count(2)


def before_the_first_run(page: Page) -> None:
    """Finished cards of what the form says, in both modes; Pin works on them."""
    expect(page.locator("article.card.done")).to_have_count(page.locator(".methods:visible input:checked").count())
    expect(page.get_by_text("Stored results of the first pictures and settings")).to_be_visible()
    page.get_by_label("Generate", exact=True).check()
    expect(page.locator("article.card.done", has_text="Diffusion")).to_be_visible()
    page.get_by_label("Restyle a picture", exact=True).check()
    expect(page.locator("article.card.done", has_text="Adam")).to_contain_text("vgg-lite")
    assert page.locator("article.card img").first.evaluate("i => i.decode().then(() => i.naturalWidth)") == 256


def one_setting_at_a_time(page: Page) -> None:
    """The chosen methods' settings are folds; a setting from the menu brings values."""
    page.get_by_role("button", name="Settings of Adam", exact=True).click()
    expect(page.locator("[id='settings-gatys:adam']").get_by_role("spinbutton").first).to_be_in_viewport()
    folds = page.locator("[role=tabpanel]:visible button.label-wrap:visible", has_text=re.compile("Optimise ·"))
    expect(folds).to_have_text([re.compile("L-BFGS"), re.compile("Adam")])
    page.get_by_role("button", name="Grid, budget and seed").click()
    for menu, offer in (("X axis", "Size of strokes"), ("X axis", "none")):
        page.get_by_label(menu).click()
        page.get_by_role("option", name=offer, exact=True).click()
        rows = re.compile("6 ×" if offer != "none" else "Optimise · ")
        expect(page.locator(".forecast:visible tr:not(.absent)").first).to_have_text(rows)


def test_a_newcomer_sees_which_method_does_what_and_what_it_costs(visit: Open, tmp_path: Path) -> None:
    page = arrive(visit, permissions=["clipboard-write"])
    expect(page.get_by_role("tab").first).to_have_text("Compare")
    before_the_first_run(page)
    only(page, "gatys:adam", "gatys:lbfgs")
    one_setting_at_a_time(page)
    choose(page, Size=64)
    expect(page.locator(".forecast tr:not(.absent)")).to_have_count(2)
    assert all(re.search(r"\d s", text) for text in page.locator(".forecast tr:not(.absent) td").all_inner_texts())
    button(page, "Run").click()
    expect(page.locator("article.card")).to_have_count(2, timeout=PATIENCE)
    finish(page)
    cards = page.locator("article.card.done")
    expect(cards).to_have_count(2)
    for card in cards.all():
        text = card.inner_text()
        assert re.search(r"\d s", text) and re.search(r"\d MB", text) and "vgg-lite" in text
        assert re.search(r"Structure kept\s+[01]\.\d\d", text) and re.search(r"Style distance\s+\d\.\d\d", text)
        size = card.locator("img").evaluate("i => i.decode().then(() => [i.naturalWidth, i.naturalHeight])")
        assert size == [64, 64]
    expect(page.locator(".chart .row.real")).to_have_count(2)
    expect(page.locator(".compare .note")).to_have_text(
        re.compile("higher is better: Structure kept · lower is better")
    )
    expect(page.locator(".scores b").first).to_be_visible()
    choose(page, Size=96)
    expect(page.locator(".stale:visible").first).to_be_visible()
    choose(page, Size=64)
    expect(page.locator(".stale:visible")).to_have_count(0)

    lay_over(page)
    with page.expect_download() as got:
        button(page, "Contact sheet").click()
    got.value.save_as(tmp_path / "sheet.png")
    assert got.value.suggested_filename == "compare-gatys-astronaut-impasto-seed0.png"
    told = record.read(tmp_path / "sheet.png")
    assert told and told.pipeline == "compare" and told.params["size"] == 64

    come_back(page)


def test_cards_are_marked_when_they_no_longer_fit_each_mode_by_its_own_settings(visit: Open) -> None:
    page = arrive(visit)
    stale, generate, restyle = (
        page.locator(".block.stale:visible"),
        page.get_by_label("Generate", exact=True),
        page.get_by_label("Restyle a picture", exact=True),
    )
    expect(page.locator("article.card.done").first).to_be_visible()
    expect(stale).to_have_count(0)
    choose(page, Size=64)  # the stored cards are of another size
    expect(stale).to_contain_text("Out of date")
    expect(page.locator(".gallery:visible").first).not_to_have_css("opacity", "1")
    generate.check()
    expect(page.locator("article.card.done", has_text="Diffusion")).to_be_visible()
    expect(stale).to_have_count(0)
    expect(page.get_by_role("link", name="Link to these settings")).to_have_count(0)
    only(page, "gan")
    expect(stale).to_have_count(1)
    button(page, "Run").click()
    expect(page.locator("article.card")).to_have_count(1, timeout=PATIENCE)
    finish(page)
    expect(stale).to_have_count(0)
    restyle.check()  # where the stored cards are again
    expect(page.get_by_role("link", name="Link to these settings")).to_have_count(0)
    expect(page.locator("article.card.done", has_text="Adam")).to_be_visible()
    expect(stale).to_have_count(1)
    choose(page, Size=256)
    expect(stale).to_have_count(0)
    only(page, "gatys:adam")
    expect(stale).to_have_count(1)
    generate.check()
    expect(page.locator("article.card.done", has_text="GAN")).to_be_visible()
    expect(stale).to_have_count(0)
    restyle.check()
    page.locator(".strip:visible").first.locator("button").nth(1).click()
    expect(stale).to_have_count(1)
    choose(page, Size=80)
    page.reload()
    expect(number(page, "Size").locator("visible=true")).to_have_value("80")
    expect(stale).to_have_count(1)


def test_one_method_fails_the_others_show_and_a_grid_can_be_stopped_and_go_on(
    visit: Open,
) -> None:
    page = arrive(visit, "/?methods=gatys:adam:steps=2,gatys:lbfgs:steps=2:model=vgg19&size=64")
    expect(page.locator(".forecast .failed")).to_contain_text("575 MB")
    grey = page.locator(".methods:visible label.absent")
    expect(grey.filter(has_text="L-BFGS")).to_have_attribute("title", re.compile("575 MB"))
    button(page, "Run").click()
    expect(page.locator("article.card")).to_have_count(1, timeout=PATIENCE)
    finish(page)
    expect(page.locator("article.card.done img")).to_have_count(1)
    page.mouse.wheel(0, 2000)
    only(page)
    button(page, "Run").click()
    expect(page.locator(".status [role=alert]:visible")).to_be_in_viewport()
    expect(grey.filter(has_text="Imagine")).to_have_attribute("title", re.compile("not on this machine"))

    page.goto(page.url.partition("?")[0] + "?methods=gatys:adam&size=64&x=steps=2,20,5000&y=style_scale=0.5,2")
    expect(page.locator(".forecast:visible tr").first).to_contain_text("6 ×")
    done = page.locator(".xy article.card.done")
    button(page, "Run").click()
    expect(done.first).to_be_visible(timeout=PATIENCE)
    button(page, "Stop").click()
    expect(button(page, "Continue")).to_be_enabled(timeout=PATIENCE)
    before = done.count()
    assert 1 <= before < 6
    expect(page.get_by_text("in line", exact=True)).to_have_count(0)
    expect(page.locator(".xy th[scope=col]")).to_have_text(["Steps 2", "Steps 20", "Steps 5000"])
    button(page, "Continue").click()  # a cell of 5,000 steps outlasts the test: it is enough that it is under way
    expect(page.locator(".xy article.card.running")).to_have_count(1, timeout=PATIENCE)
    button(page, "Stop").click()
    expect(button(page, "Continue")).to_be_enabled(timeout=PATIENCE)
    assert before <= done.count() < 6
    done.first.get_by_role("button", name="Use", exact=True).click()  # the cell's settings: no grid any more
    expect(page.locator(".forecast:visible tr:not(.absent) th")).to_have_text(["Optimise · Adam"])


def test_generators_side_by_side_and_a_picture_brings_its_settings_back(visit: Open, tmp_path: Path) -> None:
    page = arrive(visit)
    away = page.locator(".methods:visible label", has_text="Imagine")
    expect(away).to_have_class(re.compile("absent"))
    expect(away).to_have_attribute("title", re.compile("not on this machine"))
    page.get_by_label("Generate", exact=True).check()
    photographs = page.locator(".block:visible label", has_text="CIFAR-10").first
    photographs.click()
    grey = page.locator(".methods:visible label.absent")
    expect(grey).to_have_text(["Style mixing", "VAE", "PixelCNN"])
    expect(grey.first).to_have_attribute("title", re.compile("'mnist' is the only one here"))
    page.locator(".block:visible label", has_text="MNIST").first.click()
    expect(grey).to_have_count(0)
    only(page, "gan", "vae")
    page.locator(".chips:visible label", has_text="3").click()
    choose(page, Count=4)
    expect(page.locator(".forecast:visible tr:not(.absent)")).to_have_count(2)
    button(page, "Run").click()
    expect(page.locator("article.card")).to_have_count(2, timeout=PATIENCE)
    finish(page)
    for card in page.locator("article.card.done").all():
        text = card.inner_text()
        assert re.search(r"Read as asked\s+[01]\.\d\d", text) and re.search(r"\d MB", text)
    with page.expect_download() as got:
        page.locator("article.card", has_text="GAN").get_by_role("link", name="PNG").click()
    got.value.save_as(tmp_path / "gan.png")
    told = record.read(tmp_path / "gan.png")
    assert told and told.pipeline == "gan" and told.params["label"] == 3 and told.params["count"] == 4

    choose(page, Count=9)
    page.get_by_label("Restyle a picture", exact=True).check()
    drop(page, page.locator(".restore:visible button").first, tmp_path / "gan.png")
    expect(page.get_by_label("Generate", exact=True)).to_be_checked()
    expect(number(page, "Count")).to_have_value("4")
    expect(page.locator(".methods:visible input:checked")).to_have_count(1)
    expect(page.locator(".methods:visible label:has(input:checked)")).to_have_text("GAN")
