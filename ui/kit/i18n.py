"""English and Chinese, following the browser. English text is the key; the Chinese is in ui/words/zh.json."""

from __future__ import annotations

import json
import re
import zlib
from functools import cache

import gradio as gr
from gradio.i18n import I18nData

from ui.words import CHINESE, ENGLISH, SENTENCES


def _key(english: str) -> str:
    """A name the page's translator takes as one key: no dots, no braces."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', english)[:32]}_{zlib.crc32(english.encode()):08x}"


I18N = gr.I18n(
    **{
        "en": {_key(english): ENGLISH.get(english, english) for english in CHINESE},
        "zh-CN": {_key(english): chinese for english, chinese in CHINESE.items()},
        "zh": {_key(english): chinese for english, chinese in CHINESE.items()},
    }
)


def t(english: str) -> I18nData:
    """`english` in the reader's language, for labels, buttons, tabs, choices and Markdown.

    Raises:
        KeyError: when it has no Chinese: a page that is half translated is not built.
    """
    if english not in CHINESE:
        raise KeyError(f"No Chinese for {english!r}: add it to ui/words/zh.json")
    return I18N(_key(english))


def declared(english: str) -> I18nData | str:
    """What a method declares, in the reader's language; a new method's words stay English until they have Chinese."""
    return t(english) if english in CHINESE else english


def spoken(english: str, request: gr.Request | None) -> str:
    """`english` in the language of the browser that asked, for text that is made while a method runs; English where it
    has no Chinese."""
    accepted = (request.headers.get("accept-language") or "") if request else ""
    return CHINESE.get(english, english) if accepted.lower().startswith("zh") else english


def in_browser(english: str) -> str:
    """A JavaScript expression that is `english` in the reader's language."""
    chinese, plain = json.dumps(CHINESE[english]), json.dumps(english)
    return f"(navigator.language.toLowerCase().startsWith('zh') ? {chinese} : {plain})"


def in_words(sentence: str, request: gr.Request | None) -> str:
    """What went wrong, in the language of the browser that asked; sentences without Chinese stay English."""
    accepted = (request.headers.get("accept-language") or "") if request else ""
    return _in_chinese(sentence) if accepted.lower().startswith("zh") else sentence


def refused(sentence: str, request: gr.Request | None) -> gr.Error:
    """The error to raise for what cannot be used, in the language of the browser that asked."""
    return gr.Error(in_words(sentence, request), title=spoken("This cannot be used", request), print_exception=False)


def _in_chinese(text: str) -> str:
    for pattern, chinese in _patterns():
        if found := pattern.fullmatch(text):
            return chinese.format(*map(_in_chinese, found.groups()))
    return CHINESE.get(text) or CHINESE.get(text.replace("_", " ").capitalize()) or text


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Sentences of words/zh.json, the most definite first."""
    ordered = sorted(SENTENCES.items(), key=lambda item: -len(item[0].replace("{}", "")))
    return [
        (re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL), chinese)
        for english, chinese in ordered
    ]
