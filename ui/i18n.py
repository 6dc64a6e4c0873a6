"""English and Chinese, following the browser. English text is the key; the Chinese is in ui/words/."""

from __future__ import annotations

import re
import zlib

import gradio as gr
from gradio.i18n import I18nData

from ui.words import CHINESE, ENGLISH


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
        raise KeyError(f"No Chinese for {english!r}: add it to ui/words/")
    return I18N(_key(english))


def spoken(english: str, request: gr.Request | None) -> str:
    """`english` in the language of the browser that asked, for text that is made while a method runs."""
    accepted = (request.headers.get("accept-language") or "") if request else ""
    return CHINESE[english] if accepted.lower().startswith("zh") else english
