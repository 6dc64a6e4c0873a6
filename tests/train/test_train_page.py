"""The Train tab in Chromium: an experiment fills the form, a tiny run is stopped and continued, its network is used."""

from __future__ import annotations

from pathlib import Path

from page import PATIENCE, Open, button, number
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
    page.locator("label:visible", has_text="In place of minutes").locator("input").fill("400")
    button(page, "Run").click()
    expect(page.locator(".status:visible").first).to_contain_text("pictures a second", timeout=PATIENCE)
    button(page, "Stop").click()
    expect(page.locator(".status:visible").first).to_contain_text("stopped after step", timeout=PATIENCE)
    expect(button(page, "Continue")).to_be_enabled(timeout=PATIENCE)
    button(page, "Continue").click()
    expect(button(page, "Use it in the tab of its kind")).to_be_enabled(timeout=PATIENCE)
    expect(page.locator(".status:visible").first).to_contain_text("400 steps", timeout=PATIENCE)
    expect(button(page, "Download the network")).to_be_enabled(timeout=PATIENCE)
    page.wait_for_timeout(1000)
    with page.expect_download() as got:
        button(page, "Download the network").click()
    path = tmp_path / "mine.safetensors"
    got.value.save_as(path)
    config, tensors = weights.read(path)
    assert config["latent"] == 2 and tensors
    button(page, "Use it in the tab of its kind").click()
    expect(page.get_by_role("tab", name="VAE", exact=True)).to_have_attribute("aria-selected", "true", timeout=PATIENCE)
    page.locator("button.run:visible").click()
    expect(page.locator(".status:visible").first).to_contain_text("own:atelier.safetensors", timeout=PATIENCE)
