"""Atelier on the command line: `python cli.py METHOD --flags`. Flags are derived from the method's parameters."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import PIL.Image
from tqdm import tqdm

from models import registry, weights
from models.cache import ModelCache, OutOfBudget
from pipelines import PIPELINES, images, record
from pipelines.animation import Frames
from pipelines.base import Pipeline, Progress, Result, run
from pipelines.params import ParamError, Setting, parse, settings

KNOWN = (ParamError, images.ImageError, weights.WeightsMissing, weights.WeightsError, OutOfBudget)
EXAMPLES = Path(__file__).parent / "examples"
GIVEN = argparse.SUPPRESS  # a flag that was not typed is absent, so that a record's setting can stand in for it


class Usage(ValueError):
    """The command line cannot be understood; one line."""


def check_place(flag: str, path: Path) -> None:
    """Raises Usage when a file cannot be written at `path`: found out before the run, not after it."""
    folder = next((p for p in path.parents if p.exists()), path.parent)
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Usage(f"{flag} is {path}, which cannot be written: give another place.")


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one line."""

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message} (see `{self.prog} --help`)")


def add_flag(parser: argparse.ArgumentParser, setting: Setting) -> None:
    """One flag for one setting; values are checked by the method's Params, not here."""
    names = [f"--{setting.name.replace('_', '-')}"] + ([f"--{setting.name}"] if "_" in setting.name else [])
    text = setting.help.replace("%", "%%")
    if setting.kind == "bool":
        parser.add_argument(*names, action=argparse.BooleanOptionalAction, default=GIVEN, help=text)
    elif setting.kind in {"images", "floats"}:
        parser.add_argument(*names, nargs="+", default=GIVEN, help=text, metavar=setting.kind[:-1].upper())
    else:
        choices = "|".join(setting.choices)
        parser.add_argument(*names, default=GIVEN, help=text, metavar=choices or setting.kind.upper())


def build_parser() -> Parser:
    """Sub-command per method, plus `weights`."""
    parser = Parser(prog="cli.py", description=__doc__)
    parser.add_argument("--from", dest="source", metavar="PNG", help="make again what made this picture")
    add_output(parser, GIVEN)
    commands = parser.add_subparsers(dest="command", metavar="METHOD", parser_class=Parser)
    for pipeline in PIPELINES.values():
        sub = commands.add_parser(pipeline.name, help=pipeline.description, description=pipeline.description)
        for setting in settings(pipeline.params):
            add_flag(sub, setting)
        sub.add_argument(
            "--from", dest="source", metavar="PNG", default=GIVEN, help="take settings from this picture first"
        )
        add_output(sub, GIVEN)
    sub = commands.add_parser("weights", help="list the weights, or fetch one by name")
    sub.add_argument("name", nargs="?", choices=list(registry.MODELS))
    return parser


def add_output(parser: argparse.ArgumentParser, default: Any) -> None:
    """Where results go."""
    parser.add_argument(
        "--out", default=default, metavar="PNG|DIR/", help="picture to write (default METHOD.png), or folder/"
    )
    parser.add_argument("--frames", default=default, metavar="GIF|WEBP", help="also write the run as an animation")
    parser.add_argument("--json", action="store_true", default=default, help="print the record on standard output")


def restore(path: str) -> tuple[str, dict[str, Any]]:
    """Method and settings that made a picture; pictures it was made from are looked up by their pixels.

    Raises:
        Usage: when the file holds no record, or a picture is found neither beside it nor among the examples.
    """
    if not Path(path).is_file():
        raise Usage(f"{path} does not exist: give a PNG that Atelier made.")
    found = record.read(path)
    if found is None or found.pipeline not in PIPELINES:
        raise Usage(f"{path} holds no Atelier record: give a PNG that Atelier made.")
    return found.pipeline, dict(found.params)


