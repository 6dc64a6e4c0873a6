"""The first screen of Compare: finished cards of exactly what the form says, so that Run only confirms them."""

from __future__ import annotations

import json

import gradio as gr
import pytest

from models.cache import ModelCache
from pipelines import METHODS
from pipelines import compare as compare_method
from pipelines.compare import engine
from pipelines.params import parse
from ui.kit.form.examples import COMPARISON
from ui.tabs.compare import cards as compare_cards
from ui.tabs.compare import form as compare_form

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
    assert list(ahead) and set(stored) == set(ahead), "write them again: python -m benchmarks.comparison"
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
