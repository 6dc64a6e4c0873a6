"""Compare with the real methods: generators side by side, Imagine where its model is, and what the page makes of it."""

from __future__ import annotations

import json
import re
from typing import Any

import gradio as gr
import PIL.Image
import pytest
import toy_pipelines

from models import registry
from models.cache import ModelCache
from pipelines import METHODS, PIPELINES, record
from pipelines import compare as compare_method
from pipelines.base import Result, advance, run
from pipelines.compare import engine, plan
from pipelines.compare.engine import Card
from pipelines.params import ParamError, parse
from ui.tabs.compare import cards as compare_cards
from ui.tabs.compare import form as compare_form
from ui.tabs.compare.cards import Memory


def alone(card: Card, cache: ModelCache) -> Result:
    assert card.params is not None
    *_, result = run(card.entry.pipeline, card.params, cache, sha256=registry.sha256)
    assert isinstance(result, Result)
    return result


def test_generators_give_a_grid_a_family_of_one_class_with_costs_and_scores(cache: ModelCache) -> None:
    p = parse(compare_method.CompareParams, {"methods": "gan,vae,diffusion:steps=2", "label": 7, "count": 3})
    entries, heads = compare_method.cells(p, METHODS)
    cards = engine.prepare(entries, cache)
    list(engine.perform(cards, cache.borrower()))
    assert heads is None and {card.entry.pipeline.name for card in cards} == {"gan", "vae", "diffusion"}
    for card in cards:
        assert card.state == "done" and card.result and card.result.sheet and len(card.result.images) == 3
        assert card.result.record.params["label"] == 7
        usual = {"distance", "precision", "recall", *(["nats"] if card.entry.name == "vae" else [])}
        assert set(card.scores) == {"asked", "sure", *(usual if card.entry.name != "diffusion:steps=2" else ())}
        assert card.result.record.models and 0 <= card.scores["asked"] <= 1
        assert [i.tobytes() for i in card.result.images] == [i.tobytes() for i in alone(card, cache).images]
    assert min(card.scores["asked"] for card in cards if card.entry.name != "diffusion:steps=2") > 0.5
    made = compare_cards.gallery(Memory(p, cards, heads), None)
    assert made.count("<article") == 3 and made.count(">Read as asked</th>") == 3 and 'class="row real"' in made


def test_photographs_are_compared_by_the_families_that_learned_them(cache: ModelCache) -> None:
    given = {"methods": "gan,vae", "dataset": "cifar10", "label": 8, "count": 4}
    entries, _ = compare_method.cells(parse(compare_method.CompareParams, given), METHODS)
    cards = engine.prepare(entries, cache)
    list(engine.perform(cards, cache.borrower()))
    gan, vae = sorted(cards, key=lambda card: card.entry.name)
    assert gan.result and gan.result.images[0].size == (32, 32) and {"asked", "distance"} <= set(gan.scores)
    assert vae.state == "failed" and vae.sentence == "dataset is 'cifar10': 'mnist' is the only one here."


def test_with_nothing_named_the_families_that_are_here_are_compared() -> None:
    entries, _ = compare_method.cells(parse(compare_method.CompareParams, {"label": 1}), METHODS)
    assert {e.pipeline.name for e in entries} >= {"gan", "vae", "pixelcnn", "diffusion"}
    assert all(plan.kind_of(e.pipeline) == "generate" and e.values["label"] == 1 for e in entries)


def test_imagine_is_a_method_once_its_model_is_here(
    content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache
) -> None:
    pictures = {"content": content, "styles": [style], "size": 64, "seed": 3}
    (away,) = engine.prepare(plan.entries("imagine", METHODS, pictures), cache)
    assert away.prediction.missing
    assert re.fullmatch(r"SD-Turbo \([\d.]+ GB\) is not on this machine: fetch it in Models\.", away.prediction.trouble)
    text = str(plan.Choice("imagine", (), {"model": str(toy_pipelines.folder("sd")), "steps": 3, "prompt": "a, b: c"}))
    (card,) = engine.prepare(plan.entries(text, METHODS, pictures), cache)
    assert not card.prediction.trouble
    list(engine.perform([card], cache.borrower()))
    assert card.result is not None, card.sentence
    assert card.result.record.params["prompt"] == "a, b: c" and card.result.record.params["styles"] == []
    assert set(card.scores) >= {"structure", "style", "colour"}, "not judged next to the style it did not see"
    assert "does not see the styles" in compare_cards.article(
        card, Memory(compare_method.CompareParams(), [card]), None
    )
    assert card.result.picture.tobytes() == alone(card, cache).picture.tobytes()


