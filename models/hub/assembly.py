"""Text-to-image pipelines of diffusers, put together from parts that the cache owns: with another scheduler, an
IP-Adapter for style pictures, a LoRA, and a way to look at latents without a decoder.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from models import hub
from models.cache import Lender
from models.hub import PartName, offers
from models.hub.offers import Adapter
from models.hub.turns import Turns, owner
from models.weights import WeightsError

CLIP_TOKENS = 77
LORA = "atelier"  # what peft calls it
CHART = 128  # pixels a side of the chart of colours
Scheduler = Literal["own", "euler", "euler-a", "dpm", "dpm-karras", "ddim", "unipc", "lcm"]
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "dpm": ("DPMSolverMultistepScheduler", {}),
    "dpm-karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "ddim": ("DDIMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
}


class Unsuitable(ValueError):
    """A model that cannot do what is asked of it; one sentence with what to do."""


@dataclass(frozen=True)
class Order:
    """What a pipeline is wanted for."""

    repo: str
    picture: bool = False  # start from a picture
    adapter: Adapter | None = None
    lora: tuple[str, float] | None = None  # file and weight
    scheduler: Scheduler = "own"
    checker: bool = True  # the model's own safety checker, where it has one
    size: tuple[int, int] = (512, 512)  # width and height in pixels, which the memory is counted for
    guided: bool = True  # a prompt and a negative one at once


@dataclass
class Studio:
    """A pipeline ready to be called, and the turns of its parts."""

    pipe: Any
    turns: Turns
    checked: bool  # whether a safety checker looks at the pictures
    remarks: list[str] = field(default_factory=list)  # about what was put into it

    def accepts(self, name: str) -> bool:
        """Whether the pipeline's call has a parameter of this name."""
        return name in inspect.signature(type(self.pipe).__call__).parameters


