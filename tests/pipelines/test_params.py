"""One declaration per method: a bad value gives one plain sentence; form, flags and schema come from the fields."""

from __future__ import annotations

import io
from typing import Any, Literal

import PIL.Image
import pytest
from pydantic import ValidationError

from pipelines import PIPELINES, images
from pipelines.params import Image, ParamError, Params, Setting, param, parse, settings


class Toy(Params):
    """Every kind of field once.

    A second paragraph.
    """

    photo: Image = param(label="Photo", description="The picture to change")
    others: list[Image] = param(label="Others", description="One to two more", min_length=1, max_length=2)
    count: int = param(3, ge=1, le=50, label="Count", description="How many")
    share: float = param(0.0, ge=0, le=1, label="Share", description="How much", advanced=True)
    mode: Literal["slow", "fast"] = param("fast", label="Mode", description="How")
    mirror: bool = param(False, label="Mirror", description="Left becomes right")
    name: str = param("", label="Name", description="What to call it")
    weights: list[float] = param([], label="Weights", description="One for each")
    mask: Image | None = param(None, label="Mask", description="Where")
    label: int | None = param(None, ge=0, le=9, label="Label", description="Which class; none: any")
    seed: int = param(0, ge=0, le=2**31 - 1, label="Seed", description="Start of the random numbers")


PICTURE = PIL.Image.new("RGB", (16, 12), (10, 200, 30))
GOOD: dict[str, Any] = {"photo": PICTURE, "others": [PICTURE]}
BAD = {
    "missing": ({"photo": PICTURE}, "others is missing: One to two more."),
    "none": ({"photo": None}, "photo is missing: The picture to change."),
    "unknown": ({"cuont": 3}, "There is no setting named cuont: use one of photo, others, count, share, mode,"),
    "low": ({"count": 0}, "count is 0: input should be greater than or equal to 1 (allowed: 1 to 50)."),
    "high": ({"count": "51"}, "count is '51': input should be less than or equal to 50 (allowed: 1 to 50)."),
    "word": ({"count": "many"}, "count is 'many': input should be a valid integer"),
    "half": ({"count": 2.5}, "count is 2.5: input should be a valid integer"),
    "nan": ({"share": float("nan")}, "share is nan: input should be a finite number (allowed: 0 to 1)."),
    "choice": ({"mode": "best"}, "mode is 'best': choose one of 'slow' or 'fast'."),
    "none of a list": ({"others": []}, "others has 0 items: give 1 to 2."),
    "too many": ({"others": [PICTURE] * 3}, "others has 3 items: give 1 to 2."),
    "list item": ({"weights": [1, "x"]}, "weights.1 is 'x': input should be a valid number"),
    "not a list": ({"others": 7}, "others is 7: input should be a valid list"),
    "no picture": ({"photo": b"plain text"}, "photo: "),
    "no picture in a list": ({"others": [PICTURE, "nowhere.png"]}, "others.1: "),
    "number as picture": ({"photo": 7}, "photo"),
    "small picture": ({"photo": PIL.Image.new("RGB", (1, 9))}, "photo: The picture is 1x9 pixels, but each side"),
    "long value": ({"count": "9" * 5000 + "x"}, "count is '999"),
    "exact": ({"seed": -1}, "seed is -1: input should be greater than or equal to 0 (allowed: 0 to 2147483647)."),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_gives_one_sentence(case: str) -> None:
    values, sentence = BAD[case]
    given = values if case == "missing" else {**GOOD, **values}
    with pytest.raises(ParamError) as caught:
        parse(Toy, given)
    text = str(caught.value)
    assert text.startswith(sentence)
    assert text.endswith(".") and "\n" not in text and len(text) < 400


def test_pictures_come_in_as_path_bytes_or_picture_and_are_upright_rgb(tmp_path: Any) -> None:
    file = io.BytesIO()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    PICTURE.save(file, "JPEG", exif=exif)
    (tmp_path / "a.jpg").write_bytes(file.getvalue())
    values = {"photo": tmp_path / "a.jpg", "others": [file.getvalue(), PIL.Image.new("LA", (9, 9))]}
    p = parse(Toy, values)
    assert p.photo.size == (12, 16) and [o.size for o in p.others] == [(12, 16), (9, 9)]
    assert all(i.mode == "RGB" and not i.info for i in (p.photo, *p.others))


def test_params_are_frozen_and_recorded_without_pixels() -> None:
    p = parse(Toy, GOOD)
    with pytest.raises(ValidationError):
        p.count = 4
    dumped = p.model_dump(mode="json")
    expected = {"width": 16, "height": 12, "sha256": images.digest(PICTURE)}
    assert dumped["photo"] == expected and dumped["others"] == [expected] and dumped["mask"] is None
    assert p.model_copy(update={"count": 4}).count == 4


def test_texts_from_a_command_line_become_numbers() -> None:
    p = parse(Toy, {**GOOD, "count": "7", "share": "0.25", "weights": ["1", "2.5"], "label": "4"})
    assert (p.count, p.share, p.weights, p.label) == (7, 0.25, [1.0, 2.5], 4)


def test_settings_are_derived_from_the_fields_in_order() -> None:
    found = {s.name: s for s in settings(Toy)}
    assert list(found) == list(Toy.model_fields)
    assert [s.kind for s in found.values()] == [
        "image",
        "images",
        "int",
        "float",
        "choice",
        "bool",
        "text",
        "floats",
        "image",
        "int",
        "int",
    ]
    assert found["photo"].required and found["others"].required and not found["mask"].required
    assert found["count"] == Setting("count", "Count", "How many", "int", 3, False, False, 1, 50)
    assert found["mode"].choices == ("slow", "fast") and found["share"].advanced
    assert found["weights"].default == [] and found["mask"].default is None
    assert (found["label"].low, found["label"].high) == (0, 9)


def test_help_says_default_range_and_meaning() -> None:
    found = {s.name: s.help for s in settings(Toy)}
    assert found["photo"] == "The picture to change (required)"
    assert found["count"] == "How many (default 3; 1 to 50)"
    assert found["share"] == "How much (default 0.0; 0 to 1)"  # falsy, and still there
    assert found["mirror"] == "Left becomes right (default False)"
    assert found["name"] == "What to call it (default none)"
    assert found["seed"].endswith("(default 0; 0 to 2147483647)")


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_every_field_of_every_method_is_described(pipeline: Any) -> None:
    assert pipeline.description and pipeline.title
    for setting in settings(pipeline.params):
        assert pipeline.params.model_fields[setting.name].title, f"{setting.name} has no label"
        assert setting.description and not setting.description.endswith("."), setting.name
        if setting.kind in {"int", "float"}:
            assert setting.low is not None and setting.high is not None, f"{setting.name} has no range"
            assert setting.default is None or setting.low <= setting.default <= setting.high
    schema = pipeline.params.model_json_schema()["properties"]
    assert all(schema[s.name]["description"] for s in settings(pipeline.params))
    assert set(pipeline.after) <= set(pipeline.params.model_fields)
