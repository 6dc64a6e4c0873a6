"""Hypothesis on every kind of thing that comes in: numbers, names, PNG chunks, records and links.

Whatever it is: a value, or one of our own errors with one sentence, and soon.
"""

from __future__ import annotations

import io
import json
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import PIL.Image
import pytest
from anyio.from_thread import start_blocking_portal
from gradio.state_holder import SessionState
from hypothesis import given, settings
from hypothesis import strategies as st

from models import hub
from models.cache import ModelCache
from models.hub import needs
from models.weights import WeightsError, WeightsMissing
from pipelines import PIPELINES, images, record, replay
from pipelines.compare import plan
from pipelines.images import ImageError
from pipelines.params import ParamError, Params, Setting, parse
from pipelines.params import settings as settings_of
from pipelines.record import Record, Seconds
from ui import page as pages
from ui import trust
from ui.kit.form import controls
from ui.kit.session import explain

OURS = (ParamError, ImageError, WeightsError, WeightsMissing)
SECONDS = 2.0  # of the processor, for one value

NUMBERS = (
    st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
    | st.sampled_from([10**400, -(2**63), 2**31, 1e308, "NaN", "1e999", "٣", "0x10", "7 ", "-0", "1_0", ""])
)
LETTERS = st.characters() | st.sampled_from("\0\ud800/~.#\\\n:=,*%")
NAMES = (
    st.text(LETTERS, max_size=40)
    | st.sampled_from(["x" * 300, "a/" + "b" * 5000, "~nobody/x", "../" * 50, "a/b#" + "c" * 300, "a\0b", "墨/迹", "~"])
    | st.builds("{}/{}#{}.safetensors".format, st.text(LETTERS, max_size=9), st.text(LETTERS, max_size=9), st.text())
)
SETTINGS = [(name, setting) for name, p in PIPELINES.items() for setting in settings_of(p.params)]
PICTURE = PIL.Image.new("RGB", (64, 48), "teal")


def steady(examples: int) -> settings:
    """So many examples, always the same."""
    return settings(max_examples=examples, derandomize=True, deadline=None, database=None)


def one_sentence(error: Exception) -> None:
    """What is told can be shown: one line that ends."""
    text = explain(error)
    assert text.strip() and "\n" not in text and len(text) < 2000 and "Something broke" not in text, text


def soon(function: Callable[[], Any]) -> Any:
    """What it returns, None after one of our errors; it must not take long."""
    start = time.process_time()
    try:
        return function()
    except OURS as error:
        one_sentence(error)
        return None
    finally:
        assert time.process_time() - start < SECONDS


def values_of(kind: type[Params], changed: Setting, value: Any) -> dict[str, Any]:
    """Values of a method's settings, one of which is `value`."""
    pictures: dict[str, Any] = {"image": PICTURE, "images": [PICTURE]}
    required = {s.name: pictures[s.kind] for s in settings_of(kind) if s.required}
    return required | {changed.name: value}


@steady(400)
@given(st.sampled_from(SETTINGS), NUMBERS | NAMES | st.lists(NUMBERS, max_size=3))
def test_any_setting_takes_a_value_or_says_what_it_needs(which: tuple[str, Setting], value: Any) -> None:
    method, setting = which
    kind = PIPELINES[method].params
    made = soon(lambda: parse(kind, values_of(kind, setting, value)))
    if made is not None:
        json.dumps(made.model_dump(mode="json"), allow_nan=False).encode()
    sent = soon(lambda: controls.typed([setting], [value]))
    assert sent is None or not isinstance(sent.get(setting.name), bool) or setting.kind == "bool"
    soon(lambda: controls.values([setting], [value]))


@pytest.fixture(autouse=True, scope="module")
def _as_on_a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_FOLDERS", "0")
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        yield


READERS: dict[str, Callable[[str], Any]] = {
    "model": hub.folder,
    "index": hub.index,
    "part": hub.load_part,
    "file": lambda text: hub.file("a/b", text),
    "LoRA": needs.lora_file,
    "need of a LoRA": lambda text: needs.of_lora(text).fault(),
    "adapter": needs.adapter_named,
    "methods": lambda text: plan.entries(text, PIPELINES, {}),
    "axis": lambda text: plan.axis(text, PIPELINES["gatys"]),
    "picture": images.load,
    "record": lambda text: replay.restore(text, PIPELINES),
}


@pytest.mark.parametrize("reader", READERS)
@steady(40)
@given(text=NAMES)
def test_any_name_is_looked_up_or_refused(reader: str, text: str) -> None:
    soon(lambda: READERS[reader](text))


def chunk(kind: bytes, data: bytes, crc: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ crc)


