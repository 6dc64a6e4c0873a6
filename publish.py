"""Publish Atelier to a Hugging Face Space. Everything it needs stands in the Spacefile.

    python publish.py --write                      # README.md front matter from the Spacefile
    python publish.py --check                      # do README.md, Spacefile and the gradio pin agree?
    python publish.py --dry-run                    # which files would go, and their sizes; no network
    python publish.py --push --repo OWNER/NAME     # publish; the token is read from $HF_TOKEN
Exit status 0, or 2 with one line on stderr. Files that are in the Space but no longer here stay in the Space.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Literal

import yaml
from httpx2 import HTTPError  # huggingface_hub's own client: what it raises when nobody answers
from huggingface_hub import CommitOperationAdd, HfApi, SpaceHardware
from packaging.requirements import InvalidRequirement, Requirement
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

ROOT = Path(__file__).resolve().parent
MAX_BYTES = 10_000_000  # Spaces refuse larger files outside LFS
CPU_BASIC_SLEEP_SECONDS = 172_800  # the Hub does not let this one be changed
FRONT_MATTER = re.compile(r"\A---\r?\n(?P<yaml>.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
LEFT_OUT = re.compile(r"(^|/)(\.|__pycache__/)|\.(pyc|part)$")  # hidden files, caches, unfinished downloads

Colour = Literal["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]


class SpaceError(Exception):
    """Why a check or a push stopped: one line that a person can act on."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)  # an unknown key is an error, as it is to Deta


class Variable(Strict):
    name: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    description: str | None = None
    default: str | None = None  # without one it is left for the owner of the Space to set


class Micro(Strict):
    """Deta's micro: the program, what belongs to it, and how it starts."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    src: Literal["."]
    engine: Literal["custom"]
    primary: Literal[True]
    run: str
    include: list[Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*/?$")]] = Field(min_length=1)
    presets: dict[Literal["env"], list[Variable]] = Field(min_length=1)


class Card(Strict):
    """The README front matter: those keys of the Spaces configuration reference that fit a Gradio Space."""

    title: str = Field(min_length=1)
    emoji: str = Field(min_length=1)
    colorFrom: Colour
    colorTo: Colour
    sdk: Literal["gradio"]
    sdk_version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    python_version: str = Field(pattern=r"^3\.\d+(\.\d+)?$")
    app_file: str
    license: str
    short_description: str = Field(min_length=1, max_length=60)
    tags: list[str] = []
    preload_from_hub: list[str] = []  # "repo", "repo file,file" or "repo file,file commit"


class HuggingFace(Strict):
    """Where the Space lives, on which hardware, after how many idle seconds it sleeps (-1: never), and its card."""

    repo: str = Field(pattern=r"^\w[\w.-]*/\w[\w.-]*$")
    hardware: SpaceHardware
    sleep_time: int | None = Field(None, ge=-1)
    card: Card


class Spacefile(Strict):
    """A Deta Space v0 Spacefile of one micro, and Hugging Face's part under `x-huggingface`."""

    v: Literal[0]
    app_name: str = Field(max_length=12)
    micros: list[Micro] = Field(min_length=1, max_length=1)
    huggingface: HuggingFace = Field(alias="x-huggingface")

    @model_validator(mode="after")
    def _parts_agree(self) -> Spacefile:
        micro, target, app_file = self.micros[0], self.huggingface, self.huggingface.card.app_file
        if micro.run != f"python {app_file}":
            raise ValueError(f"run is {micro.run!r} but app_file is {app_file!r}: both must start the same file")
        if missing := {app_file, "README.md", "requirements.txt"} - set(micro.include):
            raise ValueError(f"include must name {', '.join(sorted(missing))}: a Space does not start without")
        if target.hardware == SpaceHardware.CPU_BASIC and target.sleep_time not in (None, CPU_BASIC_SLEEP_SECONDS):
            raise ValueError(f"sleep_time is fixed at {CPU_BASIC_SLEEP_SECONDS} s on cpu-basic: write that, or nothing")
        return self


