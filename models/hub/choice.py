"""Which files of a repository are needed, by their names alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

from models.hub import WEIGHTS_FILE
from models.weights import WeightsError

TEXTS = {".json", ".txt", ".model", ".jinja"}  # configurations and tokenizers
SOLE = "*.safetensors"  # as a name: the only such file of a repository, outside of its folders


def needed(names: Iterable[str], parts: Iterable[str]) -> list[str]:
    """Of a repository's files those that its parts are loaded from: half precision where there is a choice."""
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(str(PurePosixPath(name).parent), []).append(name)
    wanted = {part for part in parts if part in folders} | {"."}
    chosen: list[str] = []
    for folder in wanted:
        chosen += _loaded_from(folders.get(folder, []))
    return chosen


def _loaded_from(names: Sequence[str]) -> list[str]:
    """Of the files of one folder those that its model is loaded from."""
    texts = [name for name in names if _is_text(name) and not name.startswith(".")]
    tensors = [name for name in names if WEIGHTS_FILE.fullmatch(PurePosixPath(name).name)]
    return texts + ([name for name in tensors if ".fp16" in name] or tensors)


def chosen(repo: str, names: Collection[str], wanted: str) -> list[str]:
    """Of a repository's files the one that is `wanted`, or those of that folder that its model is loaded from.

    Raises WeightsError where there are none.
    """
    if wanted == SOLE:
        found = [name for name in names if "/" not in name and name.endswith(".safetensors")]
        if len(found) != 1:
            raise WeightsError(f"{repo} holds {len(found)} safetensors files: name one, as {repo}#FILE.safetensors.")
        return found
    if wanted.endswith(".safetensors"):
        if wanted not in names:
            raise WeightsError(f"{repo} holds no {wanted}: check the spelling of the file.")
        return [wanted]
    found = _loaded_from([name for name in names if str(PurePosixPath(name).parent) == wanted])
    if not any(name.endswith(".safetensors") for name in found):
        raise WeightsError(f"{repo} has no safetensors files in {wanted}, and nothing else is loaded: choose another.")
    return found


def _is_text(name: str) -> bool:
    return PurePosixPath(name).suffix in TEXTS
