"""What this server allows its visitors, by the preset that ATELIER_PRESET names (ui/kit/presets.json). Imports neither
gradio nor torch."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

FILE = Path(__file__).with_name("presets.json")
LOCAL = "local"


@dataclass(frozen=True)
class Policy:
    """The limits of a server; an infinite one is none. In presets.json: local is one's own machine, classroom thirty
    people on one, public strangers.

    pixels: longest side of what is made. steps: of one run. seconds: that one run may work. train_minutes: in their
    place, of a training (0: none). each: runs of one visitor that run or wait. runs_a_minute: that one visitor may
    begin. body_mb, weights_mb: largest request, largest file of weights. fetch: any model of the hub, those that the
    page names, or none. fetch_gb: of all fetches together.
    """

    pixels: float = math.inf
    steps: float = math.inf
    seconds: float = math.inf
    train_minutes: float = math.inf
    each: float = 50
    runs_a_minute: float = math.inf
    body_mb: float = 20
    weights_mb: float = 1024  # LoRAs of 36 to 900 MB are usual
    fetch: Literal["any", "curated", "none"] = "any"
    fetch_gb: float = math.inf


@lru_cache(maxsize=1)
def presets() -> dict[str, Policy]:
    """All of them by name. Raises ValueError, TypeError for a file that cannot be read."""
    return {name: Policy(**limits) for name, limits in json.loads(FILE.read_text(encoding="utf-8")).items()}


def current() -> Policy:
    """The one that this process follows. Raises KeyError for a preset that is not there."""
    return presets()[os.environ.get("ATELIER_PRESET") or LOCAL]
