"""Send to Compare: a finished result is a card there, with its settings beside the methods that were chosen before."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest
from page import Open, button, choose, open_tab
from playwright.sync_api import expect
from served import CONTENT, STYLE

from models.cache import ModelCache
from models.device import amount
from pipelines import METHODS, PIPELINES
from pipelines import compare as compare_method
from pipelines.base import Result, run
from pipelines.compare import engine, plan
from pipelines.params import parse
from ui.kit import show
from ui.kit.run import Server, controls_of
from ui.tabs.compare import Desk, take_over
from ui.tabs.compare import cards as compare_cards
from ui.tabs.compare import form as compare_form
from ui.tabs.compare import send as compare_send
from ui.tabs.compare.cards import Memory
from ui.tabs.compare.form import Form

READER = gr.Request(session_hash="a visitor", headers={"accept-language": "en"})


@pytest.fixture(scope="module")
def form() -> Form:
    with gr.Blocks():
        return compare_form.build(METHODS)


@pytest.fixture
def desk(form: Form, cache: ModelCache) -> Desk:
    with gr.Blocks():
        controls = controls_of("compare", *(gr.Button() for _ in range(2)), gr.HTML())
    return Desk(PIPELINES["compare"], Server(cache), form, {}, controls)


def test_a_variant_that_is_no_choice_is_a_card_with_a_chinese_sentence(cache: ModelCache) -> None:
    entries = plan.entries("gatys:optimizer=sgd", METHODS, {"content": str(CONTENT), "styles": [str(STYLE)]})
    cards = engine.prepare(entries, cache)
    reader = gr.Request(session_hash="a visitor", headers={"accept-language": "zh-CN"})
    shown = compare_cards.gallery(Memory(compare_method.CompareParams(), cards), reader)
    assert "sgd" in compare_cards.title(cards[0], reader) and "请从" in shown and "choose one of" not in shown


def made(cache: ModelCache, name: str, **values: Any) -> show.Memory:
    """What a tab remembers of a finished run."""
    params = parse(METHODS[name].params, values)
    *_, result = run(METHODS[name], params, cache)
    assert isinstance(result, Result)
    return show.Memory(params, result=result)


def says(form: Form, filled: list[Any], given: list[Any]) -> dict[str, Any]:
    """What the form says once the page has taken the values."""
    values = [old if new == gr.skip() else new for new, old in zip(filled, given, strict=True)]
    return form.read([int(v) if isinstance(v, float) and v.is_integer() else v for v in values])  # as a browser's JSON


def given(form: Form, mode: str, *chips: str) -> list[Any]:
    """The form's values as they are at first, with these chips."""
    first = [c.value for c in form.inputs]
    rows = [[name for name in row.offers if name in chips] for row in form.chips]
    return [mode, str(CONTENT), [str(STYLE)], *rows, *first[3 + len(rows) :]]


def run_as_said(desk: Desk, said: dict[str, Any], earlier: Memory) -> list[engine.Card]:
    """The cards of Run, before anything is run."""
    memory = desk.prepare(said)
    take_over(memory.cards, earlier)
    return memory.cards


def test_a_restyled_picture_stands_there_and_is_not_made_again(desk: Desk, cache: ModelCache) -> None:
    values = {"content": str(CONTENT), "styles": [str(STYLE)], "size": 64, "steps": 2, "optimizer": "adam", "seed": 5}
    sent, before = made(cache, "gatys", **values), given(desk.form, "restyle", "stylize:atelier", "gatys:adam")
    found = compare_send.join(desk.form, sent, before)
    assert found is not None and sent.result is not None
    memory = compare_send.beside(desk, sent.result, found, None)
    (card,) = memory.cards
    assert card.state == "done" and card.result and card.result.picture is sent.result.picture
    page = compare_send.lay_out(memory, READER)[0]
    cost = f"<b>{show.duration(sent.result.record.seconds.run)}</b>"
    assert cost in page and amount(sent.result.record.own_bytes) in page
    [*_, _last] = compare_send.score(desk, memory, READER)
    assert set(card.scores) >= {"structure", "style", "colour"}

    said = says(desk.form, desk.form.fill(found), before)
    assert said["content"] == str(CONTENT) and said["styles"] == [str(STYLE)]
    assert (said["size"], said["seed"], said["x"], said["seconds"]) == (64, 5, "", 0)
    assert plan.write(said["methods"]) == "gatys:adam:steps=2,stylize:atelier"
    cards = {card.entry.name: card for card in run_as_said(desk, said, memory)}
    again = cards["gatys:adam:steps=2"]
    assert again.state == "done" and again.result is card.result and again.scores == card.scores
    assert cards["stylize:atelier"].state == "waiting"
    other = {card.entry.name: card for card in run_as_said(desk, {**said, "seed": 6}, memory)}
    assert other["gatys:adam:steps=2"].state == "waiting", "another seed is another picture"


