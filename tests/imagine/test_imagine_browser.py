"""The Imagine tab in Chromium, with a toy model in a folder and with models that are not here."""

from __future__ import annotations

import re
from pathlib import Path

import toy_pipelines
from page import PATIENCE, Open, button, choose, content, download, drop, expect_sizes, number, pictures, wait_for_end
from page import open_tab as to_tab
from playwright.sync_api import Locator, Page, expect


def text(page: Page, info: str) -> Locator:
    """A text box by what is written under its label."""
    return page.locator("label:visible", has_text=info).locator("textarea, input")


def open_tab(visit: Open) -> Page:
    page = visit()
    to_tab(page, "Imagine")
    expect(text(page, "What to see in it")).to_be_visible(timeout=PATIENCE)
    return page


def use(page: Page, folder: Path) -> None:
    model = text(page, "An id on the Hugging Face hub")
    model.fill(str(folder))
    model.press("Tab")
    expect(page.locator(".offer:visible")).to_contain_text("a model of your own choice", timeout=PATIENCE)


def wait_for_picture(page: Page) -> None:
    failed = page.get_by_role("alert").locator("visible=true")
    cost = page.locator(".status:visible").filter(has_text=re.compile("loading|加载"))
    expect(cost.or_(failed).first).to_be_visible(timeout=PATIENCE)
    assert not failed.all_inner_texts()
    expect(button(page, "Run")).to_be_enabled(timeout=PATIENCE)


def test_a_full_run_of_a_toy_model(visit: Open, tmp_path: Path) -> None:
    page, folder = open_tab(visit), toy_pipelines.folder("checked")
    button(page, "Paper city").click()
    expect(text(page, "What to see in it")).to_have_value(re.compile("folded paper"))
    use(page, folder)
    choose(page, Size=64, Count=2)
    button(page, "Run").click()
    wait_for_picture(page)
    expect_sizes(page, (140, 72))
    expect(page.locator(".status:visible").filter(has_text="loading").first).to_contain_text("safety checker")
    kept = tmp_path / "kept"
    kept.mkdir()
    path, record = download(page, kept)
    assert record.pipeline == "imagine" and record.params["model"] == str(folder) and record.params["count"] == 2

    button(page, "Use as content").click()
    expect(content(page)).to_be_visible()
    choose(page, Count=1, Strength=0.9)
    button(page, "Run").click()
    wait_for_end(page)
    expect(pictures(page).first).to_have_js_property("naturalWidth", 64, timeout=PATIENCE)

    drop(page, page.locator(".restore:visible button").first, path)
    expect(number(page, "Count")).to_have_value("2", timeout=PATIENCE)
    to_tab(page, "Models")
    expect(page.locator("table.models")).to_contain_text("checked · unet", timeout=PATIENCE)


def test_a_style_picture_and_an_uploaded_lora_change_the_picture(visit: Open, tmp_path: Path) -> None:
    page, folder = open_tab(visit), toy_pipelines.folder("sd")
    use(page, folder)
    choose(page, Size=64)
    page.get_by_role("button", name="Advanced").locator("visible=true").click()
    text(page, "OWNER/NAME#FILE or a folder").fill(str(folder / "ip_adapter"))
    page.locator("input[type=file][accept='.safetensors']").set_input_files(folder / "lora.safetensors")
    expect(text(page, "OWNER/NAME, OWNER/NAME#FILE or the path")).to_have_value(
        re.compile(r"lora\.safetensors$"), timeout=PATIENCE
    )
    page.get_by_role("button", name="Thumbnail 1 of 12").locator("visible=true").click()
    expect(page.locator("#styles-gallery:visible img").first).to_be_visible(timeout=PATIENCE)
    button(page, "Run").click()
    wait_for_picture(page)
    _, record = download(page, tmp_path)
    assert len(record.params["styles"]) == 1 and record.params["lora"].endswith("lora.safetensors")
    assert record.details["lora"]["sha256"] and record.details["adapter"]["file"] == "ip_adapter.safetensors"


SLOW = """() => {
    const soon = window.requestAnimationFrame.bind(window), ask = window.fetch;
    window.requestAnimationFrame = (draw) => setTimeout(() => soon(draw), 1500);
    window.fetch = async (...what) => {
        if (/gradio_api.run/.test(what[0]?.url ?? what[0])) await new Promise((go) => setTimeout(go, 20000));
        return ask(...what);
    };
}"""  # a browser that hardly draws, and a server that takes its time


def test_what_is_typed_as_soon_as_it_can_be_stays(visit: Open) -> None:
    page = open_tab(visit)
    page.evaluate(SLOW)
    choose(page, Size=64)
    page.get_by_role("button", name="Advanced").locator("visible=true").click()
    adapter = text(page, "OWNER/NAME#FILE or a folder")
    adapter.fill("a/folder")
    page.wait_for_timeout(2000)
    expect(adapter).to_have_value("a/folder")


def test_a_model_that_is_not_here_says_what_to_do_and_the_page_goes_on(visit: Open) -> None:
    page = open_tab(visit)
    panel = page.locator(".offer:visible")
    expect(panel).to_contain_text(re.compile(r"not on this machine: 2\.6 GB to fetch"), timeout=PATIENCE)
    expect(panel).to_contain_text("(computed)")
    expect(
        page.locator(".welcome:visible", has_text="No model is on this machine, and the network is").first
    ).to_be_visible()
    button(page, "Run").click()
    alert = page.get_by_role("alert").first
    expect(alert).to_contain_text("stabilityai/sd-turbo is not on this machine, and the network is", timeout=PATIENCE)
    fetch = page.get_by_role("button", name="Fetch 2.6 GB", exact=True)
    expect(page.locator(".cures:visible").locator(fetch)).to_be_visible()
    page.locator(".cures:visible").locator(fetch).click()
    expect(page.locator(".cures:visible").locator(fetch)).to_be_enabled(timeout=PATIENCE)
    expect(alert).to_contain_text("the network is switched off")
    panel.locator(fetch).click()
    expect(panel.get_by_role("alert")).to_contain_text("the network is switched off", timeout=PATIENCE)
    page.get_by_label("Stable Diffusion XL").check()
    expect(number(page, "Size")).to_have_value("1024", timeout=PATIENCE)
    expect(panel).to_contain_text("6.9 GB to fetch", timeout=PATIENCE)
    expect(text(page, "An id on the Hugging Face hub")).to_have_value("stabilityai/stable-diffusion-xl-base-1.0")
    expect(button(page, "Run")).to_be_enabled(timeout=PATIENCE)
    prompt_comes_first_on_a_phone(page)


def prompt_comes_first_on_a_phone(page: Page) -> None:
    """And the page scrolls one way."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    prompt = text(page, "What to see in it").bounding_box()
    models = page.locator(".offer:visible").bounding_box()
    pictures = page.locator(".strip:visible").first.bounding_box()
    assert prompt and models and pictures and prompt["y"] < models["y"] < pictures["y"]
