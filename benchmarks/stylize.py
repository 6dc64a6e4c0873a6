"""Pictures a second of networks that restyle in one pass, style encoded before, all in one run; and their memory."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.common import PAIRS, ROOT, content, style, table
from models import device, registry, restyle, weights
from models.restyle import Restyler
from pipelines import images
from pipelines.base import run
from pipelines.stylize import PIPELINE
from pipelines.stylize.params import StylizeParams

SIZE, MEMORY_SIZE = 512, 1024  # pixels
SECONDS = 8.0  # for each network
NAMES = {"atelier": "atelier", "magenta": "magenta (port)", "litert": "Magenta under LiteRT"}


@dataclass(frozen=True)
class Row:
    """One network. Bytes are resident memory of a process that paints one picture of `MEMORY_SIZE`."""

    what: str
    size: int
    pictures: int
    seconds: float
    encode_seconds: float
    peak: int | None = None


def litert(size: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Google's files under LiteRT: what encodes the style, and what paints a picture of `size` pixels."""
    from ai_edge_litert.interpreter import Interpreter

    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predict, transfer = (
            Interpreter(str(weights.locate(registry.MODELS[f"magenta-{name}"].weights)), num_threads=threads)
            for name in ("style", "transfer")
        )
    photograph, painting = PAIRS[0]
    for detail in transfer.get_input_details():
        if detail["shape"][-1] == 3:
            transfer.resize_tensor_input(detail["index"], (1, size, size, 3))
    predict.allocate_tensors()
    transfer.allocate_tensors()
    shown = restyle.squares(images.to_tensor(images.load(style(painting))), 1.0)
    x = restyle.resized(images.to_tensor(images.load(content(photograph))), size, size)
    predict.set_tensor(predict.get_input_details()[0]["index"], shown.permute(0, 2, 3, 1).contiguous().numpy())

    def encode() -> None:
        predict.invoke()
        code = predict.get_tensor(predict.get_output_details()[0]["index"])
        for detail in transfer.get_input_details():
            picture = detail["shape"][-1] == 3
            transfer.set_tensor(detail["index"], x.permute(0, 2, 3, 1).contiguous().numpy() if picture else code)

    return encode, transfer.invoke


def port(model: Restyler, size: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """One of our networks: what encodes the style, and what paints."""
    cache = registry.open_cache()
    photograph, painting = PAIRS[0]
    with cache.use(*restyle.MODELS[model]) as modules:
        brush = restyle.brush(model, modules)
    x = restyle.resized(images.to_tensor(images.load(content(photograph))), size, size).to(cache.device)
    shown = images.to_tensor(images.load(style(painting))).to(cache.device)
    kept: list[torch.Tensor] = []

    @torch.no_grad()
    def encode() -> None:
        kept[:] = [brush.encode(shown, 1.0)]

    @torch.no_grad()
    def paint() -> None:
        brush.paint(x, kept[0])
        device.synchronise(cache.device)

    return encode, paint


def clock(what: str, size: int, limit: float) -> Row:
    """Encode once, paint once to warm up, then paint for `limit` seconds."""
    encode, paint = litert(size) if what == "litert" else port(restyler(what), size)
    encode()
    start = time.perf_counter()
    encode()
    encoded = time.perf_counter() - start
    paint()
    pictures, start = 0, time.perf_counter()
    while pictures == 0 or time.perf_counter() - start < limit:
        paint()
        pictures += 1
    return Row(what, size, pictures, time.perf_counter() - start, encoded)


def restyler(what: str) -> Restyler:
    """The name, as the method knows it."""
    return "atelier" if what == "atelier" else "magenta"


def peak(model: str, size: int) -> int:
    """Most memory resident while one picture is painted here: call it in a fresh process."""
    photograph, painting = PAIRS[0]
    p = StylizeParams(
        content=images.load(content(photograph)),
        styles=[images.load(style(painting))],
        model=restyler(model),
        size=size,
    )
    for _ in run(PIPELINE, p, registry.open_cache()):
        pass
    return device.peak_bytes(torch.device("cpu"))


def present() -> list[str]:
    """The networks whose weights are on this machine."""
    found = [n for n in restyle.MODELS if all(weights.present(registry.MODELS[m].weights) for m in restyle.MODELS[n])]
    return [*found, "litert"] if "magenta" in found else [*found]


def measure(quick: bool = False) -> list[Row]:
    """A row for each network; quick: at toy size, where the numbers mean nothing."""
    rows = []
    for what in present():
        print(f"stylize: {what} ...", file=sys.stderr)
        row = clock(what, 64 if quick else SIZE, 0.1 if quick else SECONDS)
        if what != "litert":
            command = [sys.executable, "-m", "benchmarks.stylize", what, str(64 if quick else MEMORY_SIZE)]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True, timeout=600)
            row = Row(**{**vars(row), "peak": json.loads(done.stdout)})
        rows.append(row)
    return rows


def report(rows: list[Row]) -> str:
    """The table for the README."""
    head = (
        "network", "size", "pictures a second, style cached", "pictures", "style encoded in, ms",
        f"peak RSS at {MEMORY_SIZE} px, GB",
    )  # fmt: skip
    lines = [
        (
            NAMES[r.what], f"{r.size} px", f"{r.pictures / r.seconds:.2f}", str(r.pictures),
            f"{1000 * r.encode_seconds:.0f}", f"{r.peak / 1e9:.2f}" if r.peak else "",
        )
        for r in rows
    ]  # fmt: skip
    absent = [NAMES[n] for n in NAMES if n not in {r.what for r in rows}]
    note = f"\n\nNot measured, because its files are not here: {', '.join(absent)}." if absent else ""
    return table(head, lines) + note


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(restyle.MODELS))
    parser.add_argument("size", type=int)
    flags = parser.parse_args()
    print(json.dumps(peak(flags.what, flags.size)))
