"""The endpoints as a program meets them: gradio_client, MCP and plain HTTP against `python app.py --mcp`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import PIL.Image
import pytest
from anyio.from_thread import start_blocking_portal
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession, Tool
from mcp.client.streamable_http import streamablehttp_client
from served import CONTENT, STYLE, Served

import cli
from models import registry
from pipelines import PIPELINES
from pipelines.base import Pipeline
from pipelines.params import settings

METHOD = pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
QUICK = {"size": 64, "steps": 3, "seed": 1}


@pytest.fixture(scope="module")
def client(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(served.url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


@pytest.fixture(scope="module")
def endpoints(client: Client) -> dict[str, Any]:
    described = client.view_api(return_format="dict", print_info=False)
    assert isinstance(described, dict)
    named: dict[str, Any] = described["named_endpoints"]
    return named


@pytest.fixture
def gatys(client: Client) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Call /gatys by names, quickly, with what the caller changes."""

    def call(**changes: Any) -> tuple[Path, dict[str, Any]]:
        given = {"content": handle_file(CONTENT), "styles": [handle_file(STYLE)], **QUICK, **changes}
        image, record = client.predict(**given, api_name="/gatys")
        return Path(image), record

    return call


def eventually(truth: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not (found := truth()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


def pins(client: Client) -> int:
    return sum(row["pins"] for row in client.predict(api_name="/models")["models"])


def test_health_needs_no_model(served: Served) -> None:
    answer = httpx.get(f"{served.url}/healthz", timeout=10)
    assert answer.status_code == 200 and answer.json() == {"status": "ok"}


def test_nothing_but_the_methods_and_the_models_can_be_called(endpoints: dict[str, Any]) -> None:
    assert set(endpoints) == {f"/{name}" for name in PIPELINES} | {"/models"}


@METHOD
def test_inputs_are_the_fields_by_name(pipeline: Pipeline[Any], endpoints: dict[str, Any]) -> None:
    described, fields = endpoints[f"/{pipeline.name}"], settings(pipeline.params)
    given = {p["parameter_name"]: p for p in described["parameters"]}
    assert list(given) == list(pipeline.params.model_fields)
    for field in fields:
        assert given[field.name]["parameter_has_default"] is not field.required, field.name
        nothing = field.default if field.kind == "images" else None  # no list of files is null
        default = given[field.name]["parameter_default"]
        assert (nothing if default is None else default) == field.default, field.name
    assert [output["label"] for output in described["returns"]][-1] == "record"


def test_same_flags_give_the_same_pixels_as_the_command_line(
    gatys: Callable[..., tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    photo, out = tmp_path / "photo.jpg", tmp_path / "out.png"
    exif = PIL.Image.Exif()
    exif[0x010E], exif.get_ifd(0x8825)[1] = "taken at home", "N"  # description, and GPS latitude's side
    PIL.Image.open(CONTENT).save(photo, exif=exif)
    flags = [part for name, value in QUICK.items() for part in (f"--{name}", str(value))]
    assert cli.main(["gatys", "--content", str(photo), "--styles", str(STYLE), *flags, "--out", str(out)]) == 0
    path, record = gatys(content=handle_file(photo))
    with PIL.Image.open(path) as served, PIL.Image.open(out) as made:
        assert served.format == made.format == "PNG" and max(served.size) == QUICK["size"]
        assert served.tobytes() == made.tobytes()
        assert set(served.info) == {"atelier"} and not served.getexif()
        assert json.loads(served.info["atelier"]) == record
        there = json.loads(made.info["atelier"])
    kept = ("pipeline", "params", "seed", "models", "steps", "device", "dtype", "metrics", "notes")
    assert {key: record[key] for key in kept} == {key: there[key] for key in kept}
    assert record["seed"] == record["params"]["seed"] == 1 and record["steps"] == 3


def files(folder: Path) -> dict[str, Path]:
    """Files that are no pictures, or not whole ones."""
    text, cut = folder / "notes.txt", folder / "cut.jpg"
    text.write_text("Dear diary")
    cut.write_bytes(CONTENT.read_bytes()[:9000])
    return {"text": text, "cut": cut}


BAD = {
    "no steps": ({"steps": 0}, "steps"),
    "too large": ({"size": 100_000}, "size"),
    "unknown layer": ({"style_layers": "conv9_9"}, "conv9_9"),
    "text as content": ({"content": "text"}, "content"),
    "cut content": ({"content": "cut"}, "content"),
    "text as style": ({"styles": ["text"]}, "styles"),
    "no style": ({"styles": []}, "styles"),
    "too many weights": ({"style_weights": [1, 2]}, "style_weights"),
}


@pytest.mark.parametrize(("changes", "named"), BAD.values(), ids=BAD)
def test_what_cannot_be_used_gets_one_plain_sentence_and_the_next_call_works(
    changes: dict[str, Any], named: str, gatys: Any, served: Served, tmp_path: Path
) -> None:
    bad, before = files(tmp_path), len(served.log.read_text())
    for name, value in changes.items():
        if name == "content":
            changes = {name: handle_file(bad[value])}
        elif name == "styles":
            changes = {name: [handle_file(bad[item]) for item in value]}
    with pytest.raises(AppError) as caught:
        gatys(**changes)
    sentence = str(caught.value)
    assert named in sentence and sentence.endswith(".") and "\n" not in sentence and "Error" not in sentence, sentence
    assert str(tmp_path) not in sentence and "upstream" not in sentence
    assert gatys(steps=1)[1]["steps"] == 1
    assert "Traceback" not in served.log.read_text()[before:]


def test_models_tells_the_weights_and_the_cache(client: Client) -> None:
    answer = client.predict(api_name="/models")
    names = [row["name"] for row in answer["models"]]
    assert [name for name in names if not name.startswith(registry.HUB)] == list(registry.MODELS)
    assert {"device", "ram_budget", "stats"} < set(answer)
    lite = next(row for row in answer["models"] if row["name"] == "vgg-lite")
    assert lite["present"] and lite["sha256"] == registry.MODELS["vgg-lite"].weights.sha256


def test_cancelling_gives_the_model_back(client: Client) -> None:
    job = client.submit(
        content=handle_file(CONTENT), styles=[handle_file(STYLE)], size=64, steps=5000, api_name="/gatys"
    )
    try:
        assert eventually(lambda: pins(client) > 0), "the run did not start"
    finally:
        job.cancel()
    assert eventually(lambda: pins(client) == 0), "the model is still held"


async def tools(url: str) -> dict[str, Tool]:
    async with streamablehttp_client(f"{url}/gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as asker:
        await asker.initialize()
        return {tool.name: tool for tool in (await asker.list_tools()).tools}


@pytest.fixture(scope="module")
def offered(served: Served) -> dict[str, Tool]:
    """What an MCP client is offered, by name."""
    with start_blocking_portal() as portal:  # Playwright may hold this thread's event loop
        return portal.call(tools, served.url)


def test_mcp_offers_the_methods_and_the_models(offered: dict[str, Tool]) -> None:
    assert set(offered) == {*PIPELINES, "models"}


@METHOD
def test_mcp_describes_every_field(pipeline: Pipeline[Any], offered: dict[str, Tool]) -> None:
    tool, fields = offered[pipeline.name], settings(pipeline.params)
    jsonschema.Draft202012Validator.check_schema(tool.inputSchema)
    described = tool.inputSchema["properties"]
    assert list(described) == [field.name for field in fields]
    assert (tool.description or "").startswith(pipeline.description.split("\n")[0])
    for field in fields:
        assert field.help in described[field.name]["description"]
        assert field.kind != "choice" or set(described[field.name]["enum"]) == set(field.choices)
    assert set(tool.inputSchema.get("required", [])) == {field.name for field in fields if field.required}
