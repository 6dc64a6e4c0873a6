"""What comes in from outside, checked in one place: events see files that were sent to this server, or made by it.

Gradio checks a path only where the sender adds a `meta` key. `Page` checks every file of every event before Gradio
looks at it, whichever component takes it and whichever way it came: form, REST, gradio_client or MCP.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import math
import mimetypes
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import gradio as gr
from fastapi.exceptions import RequestValidationError
from gradio.context import LocalContext
from gradio.data_classes import GradioModel, GradioRootModel
from gradio.exceptions import ComponentProcessingError, InvalidPathError
from gradio.route_utils import FnIndexInferError
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder
from gradio_client.utils import is_file_obj, is_file_obj_with_meta, traverse
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ui.kit import i18n
from ui.kit.run import Server
from ui.kit.session import explain, file_in_cache, sweep
from ui.layers import REFUSED

if TYPE_CHECKING:
    from gradio.block_function import BlockFunction

log = logging.getLogger(__name__)

TYPES = ("api_info", "api_info_as_input", "api_info_as_output", "example_inputs")  # of a component, in Gradio's words
META = {"_type": "gradio.FileData"}
MISFIT = "The values sent do not fit this form: reload the page, and try again."
MOST_PLACES = 1 << 20  # pixels of a picture, rows of a table
SERVED = "/gradio_api/file="  # in front of a file's name in its address
NAME = re.compile(r"[0-9a-f]{32,64}/[^/]+")  # of a file here: its place in the folder of uploads and results
DATA = re.compile(r"data:(?P<kind>[\w.+-]+/[\w.+-]+)?(;[\w.+-]+=[\w.+-]+)*;base64,(?P<text>.*)", re.DOTALL)


class Page(gr.Blocks):
    """Blocks whose events get files of this server's upload folder alone, and say in one sentence what does not fit.

    `shared`: what all visitors share. `kept_seconds`: how long a file stays on the disk. `loop`: the server's, once it
    runs.
    """

    shared: Server
    kept_seconds: float
    loop: asyncio.AbstractEventLoop | None = None
    _sweeping: asyncio.Task[None] | None = None

    def get_config_file(self) -> Any:
        """Gradio's, with types for programs where programs send and get something: the page itself reads none."""
        config: Any = super().get_config_file()
        known = [row for row in config["dependencies"] if row["api_visibility"] != "private"]
        public = {number for row in known for number in (*row["inputs"], *row["outputs"])}
        for component in config["components"]:
            if component["id"] not in public:
                for name in TYPES:
                    component.pop(name, None)
        return config

    async def run_extra_startup_events(self) -> None:
        """Gradio's, with the server's loop remembered, and files removed on it from now on."""
        self.loop = asyncio.get_running_loop()
        self._sweeping = self._sweeping or self.loop.create_task(self._sweep())
        await super().run_extra_startup_events()  # type: ignore[no-untyped-call]

    async def _sweep(self) -> None:
        """Remove old files for ever. Gradio's own way forgets those of a component that an update has built again."""
        while True:
            await asyncio.sleep(self.kept_seconds / 6)
            kept = {path for block in list(self.blocks.values()) for path in getattr(block, "keep_in_cache", ())}
            gone = await asyncio.to_thread(sweep, self.kept_seconds, kept)
            for names in list(self.temp_file_sets):
                names -= gone

    async def process_api(self, block_fn: BlockFunction | int, *args: Any, **given: Any) -> Any:
        """Gradio's, with the request known before its inputs are looked at: refusals are in the reader's language.

        Whatever goes wrong is a sentence. Only what is not known keeps its traceback, in the log, and its status 500.
        """
        request = given.get("request")
        LocalContext.request.set(request if isinstance(request, gr.Request) else None)
        block_fn = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        try:
            if (event := given.get("event_data")) is not None:
                event._data = happened(block_fn, event._data, self.blocks)
            return await super().process_api(block_fn, *args, **given)
        except gr.Error:
            if isinstance(request, gr.Request) and isinstance(request.request, Request):
                request.request.scope[REFUSED] = True
            raise
        except Exception as error:
            raise refused(explain(error)) from error

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> Any:
        """Gradio's, after `admit`; its own complaints about a value's shape become one sentence.

        Numbers are passed on as they came: out of its range Gradio would end an event before a run's first line, where
        the method's Params say what is wrong.
        """
        if explicit_call:  # from Python, not from a visitor
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        inputs = admit(block_fn, inputs)
        for component in block_fn.inputs:
            # An update builds a component again, so this cannot be set where it is laid out.
            block: Any = state[component._id] if state is not None and component._id in state else component
            if isinstance(block, gr.Number | gr.Slider):
                block.preprocess = as_sent  # type: ignore[method-assign]
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except (ValidationError, ComponentProcessingError, InvalidPathError, gr.Error) as error:
            # Its gr.Error is a choice that is not offered, its InvalidPathError a file where none belongs.
            log.warning("Values that do not fit %s: %s", block_fn.name, type(error).__name__)
            raise refused(MISFIT) from error


