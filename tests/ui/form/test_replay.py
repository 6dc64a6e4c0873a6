"""A picture made here gives its settings back, whoever's photograph it was made from, and whatever its record says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import cli
from models.cache import ModelCache
from pipelines import PIPELINES, images, record, replay
from pipelines.params import ParamError, settings
from pipelines.record import Record, Seconds
from ui.kit.form import replay as page
from ui.kit.form.examples import RESULTS
from ui.kit.run import Server
from ui.tabs import compare

GATYS = PIPELINES["gatys"]
OWN = {"width": 640, "height": 480, "sha256": "ab" * 32}
CHINESE = gr.Request(headers={"accept-language": "zh-CN"})
ENGLISH = gr.Request(headers={})


def told(pipeline: str = "gatys", **params: Any) -> Record:
    """A record of a method with these settings."""
    return Record(
        pipeline=pipeline, params=params, seed=0, models={}, seconds=Seconds(load=0, run=1), steps=1, peak_bytes=1,
        device="cpu", dtype="float32", versions={}, created=record.now(), metrics={},
    )  # fmt: skip


def example(name: str) -> dict[str, object]:
    return images.describe(images.load(replay.EXAMPLES / name))


@pytest.fixture
def drop(tmp_path: Path, content: PIL.Image.Image) -> Callable[[Record], str]:
    """Write a picture with a record; returns its path."""

    def write(made: Record) -> str:
        (tmp_path / "made.png").write_bytes(record.png(content, made))
        return str(tmp_path / "made.png")

    return write


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a path in a picture's place": ({"content": "/etc/passwd"}, "where a picture belongs: content."),
    "a number in a picture's place": ({"content": 3}, "where a picture belongs: content."),
    "a path among the styles": ({"content": OWN, "styles": ["x"]}, "where a picture belongs: styles."),
    "no list of styles": ({"content": OWN, "styles": "x"}, "where a picture belongs: styles."),
    "a picture without its size": ({"content": {"sha256": "ab"}}, "where a picture belongs: content."),
    "a picture of words": ({"content": {"width": "<b>", "height": 1, "sha256": "ab"}}, "where a picture belongs"),
    "999,999 steps": ({"content": OWN, "styles": [OWN], "steps": 999_999}, "steps is 999999"),
    "an unknown key": ({"content": OWN, "styles": [OWN], "stepz": 3}, "There is no setting named stepz"),
    "a list of settings": ({"content": OWN, "styles": [OWN], "strength": [1]}, "strength is [1]"),
    "nothing": ({}, "content is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_record_that_no_run_wrote_gets_a_sentence(case: str, drop: Callable[[Record], str]) -> None:
    params, words = WRONG[case]
    with pytest.raises(ParamError) as caught:
        replay.recorded(told(**params), GATYS)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(gr.Error, match=r"The record in made\.png cannot be used\."):
        page.recorded(drop(told(**params)), {"gatys": GATYS}, "none", ENGLISH)
    with pytest.raises(gr.Error, match=r"made\.png 中的记录无法使用"):
        page.recorded(drop(told(**params)), {"gatys": GATYS}, "none", CHINESE)


@pytest.mark.parametrize("case", WRONG)
def test_the_command_line_says_it_too(
    case: str,
    drop: Callable[[Record], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: PIL.Image.Image,
) -> None:
    monkeypatch.chdir(tmp_path)
    content.save("own.jpg")
    params = json.loads(
        json.dumps(WRONG[case][0]).replace(json.dumps(OWN), json.dumps(images.describe(images.load("own.jpg"))))
    )
    assert cli.main(["--from", drop(told(**params))]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said and WRONG[case][1].split(" [")[0] in said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), st.lists, max_leaves=4
)


@hypothesis_settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(
    st.sampled_from(sorted(PIPELINES)),
    st.dictionaries(
        st.sampled_from(sorted({s.name for p in PIPELINES.values() for s in settings(p.params)} | {"x"})),
        JSON | st.just(OWN),
        max_size=4,
    ),
)
def test_no_record_surprises(method: str, params: dict[str, Any]) -> None:
    try:
        values = replay.recorded(told(method, **params), PIPELINES[method])
    except ParamError as error:
        assert "\n" not in str(error)
    else:
        assert set(values) == {s.name for s in settings(PIPELINES[method].params)}


def test_what_is_missing_in_a_record_has_its_default() -> None:
    values = replay.recorded(told(content=OWN, styles=[OWN]), GATYS)
    assert values["content"] == OWN and values["steps"] == 45


# Of a tab's example: what it says of itself otherwise than the form does at first.
SPECIAL = {"train": {"steps"}, "stylize": {"model"}, "explore": {"resolution"}}


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.png")), ids=lambda path: path.stem)
def test_a_tab_opens_on_a_result_of_exactly_its_defaults(path: Path) -> None:
    told = record.read(path)
    assert told is not None and told.pipeline == path.stem
    plain = [s for s in settings(PIPELINES[path.stem].params) if s.kind not in {"image", "images"}]
    other = {s.name for s in plain if s.name in told.params and told.params[s.name] != s.default}
    assert other <= SPECIAL.get(path.stem, set())


@pytest.mark.parametrize("name", ["digits/3.png", "digits/7.png", "content/cat.jpg"])
def test_examples_are_found_by_their_pixels(name: str, tmp_path: Path) -> None:
    method = "vae" if name.startswith("digits") else "gatys"
    place = "digit" if method == "vae" else "content"
    found = replay.look_up({place: example(name)}, PIPELINES[method], tmp_path)
    assert images.describe(found[place]) == example(name)


def test_a_photograph_is_asked_for_unless_it_is_here(tmp_path: Path, content: PIL.Image.Image) -> None:
    style, own = example("styles/ink.jpg"), images.describe(content)
    made = told(content=own, styles=[style])
    content.save(tmp_path / "own.png")
    fields = {s.name: s for s in settings(GATYS.params)}

    known = page.known_pictures(None, None)
    (absent,) = page.absences(made, GATYS, known)
    assert page.restored(fields["content"], own, known) is None  # the place is cleared: no other may stand in
    assert len(page.restored(fields["styles"], [style], known)) == 1
    assert page.sentence([absent], None) == "Settings restored; the photograph (64 x 48) is not here: choose it."
    assert "照片（64 × 48）不在这里" in page.sentence([absent], CHINESE)

    known = page.known_pictures(str(tmp_path / "own.png"), [("/no/such.png", None)])
    assert page.absences(made, GATYS, known) == []
    assert page.restored(fields["content"], own, known) == str(tmp_path / "own.png")
    assert page.sentence([], None) == "Settings restored."


def test_styles_that_are_not_here_are_named() -> None:
    made = told(content=OWN, styles=[example("styles/ink.jpg"), OWN])
    text = page.sentence(page.absences(made, GATYS, page.known_pictures()), None)
    assert text.startswith("Settings restored; these pictures are not here: Content (640 x 480), Styles (640 x 480).")


def test_a_record_is_bounded_when_it_is_written(content: PIL.Image.Image) -> None:
    long = told(content=OWN, styles=[OWN], steps=7).model_copy(
        update={"details": {"table": ["x" * 100] * 30_000, "small": 1}, "notes": ["one remark"]}
    )
    kept = record.read(record.png(content, long))
    assert kept is not None and kept.params == long.params and kept.details == {"small": 1}
    assert kept.notes[0] == "one remark" and "table" in kept.notes[-1]
    many = told(content=OWN).model_copy(update={"notes": ["remark " * 1000] * 1000, "metrics": {}})
    assert record.read(record.png(content, many)) is not None
    prompt = told("imagine", prompt="x" * 3_000_000, steps=7)
    kept = record.read(record.png(content, prompt))
    assert kept is not None and kept.params == {"steps": 7} and "prompt" in kept.notes[-1]


def test_compare_says_which_picture_is_not_here(
    cache: ModelCache, drop: Callable[[Record], str], tmp_path: Path, content: PIL.Image.Image
) -> None:
    with gr.Blocks() as blocks:
        desk = compare.build(PIPELINES["compare"], Server(cache))
    restore = next(function.fn for function in blocks.fns.values() if function.name == "restore")
    style, own = example("styles/ink.jpg"), images.describe(content)
    made = told(content=own, styles=[style], steps=9)
    names = [c is desk.form.content for c in desk.form.inputs].index(True)
    said, *values = restore(drop(made), ENGLISH, None, None)
    assert said == "Settings restored; the photograph (64 x 48) is not here: choose it."
    assert values[names] is None and values[names + 1] == [str(replay.EXAMPLES / "styles" / "ink.jpg")]
    content.save(tmp_path / "own.png")
    said, *values = restore(drop(made), ENGLISH, str(tmp_path / "own.png"), None)
    assert said == "Settings restored." and values[names] == str(tmp_path / "own.png")
    for wrong in (told("compare", methods="nothing"), told("compare", content="x"), told("gatys", steps=999_999)):
        with pytest.raises(gr.Error, match=r"The record in made\.png cannot be used\."):
            restore(drop(wrong), ENGLISH, None, None)
