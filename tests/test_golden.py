"""Every method's default picture and every tab's controls, as they were when `python tests/test_golden.py` wrote them.

Pixels are compared exactly where the machine computes as the one that wrote them did, and as a small slice
with a tolerance everywhere: a changed sign or weight fails on any machine.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import toy_pipelines  # noqa: E402

from models import device, registry  # noqa: E402
from models.cache import ModelCache  # noqa: E402
from pipelines import PIPELINES  # noqa: E402
from pipelines.base import Result, run  # noqa: E402
from pipelines.params import parse  # noqa: E402

GOLDEN = ROOT / "tests" / "golden"
CASES: dict[str, dict[str, Any]] = {  # "method" or "method what is special" -> what differs from its defaults
    "compare": {"size": 96, "methods": "stylize,gatys:adam:steps=3"},
    "gatys": {"size": 96, "steps": 6},
    "gatys lbfgs": {"size": 96, "steps": 4, "optimizer": "lbfgs", "loss": "gram", "start": "noise"},
    "stylize": {"size": 128},
    "gan": {},
    "gan cifar10": {"dataset": "cifar10", "label": 7, "count": 4},
    "stylemix": {"count": 9},
    "vae": {},
    "pixelcnn": {"count": 2},
    "diffusion": {"count": 4},
    "diffusion cifar10": {"dataset": "cifar10", "count": 1, "steps": 8},
    "imagine": {"model": "toy:sd", "styles": [], "steps": 3, "size": 64},
    **{f"explore {view}": {"view": view} for view in ("classify", "layers", "gram", "attention", "frequencies")},
    "explore invert": {"view": "invert", "resolution": 64, "layer": "conv2_1", "steps": 4},
}
SIDE, TOLERANCE = 8, 4.0  # pixels of the slice; mean difference of 255 that rounding may make
CONTROLS = {
    "textbox", "slider", "dropdown", "radio", "checkbox", "checkboxgroup", "number", "image", "gallery", "file",
    "uploadbutton", "button", "downloadbutton", "imageslider", "json", "accordion",
}  # fmt: skip


def picture_of(case: str, cache: ModelCache) -> Result:
    """The result of a case at seed 0 on the example pictures."""
    pipeline = PIPELINES[case.partition(" ")[0]]
    examples = {
        "content": ROOT / "examples/content/cat.jpg",
        "styles": [ROOT / "examples/styles/impasto.jpg"],
    }
    given = {name: value for name, value in examples.items() if name in pipeline.params.model_fields}
    special = {
        name: str(toy_pipelines.folder(value[4:])) if str(value).startswith("toy:") else value
        for name, value in CASES[case].items()
    }
    *_, result = run(pipeline, parse(pipeline.params, {**given, "seed": 0, **special}), cache)
    assert isinstance(result, Result)
    return result


def digest(images: list[PIL.Image.Image]) -> str:
    """sha256 of the pixels of all pictures."""
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()


def slice_of(images: list[PIL.Image.Image]) -> list[list[int]]:
    """Up to four pictures, each averaged to 8 x 8 RGB pixels and flattened: values in 0..255."""
    small = [image.convert("RGB").resize((SIDE, SIDE), PIL.Image.Resampling.BOX) for image in images[:4]]
    return [np.asarray(image).flatten().tolist() for image in small]


def machine(cache: ModelCache) -> str:
    """Where pixels are the same bit for bit."""
    rows = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((row.partition(":")[2].strip() for row in rows if row.startswith("model name")), platform.processor())
    dtype = str(device.fast_dtype(cache.device)).removeprefix("torch.")
    return f"{name}, torch {torch.__version__}, {dtype}, {torch.get_num_threads()} thread"


def controls() -> dict[str, list[str]]:
    """Tab -> its controls as "type: label", in alphabetical order."""
    from ui import page

    config = page.build(registry.open_cache()).get_config_file()
    components = {c["id"]: c for c in config["components"]}

    def name(component: dict[str, Any]) -> str:
        props = component["props"]
        text = props.get("label") or (props.get("value") if "button" in component["type"] else "") or ""
        return f"{component['type']}: {str(text).removeprefix('__i18n__')}"

    def below(node: dict[str, Any]) -> list[str]:
        component = components.get(node["id"])
        mine = [name(component)] if component and component["type"] in CONTROLS else []
        return mine + [text for child in node.get("children") or [] for text in below(child)]

    def tabs(node: dict[str, Any]) -> dict[str, list[str]]:
        component = components.get(node["id"])
        if component and component["type"] == "tabitem":
            return {str(component["props"]["id"]): sorted(below(node))}
        return {tab: names for child in node.get("children") or [] for tab, names in tabs(child).items()}

    return tabs(config["layout"])


def written(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text("utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_default_picture_is_the_one_it_was(
    case: str, cache: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.compare.estimate.folder", lambda: tmp_path)  # earlier costs would order the cards
    kept, images = written("pictures.json"), picture_of(case, cache).images
    row = kept["pictures"][case]
    now, before = np.array(slice_of(images), float), np.array(row["slice"], float)
    assert now.shape == before.shape
    assert abs(now - before).mean() <= TOLERANCE
    if kept["machine"] == machine(cache):
        assert digest(images) == row["sha256"]


@pytest.mark.usefixtures("no_packages")  # which buttons there are to fetch with depends on them
def test_every_tab_has_the_controls_it_had() -> None:
    before, now = written("controls.json"), controls()
    gone = {tab: sorted(set(names) - set(now.get(tab, []))) for tab, names in before.items()}
    assert {tab: names for tab, names in gone.items() if names} == {}


def write() -> None:
    """Write both files again."""
    torch.set_num_threads(1)
    cache = registry.open_cache()
    pictures = {}
    for case in CASES:
        images = picture_of(case, cache).images
        pictures[case] = {"sha256": digest(images), "slice": slice_of(images)}
        print(case, pictures[case]["sha256"][:12], flush=True)
    text = json.dumps({"machine": machine(cache), "pictures": pictures}, separators=(",", ":"))
    (GOLDEN / "pictures.json").write_text(text.replace('"explore', '\n"explore') + "\n", "utf-8")
    (GOLDEN / "controls.json").write_text(json.dumps(controls(), indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    write()
