"""Many pictures through one method on every core, GPU and machine that Ray has, with the flags of the command line.

    python -m scale.batch stylize --content photographs/ --styles painting.jpg --out painted/ --workers 4
    python -m scale.batch stylize --content s3://bucket/photographs --styles painting.jpg --out painted/
    python -m scale.batch stylize --content addresses.txt --styles painting.jpg --out painted/

addresses.txt has one https:// address a line. What is in --out already, made by the same settings, is not made again; a
worker that is lost is replaced, and its pictures are done by others. `report.json` beside the pictures tells how many
were made, skipped and refused, and why. With machines of a cluster, --out is a folder that all of them see.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import ray
from tqdm import tqdm

import cli
from pipelines import PIPELINES, record
from pipelines.base import Pipeline
from pipelines.batch import target_names
from pipelines.params import Params, parse
from scale.pictures import Worker, source_of
from scale.serve import begin

PICTURES_A_BLOCK = 8  # that a worker takes at once: what is done again when it is lost
REPORT = "report.json"


def made_by(path: Path, params: Params) -> bool:
    """Whether the picture at `path` was made by these settings, of whatever content."""
    entry = record.read(path)
    wanted = params.model_dump(mode="json")
    return entry is not None and {**entry.params, "content": None} == {**wanted, "content": None}


def work(
    todo: Sequence[Mapping[str, str]], given: tuple[Any, ...], workers: int, cpus: float, gpus: float
) -> Iterator[dict[str, str]]:
    """The rows `todo` as Worker(*given) gives them back, in the order in which they are done."""
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False
    done = ray.data.from_items(list(todo), override_num_blocks=-(-len(todo) // PICTURES_A_BLOCK)).map(
        Worker,
        fn_constructor_args=given,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
        num_cpus=cpus,
        num_gpus=gpus,
    )
    yield from done.iter_rows()


def convert(
    method: str, values: Mapping[str, Any], content: str, out: Path, workers: int, cpus: float = 1, gpus: float = 0
) -> dict[str, Any]:
    """Run a method on every picture of `content`, by Ray Data; what is there already is skipped.

    Args:
        values: the other settings, by name.
        workers: processes at most; fewer where Ray has no room for them.
        cpus, gpus: share of a machine's that one worker has.

    Returns:
        The report: numbers made, skipped and refused, why, seconds, and pictures a second.

    Raises:
        ParamError: for settings that cannot be used; what else `run` raises ends all.
    """
    pipeline, source, start = PIPELINES[method], source_of(content), time.perf_counter()
    stand_in = parse(pipeline.params, {**values, "content": PIL.Image.new("RGB", (64, 64))})
    rows = [{"name": name, "written": written} for name, written in target_names(source.names()).items()]
    todo = [row for row in rows if not made_by(out / row["written"], stand_in)]
    refused, first = dict[str, str](), 0.0
    with tqdm(desc=pipeline.title, unit="picture", total=len(rows), initial=len(rows) - len(todo), disable=None) as bar:
        given = (method, dict(values), source, out.resolve(), max(1, int(cpus)))
        for row in work(todo, given, workers, cpus, gpus) if todo else ():
            first = first or time.perf_counter()
            bar.update()
            if row["error"]:
                refused[row["name"]] = row["error"]
    end = time.perf_counter()
    at_work = end - first if first else 0.0
    made = len(todo) - len(refused)
    report = {
        "method": method,
        "made": made,
        "skipped": len(rows) - len(todo),
        "refused": refused,
        "seconds": round(end - start, 2),
        "pictures_a_second": round(made / at_work, 3) if at_work else 0.0,  # once the first worker is ready
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / REPORT).write_text(json.dumps(report, indent=1, ensure_ascii=False), "utf-8")
    return report


def arguments(given: Sequence[str] | None) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Our own flags, and what the command line's parser makes of the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="processes at most (default 2)")
    parser.add_argument("--cpus", type=float, default=1, help="of a machine's, for one worker (default 1)")
    parser.add_argument("--gpus", type=float, default=0, help="for one worker; 0.25: four on each GPU (default 0)")
    flags, rest = parser.parse_known_args(given)
    values = vars(cli.build_parser().parse_args(rest))
    if values.pop("source", None) or values.pop("frames", None):
        raise cli.Usage("--from and --frames are of one picture: leave them out.")
    if values.get("command") not in {name for name, method in PIPELINES.items() if takes_content(method)}:
        raise cli.Usage("Name a method that restyles a picture: gatys, stylize or imagine.")
    if "content" not in values:
        raise cli.Usage("--content is missing: a folder, a zip, s3://BUCKET/FOLDER, or a .txt of addresses.")
    return flags, values


def takes_content(method: Pipeline[Any]) -> bool:
    """Whether one picture goes into a method and one comes out."""
    return "content" in method.params.model_fields and not method.params.model_fields.keys() & {"methods", "view"}


def main(given: Sequence[str] | None = None) -> int:
    """Exit status: 0; 2 with one line on standard error where nothing could be done, 1 where pictures were refused."""
    try:
        flags, values = arguments(given)
        method, content = values.pop("command"), values.pop("content")
        out, as_json = Path(values.pop("out", f"{method}/")), values.pop("json", False)
        begin()
        report = convert(method, values, content, out, flags.workers, flags.cpus, flags.gpus)
    except (cli.Usage, *cli.KNOWN) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        told = "{made} made, {skipped} were there already, {pictures_a_second} pictures a second".format(**report)
        print(f"{out}: {told}", *report["refused"].values(), sep="\n", file=sys.stderr)
    return 1 if report["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
