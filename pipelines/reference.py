"""The methods' settings in docs/api.md, derived from their parameters: `python -m pipelines.reference` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines import PIPELINES
from pipelines.base import Pipeline
from pipelines.params import Params, Setting, settings, span

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
MARK = "<!-- `python -m pipelines.reference` writes what follows. -->\n"  # in PAGE, after what is written by hand

KINDS = {
    "image": "picture",
    "images": "list of pictures",
    "choice": "one of",
    "bool": "true or false",
    "int": "whole number",
    "float": "number",
    "text": "text",
    "floats": "list of numbers",
}


def kind_of(setting: Setting) -> str:
    """`one of a, b`, `number from 0 to 1`, `text of at most 600 letters`."""
    kind = KINDS[setting.kind]
    if setting.kind == "choice":
        return f"{kind} {', '.join(f'`{choice}`' for choice in setting.choices)}"
    if setting.low is not None and setting.high is not None:
        return f"{kind} from {span(setting.low, setting.high)}"
    return f"{kind} of at most {setting.letters:,} letters" if setting.letters else kind


def default_of(setting: Setting) -> str:
    """How a setting's default is written in JSON; **required** where there is none."""
    if setting.required:
        return "**required**"
    return "" if setting.default in (None, "", [], ()) else f"`{str(setting.default).lower()}`"


def meaning_of(setting: Setting) -> str:
    """What a setting does, and with which others it matters."""
    needs = [
        f"`{name}` is {' or '.join(f'`{one}`' for one in those) or 'not empty'}" for name, those in setting.when.items()
    ]
    condition = f"Only where {' and '.join(needs)}" if needs else ""
    return ". ".join(filter(None, (setting.description, setting.detail, condition))).replace("|", "\\|")


def rows(kind: type[Params]) -> Iterator[Sequence[str]]:
    """Of a method's table: setting, type and range, default, meaning."""
    for one in settings(kind):
        yield f"`{one.name}`", kind_of(one), default_of(one), meaning_of(one)


def section(pipeline: Pipeline) -> str:  # type: ignore[type-arg]
    """A method's heading, description, outputs and table of settings."""
    outputs = ["image (PNG, with the record inside)", *([f"file ({pipeline.file})"] if pipeline.file else []), "record"]
    table = [("setting", "type", "default", "what it does"), ("---",) * 4, *rows(pipeline.params)]
    lines = "\n".join(f"| {' | '.join(cells)} |" for cells in table)
    return f"## /{pipeline.name}\n\n{pipeline.description}\n\nAnswers with {', '.join(outputs)}.\n\n{lines}\n"


def page() -> str:
    """The whole of docs/api.md: what is written by hand, then a section a method."""
    by_hand = PAGE.read_text("utf-8").partition(MARK)[0]
    return "\n".join([by_hand + MARK, *map(section, PIPELINES.values())])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
