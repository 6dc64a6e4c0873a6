"""Parts of diffusers pipelines as entries of the cache: `hub:REPO#PART@DTYPE`, as in `hub:google/ddpm-cifar10-32#unet`.

REPO is an id on the hub, whose files lie in the hub's own cache, or a folder that `save_pretrained` wrote. Nothing here
touches the network (models/hub/download.py does), nothing but safetensors is read, and no code from a repository runs.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from models import device, weights
from models.weights import WeightsError, WeightsMissing

PREFIX = "hub:"
INDEX = "model_index.json"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
LONGEST_ID = 200  # characters of a path inside of a model; file systems take 255
REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
WEIGHTS_FILE = re.compile(r"(model|diffusion_pytorch_model)(-\d+-of-\d+)?(\.fp16)?(-\d+-of-\d+)?\.safetensors")
SUFFIX = ".safetensors"
POINTER = b"version https://git-lfs"  # how the text that Git LFS leaves in a file's place begins
Classes = tuple[str, str]  # library and name of a part's class


@dataclass(frozen=True)
class PartName:
    """A part of a pipeline, by name."""

    repo: str  # id or folder
    part: str  # as model_index.json calls it (unet, text_encoder, vae, ...), or a folder with a config.json
    dtype: torch.dtype = torch.float32

    @classmethod
    def parse(cls, name: str) -> PartName:
        """From `hub:REPO#PART` or `hub:REPO#PART@DTYPE`. Raises WeightsError for any other text."""
        match = re.fullmatch(r"hub:(?P<repo>.+)#(?P<part>\w+(/\w+)*)(@(?P<dtype>\w+))?", name)
        if match is None or (match["dtype"] or "float32") not in DTYPES:
            raise WeightsError(f"{name!r} is no part of a pipeline: write hub:REPO#PART, or with @float16 at the end.")
        return cls(match["repo"], match["part"], DTYPES[match["dtype"] or "float32"])

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}#{self.part}@{str(self.dtype).removeprefix('torch.')}"


def open_folders() -> bool:
    """Whether folders of this machine may be named: not on a server (`ATELIER_FOLDERS=0`, as app.py has it unless told
    otherwise), where visitors name what they uploaded, and nothing else that is on its disk."""
    return os.environ.get("ATELIER_FOLDERS", "1").lower() not in {"0", "off", "no", "false"}


def path_of(text: str) -> Path | None:
    """The path that a person names, where there is a file or folder; None for anything else, however long or odd.

    An upload to this server is named by its path below the folder of uploads, as the server's answer names it.
    """
    try:
        uploads = os.environ.get("GRADIO_TEMP_DIR")
        upload = (Path(uploads) / text).resolve() if uploads and text and not Path(text).is_absolute() else None
        if upload and upload.is_file() and upload.is_relative_to(Path(str(uploads)).resolve()):
            return upload
        path = Path(text).expanduser()
        return path if text and open_folders() and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, nobody's home
        return None


def is_safetensors(name: str) -> bool:
    """Whether a file is called like one."""
    return name.lower().endswith(SUFFIX)


def cache_folder() -> Path:
    """Where huggingface_hub keeps what it downloads (`HF_HUB_CACHE`, `HF_HOME`)."""
    from huggingface_hub import constants

    return Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE).expanduser()


def is_local(repo: str) -> bool:
    """Whether `repo` is a folder of this machine, not an id on the hub."""
    path = path_of(repo)
    return path is not None and path.is_dir()


def folder(repo: str) -> Path:
    """The folder in which the files of `repo` lie on this machine.

    Raises:
        WeightsError: when it is neither a folder nor an id.
        WeightsMissing: when the hub's cache has no snapshot of it.
    """
    if is_local(repo):
        return Path(repo).expanduser()
    if not REPO_ID.fullmatch(repo) or len(repo) > LONGEST_ID:
        raise WeightsError(f"{repo!r} is neither a folder nor OWNER/NAME: give a saved pipeline, or an id on the hub.")
    home = cache_folder() / f"models--{repo.replace('/', '--')}"
    main = home / "refs" / "main"
    if main.is_file():
        snapshot = home / "snapshots" / main.read_text("utf-8").strip()
        if snapshot.is_dir():
            return snapshot
    raise missing(repo)


def missing(repo: str, what: str = "") -> WeightsMissing:
    """The error for `repo`, or its file `what`, not being on this machine: one line that says what to do."""
    absent = f"{repo}{f' ({what})' if what else ''} is not on this machine"
    if is_local(repo):
        return WeightsMissing(f"{what or repo} is missing: save the pipeline in {repo} again, as safetensors.")
    if weights.offline() and open_folders():
        return WeightsMissing(
            f"{absent}, and the network is switched off: choose a folder with the model, or unset ATELIER_OFFLINE.",
            repo,
        )
    if weights.offline():
        return WeightsMissing(f"{absent}, and the network is switched off: choose a model that is here.", repo)
    if not open_folders():
        return WeightsMissing(f"{absent}: press Fetch beside the model.", repo)
    command = f"`python cli.py weights {repo}`"
    return WeightsMissing(f"{absent}: press Fetch beside the model, run {command}, or give a folder that has it.", repo)


def index(repo: str) -> dict[str, Any]:
    """What model_index.json of `repo` says. Raises WeightsMissing, and WeightsError for a damaged one."""
    path = folder(repo) / INDEX
    if not path.is_file() and not is_local(repo):
        raise missing(repo, INDEX)  # other files of it may be here: a LoRA
    if not path.is_file():
        raise WeightsError(f"{repo} holds no {INDEX}: give an id or a folder of a whole diffusers pipeline.")
    try:
        rows = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is not readable ({error}): save or fetch the pipeline again.") from error
    if not isinstance(rows, dict):
        raise WeightsError(f"{path} holds no pipeline: save or fetch it again.")
    return rows


def components(rows: dict[str, Any]) -> dict[str, Classes]:
    """Part -> library and class, of the parts that a model_index.json names; those set to null are left out."""
    return {
        name: (value[0], value[1])
        for name, value in rows.items()
        if not name.startswith("_") and isinstance(value, list) and len(value) == 2 and all(value)
    }


def part_class(repo: str, part: str) -> Any:
    """The class of a part, out of diffusers or transformers and from nowhere else. Raises WeightsError."""
    library, name = _classes(repo, part)
    home = library if library in {"diffusers", "transformers"} else f"diffusers.pipelines.{library}"
    try:
        return getattr(importlib.import_module(home), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise WeightsError(
            f"The part {part} of {repo} is a {library}.{name}, which diffusers does not have: code that a model brings "
            f"along is never run."
        ) from error


def _classes(repo: str, part: str) -> Classes:
    """Library and class of a part, by the pipeline's index or, outside of one, by the part's own config.json."""
    if (folder(repo) / INDEX).is_file():
        known = components(index(repo))
        if part not in known:
            raise WeightsError(f"{repo} has no part called {part}: it has {', '.join(known)}.")
        return known[part]
    path = part_folder(repo, part) / "config.json"
    if not path.is_file():
        raise missing(repo, f"{part}/config.json")
    try:
        config = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is not readable ({error}): save or fetch it again.") from error
    diffusion = config.get("_class_name")
    return ("diffusers", str(diffusion)) if diffusion else ("transformers", str(config["architectures"][0]))


def part_folder(repo: str, part: str) -> Path:
    """Where a part's files lie; in repositories with one model that is the top folder."""
    top = folder(repo)
    return top / part if (top / part).is_dir() else top


