"""The page as a visitor meets it: `python app.py`, driven in Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from page import (
    PATIENCE,
    Open,
    button,
    choose,
    content,
    download,
    drop,
    expect_sizes,
    number,
    wait_for_end,
    wait_for_step,
)
from playwright.sync_api import Locator, Page, expect
from served import CONTENT

from models import registry
from models.hub import offers
from pipelines import METHODS, images, record
from ui.kit.form.examples import RESULTS


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A picture that nobody else has, 96x72."""
    folder = tmp_path / "own"
    folder.mkdir()
    y, x = np.mgrid[:72, :96]
    PIL.Image.fromarray(np.stack([2 * x, 3 * y, x + y], -1).astype(np.uint8)).save(folder / "own.png")
    return folder / "own.png"


def upload(page: Page) -> Locator:
    """Where a file for the picture to restyle goes."""
    return page.locator("[role=tabpanel]:visible input[type=file][accept='image/*']").first


def test_upload_watch_stop_continue_download_and_drop(visit: Open, own: Path, tmp_path: Path) -> None:
    page, kept = visit(), tmp_path / "kept"
    kept.mkdir()
    upload(page).set_input_files(own)
    choose(page, Size=96, Steps=3000, Strength=0.8)
    expect(content(page)).to_have_js_property("naturalWidth", 96, timeout=PATIENCE)
    button(page, "Run").click()
    wait_for_step(page, 2)
    expect(page.get_by_text("Working")).to_be_visible()
    expect_sizes(page, (96, 72))
    button(page, "Stop").click()
    wait_for_end(page)
    expect_sizes(page, (96, 72), (96, 72))
    _, stopped = download(page, kept)
    assert 2 <= stopped.steps < 3000

    button(page, "Continue").click()
    wait_for_step(page, stopped.steps + 2)
    button(page, "Stop").click()
    wait_for_end(page)
    path, continued = download(page, kept)
    assert stopped.steps < continued.steps < 3000
    assert continued.params["content"] == images.describe(images.load(own))
    with PIL.Image.open(path) as picture:
        assert picture.size == (96, 72) and set(picture.info) == {"atelier"}

    choose(page, Size=128, Steps=7, Strength=0.1)
    drop(page, page.locator(".restore:visible button").first, path)
    expect(number(page, "Strength")).to_have_value("0.8", timeout=PATIENCE)
    expect(number(page, "Size")).to_have_value("96")
    expect(number(page, "Steps")).to_have_value("3000")


def test_a_picture_with_no_record_or_somebody_elses_photograph_says_so(visit: Open, own: Path, tmp_path: Path) -> None:
    page = visit()
    drop(page, page.locator(".restore:visible button").first, own)
    expect(page.get_by_text("own.png holds no record")).to_be_visible(timeout=PATIENCE)
    expect(number(page, "Strength")).to_have_value(str(METHODS["gatys"].params.model_fields["strength"].default))
    expect(page.locator(".restore:visible").get_by_role("button", name="Clear")).to_have_count(0)  # there is room again
    style = images.describe(images.load(CONTENT.parent.parent / "styles" / "ink.jpg"))
    params = {"content": {"width": 640, "height": 480, "sha256": "ab" * 32}, "styles": [style], "steps": 77}
    made = record.read(RESULTS / "gatys.png")
    assert made is not None
    foreign = tmp_path / "foreign.png"
    with PIL.Image.open(own) as picture:
        foreign.write_bytes(record.png(picture, made.model_copy(update={"params": params})))
    drop(page, page.locator(".restore:visible button").first, foreign)
    said = "Settings restored; the photograph (640 x 480) is not here: choose it."
    expect(page.locator(".status:visible").first).to_have_text(said, timeout=PATIENCE)
    expect(number(page, "Steps")).to_have_value("77")
    upload(page).set_input_files(own)
    expect(content(page)).to_have_js_property("naturalWidth", 96, timeout=PATIENCE)