def test_results_of_the_same_pictures_gather_and_others_begin_anew(desk: Desk, cache: ModelCache) -> None:
    pictures = {"content": str(CONTENT), "styles": [str(STYLE)], "size": 64}
    memory: Memory | None = None
    before = given(desk.form, "restyle")
    for name, own in (("gatys", {"steps": 1}), ("stylize", {"size": 0}), ("gatys", {"steps": 1})):
        sent = made(cache, name, **pictures | own)
        found = compare_send.join(desk.form, sent, before)
        assert found is not None and sent.result is not None
        memory = compare_send.beside(desk, sent.result, found, memory)
    assert memory is not None and sorted(c.entry.pipeline.name for c in memory.cards) == ["gatys", "stylize"]
    stylised = next(card for card in memory.cards if card.entry.pipeline.name == "stylize")
    assert stylised.entry.name == "stylize:atelier:size=0" and stylised.params and stylised.params.size == 0  # type: ignore[attr-defined]
    sent = made(cache, "gatys", **pictures | {"content": str(STYLE), "steps": 1})
    found = compare_send.join(desk.form, sent, before)
    assert found is not None and sent.result is not None
    assert len(compare_send.beside(desk, sent.result, found, memory).cards) == 1


@pytest.mark.parametrize("name", ["gan", "vae", "pixelcnn", "diffusion"])
def test_what_was_generated_goes_to_the_other_mode(desk: Desk, cache: ModelCache, name: str) -> None:
    steps = {"steps": 2} if name == "diffusion" else {}
    sent = made(cache, name, dataset="mnist", label=3, count=2, seed=9, **steps)
    before = given(desk.form, "restyle", "gan", "vae", "gatys:adam")
    found = compare_send.join(desk.form, sent, before)
    assert found is not None and sent.result is not None
    filled = desk.form.fill(found)
    assert filled[0] == "generate"
    assert filled[3] == gr.skip(), "the methods of the other mode stay"
    said = says(desk.form, filled, before)
    assert (int(said["label"]), said["count"], said["seed"], said["dataset"]) == (3, 2, 9, "mnist")
    names = {choice.method for choice in said["methods"]}
    assert names == {"gan", "vae", name}
    memory = compare_send.beside(desk, sent.result, found, None)
    [*_, _last] = compare_send.score(desk, memory, READER)
    assert set(memory.cards[0].scores) >= {"asked", "sure"}
    again = run_as_said(desk, said, memory)
    assert [card.entry.pipeline.name for card in again if card.state == "done"] == [name]


def test_only_what_can_be_compared_is_sent() -> None:
    content = {"content": {"sha256": "1"}}
    allowed = {
        "gatys": [content], "stylize": [content], "imagine": [content], "gan": [{}], "vae": [{"view": "samples"}],
        "pixelcnn": [{}], "diffusion": [{"view": "pictures"}],
    }  # fmt: skip
    refused = {
        "imagine": [{"content": None}], "vae": [{"view": "walk"}, {"view": "samples", "digit": {"sha256": "1"}}],
        "diffusion": [{"view": "quality"}], "explore": [content], "pixelcnn": [{"view": "surprise"}],
    }  # fmt: skip
    for kinds, expected in ((allowed, True), (refused, False)):
        for name, cases in kinds.items():
            assert all(plan.comparable(PIPELINES[name], params) is expected for params in cases), name


def test_a_visitor_sends_a_result_and_presses_run(visit: Open) -> None:
    page = visit()
    send = button(page, "Send to Compare").locator("visible=true")
    expect(send).to_have_count(0)  # nothing was made yet
    choose(page, Size=64, Steps=2)
    button(page, "Run").locator("visible=true").click()
    expect(send).to_be_enabled()
    send.click()
    card = page.locator("article.card.done", has_text="steps=2")
    expect(card).to_contain_text("Style distance")
    for chip in page.locator(".methods:visible input").all():
        chip.set_checked((chip.get_attribute("name") or "") in {"gatys:adam", "stylize:atelier"})
    took = card.locator(".cost b").inner_text()
    expect(page.locator(".forecast:visible tr:not(.absent)")).to_have_count(2)
    button(page, "Run").locator("visible=true").click()
    expect(page.locator("article.card.done")).to_have_count(2)
    assert card.locator(".cost b").inner_text() == took, "it was made again"
    for name in ("Style mixing", "Explore"):
        open_tab(page, name)
        expect(button(page, "Run").locator("visible=true")).to_be_visible()
        expect(send).to_have_count(0)