def file(repo: str, name: str) -> Path:
    """A file of `repo` by its path inside it. Raises WeightsMissing, WeightsError."""
    outside = ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute()
    if outside or "\0" in name or len(name) > LONGEST_ID:
        raise WeightsError(f"{name[:LONGEST_ID]!r} is no file inside of a model: give its path below the top folder.")
    path = folder(repo) / name
    if not path.is_file():
        raise missing(repo, name)
    return path


def files(repo: str, part: str, dtype: torch.dtype = torch.float32) -> tuple[list[Path], str | None]:
    """The safetensors files of a part and the variant they are: `fp16` where that is asked for or alone there, or None.

    Raises WeightsMissing where there are none.
    """
    where = part_folder(repo, part)
    every = sorted(path for path in where.glob("*.safetensors") if WEIGHTS_FILE.fullmatch(path.name))
    half = [path for path in every if ".fp16" in path.name]
    full = [path for path in every if path not in half]
    chosen = half if half and (dtype != torch.float32 or not full) else full
    expected = re.search(r"-of-(\d+)", chosen[0].name) if chosen else None
    if not chosen or not all(path.exists() for path in chosen) or (expected and len(chosen) < int(expected[1])):
        raise missing(repo, f"{part}/*.safetensors")
    return chosen, "fp16" if chosen is half else None


