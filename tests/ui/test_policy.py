"""What a server allows its visitors: every limit of a preset is held, and its refusal says which it is."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import fields, replace
from typing import Any

import pytest

from models.cache import ModelCache
from models.hub.needs import of_model
from models.hub.offers import OFFERS
from models.registry import CARDS
from models.weights import WeightsError
from pipelines import METHODS, PIPELINES
from pipelines.params import ParamError, parse
from ui.kit import lacking, policy
from ui.kit.line import Turns
from ui.kit.policy import Policy
from ui.kit.press import Press
from ui.kit.run import Server, follow
from ui.kit.session import Busy
from ui.server import SettingError, check_environment

DIGITS = {"count": 1, "steps": 300}


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make this process follow a policy of the limits given."""
    return lambda **limits: monkeypatch.setattr(policy, "current", lambda: Policy(**limits))


def test_the_presets_grow_stricter_and_local_has_no_limit() -> None:
    presets = policy.presets()
    assert list(presets) == ["local", "classroom", "public"] and presets["local"] == Policy()
    for one in fields(Policy):
        values = [getattr(preset, one.name) for preset in presets.values()]
        if one.type != "str" and not isinstance(values[0], str):
            assert values == sorted(values, reverse=True), one.name
    assert all(math.isfinite(getattr(presets["public"], one.name)) for one in fields(Policy) if one.name != "fetch")


def test_a_preset_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_PRESET", "strict")
    with pytest.raises(SettingError, match="must be one of local, classroom, public"):
        check_environment()
    monkeypatch.setenv("ATELIER_PRESET", "public")
    check_environment()
    assert policy.current() is policy.presets()["public"]


@pytest.mark.parametrize(
    ("method", "settings", "limit", "sentence"),
    [
        ("diffusion", DIGITS, {"steps": 200}, "steps is 300, and this server allows at most 200: choose less."),
        (
            "train",
            {"minutes": 8},
            {"train_minutes": 5},
            "minutes is 8, and this server allows at most 5: choose less.",
        ),
        (
            "train",
            {},
            {"train_minutes": 0},
            "Training is switched off on this server: run Atelier on a machine of your own.",
        ),
        ("gatys", {"size": 512}, {"pixels": 256}, "size is 512, and this server allows at most 256: choose less."),
    ],
)
def test_a_larger_run_is_refused(
    method: str, settings: dict[str, int], limit: dict[str, int], sentence: str, allow: Any,
    cache: ModelCache, content: Any, style: Any,
) -> None:  # fmt: skip
    kind = PIPELINES[method].params
    pictures = {"content": content, "styles": [style]} if "content" in kind.model_fields else {}
    params = parse(kind, {**settings, **pictures})
    allow(**limit)
    with pytest.raises(ParamError) as refusal:
        next(follow(Server(cache), PIPELINES[method], params, Press()))
    assert str(refusal.value) == sentence


def test_a_run_that_takes_too_long_is_stopped_with_what_is_there(cache: ModelCache, allow: Any) -> None:
    allow(seconds=0.3)
    method = METHODS["diffusion"]
    *_, last = follow(Server(cache), method, parse(method.params, DIGITS), Press())
    assert last.result is not None and last.result.record.steps < 300
    assert last.result.record.notes[-1] == "Stopped here: a run may work for 0.3 s on this server."


def test_a_training_has_minutes_in_place_of_seconds(cache: ModelCache, allow: Any) -> None:
    allow(seconds=0, steps=1, train_minutes=0.02)
    method = PIPELINES["train"]
    params = parse(method.params, {"model": "vae", "capacity": "tiny", "batch": 8, "steps": 100_000, "minutes": 0.02})
    *_, last = follow(Server(cache), method, params, Press())
    assert last.result is not None and 1 < last.result.record.steps < 100_000 and last.result.file
    assert last.result.record.notes[-1] == "Stopped here: a run may work for 1.2 s on this server."


def test_one_visitor_has_so_many_runs_and_begins_so_many_a_minute(allow: Any) -> None:
    allow(each=2)
    turns = Turns()
    with ExitStack() as stack:
        for visitor in "aab":
            stack.enter_context(turns.take(visitor, 3))
        with pytest.raises(Busy, match=r"2 of your runs are waiting, .* in about 9 s\."):
            stack.enter_context(turns.take("a"))
    allow(runs_a_minute=3)
    for _ in range(3):
        with turns.take("c"):
            pass
    with pytest.raises(Busy, match=r"begins 3 runs a minute .* in about 60 s\."), turns.take("c"):
        pass
    with turns.take("d"):
        pass


def test_what_is_fetched_for_visitors(allow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[object] = []
    monkeypatch.setattr(lacking.weights, "fetch", lambda what, _tell: fetched.append(what))
    monkeypatch.setattr(lacking, "FETCHED", lacking.Fetched())
    card = next(card for card in CARDS if card.name == "vgg19")
    foreign, offered = of_model("somebody/model"), of_model(OFFERS[0].repo)
    allow(fetch="none")
    with pytest.raises(WeightsError, match="fetches nothing"):
        lacking.bring([card.weights], lambda *_: None)
    allow(fetch="curated", fetch_gb=1.0)
    with pytest.raises(WeightsError, match="somebody/model is none of them"):
        lacking.bring([foreign], lambda *_: None)
    lacking.admit([offered])
    lacking.bring([card.weights], lambda *_: None)
    assert fetched == [card.weights]
    with pytest.raises(WeightsError, match="1 GB in all, and 425 MB of that are left"):
        lacking.bring([replace(card.weights, bytes=500_000_000)], lambda *_: None)
