"""What to compare, as a person types it; and Compare as a method: its sheet, its records, its zip."""

from __future__ import annotations

import io
import json
import zipfile

import PIL.Image
import pytest
from clock import TABLE

from models import registry
from models.cache import ModelCache
from pipelines import compare, record
from pipelines.base import Result, run
from pipelines.compare import contact, plan
from pipelines.gatys import PIPELINE as GATYS
from pipelines.params import ParamError, parse

BAD = {
    "": "methods names none",
    "gatis": "There is no method named gatis: use one of gatys, clock",
    "gatys:sgd": "gatys has no choice sgd: use one of lbfgs, adam",
}


@pytest.mark.parametrize("text", BAD)
def test_a_plan_that_cannot_be_read_is_one_sentence(text: str) -> None:
    with pytest.raises(ParamError, match=BAD[text]):
        plan.entries(text, TABLE, {})


def test_settings_are_written_as_they_are_read() -> None:
    comparable_settings = {"style_layers": "conv1_1:2,conv3_1", "style_weights": [1.0, 2.5], "steps": 7}
    text = str(plan.Choice("gatys", ("lbfgs",), comparable_settings))
    (entry,) = plan.entries(text, TABLE, {"seed": 4, "label": None})
    assert entry.values == {
        "seed": 4,
        "optimizer": "lbfgs",
        "steps": 7,
        "style_layers": "conv1_1:2,conv3_1",
        "style_weights": [1.0, 2.5],
    }


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("strength=0.2, 0.5,0.8", ("0.2", "0.5", "0.8")),
        ("strength=0..1x5", ("0", "0.25", "0.5", "0.75", "1")),
        ("steps=10..20x3", ("10", "15", "20")),
        ("optimizer=adam,lbfgs", ("adam", "lbfgs")),
        ("style-scale=0.5", ("0.5",)),
    ],
)
def test_axes_are_typed_or_ranged(text: str, values: tuple[str, ...]) -> None:
    assert [label.partition(" ")[2] for label in plan.axis(text, GATYS)] == [*values]


@pytest.mark.parametrize("text", ["strength", "strength=", "strength=0..1x1", "strength=a..b", "x=1", "steps=1..99x50"])
def test_an_axis_that_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(ParamError):
        plan.axis(text, GATYS)


def test_a_grid_has_every_pair_once_with_labels() -> None:
    cells, heads = plan.grid(plan.entries("clock", TABLE, {}), "size=16,24,32", "steps=1..2x2")
    assert heads == (("size 16", "size 24", "size 32"), ("steps 1", "steps 2"))
    assert [(c.at, c.values["size"], c.values["steps"]) for c in cells][4] == ((1, 1), 24, 2) and len(cells) == 6
    rows, heads = plan.grid(plan.entries("clock,gatys", TABLE, {}), "size=64,96", "")
    assert heads and heads[1] == ("clock", "gatys") and [c.pipeline.name for c in rows] == ["clock"] * 2 + ["gatys"] * 2
    with pytest.raises(ParamError, match="one method"):
        plan.grid(plan.entries("clock,gatys", TABLE, {}), "size=64", "steps=1")


def test_as_a_method_it_gives_a_sheet_and_pictures_with_their_own_records(
    content: PIL.Image.Image, style: PIL.Image.Image, cache: ModelCache
) -> None:
    method = compare.method(TABLE)
    given = {"content": content, "styles": [style], "size": 64, "methods": "gatys:adam,clock:fault=memory"}
    p = parse(method.params, {**given, "x": "steps=1,2"})
    *_, result = run(method, p, cache, sha256=registry.sha256)
    assert isinstance(result, Result) and result.sheet is not None and len(result.images) == 2
    told = record.read(result.png())
    assert told and told.pipeline == "compare" and told.metrics == {"finished": 2, "failed": 2}
    assert [c["state"] for c in told.details["cards"]] == ["done", "done", "failed", "failed"]
    assert list(told.models) == ["vgg-lite"] and len(told.notes) == 2
    for i, steps in enumerate((1, 2)):
        one = record.read(result.png(i))
        assert one and one.pipeline == "gatys" and one.params["steps"] == steps == one.steps
    with pytest.raises(ParamError, match="content is missing"):
        list(run(method, parse(method.params, {"methods": "gatys"}), cache))


def test_the_sheet_shows_every_picture_and_the_zip_keeps_its_record(content: PIL.Image.Image) -> None:
    cells = [contact.Cell("a", content, ("1 s",)), contact.Cell("b", None, (), "out of memory: choose a smaller size")]
    page = contact.sheet([*cells, contact.Cell("c", content.rotate(90, expand=True))], 2, None, ["a legend " * 30])
    assert page.mode == "RGB" and page.width > 640 and page.height > 480
    wide = contact.sheet(cells * 3, 3, (("x 1", "x 2", "x 3"), ("y 1", "y 2")))
    assert wide.width > 3 * 320
    data = contact.bundle({"1-a.png": b"picture"}, [{"name": "a"}])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("1-a.png") == b"picture" and json.loads(archive.read("compare.json")) == [{"name": "a"}]
