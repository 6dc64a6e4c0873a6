"""English and Chinese, following the browser. English text is the key; the Chinese is in ui/words/zh.json."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from functools import cache

import gradio as gr
from gradio.i18n import I18nData

from ui.words import CHINESE, ENGLISH, SENTENCES

DEPTH = 4  # sentences within sentences that are translated


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
    return CHINESE.get(english, english) if reads_chinese(request) else english


def reads_chinese(request: gr.Request | None) -> bool:
    """Whether the browser that asked is one of a Chinese reader."""
    return ((request.headers.get("accept-language") or "") if request else "").lower().startswith("zh")


def in_browser(english: str) -> str:
    """A JavaScript expression that is `english` in the reader's language."""
    chinese, plain = json.dumps(CHINESE[english]), json.dumps(english)
    return f"(navigator.language.toLowerCase().startsWith('zh') ? {chinese} : {plain})"


def in_words(sentence: str, request: gr.Request | None) -> str:
    """What went wrong, in the language of the browser that asked; sentences without Chinese stay English."""
    return _in_chinese(sentence) if reads_chinese(request) else sentence


def refused(sentence: str, request: gr.Request | None) -> gr.Error:
    """The error to raise for what cannot be used, in the language of the browser that asked."""
    return gr.Error(in_words(sentence, request), title=spoken("This cannot be used", request), print_exception=False)


def _in_chinese(text: str, depth: int = DEPTH) -> str:
    if text in SENTENCES:
        return SENTENCES[text]
    for parts, chinese in _templates() if depth else ():
        if values := _values(parts, text):
            return chinese.format(*(_in_chinese(value, depth - 1) for value in values))
    return CHINESE.get(text) or CHINESE.get(text.replace("_", " ").capitalize()) or text


def _values(parts: Sequence[str], text: str) -> list[str]:
    """What stands in `text` between the `parts` of its template, each of at least a letter; empty where it is another.

    Every part is taken where it first stands, which is enough (a glob is matched so), and needs one pass over a text
    that a visitor may have made long.
    """
    first, *middle, last = parts
    if not (text.startswith(first) and text.endswith(last)):
        return []
    values, start, end = [], len(first), len(text) - len(last)
    for part in middle:
        at = text.find(part, start + 1, end)
        if at < 0:
            return []
        values.append(text[start:at])
        start = at + len(part)
    return [*values, text[start:end]] if start < end else []


@cache
def _templates() -> list[tuple[list[str], str]]:
    """Sentences of words/zh.json that hold values, cut at them, the most definite first."""
    ordered = sorted(SENTENCES.items(), key=lambda item: -len(item[0].replace("{}", "")))
    return [(english.split("{}"), chinese) for english, chinese in ordered if "{}" in english]