KEYWORDS = st.sampled_from([b"atelier", b"ICC", b"parameters", b"", b"x" * 80, b"\xff"])
PACKED = st.binary(max_size=60).map(zlib.compress) | st.sampled_from([0, 1 << 10, 1 << 21, 30 << 20]).map(
    lambda size: zlib.compress(b"7" * size, 9)
)
TEXTS = st.binary(max_size=60) | st.sampled_from([b"{}", b"[" * 5000, b'{"pipeline":"gatys"}', b"\xff\xfe"])
CHUNKS = st.one_of(
    st.builds(lambda k, t: (b"tEXt", k + b"\0" + t), KEYWORDS, TEXTS),
    st.builds(lambda k, t: (b"zTXt", k + b"\0\0" + t), KEYWORDS, PACKED | TEXTS),
    st.builds(lambda k, flag, t: (b"iTXt", k + b"\0" + flag + b"\0en\0\0" + t), KEYWORDS,
              st.sampled_from([b"\0", b"\1", b"\7"]), PACKED | TEXTS),
    st.builds(lambda k, t: (b"iCCP", k + b"\0\0" + t), KEYWORDS, PACKED | TEXTS),
    st.builds(lambda k, t: (k, t), st.sampled_from([b"eXIf", b"gAMA", b"tRNS", b"pHYs", b"acTL", b"fcTL", b"IDAT",
                                                   b"sRGB", b"cHRM", b"zzZZ", b"PLTE"]), st.binary(max_size=40)),
)  # fmt: skip


def plain_png() -> bytes:
    with io.BytesIO() as file:
        PICTURE.save(file, "PNG")
        return file.getvalue()


PNG = plain_png()


@steady(150)
@given(
    st.lists(st.tuples(CHUNKS, st.booleans(), st.integers(0, 9).map(lambda n: int(n == 9))), max_size=3),
    st.none() | st.integers(0, 400),
)
def test_any_chunk_leaves_the_pixels_or_a_sentence(
    found: list[tuple[tuple[bytes, bytes], bool, int]], cut: int
) -> None:
    before = b"".join(chunk(*one, crc) for one, early, crc in found if early)
    after = b"".join(chunk(*one, crc) for one, early, crc in found if not early)
    data = PNG[:33] + before + PNG[33:-12] + after + PNG[-12:]
    data = data if cut is None else data[:cut]
    picture = soon(lambda: images.load(data))
    assert picture is None or (picture.mode == "RGB" and picture.info == {})
    made = soon(lambda: record.read(data))
    assert made is None or isinstance(made, Record)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@steady(40)
@given(st.sampled_from([*PIPELINES, "nothing"]), st.data())
def test_any_record_gives_settings_back_or_a_sentence(method: str, data: Any) -> None:
    names = [s.name for s in settings_of(PIPELINES[method].params)] if method in PIPELINES else ["x"]
    params = data.draw(st.dictionaries(st.sampled_from([*names, "stepz"]), JSON | NUMBERS | NAMES, max_size=4))
    made = Record(
        pipeline=method, params=params, seed=0, models={}, seconds=Seconds(load=0, run=1), steps=1, peak_bytes=1,
        device="cpu", dtype="float32", versions={}, created=record.now(), metrics={},
    )  # fmt: skip
    text = soon(lambda: record.text_of(made))
    assert text is not None and len(text) <= record.LONGEST
    if method in PIPELINES:
        soon(lambda: replay.recorded(made, PIPELINES[method]))


LINKS = st.dictionaries(
    st.sampled_from(["tab", "methods", "content", "styles", "size", "seed", "x", "y", "steps", "label", "kind", "\0"]),
    NAMES | NUMBERS.map(str) | st.sampled_from(["gatys:lbfgs", "gan,vae", "stylize:strength=0..1x5", "cat"]),
    max_size=5,
)


@pytest.fixture(scope="module")
def opened(cache: ModelCache) -> Callable[[dict[str, str]], None]:
    """Open the page by a link: whatever the page loads with it is a value, or a sentence."""
    blocks = pages.build(cache)
    loads = [fn for fn in blocks.fns.values() if fn.fn and any(name == "load" for _, name in fn.targets)]
    assert loads

    async def load(query: dict[str, str]) -> None:
        for fn in loads:
            request = gr.Request(query_params=query, headers={}, session_hash="s")
            try:
                values = [None if trust.takes_files(block) else block.value for block in fn.inputs]
                await blocks.process_api(fn, values, state=SessionState(blocks), request=request)
            except gr.Error as error:
                one_sentence(ParamError(error.message))

    def go(query: dict[str, str]) -> None:
        with start_blocking_portal() as portal:
            portal.call(load, query)

    return go


@steady(10)
@given(query=LINKS)
def test_any_link_opens_the_page(opened: Callable[[dict[str, str]], None], query: dict[str, str]) -> None:
    soon(lambda: opened(query))
