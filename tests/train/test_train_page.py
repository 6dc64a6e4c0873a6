"""The Train tab in Chromium: an experiment fills the form, a tiny run is stopped and continued, its network is used;
the form follows the network that is chosen, and pictures of one's own are uploaded."""

from __future__ import annotations

import re
from pathlib import Path

from albums import packed, pictures
from page import PATIENCE, Open, button, download, drop, number, open_tab
from playwright.sync_api import expect

from models import weights


def test_a_network_is_trained_stopped_continued_downloaded_and_used(visit: Open, tmp_path: Path) -> None:
    page = visit("Train")
    page.get_by_label("Network", exact=True).first.click()
    page.get_by_role("option", name="VAE", exact=True).click()
    page.get_by_text("What to see", exact=True).click()
    page.get_by_role("button", name="Two numbers of code").click()
    expect(number(page, "Latent numbers")).to_have_value("2")
    page.get_by_label("Tiny", exact=True).check()
    page.get_by_role("button", name="Advanced").locator("visible=true").click()
    page.locator("label:visible", has_text="In place of minutes").locator("input").fill("400")
    button(page, "Run").click()
    expect(page.locator(".status:visible").first).to_contain_text("pictures a second", timeout=PATIENCE)
    button(page, "Stop").click()
    expect(page.locator(".status:visible").first).to_contain_text("stopped after step", timeout=PATIENCE)
    expect(button(page, "Continue")).to_be_enabled(timeout=PATIENCE)
    button(page, "Continue").click()
    expect(button(page, "Use it in its tab")).to_be_enabled(timeout=PATIENCE)
    expect(page.locator(".status:visible").first).to_contain_text("400 steps", timeout=PATIENCE)
    expect(button(page, "Download the network")).to_be_enabled(timeout=PATIENCE)
    expect(page.locator(".curve svg:visible")).to_be_visible()  # open by itself
    moment = page.get_by_role("slider", name="range slider for Moment")
    at_the_end = page.locator(".picture:visible img:visible").get_attribute("src")
    moment.press("Home")
    expect(page.locator(".picture:visible img:visible")).not_to_have_attribute("src", str(at_the_end), timeout=PATIENCE)
    page.wait_for_timeout(1000)
    with page.expect_download() as got:
        button(page, "Download the network").click()
    path = tmp_path / "mine.safetensors"
    got.value.save_as(path)
    config, tensors = weights.read(path)
    assert config["latent"] == 2 and tensors
    button(page, "Use it in its tab").click()
    expect(page.get_by_role("tab", name="VAE", exact=True)).to_have_attribute("aria-selected", "true", timeout=PATIENCE)
    page.locator("button.run:visible").click()
    expect(page.locator(".status:visible").first).to_contain_text(re.compile(r"yours: vae-\d+-"), timeout=PATIENCE)
    open_tab(page, "Train")
    drop(page, page.locator(".masthead"), path, "")  # and back into the tab of its kind
    expect(page.get_by_role("tab", name="VAE", exact=True)).to_have_attribute("aria-selected", "true", timeout=PATIENCE)
    page.get_by_role("button", name="Advanced").locator("visible=true").click()
    place = page.get_by_label("Network of your own").locator("visible=true")
    expect(place).to_have_value(re.compile(r"mine\.safetensors$"), timeout=PATIENCE)


def test_the_form_has_what_matters_for_the_network(visit: Open) -> None:
    page = visit("", "?tab=train&model=vae&beta=4&loss=wasserstein-gp")
    expect(number(page, "Beta")).to_have_value("4", timeout=PATIENCE)
    expect(page.get_by_label("Loss", exact=True)).to_have_count(0)
    expect(number(page, "Gradient penalty")).to_have_count(0)
    page.get_by_label("Network", exact=True).first.click()
    page.get_by_role("option", name="GAN", exact=True).click()
    expect(number(page, "Gradient penalty")).to_have_value("10", timeout=PATIENCE)
    expect(page.get_by_label("Loss", exact=True).first).to_have_value("Wasserstein, gradient penalty")
    expect(number(page, "Beta")).to_have_count(0)
    expect(button(page, "Variations").locator("visible=true")).to_have_count(0)


def test_pictures_of_ones_own_are_uploaded_and_learned_from(visit: Open, tmp_path: Path) -> None:
    page = visit("", "?tab=train&model=gan-dense&capacity=tiny&steps=3&batch=8")
    expect(page.get_by_label("Tiny", exact=True)).to_be_checked(timeout=PATIENCE)
    expect(page.get_by_label("64", exact=True)).to_have_count(0)
    file = packed(tmp_path / "mine.zip", pictures())
    page.locator("input[type=file][accept='.zip']").set_input_files(file)
    expect(page.get_by_label("Pictures of your own")).to_have_value(re.compile(r"mine\.zip$"), timeout=PATIENCE)
    page.get_by_label("64", exact=True).check()
    button(page, "Run").click()
    expect(page.locator(".status:visible").first).to_contain_text("3 steps", timeout=PATIENCE)
    _, told = download(page, tmp_path)
    assert told.details["pictures"] == {"kind 0": 20, "kind 1": 20, "kind 2": 20}
    assert told.params["pictures"] == "mine.zip" and told.params["side"] == "64"