def as_sent(payload: Any) -> Any:
    """A value as the browser sent it."""
    return payload


def admit(block_fn: BlockFunction, inputs: Sequence[Any]) -> list[Any]:
    """The values sent to an event, their files as Gradio takes them.

    Raises:
        gr.Error: for a file that is none of this server's uploads, in the same words whatever lies at its path; for
            too few values, and for too many at an endpoint.
    """
    wanted = len(block_fn.inputs)
    public = block_fn.api_visibility != "private"
    if len(inputs) < wanted or (public and len(inputs) > wanted):
        raise refused(f"{len(inputs)} values were sent but {wanted} are needed: see /gradio_api/info for their names.")
    values = list(inputs)
    for i, block in enumerate(block_fn.inputs):
        if values[i] is None and isinstance(block, gr.Textbox) and not public:
            values[i] = ""
        if not takes_files(block):
            continue
        name = str(getattr(block, "label", "")) if public else "The file"
        if i in block_fn.component_prop_inputs and isinstance(values[i], dict):
            values[i] = {**values[i], "value": files_of(block, values[i].get("value"), name)}
        else:
            values[i] = files_of(block, values[i], name)
    if not is_text(values) or not (public or all(map(fits, block_fn.inputs, values))):
        raise refused(MISFIT)
    return values


def is_text(value: Any) -> bool:
    """Whether a value from JSON can be written as UTF-8: "\\ud800", half a character, cannot."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def fits(block: object, value: Any) -> bool:
    """Whether a value is of the kind that the page sends of a component; ranges are the method's to check."""
    match block:
        case _ if value is None:
            return not isinstance(block, gr.Slider)
        case gr.Number() | gr.Slider():
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case gr.Textbox() | gr.HTML():
            return isinstance(value, str)
        case gr.Checkbox():
            return isinstance(value, bool)
        case gr.JSON():  # a record
            return isinstance(value, dict)
    return True


def happened(block_fn: BlockFunction, data: Any, blocks: Mapping[int, object]) -> Any:
    """`data` of an event, its files as Gradio takes them. Raises gr.Error for what the page does not send: a selection
    without its place, files that are none of this server's."""
    selected = [blocks.get(i) for i, name in block_fn.targets if name == "select" and i is not None]
    if not is_text(data) or not all(_selection(block, data) for block in selected):
        raise refused(MISFIT)
    try:
        return traverse(data, lambda file: _file(file["path"], file.get("orig_name"), "The file"), is_file_obj)
    except gr.Error:
        raise refused(MISFIT) from None


def _selection(block: object, data: Any) -> bool:
    if not isinstance(data, dict) or "value" not in data:
        return False
    index = data.get("index")
    places = index if isinstance(index, list) else [index]
    if not all(isinstance(i, int | float) and not isinstance(i, bool) and 0 <= i < MOST_PLACES for i in places):
        return False
    length = 2 if isinstance(block, gr.Image | gr.Dataframe) else None  # x and y, row and column
    row = data.get("row_value") if isinstance(block, gr.Dataframe) else [index]
    return bool(isinstance(row, list) and row) and (len(index) if isinstance(index, list) else None) == length


def takes_files(block: object) -> bool:
    """Whether a component's value holds files."""
    model = getattr(block, "data_model", None)
    return model is not None and _holds_files(model)


@lru_cache(maxsize=64)
def _holds_files(model: type[GradioModel | GradioRootModel]) -> bool:
    return META["_type"] in json.dumps(model.model_json_schema())


def files_of(block: object, value: Any, name: str) -> Any:
    """A component's value with every file in it checked; `name` is what a refusal calls it. Raises gr.Error."""
    several = isinstance(block, gr.Gallery | gr.ImageSlider) or getattr(block, "file_count", "single") != "single"
    if several and not isinstance(value, list | None):
        raise refused(f"{name} is one value: give a list, even of one file.")
    if not several and not isinstance(value, str | dict | None):
        raise refused(f"{name} is no file: give one, not a list or a number.")
    return _walk(value, name)


def _walk(value: Any, name: str) -> Any:
    match value:
        case None:
            return None
        case str():
            return _file(value, None, name)
        case {"path": str(text), **others} if text:
            return _file(text, others.get("orig_name"), name)
        case {"url": str(text), **others}:
            return _file(text, others.get("orig_name"), name)
        case {"image": inner, **others} | {"video": inner, **others}:  # a row of a gallery
            kind = "image" if "image" in value else "video"
            return {kind: _walk(inner, name), "caption": others.get("caption")}
        case list():
            return [found for item in value if (found := _walk(item, name)) is not None]
    raise refused(f"{name} is no file: upload one, or send it as a data: URL.")


