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
from typing import Any

import yaml
from httpx2 import HTTPError  # huggingface_hub's own client: what it raises when nobody answers
from huggingface_hub import CommitOperationAdd, HfApi, SpaceHardware
from packaging.requirements import InvalidRequirement, Requirement

ROOT = Path(__file__).resolve().parent
MAX_BYTES = 10_000_000  # Spaces refuse larger files outside LFS
FRONT_MATTER = re.compile(r"\A---\r?\n(?P<yaml>.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
LEFT_OUT = re.compile(r"(^|/)(\.|__pycache__/)|\.(pyc|part)$")  # hidden files, caches, unfinished downloads


class SpaceError(Exception):
    """Why a check or a push stopped: one line that a person can act on."""


Space = dict[str, Any]  # the Spacefile as it is written; tests/spacefile.py says what may stand in it


def load_spacefile(root: Path, repo: str | None = None) -> Space:
    """The Spacefile in `root`, with its repo replaced by `repo` if given. Raises SpaceError when it is none."""
    try:
        space: Space = yaml.safe_load((root / "Spacefile").read_text(encoding="utf-8"))
        space["x-huggingface"]["repo"] = repo or space["x-huggingface"]["repo"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError) as error:
        raise SpaceError(f"Spacefile: {error}") from error
    return space


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


def front_matter(space: Space) -> str:
    """The card of the Space as the block that opens README.md; what is not set is left out."""
    keys = {key: value for key, value in space["x-huggingface"]["card"].items() if value != []}
    return f"---\n{yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=1000)}---\n"


def write(root: Path, space: Space) -> None:
    """Put the front matter into README.md; every byte after it stays as it is."""
    text = front_matter(space) + read_readme(root)[1]
    (root / "README.md").write_bytes(text.encode("utf-8"))


def check(root: Path, space: Space) -> None:
    """Raises SpaceError when README.md, Spacefile and the gradio pin in requirements.txt do not say the same."""
    if read_readme(root)[0] != front_matter(space):
        raise SpaceError("the front matter of README.md is not what the Spacefile says: run publish.py --write")
    try:
        lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
        wanted = [Requirement(line.split("#")[0]) for line in lines if re.match(r"\s*\w", line)]
    except (OSError, UnicodeDecodeError, InvalidRequirement) as error:
        raise SpaceError(f"requirements.txt: {error}") from error
    pins = [one for one in wanted if one.name.lower() == "gradio"]
    if len(pins) != 1:
        raise SpaceError(f"requirements.txt names gradio {len(pins)} times: name it once")
    if (version := space["x-huggingface"]["card"]["sdk_version"]) not in pins[0].specifier:
        raise SpaceError(f"Spacefile says sdk_version {version} but requirements.txt says {pins[0]}")


def collect(root: Path, space: Space) -> dict[str, int]:
    """What `include` names, as {path relative to `root`: bytes}, sorted; caches, hidden and partial files left out.

    Raises SpaceError for an entry that names nothing, a link (it could point outside) and files above MAX_BYTES."""
    sizes: dict[str, int] = {}
    for entry in space["micros"][0]["include"]:
        path = root / entry
        if not (path.is_dir() if entry.endswith("/") else path.is_file()):
            raise SpaceError(f"Spacefile includes {entry}, which is not here (a folder ends in a slash)")
        for file in [path] if path.is_file() else path.rglob("*"):
            name = file.relative_to(root).as_posix()
            if file.is_symlink():
                raise SpaceError(f"{name} is a link: only plain files are published")
            if file.is_file() and not LEFT_OUT.search(name):
                sizes[name] = file.stat().st_size
    if large := [f"{path} ({size / 1e6:.1f} MB)" for path, size in sorted(sizes.items()) if size > MAX_BYTES]:
        raise SpaceError(f"larger than {MAX_BYTES / 1e6:.0f} MB, which Spaces refuse: {', '.join(large)}")
    return dict(sorted(sizes.items()))


def push(root: Path, space: Space, token: str) -> str:
    """Create the Space if need be, set its variables, commit all files at once, ask for the hardware.

    Returns the commit's address. Variables come first so that the first start sees them, hardware last so that nothing
    is billed for a commit that failed. The Hub validates the front matter before it takes a file. Raises SpaceError."""
    target, files = space["x-huggingface"], collect(root, space)  # refused files are refused before the first request
    hub = HfApi(token=token)
    repo, hardware = target["repo"], target["hardware"]
    sleep_time = None if hardware == SpaceHardware.CPU_BASIC else target.get("sleep_time")  # its own cannot be changed
    try:
        hub.create_repo(repo, repo_type="space", space_sdk=target["card"]["sdk"], exist_ok=True)
        for variable in space["micros"][0]["presets"]["env"]:
            if (value := variable.get("default")) is not None:  # without one it is left for the owner of the Space
                hub.add_space_variable(repo, variable["name"], value, description=variable.get("description"))
        additions = [CommitOperationAdd(path, root / path) for path in files]
        commit = hub.create_commit(repo, additions, commit_message="Publish", repo_type="space")
        hub.request_space_hardware(repo, SpaceHardware(hardware), sleep_time=sleep_time)
    except (HTTPError, OSError, ValueError, RuntimeError) as error:  # all four are how huggingface_hub reports trouble
        raise SpaceError(f"{repo}: {error}") from error
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
        print(
            f"{sum(files.values()) / 1e6:9.3f} MB  in {len(files)} files would go to {space['x-huggingface']['repo']}"
        )
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
    except (SpaceError, KeyError) as error:
        lack = f"the Spacefile lacks {error}" if isinstance(error, KeyError) else str(error)
        print("publish:", " ".join(lack.split()), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