@pytest.mark.usefixtures("no_packages")
def test_a_chip_whose_weights_are_away_has_its_reason_before_the_run(
    content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache
) -> None:
    pictures = {"content": content, "styles": [style]}
    chosen, absent = (
        engine.prepare(plan.entries(text, METHODS, pictures), cache)
        for text in ("gatys:adam", "stylize:magenta,imagine")
    )
    reasons = {card.entry.name: compare_cards.hindrance(card) for card in absent}
    shown = compare_cards.forecast(chosen, absent, reasons, None)
    found = re.search(r'data-absent="([^"]*)"', shown)
    assert found and set(json.loads(found[1].replace("&quot;", '"'))) == {"stylize:magenta", "imagine"}
    assert shown.count('class="absent"') == 2 and "perhaps" in shown


@pytest.mark.parametrize(
    ("values", "low", "decades"), [([0.02, 1.9], -2, 3), ([0.4, 5.0], -1, 3), ([3.0, 45000.0], 0, 5), ([1e-6], -3, 3)]
)
def test_the_log_axis_holds_every_bar(values: list[float], low: int, decades: int) -> None:
    assert compare_cards.axis(values) == (low, decades)


def test_a_picture_of_one_method_gives_its_settings_back(
    content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache
) -> None:
    given = {"content": content, "styles": [style], "size": 64, "steps": 2, "optimizer": "adam", "strength": 0.7}
    *_, result = run(METHODS["gatys"], parse(METHODS["gatys"].params, given), cache)
    assert isinstance(result, Result)
    told = record.read(result.png())
    assert told is not None
    values = compare_form.of_record(told, METHODS)
    assert values["size"] == 64 and values["styles"] == []  # not among the examples
    (entry,) = plan.entries(values["methods"], METHODS, {"content": content, "styles": [style], "size": values["size"]})
    again = parse(METHODS["gatys"].params, {**entry.own, "seed": told.seed})
    assert again.model_dump(mode="json") == told.params


def test_each_method_names_who_reads_its_pictures(cache: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    use = ModelCache.use

    def noted(self: ModelCache, *names: str, **options: Any) -> Any:
        used.extend(names)
        return use(self, *names, **options)

    cards = engine.prepare(plan.entries("stylemix:count=4,gan:count=4", METHODS, {"label": 3}), cache)
    monkeypatch.setattr(ModelCache, "use", noted)
    list(engine.perform(cards, cache.borrower()))
    assert {"stylemix-reader", "digits"} <= set(used) and "cifar10" not in used
    assert all(card.scores["asked"] > 0.5 for card in cards)


def test_a_link_is_understood_or_answered_with_a_sentence() -> None:
    with gr.Blocks():
        form = compare_form.build(METHODS)
    values = compare_form.of_link({"methods": "gan:truncation=0.5,vae", "label": "3", "count": "4", "dataset": "mnist"})
    assert values is not None and (values["label"], values["count"]) == (3, 4)
    assert form.fill(values)[0] == "generate" and compare_form.of_link({"size": "64"}) is None
    for query, sentence in (
        ({"methods": "gatys", "size": "many"}, "size is 'many'"),
        ({"methods": "gatis"}, "There is no method named gatis"),
        ({"methods": "gatys:steps=many"}, 'steps is "many": it must be a whole number.'),
    ):
        with pytest.raises(ParamError, match=sentence):
            form.fill(compare_form.of_link(query) or {})


def test_stop_ends_the_method_in_flight_and_keeps_what_is_there(
    content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache
) -> None:
    given = {"content": content, "styles": [style], "size": 64, "methods": "gatys:adam:steps=9,gatys:lbfgs:steps=9"}
    stream = run(PIPELINES["compare"], parse(compare_method.CompareParams, given), cache)
    next(stream)
    result = advance(stream, stop=True)
    assert isinstance(result, Result) and len(result.images) == 1
    assert [card["state"] for card in result.record.details["cards"]] == ["stopped", "waiting"]
    assert result.record.params["methods"] == given["methods"]