def _file(text: str, orig_name: Any, name: str) -> dict[str, Any] | None:
    """A file as Gradio takes it; None for an upload that was here once and has been removed since."""
    path = Path(_decoded(text, name)) if text.startswith("data:") else upload(text, name)
    if path is None:
        return None
    shown = orig_name if isinstance(orig_name, str) else path.name
    return {"path": str(path), "orig_name": shown, "meta": META}


def upload(text: str, name: str) -> Path | None:
    """The file of this server that a request names, as an answer did (ui/answers.py) or by its address; None for one
    that was here once and has been removed since. Raises gr.Error for any other text, a path of the server too."""
    folder = Path(get_upload_folder()).resolve()
    try:
        place = unquote(urlsplit(text).path.partition(SERVED)[2]) if SERVED in text else text
        path = (folder / place).resolve()
        ours = NAME.fullmatch(place) is not None and path != folder and path.is_relative_to(folder)
        there = ours and path.is_file()
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, a loop of links
        ours = there = False
    if not ours:
        raise refused(f"{name} is not among the files sent to this server: upload it, or send it as a data: URL.")
    return path if there else None


def _decoded(text: str, name: str) -> str:
    """The path of a file with what a data: URL holds."""
    try:
        found = DATA.fullmatch(text)
        if found is None:
            raise ValueError
        data = base64.b64decode(found["text"], validate=True)
    except (ValueError, binascii.Error):
        raise refused(f"{name} is no whole data: URL: write data:image/png;base64, and the file in base64.") from None
    return file_in_cache(data, mimetypes.guess_extension(found["kind"] or "") or "")


def refused(sentence: str) -> gr.Error:
    return i18n.refused(sentence, LocalContext.request.get(None))


def answer_in_parts(page: gr.Blocks) -> None:
    """Have MCP answer a tool's picture as a picture and its record as JSON; call it when the page is launched.

    Gradio writes several outputs as one text, in Python's notation, unless the caller asks for progress.
    """
    server = page.mcp_server_obj
    if server is None:
        return
    from mcp.types import TextContent

    written = server.postprocess_output_data

    def parts(data: Sequence[Any], root_url: str) -> list[Any]:
        outputs = data[0] if len(data) == 1 and isinstance(data[0], list | tuple) else data
        found: list[Any] = []
        for output in outputs:
            if is_file_obj_with_meta(output):
                here = upload(output["path"], "The picture")  # Gradio asks this server as any client does
                found += written([{**output, "path": str(here)}], root_url)
            else:
                found.append(TextContent(type="text", text=json.dumps(output)))
        return found

    server.postprocess_output_data = parts  # type: ignore[method-assign]


async def unknown(request: Request, error: Exception) -> Response:
    """404 for what a request names and this server does not have: an endpoint, an event, a component."""
    if not request.url.path.startswith("/gradio_api/"):
        raise error
    named = str(error.args[0]).rpartition(":")[2].strip(" /") if error.args else ""
    text = f"There is nothing called {named[:80]!r} here: /gradio_api/info lists the endpoints."
    return JSONResponse({"error": text}, status_code=404)


async def misfit(request: Request, error: Exception) -> Response:
    """422 for a value that an endpoint does not know, or needs and was not sent."""
    text = str(error)
    unwanted = re.match(r"Parameter `(.*)` is not a valid", text, re.DOTALL)
    lacking = re.fullmatch(r"No value provided for required argument: (\w+)", text)
    if not request.url.path.startswith("/gradio_api/call/") or not (unwanted or lacking):
        raise error
    if unwanted:
        said = f"There is no setting named {unwanted[1][:80]!r}: /gradio_api/info lists them."
    else:
        said = f"{lacking[1] if lacking else ''} is missing: send it, too."
    return JSONResponse({"error": said}, status_code=422)


async def unreadable(_request: Request, error: Exception) -> Response:
    """422 for a body that is no JSON, or not of an address's shape. FastAPI's own repeats it, which NaN cannot be."""
    found = error.errors()[0]["loc"] if isinstance(error, RequestValidationError) and error.errors() else ()
    place = ".".join(str(part) for part in found)[:80] or "body"
    text = f"The request cannot be read ({place}): /gradio_api/info lists the endpoints and what they take."
    return JSONResponse({"error": text}, status_code=422)


# For the application: mistakes in a request that Gradio answers with "Internal Server Error".
HANDLERS: dict[type[Exception], Any] = {
    KeyError: unknown,
    FnIndexInferError: unknown,
    TypeError: misfit,
    RequestValidationError: unreadable,
}