def load_spacefile(root: Path, repo: str | None = None) -> Spacefile:
    """The Spacefile in `root`, with its repo replaced by `repo` if given.

    Raises SpaceError when it is missing, is no YAML, or breaks the schema."""
    try:
        raw = yaml.safe_load((root / "Spacefile").read_text(encoding="utf-8"))
        if repo is not None and isinstance(raw, dict) and isinstance(raw.get("x-huggingface"), dict):
            raw["x-huggingface"]["repo"] = repo
        return Spacefile.model_validate(raw)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, e['loc'])) or 'whole file'}: {e['msg']}" for e in error.errors())
        raise SpaceError(f"Spacefile: {'; '.join(faults)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpaceError(f"Spacefile: {error}") from error


def read_readme(root: Path) -> tuple[str, str]:
    """README.md as (front matter with both its `---` lines, or "", everything after it), line ends untouched."""
    try:
        text = (root / "README.md").read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpaceError(f"README.md: {error}") from error
    match = FRONT_MATTER.match(text)
    if match is None:
        return "", text
    try:
        is_mapping = isinstance(yaml.safe_load(match["yaml"]), dict | None)
    except yaml.YAMLError:
        is_mapping = False
    if not is_mapping:
        raise SpaceError("README.md opens with --- but no YAML mapping follows: start it with a heading instead")
    return match[0], text[match.end() :]


def front_matter(card: Card) -> str:
    """The card as the block that opens README.md; what is not set is left out."""
    keys = {key: value for key, value in card.model_dump().items() if value != []}
    return f"---\n{yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=1000)}---\n"


def write(root: Path, space: Spacefile) -> None:
    """Put the front matter into README.md; every byte after it stays as it is."""
    text = front_matter(space.huggingface.card) + read_readme(root)[1]
    (root / "README.md").write_bytes(text.encode("utf-8"))


def check(root: Path, space: Spacefile) -> None:
    """Raises SpaceError when README.md, Spacefile and the gradio pin in requirements.txt do not say the same."""
    card = space.huggingface.card
    if read_readme(root)[0] != front_matter(card):
        raise SpaceError("the front matter of README.md is not what the Spacefile says: run publish.py --write")
    try:
        lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
        wanted = [Requirement(line.split("#")[0]) for line in lines if re.match(r"\s*\w", line)]
    except (OSError, UnicodeDecodeError, InvalidRequirement) as error:
        raise SpaceError(f"requirements.txt: {error}") from error
    pins = [one for one in wanted if one.name.lower() == "gradio"]
    if len(pins) != 1:
        raise SpaceError(f"requirements.txt names gradio {len(pins)} times: name it once")
    if card.sdk_version not in pins[0].specifier:
        raise SpaceError(f"Spacefile says sdk_version {card.sdk_version} but requirements.txt says {pins[0]}")


def collect(root: Path, space: Spacefile) -> dict[str, int]:
    """What `include` names, as {path relative to `root`: bytes}, sorted; caches, hidden and partial files left out.

    Raises SpaceError for an entry that names nothing, a link (it could point outside) and files above MAX_BYTES."""
    found: dict[str, int] = {}
    for entry in space.micros[0].include:
        path = root / entry
        if not (path.is_dir() if entry.endswith("/") else path.is_file()):
            raise SpaceError(f"Spacefile includes {entry}, which is not here (a folder ends in a slash)")
        for file in [path] if path.is_file() else path.rglob("*"):
            name = file.relative_to(root).as_posix()
            if file.is_symlink():
                raise SpaceError(f"{name} is a link: only plain files are published")
            if file.is_file() and not LEFT_OUT.search(name):
                found[name] = file.stat().st_size
    if large := [f"{path} ({size / 1e6:.1f} MB)" for path, size in sorted(found.items()) if size > MAX_BYTES]:
        raise SpaceError(f"larger than {MAX_BYTES / 1e6:.0f} MB, which Spaces refuse: {', '.join(large)}")
    return dict(sorted(found.items()))


def push(root: Path, space: Spacefile, token: str) -> str:
    """Create the Space if need be, set its variables, commit all files at once, ask for the hardware.

    Returns the commit's address. Variables come first so that the first start sees them, hardware last so that nothing
    is billed for a commit that failed. The Hub validates the front matter before it takes a file. Raises SpaceError."""
    target, files = space.huggingface, collect(root, space)  # refused files are refused before the first request
    hub = HfApi(token=token)
    sleep_time = None if target.hardware == SpaceHardware.CPU_BASIC else target.sleep_time
    try:
        hub.create_repo(target.repo, repo_type="space", space_sdk=target.card.sdk, exist_ok=True)
        for variable in space.micros[0].presets["env"]:
            if variable.default is not None:
                hub.add_space_variable(target.repo, variable.name, variable.default, description=variable.description)
        additions = [CommitOperationAdd(path, root / path) for path in files]
        commit = hub.create_commit(target.repo, additions, commit_message="Publish", repo_type="space")
        hub.request_space_hardware(target.repo, target.hardware, sleep_time=sleep_time)
    except (HTTPError, OSError, ValueError, RuntimeError) as error:  # all four are how huggingface_hub reports trouble
        raise SpaceError(f"{target.repo}: {error}") from error
    return commit.commit_url


def run(args: argparse.Namespace) -> None:
    """Do what the flags ask, in the folder that this file lies in. Raises SpaceError."""
    space = load_spacefile(ROOT, args.repo)
    if args.write:
        write(ROOT, space)
    check(ROOT, space)
    if args.dry_run:
        files = collect(ROOT, space)
        for path, size in files.items():
            print(f"{size / 1e6:9.3f} MB  {path}")
        print(f"{sum(files.values()) / 1e6:9.3f} MB  in {len(files)} files would go to {space.huggingface.repo}")
    elif args.push:
        if not (token := os.environ.get(args.token_from, "").strip()):
            raise SpaceError(f"no token: set {args.token_from} to a Hugging Face token with write access")
        print(push(ROOT, space, token))


def main() -> int:
    """Read the flags and run; returns the exit status."""
    parser = argparse.ArgumentParser(description="Publish Atelier to a Hugging Face Space.", allow_abbrev=False)
    jobs = parser.add_mutually_exclusive_group()
    jobs.add_argument("--write", action="store_true", help="write the front matter of README.md")
    jobs.add_argument("--check", action="store_true", help="fail when README.md, Spacefile and the gradio pin differ")
    jobs.add_argument("--push", action="store_true", help="publish; needs a token with write access")
    parser.add_argument("--dry-run", action="store_true", help="list the files that would go, and stop")
    parser.add_argument("--repo", metavar="OWNER/NAME", help="the Space, instead of the one the Spacefile names")
    parser.add_argument("--token-from", metavar="NAME", default="HF_TOKEN", help="environment variable of the token")
    args = parser.parse_args()
    if not any((args.write, args.check, args.push, args.dry_run)):
        parser.error("choose --write, --check, --push or --dry-run")
    try:
        run(args)
    except SpaceError as error:
        print("publish:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
