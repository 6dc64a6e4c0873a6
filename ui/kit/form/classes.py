"""Class chips that name the classes of the chosen data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from pipelines.dataset import DATASETS, Name
from ui.kit.form.controls import ANY
from ui.kit.i18n import spoken
from ui.kit.session import QUICK


def follow(inputs: Mapping[str, Any]) -> None:
    """Rename the chips of `label` whenever another `dataset` is chosen; `inputs`: setting -> component."""

    def rename(name: Name, request: gr.Request) -> Any:
        named = [(spoken(c, request), str(i)) for i, c in enumerate(DATASETS[name].classes)]
        return gr.update(choices=[(spoken("any", request), ANY), *named])

    inputs["dataset"].change(rename, [inputs["dataset"]], [inputs["label"]], **QUICK)
