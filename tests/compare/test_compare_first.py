"""The first screen of Compare: finished cards of exactly what the form says, so that Run only confirms them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import gradio as gr
import PIL.Image
import pytest
from PIL import ImageDraw

from models.cache import ModelCache
from pipelines import METHODS
from pipelines import compare as compare_method
from pipelines.compare import engine, plan
from pipelines.params import parse
from pipelines.sheet import chinese_font
from ui.kit.form.examples import COMPARISON, CONTENT, STYLE
from ui.tabs.compare import axes
from ui.tabs.compare import cards as compare_cards
from ui.tabs.compare import form as compare_form

PICTURES = {"content": CONTENT[0], "styles": STYLE[:1]}
REQUIRED = {"gatys": PICTURES, "stylize": PICTURES, "explore": {"content": CONTENT[0]}}
CHINESE = gr.Request(session_hash="a visitor", headers={"accept-language": "zh-CN"})


@pytest.mark.parametrize("kind", ["restyle", "generate"])
def test_the_stored_cards_are_what_run_makes(kind: str, cache: ModelCache) -> None:
    with gr.Blocks():
        form = compare_form.build(METHODS)
    first = [c.value for c in form.inputs]
    given = [kind, first[1]["path"], [row["image"]["path"] for row in first[2]], *first[3:]]
    p = parse(compare_method.CompareParams, form.read(given))
    ahead = {c.entry.name: c.params for c in engine.prepare(compare_method.cells(p, METHODS)[0], cache)}
    stored = {c.entry.name: c.result for c in compare_cards.stored(kind, METHODS).cards}
    assert list(ahead) and set(stored) == set(ahead), "write them again: python -m benchmarks.opening"
    for name, params in ahead.items():
        result = stored[name]
        assert params is not None and result is not None
        assert result.record.params == params.model_dump(mode="json"), name


@pytest.mark.parametrize("kind", ["restyle", "generate"])
def test_the_stored_cards_are_real_ones_in_the_readers_language(kind: str) -> None:
    memory = compare_cards.stored(kind, METHODS)
    page = compare_cards.gallery(memory, CHINESE)
    assert (
        page.count('<article class="card done">') == len(memory.cards) == page.count("data:image/webp;base64,UklG") / 2
    )
    assert "随程序附带的结果" in page and "线程" in page and "Stored" not in page and "threads" not in page
    seconds = [card.result.record.seconds.run for card in memory.cards if card.result]
    assert seconds == sorted(seconds)
    rows = json.loads((COMPARISON / "cards.json").read_text("utf-8"))
    assert sum(file.stat().st_size for file in COMPARISON.iterdir()) < 400_000
    assert {row["file"] for listed in rows.values() for row in listed} == {f.name for f in COMPARISON.glob("*.webp")}


def test_the_best_is_bold_and_what_is_ruined_wins_nothing() -> None:
    memory = compare_cards.stored("restyle", METHODS)
    ruined, *others = memory.cards
    ruined.scores = {"structure": 0.3, "style": 0.0, "colour": 0.0}
    for card in others:
        card.scores = {"structure": 0.7, "style": 0.1, "colour": 4.0}
    others[0].scores["style"] = 0.05
    assert compare_cards.best(memory.cards) == {"structure": "0.70", "style": "0.05", "colour": "4"}
    page = compare_cards.article(ruined, memory, CHINESE)
    assert "照片几乎已看不出来" in page and "<b>0.0" not in page
    assert "<b>0.05</b>" in compare_cards.article(others[0], memory, CHINESE)
    assert compare_cards.gallery(memory, CHINESE).count("越高越好") == 1


def test_what_waits_has_not_run_once_the_run_is_over() -> None:
    memory = compare_cards.stored("restyle", METHODS)
    memory.cards[0].state, memory.cards[0].result = "waiting", None
    assert "尚未运行" in compare_cards.gallery(memory, CHINESE)
    memory.running = True
    assert "排队中" in compare_cards.gallery(memory, CHINESE)


def test_an_axis_offers_what_all_chosen_methods_have_and_begins_with_usual_values() -> None:
    names = {s.name: s for s in axes.variable([METHODS["gatys"], METHODS["stylize"]])}
    assert set(names) == {"strength", "style_scale", "colours", "size", "seed"}
    values = {name: axes.usual_values(setting) for name, setting in names.items()}
    assert values["strength"] == ["0", "0.5", "1"] and values["style_scale"] == ["0.5", "1", "2"]
    assert values["size"] == ["128", "256", "512"] and values["colours"] == ["style", "content", "matched"]
    for pipeline in METHODS.values():
        for setting in axes.variable([pipeline]):
            text = axes.Axis.text(setting.name, axes.usual_values(setting))
            assert axes.Axis.fill(text, pipeline) == [setting.name, axes.usual_values(setting)]
            for values_ in plan.axis(text, pipeline).values():
                parse(pipeline.params, {**REQUIRED.get(pipeline.name, {}), **values_})


def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is written into a picture from now on."""
    found: list[str] = []
    write = ImageDraw.ImageDraw.text

    def text(self: Any, xy: Any, text: str, *rest: Any, **more: Any) -> None:
        found.append(text)
        write(self, xy, text, *rest, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return found


def test_the_contact_sheet_speaks_as_the_page_does_and_shows_what_went_in(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = compare_cards.stored("restyle", METHODS)
    for card in memory.cards:
        assert card.result is not None
        card.result = replace(card.result, images=[PIL.Image.new("RGB", (256, 256), (90, 80, 70))])
    bare = compare_cards.sheet(memory, None)
    memory.params = parse(compare_method.CompareParams, PICTURES)
    english = lines(monkeypatch)
    whole = compare_cards.sheet(memory, None)
    assert whole.height > bare.height and {"Content", "Styles", "Optimise · L-BFGS"} <= set(english)
    assert any("Structure kept" in line for line in english) and any("is better" in line for line in english)
    assert not any("gatys" in line for line in english)
    chinese = lines(monkeypatch)
    compare_cards.sheet(memory, CHINESE)
    known = chinese_font(14) is not None
    assert ("内容图" in chinese) == known and ("Content" in chinese) != known
    monkeypatch.setattr(compare_cards, "chinese_font", lambda _: None)
    compare_cards.sheet(memory, CHINESE)
    assert "Content" in chinese, "letters that no font here has"


def test_a_download_is_called_after_methods_and_pictures() -> None:
    memory = compare_cards.stored("restyle", METHODS)
    memory.pictures = ("astronaut", "impasto")
    assert memory.file_name.startswith("compare-") and memory.file_name.endswith("-astronaut-impasto")
    assert {"gatys", "stylize"} <= set(memory.file_name.split("-"))
    memory.cards *= 40
    assert len(memory.file_name) <= compare_cards.MOST_LETTERS


def test_what_counts_in_a_mode_is_its_own_and_what_is_shared() -> None:
    with gr.Blocks():
        form = compare_form.build(METHODS)
    rows = {mode: [form.inputs[i] for i in places] for mode, places in form.places.items()}
    restyle, generate = rows["restyle"], rows["generate"]
    assert {form.content, form.styles, form.common["size"]} <= set(restyle) - set(generate)
    assert {form.common[name] for name in ("dataset", "label", "count")} <= set(generate) - set(restyle)
    assert {form.mode, form.common["seed"], form.axes["x"].menu} <= set(restyle) & set(generate)
    assert {*restyle, *generate} == set(form.inputs)
    for row in form.chips:
        assert (row.group in restyle) == (row.kind == "restyle") != (row.group in generate)
