"""What can be put into a pipeline's twins for one run: an IP-Adapter for style pictures, and a LoRA."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import nn

from models import hub
from models.hub.files import header, is_safetensors, path_of
from models.weights import WeightsError

LORA = "atelier"  # what peft calls it


class Unsuitable(ValueError):
    """A model that cannot do what is asked of it; one sentence with what to do."""


@dataclass(frozen=True)
class Adapter:
    """An IP-Adapter: a safetensors file, and the folder of the image encoder it was trained with, in one repository."""

    repo: str
    file: str
    encoder: str

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """From `REPO#FILE`, or a folder with `ip_adapter.safetensors`; `image_encoder` lies beside the file."""
        repo, _, file = text.partition("#")
        file = file or "ip_adapter.safetensors"
        if not is_safetensors(file):
            raise WeightsError(f"{file} is no safetensors file: adapters are read from nothing else.")
        return cls(repo, file, str(PurePosixPath(file).with_name("image_encoder")))


def lora_file(text: str) -> Path:
    """The safetensors file that `text` names: a path, `REPO#FILE`, or the only one in REPO. Raises WeightsMissing,
    WeightsError."""
    path = path_of(text)
    if path is not None and path.is_file():
        if not is_safetensors(path.name):
            raise WeightsError(f"{path.name} is no safetensors file: LoRAs are read from nothing else.")
        return path
    repo, name = lora_source(text)
    if name:
        return hub.file(repo, name)
    found = sorted(hub.folder(repo).glob("*.safetensors"))
    if len(found) != 1:
        raise WeightsError(f"{repo} holds {len(found)} safetensors files: name one, as {repo}#FILE.safetensors.")
    return found[0]


def lora_source(text: str) -> tuple[str, str]:
    """REPO and FILE, or "" for its only one, of a text that is not the path of a file. Raises WeightsError."""
    repo, _, name = text.partition("#")
    if name and not is_safetensors(name):
        raise WeightsError(f"{name} is no safetensors file: LoRAs are read from nothing else.")
    if not name and is_safetensors(repo):
        raise WeightsError(f"{text!r} is not on this machine: give the path of a file, or OWNER/NAME#FILE.safetensors.")
    return repo, name


def add_style(pipe: Any, adapter: Adapter, dtype: torch.dtype) -> None:
    """Put an IP-Adapter into the twin of the denoiser. Raises Unsuitable, WeightsMissing."""
    if not hasattr(pipe, "load_ip_adapter") or not hasattr(pipe, "unet"):
        raise Unsuitable(f"{type(pipe).__name__} uses no style pictures: leave them out, or choose another model.")
    path = hub.file(adapter.repo, adapter.file)
    tensors: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, tensor in read_tensors(path).items():
        group, _, rest = key.partition(".")
        if group in tensors:
            tensors[group][rest] = tensor.to(dtype)
    try:
        pipe.load_ip_adapter(tensors, subfolder="", weight_name="")
    except (ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise Unsuitable(f"The IP-Adapter {adapter.file} does not fit this model ({reason}).") from error


def add_lora(pipe: Any, file: str, weight: float) -> str:
    """Put a LoRA into the twins, `weight` times. Returns a remark where only a part of it fits, else "".

    Raises Unsuitable, WeightsError.
    """
    if not hasattr(pipe, "load_lora_weights"):
        raise Unsuitable(f"{type(pipe).__name__} takes no LoRA: leave it out, or choose another model.")
    tensors = read_tensors(Path(file))
    entries = len({stem for name in tensors if (stem := lora_layer(name))})
    try:
        pipe.load_lora_weights(tensors, adapter_name=LORA)
        if LORA not in {name for names in pipe.get_list_adapters().values() for name in names}:
            raise ValueError("none of its layers is in this model")
        pipe.set_adapters([LORA], [weight])
    except (ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise Unsuitable(f"The LoRA {Path(file).name} does not fit this model ({reason}): leave it out.") from error
    left = entries - placed_layers(pipe)
    return f"{left} of {entries} entries of the LoRA {Path(file).name} fit no layer of this model" if left > 0 else ""


def lora_layer(name: str) -> str:
    """The layer that a tensor of a LoRA is for, in whichever of the known layouts; "" for what is none."""
    found = re.fullmatch(r"(.+?)[._](lora_A|lora_B|lora_down|lora_up|lora\.down|lora\.up)(\.\w+)*", name)
    return found[1] if found else ""


def placed_layers(pipe: Any) -> int:
    """How many layers of the twins have a LoRA in them."""
    modules = [part for part in pipe.components.values() if isinstance(part, nn.Module)]
    return sum(LORA in getattr(layer, "lora_A", ()) for module in modules for layer in module.modules())


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, on the CPU. Raises WeightsError for anything else."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header(path)  # what is wrong with it, in a sentence
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path.name} is not a readable safetensors file: {error}.") from error
