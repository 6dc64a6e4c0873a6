"""What can go wrong is said in Chinese: every sentence that the code raises, found in its source."""

from __future__ import annotations

import ast
import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from ui.kit.i18n import in_words
from ui.words import SENTENCES

ROOT = Path(__file__).resolve().parents[2]
RAISED = {"ParamError", "ImageError", "WeightsMissing", "WeightsError", "OutOfBudget", "Unsuitable", "Error", "refused"}
RAISED |= {"UnreachableError", "Busy"}
HAN = re.compile(r"[\u4e00-\u9fff]")
WORD = re.compile(r"[A-Za-z]{2,}")
CODE = re.compile(r"`.*?`|\{.*\}|\w+=\w+|\w+\.json")  # to be typed as it is
NAMES = set(WORD.findall(" ".join(SENTENCES.values()))) | {"VRAM", "RAM"}  # what stays as it is in Chinese too
STAND_IN = "7"  # for what varies


class Source:
    """The texts of one module: what an expression of its code may say."""

    def __init__(self, path: Path) -> None:
        self.tree = ast.parse(path.read_text("utf-8"))
        self.functions = {f.name: f for f in self.tree.body if isinstance(f, ast.FunctionDef)}

    def raised(self) -> Iterator[tuple[int, str]]:
        """Line and text of each error that is made, and of each remark that a result carries."""
        places: list[tuple[ast.FunctionDef | None, ast.AST]] = [(None, self.tree)]
        while places:
            inside, node = places.pop()
            for child in ast.iter_child_nodes(node):
                places.append((child if isinstance(child, ast.FunctionDef) else inside, child))
            if isinstance(node, ast.Call) and node.args and (_name(node.func) in RAISED or _is_note(node.func)):
                for text in self.texts(node.args[0], inside):
                    yield node.lineno, text

    def texts(self, node: ast.expr, inside: ast.FunctionDef | None) -> list[str]:
        """What `node` can be, with a stand-in for what is not known before the code runs."""
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=values):
                return ["".join(parts) for parts in itertools.product(*(self.texts(v, inside) for v in values))]
            case ast.FormattedValue(value=value):
                return self.texts(value, inside)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return [a + b for a, b in itertools.product(self.texts(left, inside), self.texts(right, inside))]
            case ast.IfExp(body=body, orelse=orelse):
                return [*self.texts(body, inside), *self.texts(orelse, inside)]
            case ast.Name(id=name):
                return self.assigned(name, inside) or [STAND_IN]
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                made = self.functions[name]
                found = [r.value for r in ast.walk(made) if isinstance(r, ast.Return) and r.value is not None]
                texts = [text for value in found for text in self.texts(value, made)]
                return [text for text in texts if text] or texts
        return [STAND_IN]

    def assigned(self, name: str, inside: ast.FunctionDef | None) -> list[str]:
        """The texts that a name of the function, or of the module, stands for."""
        for scope in filter(None, (inside, self.tree)):
            nodes = ast.walk(scope) if scope is inside else ast.iter_child_nodes(scope)
            values = [
                n.value
                for n in nodes
                if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name) and n.targets[0].id == name
            ]
            texts = [text for value in values for text in self.texts(value, inside)]
            if set(texts) - {STAND_IN}:
                return texts
        return []


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _is_note(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "append" and _name(function.value) == "notes"


def sentences() -> Iterator[tuple[str, str]]:
    for folder in ("models", "pipelines", "ui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line, text in Source(path).raised():
                if WORD.search(text):
                    yield f"{path.relative_to(ROOT)}:{line}", text


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    """Text -> where it is raised."""
    return {text: place for place, text in sentences()}


def chinese(text: str) -> str:
    return in_words(text, gr.Request(headers={"accept-language": "zh-CN,zh;q=0.9"}))


def test_the_source_holds_what_the_page_has_said(found: dict[str, str]) -> None:
    assert len(found) > 100 and "7, and the network is switched off" not in found
    assert any(text.startswith("7 is not on this machine: press Fetch beside") for text in found)
    assert any(text.startswith("The device ran out of memory at 7 pixels") for text in found)


def test_a_sentence_that_can_be_raised_has_chinese(found: dict[str, str]) -> None:
    said = {text: chinese(text) for text in found}
    missing = [f"{found[text]} raises {text!r}" for text in said if not HAN.search(said[text])]
    assert not missing, "add them to ui/words/zh.json, with {} for what varies"
    left = {text: set(WORD.findall(CODE.sub("", said[text]))) - NAMES for text in said}
    assert not [f"{found[text]}: {said[text]!r} is half English" for text in said if left[text]]


def test_each_sentence_is_written_in_the_code_and_keeps_what_varies() -> None:
    def right(english: str, chinese: str) -> bool:
        used = {int(number) for number in re.findall(r"\{(\d+)\}", chinese)}
        return used <= set(range(english.count("{}"))) and bool(HAN.search(chinese) or not WORD.search(english))

    assert not [pair for pair in SENTENCES.items() if not right(*pair)]


def test_a_long_text_of_a_visitor_is_looked_up_in_one_pass() -> None:
    """Sentences within sentences: with regular expressions 3,000 letters took seconds, the interpreter locked."""
    start = time.process_time()
    for template in (english for english in SENTENCES if english.count("{}") > 1):
        assert chinese(template.replace("{}", template.replace("{}", "7 is 7") * 200))
    assert time.process_time() - start < 10
