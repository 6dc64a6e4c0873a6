"""Driving the page with Playwright, by what a visitor sees."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from pipelines import record
from pipelines.record import Record

PATIENCE = 120_000  # milliseconds: other work may keep the processor busy
Open = Callable[..., Page]  # the fixture `visit`


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def open_tab(page: Page, name: str) -> None:
    """Open the tab of that name, by way of its group where another one is shown."""
    tab = page.locator('.rooms > .tab-wrapper [role="tab"]').filter(has_text=re.compile(f"^\\s*{name}\\s*$"))
    groups = page.locator(".groups nav button:not(.last)")
    for i in range(groups.count()):
        if tab.is_visible() or tab.get_attribute("aria-selected") == "true":
            break
        groups.nth(i).click()
    if tab.is_visible():
        tab.click()
    opened(page)
    expect(tab).to_have_attribute("aria-selected", "true")


def open_method(page: Page, name: str) -> None:
    """Open the tab of that method, as a link or a dropped picture does."""
    page.evaluate("(name) => atelier.open(name)", name)
    opened(page)
    assert page.evaluate("atelier.tab()") == name


def opened(page: Page) -> None:
    """What a tab shows can be touched."""
    expect(page.locator("html.opening")).to_have_count(0)


def content(page: Page) -> Locator:
    """The picture to restyle."""
    return page.locator(".block:visible", has_text="Content").locator("img:visible").first


def number(page: Page, label: str) -> Locator:
    return page.get_by_role("spinbutton", name=f"number input for {label}", exact=True)


def choose(page: Page, **values: float) -> None:
    """Type numbers into main settings by their label."""
    for label, value in values.items():
        number(page, label).fill(str(value))
        number(page, label).press("Tab")


def steps_so_far(page: Page) -> int:
    """The step that the status line tells while a method runs; 0 before the first."""
    found = re.search(r"(\d+)/\d+", page.locator(".status:visible").first.inner_text())
    return int(found[1]) if found else 0


def wait_for_step(page: Page, step: int) -> None:
    """The run has come as far as `step`."""
    for _ in range(PATIENCE // 200):
        if steps_so_far(page) >= step:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"step {step} did not come: {page.locator('.status:visible').first.inner_text()!r}")


def wait_for_end(page: Page) -> None:
    """The run that is on the page has ended in a picture; the slider is hidden until then."""
    expect(page.get_by_text("Before and after")).to_be_visible(timeout=PATIENCE)
    expect(button(page, "Stop")).to_be_disabled(timeout=PATIENCE)
    expect(button(page, "Run")).to_be_enabled()


def run(page: Page) -> None:
    """Press Run and wait for a result that is not there yet."""
    button(page, "Run").locator("visible=true").click()
    expect(button(page, "Download PNG").locator("visible=true")).to_be_enabled(timeout=PATIENCE)
    expect(button(page, "Run").locator("visible=true")).to_be_enabled(timeout=PATIENCE)


def pictures(page: Page) -> Locator:
    """What the right column shows: the result, and beside it the picture before where there is one."""
    return page.locator(".picture:visible img:visible")


def expect_sizes(page: Page, *sizes: tuple[int, int]) -> None:
    """The right column shows pictures of these widths and heights in pixels, or will as soon as they are there."""
    expect(pictures(page)).to_have_count(len(sizes), timeout=PATIENCE)
    for picture, (width, height) in zip(pictures(page).all(), sizes, strict=True):
        expect(picture).to_have_js_property("naturalWidth", width, timeout=PATIENCE)
        expect(picture).to_have_js_property("naturalHeight", height)


def download(page: Page, folder: Path, name: str = "Download PNG") -> tuple[Path, Record]:
    """The PNG behind the button, saved in `folder`, and the record inside."""
    with page.expect_download() as got:
        button(page, name).click()
    path = folder / f"{len(list(folder.iterdir()))}-{got.value.suggested_filename}"
    got.value.save_as(path)
    found = record.read(path)
    assert path.suffix == ".png" and found is not None
    return path, found


def drop(page: Page, target: Locator, path: Path, type: str = "image/png") -> None:
    """Let go of a file over `target`, as a hand would; `type`: what the browser takes it for, by its name."""
    content = base64.b64encode(path.read_bytes()).decode()
    script = """([content, name, type]) => {
        const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0)), transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, {type}));
        return transfer;
    }"""
    transfer = page.evaluate_handle(script, [content, path.name, type])
    for event in ("dragenter", "dragover", "drop"):
        target.dispatch_event(event, {"dataTransfer": transfer})