def load_part(text: str) -> nn.Module:
    """Build the part `hub:REPO#PART@DTYPE` (float32 where none is named) on the CPU, from safetensors on this machine.

    Raises:
        WeightsMissing: where its files are not here.
        WeightsError: where it has no such part, or the part is no network, or its files are damaged.
    """
    name = PartName.parse(text)
    kind = part_class(name.repo, name.part)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise WeightsError(f"{name.part} of {name.repo} is a {kind.__name__}, which is no network.")
    paths, variant = files(name.repo, name.part, name.dtype)
    for path in paths:
        shapes(path, f"{name.part}/{path.name}")  # what is wrong with a file, in a sentence
    options = {"dtype": name.dtype, "use_safetensors": True, "local_files_only": True, "variant": variant}
    try:
        module = cast(Any, kind).from_pretrained(part_folder(name.repo, name.part), **options)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:  # how the libraries report trouble
        if device.out_of_memory(error):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{name.part} of {name.repo} cannot be read: {reason}") from error
    return cast(nn.Module, module)


def sha256(text: str) -> str:
    """Digest of the weights of a part: of its file, or of the digests of its files in order where it has several."""
    name = PartName.parse(text)
    digests = [digest(path) for path in files(name.repo, name.part, name.dtype)[0]]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def digest(path: Path) -> str:
    """The sha256 of a file. The hub's cache names a large file by its sha256, which was checked when it was fetched."""
    blob = path.resolve()
    if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return blob.name
    return weights.digest(path)


def shapes(path: Path, name: str = "") -> dict[str, list[int]]:
    """The tensors of a safetensors file and their shapes, from its header alone.

    `name`: what a sentence calls the file. Raises WeightsError for one that is not whole, with what to do.
    """
    name = name or path.name
    again = "fetch or save it again."
    try:
        with path.open("rb") as file:
            start = file.read(len(POINTER))
        if start == POINTER:
            raise WeightsError(
                f"{name} is a Git LFS pointer instead of the weights: run `git lfs pull` where it lies, "
                f"or fetch it again."
            )
        if not start:
            raise WeightsError(f"{name} is empty: {again}")
        with safe_open(path, framework="pt") as tensors:
            return {key: tensors.get_slice(key).get_shape() for key in tensors.keys()}  # noqa: SIM118 - not a dict
    except OSError as error:
        raise WeightsError(f"{name} cannot be read ({error.strerror}): {again}") from error
    except SafetensorError as error:
        if "incomplete" in str(error).lower():  # its header is whole, and says more than follows
            raise WeightsError(f"{name} is cut short or damaged: {again}") from error
        raise WeightsError(f"{name} is no safetensors file, or the beginning of one: {again}") from error


def parameter_bytes(repo: str, part: str, dtype: torch.dtype) -> int:
    """Memory of a part in bytes once it is loaded as `dtype`, from the headers of its files. Raises WeightsError."""
    tensors = (shape for path in files(repo, part, dtype)[0] for shape in shapes(path, f"{part}/{path.name}").values())
    return sum(map(math.prod, tensors)) * dtype.itemsize
