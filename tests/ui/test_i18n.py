"""English and Chinese: nothing is missing, nothing is left over, and the page's translator can read all of it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio.i18n import I18nData

from models import registry
from models.cache import ModelCache
from pipelines import PIPELINES
from pipelines.params import settings
from ui import page
from ui.kit.form.examples import CONTENT, STYLE
from ui.kit.i18n import CHINESE, t
from ui.words import EXPERIMENTS, HOW_TO

ROOT = Path(__file__).resolve().parents[2]


def trees(folder: str) -> list[ast.Module]:
    """The code in `folder`, its translations aside."""
    files = (file for file in (ROOT / folder).rglob("*.py") if file.parent.name != "words")
    return [ast.parse(file.read_text("utf-8")) for file in files]


HAN = re.compile(r"[\u4e00-\u9fff]")
# The same in both languages.
NAMES = re.compile(
    r"[#\s]*(Atelier|MNIST|CIFAR-10|(?i:vgg-lite)|VGG-\d+( \(HED\))?|(LPIPS \()?SqueezeNet( 1\.1)?\)?|L-BFGS|Adam"
    r"|Wasserstein-2|Fashion-MNIST|EfficientNet-Lite0|ImageNet|sha256)"
)

EXAMPLES = {path.stem for path in (*CONTENT, *STYLE)}


def texts(node: ast.AST) -> Iterator[str]:
    """Texts that stand in the code under `node`."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def handed_to(function: str) -> Iterator[str]:
    """Texts that the page's code hands to `function` as they stand."""
    for tree in trees("ui"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
                for argument in node.args:
                    yield from texts(argument)


def declared() -> Iterator[str]:
    """Texts that the methods declare, and the page translates."""
    for pipeline in PIPELINES.values():
        yield pipeline.title
        for setting in settings(pipeline.params):
            yield from (setting.label, setting.description, *(c for c in setting.choices if not c.isdecimal()))
        yield from (part[0] for part in HOW_TO[pipeline.name] if not isinstance(part, str))
    for offers in EXPERIMENTS.values():
        yield from (text for text, _ in offers)


TITLES = {card.title for card in registry.CARDS}
SOURCES = {card.weights.source for card in registry.CARDS}
TRANSLATED = {*handed_to("t"), *declared()}  # by the browser
SPOKEN = {*handed_to("spoken"), *(title for title in TITLES if not NAMES.fullmatch(title))}  # by the server


@pytest.fixture(scope="module")
def built(cache: ModelCache) -> str:
    """What the server sends to the browser about the page."""
    return json.dumps(page.build(cache).get_config_file(), default=str)


def test_the_page_has_chinese_for_all_it_says(built: str) -> None:
    assert built
    assert not sorted((TRANSLATED | SPOKEN) - set(CHINESE))


def test_a_text_without_chinese_is_not_built() -> None:
    with pytest.raises(KeyError, match=r"ui/words/"):
        t("No such words")


def test_every_method_explains_itself() -> None:
    assert set(HOW_TO) == set(PIPELINES)


def test_no_chinese_is_left_over() -> None:
    """Names of a run's curves stand in the methods' code."""
    code = [*trees("ui"), *trees("pipelines"), *trees("models")]
    written = {text for tree in code for text in texts(tree)}
    assert not sorted(set(CHINESE) - written - set(declared()) - TITLES - SOURCES - EXAMPLES)


def test_what_the_methods_declare_is_on_the_page(built: str) -> None:
    fields = [field for pipeline in PIPELINES.values() for field in settings(pipeline.params)]
    labelled = {
        f.description for f in fields if f.kind in {"image", "images"} or f.name == "x"
    }  # they have labels only
    assert not [text for text in declared() if text not in labelled and t(text).key not in built]


def test_texts_have_keys_of_their_own() -> None:
    keys = {t(text).key for text in CHINESE}
    assert len(keys) == len(CHINESE)
    assert all(re.fullmatch(r"\w+", key) for key in keys)
    assert isinstance(t("Run"), I18nData)


def test_the_chinese_is_chinese() -> None:
    def right(english: str, chinese: str) -> bool:
        plain = english == english.strip() and chinese == chinese.strip() and not HAN.search(english)
        return plain and bool(HAN.search(chinese) or NAMES.fullmatch(chinese))

    assert not [pair for pair in CHINESE.items() if not right(*pair)]


def test_the_translator_of_the_page_reads_it() -> None:
    """The browser's messages are ICU: braces are arguments there, and < opens a tag."""

    def readable(english: str, text: str) -> bool:
        if english in TRANSLATED:
            return not set("{}<") & set(text)
        return text.count("{}") == english.count("{}") and not set("{}") & set(text.replace("{}", ""))

    pairs = [(english, text) for english, chinese in CHINESE.items() for text in (english, chinese)]
    assert not [pair for pair in pairs if not readable(*pair)]


def test_a_chinese_reader_is_told_which_language_the_models_read() -> None:
    """The first prompt stays English: Stable Diffusion's cards say that it was trained on English captions."""
    prompt = next(s for s in settings(PIPELINES["imagine"].params) if s.name == "prompt")
    assert "英文" in CHINESE[prompt.description] and not HAN.search(str(prompt.default))
