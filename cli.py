"""Atelier on the command line: `python cli.py METHOD --flags`. Flags are derived from the method's parameters."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from models import device, registry, weights
from models.cache import ModelCache, OutOfBudget
from models.hub import download, needs
from pipelines import PIPELINES, batch, dataset, images, video
from pipelines.base import Pipeline, Progress, Result, run
from pipelines.params import ParamError, Setting, parse, settings
from pipelines.replay import look_up, restore
from pipelines.video import Frames

KNOWN = (ParamError, images.ImageError, weights.WeightsMissing, weights.WeightsError, OutOfBudget)
GIVEN = argparse.SUPPRESS  # a flag that was not typed is absent, so that a record's setting can stand in for it


class Usage(ValueError):
    """The command line cannot be understood; one line."""


def check_place(flag: str, path: Path) -> None:
    """Raises Usage when a file cannot be written at `path`: found out before the run, not after it."""
    folder = next((p for p in path.parents if p.exists()), path.parent)
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Usage(f"{flag} is {path}, which cannot be written: give another place.")


def check_out(place: str, kinds: tuple[str, ...], to_folder: bool) -> Path:
    """Where results go: a name that ends in one of `kinds` or, `to_folder`, a folder. Raises Usage otherwise."""
    out = Path(place)
    folder = place.endswith(("/", os.sep)) or out.suffix == ""
    if out.suffix.lower() not in kinds and not (folder and to_folder):
        raise Usage(f"--out is {out.name}: give a name that ends in {kinds[0]}{', or a folder' * to_folder}.")
    check_place("--out", out / "x.png" if folder else out)
    return out


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
    sub = commands.add_parser("weights", help="list the weights and data sets, or fetch some by name")
    sub.add_argument("names", nargs="*", help="of this list, or OWNER/NAME of a model on the hub")
    sub.add_argument("--adapter", help="an IP-Adapter for imagine: OWNER/NAME#FILE.safetensors")
    sub.add_argument("--lora", help="a LoRA for imagine: OWNER/NAME or OWNER/NAME#FILE.safetensors")
    return parser


def add_output(parser: argparse.ArgumentParser, default: Any) -> None:
    """Where results go."""
    parser.add_argument(
        "--out",
        default=default,
        metavar="PNG|DIR/|ZIP|MP4|SAFETENSORS",
        help="picture to write (default METHOD.png), or folder/; folder/ or .zip, or a film, where --content is one; "
        "the network that train makes",
    )
    parser.add_argument("--frames", default=default, metavar="GIF|WEBP", help="also write the run as an animation")
    parser.add_argument("--json", action="store_true", default=default, help="print the record on standard output")


def execute(
    pipeline: Pipeline[Any], values: dict[str, Any], out: Path | None, frames: Path | None, cache: ModelCache
) -> Result:
    """Run a method with a progress bar on standard error (none where that is not a terminal); write what it made."""
    params = parse(pipeline.params, values)
    strip = Frames() if frames else None
    result: Result | None = None
    with tqdm(desc=pipeline.title, unit="step", disable=None, leave=False) as bar:
        for event in run(pipeline, params, cache, sha256=registry.sha256):
            if isinstance(event, Progress):
                bar.total = event.total
                bar.update(event.step - bar.n)
                if strip and event.preview is not None:
                    strip.add(event.step, event.total, event.preview)
            else:
                result = event
    assert result is not None  # run ends in a Result unless it raises
    if out:
        write(result, pipeline, out)
    if strip and frames:
        strip.write(frames)
    return result


def write(result: Result, pipeline: Pipeline[Any], out: Path) -> None:
    """The picture, or the file beside it, as `out`, or all of them in the folder `out`."""
    if pipeline.file and out.suffix == pipeline.file:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(result.file)
        return
    targets: dict[Path, int | None] = {out: None}
    if out.suffix != ".png":
        targets = {out / f"{pipeline.name}-{i:03d}.png": i for i in range(len(result.images))}
        targets |= {out / f"{pipeline.name}-grid.png": None} if result.sheet else {}
    next(iter(targets)).parent.mkdir(parents=True, exist_ok=True)
    for target, index in targets.items():
        target.write_bytes(result.png(index))
    if pipeline.file and out.suffix != ".png":
        (out / f"{pipeline.name}{pipeline.file}").write_bytes(result.file)


def convert(
    pipeline: Pipeline[Any], values: dict[str, Any], source: Path, out: Path, cache: ModelCache, as_json: bool
) -> None:
    """A folder or zip of pictures to a folder or zip. Raises ParamError at the end when some could not be read."""
    made, failed = 0, list[images.ImageError]()
    pictures = batch.Source(source)
    with tqdm(desc=pipeline.title, unit="picture", total=len(pictures.names()), disable=None) as bar:
        for event in batch.convert(pipeline, values, pictures, batch.Target(out), cache, registry.sha256):
            if isinstance(event, batch.Done):
                bar.update(event.number - bar.n)
                made += event.result is not None
                failed += [event.error] if event.error else []
                if as_json and event.result:
                    print(event.result.record.model_dump_json())
    if failed:
        raise ParamError(f"{len(failed)} of {bar.total} pictures could not be used, the others are done: {failed[0]}")
    if not as_json:
        print(f"{out}: {made} made, {bar.total - made} were there already", file=sys.stderr)


def film(
    pipeline: Pipeline[Any], values: dict[str, Any], source: Path, out: Path, cache: ModelCache, as_json: bool
) -> None:
    """A film to a film."""
    values = {**values, "content": video.first_frame(source)}
    result = execute(video.filmed(pipeline, source, out), values, None, None, cache)
    if as_json:
        print(result.record.model_dump_json(indent=2))
    else:
        told = result.record.metrics
        line = f"{told['frames']:.0f} frames, {result.record.seconds.run:.1f} s, flicker {told['flicker']:.2f} of 255"
        print(f"{out}: {line}", file=sys.stderr)


def make(args: argparse.Namespace) -> None:
    """Run the method that the command line names."""
    given = vars(args)
    method, near = given.pop("command"), Path.cwd()
    values: dict[str, Any] = {}
    if source := given.pop("source", None):
        recorded, values = restore(source, PIPELINES)
        method, near = method or recorded, Path(source).parent
        if method != recorded:
            raise Usage(f"{source} was made by {recorded}, not {method}.")
    if not method:
        raise Usage(f"Name a method: {', '.join(PIPELINES)} (see `cli.py --help`).")
    pipeline, content = PIPELINES[method], Path(str(given.get("content", "")))
    many = bool(given.get("content")) and batch.is_many(content)
    filmed = pipeline.frames is not None and video.is_film(content)
    kinds = (
        (".mp4", *sorted(video.SUFFIXES))
        if filmed
        else (".zip",)
        if many
        else (".png", *([pipeline.file] if pipeline.file else []))
    )
    usual = f"{method}.mp4" if filmed else f"{method}/" if many else f"{method}{pipeline.file or '.png'}"
    place, frames, as_json = given.pop("out", usual), given.pop("frames", None), given.pop("json", False)
    out = check_out(place, kinds, to_folder=not filmed)
    if frames and Path(frames).suffix not in {".gif", ".webp"}:
        raise Usage(f"--frames is {frames}: give a name that ends in .gif or .webp.")
    if frames and (many or filmed):
        raise Usage(f"--frames shows how one picture comes about, and {content} holds many: leave it out.")
    if frames:
        check_place("--frames", Path(frames))
    try:
        cache = registry.open_cache()
    except ValueError as error:
        raise Usage(str(error)) from error
    values = look_up({**values, **given}, pipeline, near)
    if many or filmed:
        (convert if many else film)(pipeline, values, content, out, cache, as_json)
        return
    result = execute(pipeline, values, out, Path(frames) if frames else None, cache)
    if as_json:
        print(result.record.model_dump_json(indent=2))
    else:
        line = f"{out}: {result.record.seconds.run:.1f} s, loading {result.record.seconds.load:.1f} s"
        print(line, *result.record.notes, sep="\n", file=sys.stderr)


def show_weights(names: Sequence[str], adapter: str | None, lora: str | None) -> None:
    """Print the table of weights, or fetch some: files of the list, and what Imagine needs of the hub."""
    sets = {kind.title: kind for kind in dataset.SETS.values()}
    known = [*registry.MODELS, *sets]
    of_hub = [name for name in names if name not in known]
    if wrong := [name for name in of_hub if not needs.of_model(name).fetchable]:
        raise Usage(f"No weights are called {wrong[0]}: choose one of {', '.join(known)}, or OWNER/NAME.")
    with tqdm(unit="B", unit_scale=True, disable=None) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        for name in (name for name in names if name in registry.MODELS):
            print(weights.fetch(registry.MODELS[name].weights, report))
        for name in (name for name in names if name in sets):
            print(dataset.fetch(sets[name], report))
        for need in needs.by_name(of_hub, adapter, lora):
            if need.fault() is not None:
                snapshot = need.look()
                print(f"{need.name}: {snapshot.bytes / 1e6:.1f} MB", file=sys.stderr)
                download.fetch(snapshot, report)
            print(need.place())
    for card in () if names or adapter or lora else registry.CARDS:
        place = weights.whereabouts(card.weights)
        package = (card.weights.twin or card.weights).package
        absent = f"not here ({package})" if package else "not here"
        here = place.package or "here" if place else absent
        size = (place.weights if place else card.weights).bytes
        print(f"{card.name:18} {size / 1e6:7.1f} MB  {here:38} {card.weights.source}")
    for title, kind in () if names or adapter or lora else sets.items():
        here = "here" if dataset.whole(kind) else "not here"
        print(f"{title:18} {kind.bytes / 1e6:7.1f} MB  {here:38} data to train with, where torchvision has it")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 with one line on standard error."""
    try:
        args = build_parser().parse_args(arguments)
        if args.command == "weights":
            show_weights(args.names, args.adapter, args.lora)
        else:
            make(args)
    except (Usage, *KNOWN) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except OSError as error:  # a name too long, a folder that is closed, a disk that is full
        print(f"{str(error.filename)[:200]!r} cannot be used ({error.strerror}): give another place.", file=sys.stderr)
        return 2
    except (RuntimeError, MemoryError) as error:
        if not device.out_of_memory(error):
            raise
        print(device.OUT_OF_MEMORY, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
