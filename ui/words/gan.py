"""Words of `gan`: English -> Chinese, and its short text for a student in both."""

from __future__ import annotations

CHINESE: dict[str, str] = {}

HOW_TO: tuple[str | tuple[str, str], ...] = ()
