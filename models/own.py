"""Networks of one's own: safetensors files that Atelier wrote somewhere, as entries of the shared cache.

An entry is called own:KIND:SHA256:PATH, so that another file at the same place is another entry.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from models import diffusion, gan, pixelcnn, stylemix, vae, weights
from models.hub import path_of
from models.weights import WeightsError

PREFIX = "own:"
KINDS: dict[str, Callable[..., nn.Module]] = {
    "gan": gan.generator,
    "vae": vae.VAE,
    "pixelcnn": pixelcnn.PixelCNN,
    "diffusion": diffusion.Denoiser,
    "stylemix": stylemix.StyleMixer,
}
UNJUDGED = "not scored: the network of your own learned from other pictures than its judge knows"
MOST_NUMBER, MOST_ITEMS = 4096, 16  # of the arguments in a header: a file cannot ask for a network without end


def name_of(kind: str, text: str) -> str:
    """The entry for the file that a person names. Raises WeightsError where there is none that may be read."""
    path = path_of(text.strip())
    if path is None or not path.is_file():
        raise WeightsError(f"{Path(text).name!r} is not on this machine: give a .safetensors file that Train made.")
    return f"{PREFIX}{kind}:{weights.digest(path)}:{path}"


def parse(name: str) -> tuple[str, str, Path]:
    """Kind, sha256 and path of an entry."""
    _, kind, digest, path = name.split(":", 3)
    return kind, digest, Path(path)


def public(name: str) -> str:
    """What an entry is called in records and tables: where it lies on this machine is nobody's business."""
    return f"{PREFIX}{parse(name)[2].name}" if name.startswith(PREFIX) else name


def learned(name: str) -> str | None:
    """The data set that an entry learned from (drawn digits are like MNIST's), "" for pictures of one's own; None where
    its file does not say: a bundled one, named as one's own."""
    try:
        params = json.loads(header_of(name)["record"])["params"]
        return "" if params["pictures"] else str({"drawn": "mnist"}.get(params["data"], params["data"]))
    except (KeyError, TypeError, ValueError):
        return None


def judged(name: str, data: str) -> bool:
    """Whether the judge of a data set knows what a network draws."""
    return not name.startswith(PREFIX) or learned(name) in (None, data)


def header_of(name: str) -> dict[str, str]:
    """What is written into an entry's file. Raises WeightsError for one that is cut."""
    _, _, path = parse(name)
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _broken(path) from error


def config_of(name: str) -> dict[str, Any]:
    """Constructor arguments from an entry's header.

    Raises WeightsError with one sentence for a file that is cut, none of Atelier's, or another kind of network.
    """
    kind, _, path = parse(name)
    header = header_of(name)
    try:
        config = json.loads(header.get("config", "null"))
    except ValueError as error:
        raise _broken(path) from error
    if (other := header.get("network", kind)) != kind:
        cure = "use it there" if other in KINDS else "give another file that Train made"
        raise WeightsError(f"{path.name} holds a network of {other}, not of {kind}: {cure}.")
    if not isinstance(config, dict) or not _small(config):
        raise misfit(path, kind)
    return config


def _broken(path: Path) -> WeightsError:
    return WeightsError(
        f"{path.name} is no whole safetensors file: download it again, or give another file that Train made."
    )


def misfit(path: Path, kind: str) -> WeightsError:
    """The sentence for a file that is no network of `kind`."""
    return WeightsError(f"{path.name} is no network of {kind}: give a .safetensors file that Train made for it.")


def load(name: str) -> nn.Module:
    """Build the network on the CPU, first without memory to see that the file fits. Raises WeightsError."""
    kind, _, path = parse(name)
    config = config_of(name)
    tensors = weights.read(path)[1]
    try:
        with torch.device("meta"):
            shapes = {key: value.shape for key, value in KINDS[kind](**config).state_dict().items()}
        if shapes != {key: value.shape for key, value in tensors.items()}:
            raise misfit(path, kind)
        module = KINDS[kind](**config)
        module.load_state_dict(tensors, strict=True)
    except WeightsError:
        raise
    except Exception as error:  # a header from outside can be wrong in any way it likes
        raise misfit(path, kind) from error
    return module


def _small(value: Any, depth: int = 0) -> bool:
    """Whether arguments are few and their numbers no larger than those of networks made here."""
    if isinstance(value, dict | list):
        items = list(value.values()) if isinstance(value, dict) else value
        return depth < 4 and len(items) <= MOST_ITEMS and all(_small(item, depth + 1) for item in items)
    return not isinstance(value, int | float) or abs(value) <= MOST_NUMBER