def test_a_heic_photograph_is_seen_and_used(visit: Open, own: Path, tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    page, heic = visit(), tmp_path / "IMG_1.HEIC"
    with PIL.Image.open(own) as picture:
        picture.save(heic, "HEIF", quality=-1)
    (tmp_path / "kept").mkdir()
    upload(page).set_input_files(heic)
    expect(content(page)).to_have_js_property("naturalWidth", 96, timeout=PATIENCE)
    choose(page, Size=64, Steps=2)
    button(page, "Run").click()
    wait_for_end(page)
    _, told = download(page, tmp_path / "kept")
    assert told.params["content"] == images.describe(images.load(heic))
    styles = page.locator("#styles-gallery:visible")
    for again in ("Paste from clipboard", "Capture from camera"):
        expect(styles.get_by_role("button", name=again)).to_be_visible()
    styles.get_by_role("button", name="Clear").click()
    for again in ("Paste from clipboard", "Capture from camera"):
        expect(styles.get_by_role("button", name=again)).to_be_in_viewport()
    drop(
        page,
        styles.get_by_role("button", name="Click to upload or drop files"),
        own.rename(own.with_name("style")),
        type="",
    )
    expect(styles.locator("img").first).to_have_js_property("naturalWidth", 96, timeout=PATIENCE)


def test_what_cannot_be_used_is_said_and_the_page_goes_on(visit: Open) -> None:
    page = visit()
    choose(page, Size=64, Steps=2)
    page.get_by_role("button", name="Advanced").click()
    layers = page.get_by_label("Content layers")
    layers.fill("conv9_9")
    button(page, "Run").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no layer conv9_9", timeout=PATIENCE)
    expect(button(page, "Run")).to_be_enabled(timeout=PATIENCE)
    expect(button(page, "Stop")).to_be_disabled()
    button(page, "Go back to the defaults").click()
    expect(layers).to_have_value("")
    choose(page, Size=64, Steps=2)
    page.keyboard.press("Control+Enter")
    wait_for_end(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect_sizes(page, (64, 64), (64, 64))  # the astronaut before and after
    button(page, "Use as content").click()
    expect(content(page)).to_have_js_property("naturalWidth", 64, timeout=PATIENCE)


def test_a_phone_scrolls_one_way_and_keeps_run_in_reach(visit: Open) -> None:
    page = visit(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)

    def fits() -> bool:
        return bool(page.evaluate("document.documentElement.scrollWidth <= 390"))

    assert fits()
    expect(button(page, "Run")).to_be_in_viewport()
    choose(page, Size=64, Steps=9)  # a curve needs two points
    button(page, "Run").tap()
    wait_for_end(page)
    for name in ("Advanced", "Curve", "Record (JSON)", "How it works"):
        page.get_by_role("button", name=name).first.tap()
        page.wait_for_timeout(300)
        assert fits(), name
    button(page, "Models").tap()
    expect(page.locator("table.models")).to_be_visible()
    assert fits()


NAMES = """PixelCNN GAN VAE LPIPS IP Adapter
Atelier PNG JSON API MCP MB GB cpu cuda vgg VGG lite SqueezeNet Ctrl Enter Adam adam BFGS lbfgs Wasserstein sha
Gatys Ecker Bethge A Neural Algorithm of Artistic Style arXiv"""


def english(page: Page) -> set[str]:
    """English words that can be read on the page now, names aside; equations, digests and file names are no words."""
    page.add_style_tag(content=".katex, code, .models b, .models small { display: none !important }")
    seen = [page.locator("body").inner_text(), *page.locator("svg text:visible").all_text_contents()]
    words = set(re.findall(r"conv\d_\d|[A-Za-z]{2,}", " ".join(seen))) - set(NAMES.split())
    return {word for word in words if not word.startswith("conv")}


def test_a_chinese_browser_reads_no_english(visit: Open) -> None:
    page = visit("优化", locale="zh-CN")
    for place, value in ((2, 64), (3, 40)):
        page.get_by_role("spinbutton").nth(place).fill(str(value))
        page.get_by_role("spinbutton").nth(place).press("Tab")
    assert not english(page)
    button(page, "运行").click()
    expect(page.get_by_text("前后对比")).to_be_visible(timeout=PATIENCE)
    for name in ("无需重新运行即可更改", "曲线", "过程帧", "高级设置", "原理"):
        page.get_by_role("button", name=name).first.click()
    for text in ("生成过程动画", "《A Neural Algorithm of Artistic Style》"):
        expect(page.get_by_text(text)).to_be_visible(timeout=PATIENCE)
    assert not english(page)
    button(page, "模型").click()
    expect(page.locator("table.models")).to_be_visible()
    titles = [*(card.title for card in registry.CARDS), *(offer.title for offer in offers.OFFERS)]
    named = set(re.findall(r"[A-Za-z]{2,}", " ".join(titles)))
    assert not english(page) - named