def look_up(values: dict[str, Any], pipeline: Pipeline[Any], near: Path) -> dict[str, Any]:
    """Replace recorded pictures ({"sha256": ...}) by files with those pixels, found near `near` or in examples/."""
    wanted = {s.name for s in settings(pipeline.params) if s.kind in {"image", "images"}}
    known: dict[str, PIL.Image.Image] = {}

    def find(name: str, item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        if not known:
            for file in [*sorted(EXAMPLES.rglob("*.jpg")), *pictures(near), *pictures(Path.cwd())]:
                try:
                    image = images.load(file)
                except images.ImageError:
                    continue
                known.setdefault(images.digest(image), image)
        if item.get("sha256") not in known:
            raise Usage(
                f"The picture used as {name} ({item.get('width')}x{item.get('height')}) is not here: "
                f"give --{name} FILE."
            )
        return known[item["sha256"]]

    return {
        name: [find(name, item) for item in value]
        if isinstance(value, list) and name in wanted
        else find(name, value)
        if name in wanted
        else value
        for name, value in values.items()
    }


def pictures(folder: Path) -> list[Path]:
    """Picture files directly in `folder`."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp"})


def execute(
    pipeline: Pipeline[Any], values: dict[str, Any], out: Path, frames: Path | None, cache: ModelCache
) -> Result:
    """Run a method with a progress bar on standard error (none where that is not a terminal)."""
    params = parse(pipeline.params, values)
    film = Frames() if frames else None
    result: Result | None = None
    with tqdm(desc=pipeline.title, unit="step", disable=None, leave=False) as bar:
        for event in run(pipeline, params, cache, sha256=registry.sha256):
            if isinstance(event, Progress):
                bar.total = event.total
                bar.update(event.step - bar.n)
                if film and event.preview is not None:
                    film.add(event.step, event.total, event.preview)
            else:
                result = event
    assert result is not None  # run ends in a Result unless it raises
    targets: dict[Path, int | None] = {out: None}
    if out.suffix != ".png":
        targets = {out / f"{pipeline.name}-{i:03d}.png": i for i in range(len(result.images))}
        targets |= {out / f"{pipeline.name}-grid.png": None} if result.sheet else {}
    next(iter(targets)).parent.mkdir(parents=True, exist_ok=True)
    for target, index in targets.items():
        target.write_bytes(result.png(index))
    if film and frames:
        film.write(frames)
    return result


def make(args: argparse.Namespace) -> None:
    """Run the method that the command line names."""
    given = vars(args)
    method, near = given.pop("command"), Path.cwd()
    values: dict[str, Any] = {}
    if source := given.pop("source", None):
        recorded, values = restore(source)
        method, near = method or recorded, Path(source).parent
        if method != recorded:
            raise Usage(f"{source} was made by {recorded}, not {method}.")
    if not method:
        raise Usage(f"Name a method: {', '.join(PIPELINES)} (see `cli.py --help`).")
    place, frames = given.pop("out", f"{method}.png"), given.pop("frames", None)
    out = Path(place)
    as_json = given.pop("json", False)
    to_folder = place.endswith(("/", os.sep)) or out.suffix == ""
    if out.suffix != ".png" and not to_folder:
        raise Usage(f"--out is {out.name}: give a name that ends in .png, or a folder.")
    if frames and Path(frames).suffix not in {".gif", ".webp"}:
        raise Usage(f"--frames is {frames}: give a name that ends in .gif or .webp.")
    check_place("--out", out / "x.png" if to_folder else out)
    if frames:
        check_place("--frames", Path(frames))
    try:
        cache = registry.open_cache()
    except ValueError as error:
        raise Usage(str(error)) from error
    pipeline = PIPELINES[method]
    values = look_up({**values, **given}, pipeline, near)
    result = execute(pipeline, values, out, Path(frames) if frames else None, cache)
    if as_json:
        print(result.record.model_dump_json(indent=2))
    else:
        print(f"{out}: {result.record.seconds.run:.1f} s, loading {result.record.seconds.load:.1f} s", file=sys.stderr)


def show_weights(name: str | None) -> None:
    """Print the table of weights, or fetch one."""
    if name:
        with tqdm(unit="B", unit_scale=True, disable=None) as bar:

            def report(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            print(weights.fetch(registry.MODELS[name].weights, report))
        return
    for card in registry.CARDS:
        here = "here" if weights.present(card.weights) else "not here"
        print(f"{card.name:12} {card.weights.bytes / 1e6:7.1f} MB  {here:9} {card.weights.source}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 with one line on standard error."""
    try:
        args = build_parser().parse_args(arguments)
        action: Callable[[], None] = (
            (lambda: show_weights(args.name)) if args.command == "weights" else (lambda: make(args))
        )
        action()
    except (Usage, *KNOWN) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