def dtype_for(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it, float16 on other cards, float32 on other processors."""
    from models.device import fast_dtype

    fast = fast_dtype(device)
    return torch.float16 if fast == torch.float32 and device.type in {"cuda", "mps"} else fast


def assemble(order: Order, lender: Lender) -> Studio:
    """Put the pipeline together. The caller closes `turns` when it is done.

    Raises:
        Unsuitable: when the model cannot do what is asked.
        WeightsMissing, WeightsError, OutOfBudget: as models.hub and the cache do.
    """
    quiet()
    index = hub.index(order.repo)
    kind = pipeline_class(order.repo, index)
    cache = owner(lender)
    dtype, batch = dtype_for(cache.device), 2 if order.guided else 1
    turns = Turns(lender, dtype, lambda part: offers.working_bytes(part, order.size, batch, dtype))
    try:
        parts = _parts(order, index, kind, turns, dtype)
        studio = Studio(_switched(kind(**parts), order), turns, parts.get("safety_checker") is not None)
        _prepare(studio, order, dtype)
        turns.settle()
    except BaseException:
        turns.close()
        raise
    return studio


def pipeline_class(repo: str, index: dict[str, Any]) -> Any:
    """The class that model_index.json names, where it makes pictures from words. Raises Unsuitable."""
    import diffusers
    from diffusers.pipelines import auto_pipeline

    name = index.get("_class_name")
    kind = getattr(diffusers, name, None) if isinstance(name, str) else None
    mapping = auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
    if kind is None or auto_pipeline._get_task_class(mapping, name, throw_error_if_not_exist=False) is None:
        raise Unsuitable(f"{repo} is a {name}, which makes no pictures from words here: choose another model.")
    return kind


def _parts(order: Order, index: dict[str, Any], kind: Any, turns: Turns, dtype: torch.dtype) -> dict[str, Any]:
    """Everything the pipeline's constructor takes: networks from the cache, the rest from their files."""
    parameters = inspect.signature(kind.__init__).parameters
    parts: dict[str, Any] = {name: value for name, value in index.items() if name in parameters and _plain(value)}
    parts |= {name: None for name in kind._optional_components if name in parameters}
    for part in hub.components(index):
        if part not in parameters or (part in {"safety_checker", "feature_extractor"} and not order.checker):
            continue
        cls = hub.part_class(order.repo, part)
        if issubclass(cls, nn.Module):
            exact = dtype == torch.float16 and part == "vae"  # its activations leave the range of float16
            parts[part] = turns.adopt(part, str(PartName(order.repo, part, torch.float32 if exact else dtype)))
        else:
            parts[part] = _helper(cls, hub.part_folder(order.repo, part))
    if "requires_safety_checker" in parameters:
        parts["requires_safety_checker"] = parts.get("safety_checker") is not None
    if order.adapter and "image_encoder" in parameters:
        parts["image_encoder"] = turns.adopt(
            "image_encoder", str(PartName(order.adapter.repo, order.adapter.encoder, dtype))
        )
    return parts


def _plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def _helper(cls: Any, where: Path) -> Any:
    """A tokenizer, scheduler or image processor; those of transformers are slow to read and kept."""
    read = _kept if cls.__module__.startswith("transformers") else _read
    stamp = max((path.stat().st_mtime_ns for path in where.iterdir()), default=0)
    return read(cls, where, stamp)


def _read(cls: Any, where: Path, _stamp: int) -> Any:
    try:
        return cls.from_pretrained(where, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:  # how the two libraries report trouble
        raise WeightsError(f"{where.name} cannot be read: {str(error).strip().partition(chr(10))[0]}") from error


_kept = lru_cache(maxsize=16)(_read)


def _switched(pipe: Any, order: Order) -> Any:
    """The same parts as the pipeline for the task: nothing is loaded twice."""
    import diffusers

    auto = diffusers.AutoPipelineForImage2Image if order.picture else diffusers.AutoPipelineForText2Image
    try:
        return cast(Any, auto).from_pipe(pipe)
    except ValueError as error:
        raise Unsuitable(f"{order.repo} cannot start from a picture: leave it out, or choose another.") from error


def _prepare(studio: Studio, order: Order, dtype: torch.dtype) -> None:
    pipe = studio.pipe
    pipe.set_progress_bar_config(disable=True)
    if getattr(pipe, "vae", None) is not None:
        _settle_decoder(pipe.vae, dtype)
    if order.scheduler != "own":
        pipe.scheduler = scheduler(pipe.scheduler, order.scheduler)
    if order.adapter:
        add_style(pipe, order.adapter, dtype)
    if order.lora and (remark := add_lora(pipe, *order.lora)):
        studio.remarks.append(remark)


def _settle_decoder(vae: Any, outside: torch.dtype) -> None:
    """Large pictures in tiles, and any dtype in: pipelines would cast the decoder itself to float32 and back.

    Latents come out as `outside`, the dtype of the denoiser.

    `vae` is a twin, so nobody else's decoder is changed.
    """
    for switch in ("enable_slicing", "enable_tiling"):
        if hasattr(vae, switch):
            getattr(vae, switch)()
    if "force_upcast" in vae.config:
        vae.register_to_config(force_upcast=False)
    dtype = vae.dtype

    def cast_first(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].to(dtype), *inputs[1:])

    inner = {name: getattr(vae, name, None) for name in ("encoder", "quant_conv", "post_quant_conv", "decoder")}
    networks = {name: part for name, part in inner.items() if isinstance(part, nn.Module)}
    for part in networks.values():
        part.register_forward_pre_hook(cast_first)
    last = networks.get("quant_conv") or networks.get("encoder")
    if last is not None and dtype != outside:
        last.register_forward_hook(lambda _module, _inputs, out: out.to(outside))


def scheduler(own: Any, name: str) -> Any:
    """Another scheduler with the model's own noise schedule. Raises Unsuitable where the two do not go together."""
    import diffusers

    kind, changes = SCHEDULERS[name]
    if kind not in {compatible.__name__ for compatible in own.compatibles}:
        fitting = [key for key, (other, _) in SCHEDULERS.items() if other in {c.__name__ for c in own.compatibles}]
        raise Unsuitable(
            f"The scheduler {name} does not fit this model, which was made for {type(own).__name__}: "
            f"choose {', '.join(['own', *fitting])}."
        )
    return getattr(diffusers, kind).from_config(own.config, **changes)


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
    match = re.fullmatch(r"(.+?)[._](lora_A|lora_B|lora_down|lora_up|lora\.down|lora\.up)(\.\w+)*", name)
    return match[1] if match else ""


def placed_layers(pipe: Any) -> int:
    """How many layers of the twins have a LoRA in them."""
    modules = [part for part in pipe.components.values() if isinstance(part, nn.Module)]
    return sum(LORA in getattr(layer, "lora_A", ()) for module in modules for layer in module.modules())


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, on the CPU. Raises WeightsError for anything else."""
    hub.shapes(path)  # what is wrong with it, in a sentence
    return load_file(path)


def unread_text(studio: Studio, text: str) -> tuple[str, int]:
    """The end of `text` that no encoder of the pipeline reads, and how many tokens the furthest one does ("", 0: all is
    read). CLIP reads 77 with its two marks; the length that others are given is a default of the pipeline's call."""
    call = inspect.signature(type(studio.pipe).__call__).parameters
    length = call["max_sequence_length"].default if "max_sequence_length" in call else None
    reads: list[tuple[int, int]] = []  # characters of the text, and tokens
    for name, tokenizer in studio.pipe.components.items():
        if not name.startswith("tokenizer") or not getattr(tokenizer, "is_fast", False):
            continue
        own = tokenizer.model_max_length
        most = own if own <= CLIP_TOKENS or not length else min(own, int(length))
        ids = tokenizer(text, return_offsets_mapping=True, truncation=True, max_length=most)
        ends = [end for _, end in ids["offset_mapping"]]
        reads.append((max(ends, default=0), most))
    characters, tokens = max(reads, default=(len(text), 0))
    rest = text[characters:].strip()
    return rest, tokens if rest else 0


def quiet() -> None:
    """No progress bars of the two libraries in the log, and no advice: what goes wrong is raised."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (cast(Any, diffusers_logging), cast(Any, transformers_logging)):
        logging.disable_progress_bar()
        logging.set_verbosity_error()


@torch.no_grad()
def colours_of_latents(vae: Any, device: torch.device) -> Tensor:
    """What latents look like without decoding them: a matrix from latents as a pipeline keeps them to colours in
    [0, 1], (C + 1, 3) float32 on the CPU, offsets last.

    It is fitted once a run, by least squares, on a small chart of colours that the model's own encoder turns into
    latents: so any model has one, whether its latents have 4 channels or 16, and no step pays for a decoder.
    """
    colours = chart()
    latents = vae.encode((colours * 2 - 1).to(device, vae.dtype), return_dict=False)[0]
    latents = (latents if isinstance(latents, Tensor) else latents.mode()).float().cpu()
    shift, scale = vae.config.get("shift_factor") or 0.0, vae.config.get("scaling_factor") or 1.0
    rows = _rows((latents - shift) * scale)
    targets = F.interpolate(colours, latents.shape[-2:], mode="area").permute(0, 2, 3, 1).reshape(-1, 3)
    solution: Tensor = torch.linalg.lstsq(rows, targets, driver="gelsd").solution
    return solution


def chart() -> Tensor:
    """(4, 3, 128, 128) in [0, 1]: soft fields of colour and hard patches, always the same."""
    noise = torch.Generator().manual_seed(0)
    soft = F.interpolate(torch.rand(2, 3, 5, 5, generator=noise), CHART, mode="bicubic").clamp(0, 1)
    hard = F.interpolate(torch.rand(2, 3, 8, 8, generator=noise), CHART, mode="nearest")
    return torch.cat([soft, hard])


def latent_preview(latents: Tensor, matrix: Tensor, height: int, width: int) -> Tensor:
    """(C, h, w) latents as (3, height, width) in [0, 1]."""
    rows = _rows(latents.detach()[None].float().cpu())
    picture = (rows @ matrix).reshape(1, *latents.shape[-2:], 3).permute(0, 3, 1, 2)
    return F.interpolate(picture, (height, width), mode="bicubic").clamp(0, 1)[0]


def unpacked_latents(pipe: Any, latents: Tensor, height: int, width: int) -> Tensor | None:
    """(C, h, w) from the latents that a pipeline hands to its callback; None where their layout is not known."""
    if latents.ndim == 3 and hasattr(pipe, "_unpack_latents"):
        latents = pipe._unpack_latents(latents, height, width, pipe.vae_scale_factor)
    if latents.ndim == 5 and latents.shape[2] == 1:
        latents = latents[:, :, 0]
    return latents[0] if latents.ndim == 4 else None


def _rows(latents: Tensor) -> Tensor:
    """(N, C, h, w) -> (N h w, C + 1), a one at the end of each row."""
    rows = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    return torch.cat([rows, torch.ones(len(rows), 1)], 1)
