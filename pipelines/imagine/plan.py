"""A model and a scheduler for one column of a run: what they are called with, and whether the device has room for them,
asked before anything is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import torch
from PIL.Image import Resampling
from torch import nn

from models import hub
from models.cache import Lender, ModelCache, OutOfBudget
from models.hub import assembly, offers, turns
from models.hub.assembly import SCHEDULERS, Order, Scheduler, Studio
from models.hub.needs import Need, adapter_named, lora_file, of_adapter, of_lora, of_model
from models.hub.offers import Adapter
from pipelines import cost
from pipelines.imagine.params import ImagineParams, frame
from pipelines.params import ParamError

LAYER = 256 << 20  # bytes: the largest single layer of a part that is streamed
MULTIPLE = 8  # pixels: the sides of what a U-Net makes are multiples of it, and those of a transformer of twice that


@dataclass(frozen=True)
class Plan:
    """What one column of the run is made with."""

    p: ImagineParams
    repo: str
    scheduler: Scheduler

    @property
    def offer(self) -> offers.Offer | None:
        """What is known of the model, where it is one of the curated ones."""
        return offers.KNOWN.get(self.repo)

    @property
    def guidance(self) -> float:
        """What is asked for, else what the model was made for; 7.5 for one that nothing is known of."""
        return self.p.guidance if self.p.guidance >= 0 else self.offer.guidance if self.offer else 7.5

    @property
    def steps(self) -> int:
        """Denoising steps asked for, or those the model was made for; 25 for one that nothing is known of."""
        return self.p.steps or (self.offer.steps if self.offer else 25)

    def check(self) -> None:
        """Raises ParamError for settings that leave nothing to do."""
        if self.p.content is not None and int(self.steps * self.p.strength) < 1:
            raise ParamError(
                f"At a strength of {self.p.strength:g}, {self.steps} steps leave nothing to do: choose "
                f"{math.ceil(1 / self.p.strength - 1e-9)} steps or more, or more strength."
            )

    def adapter(self) -> Adapter | None:
        """The IP-Adapter, if style pictures are given. Raises ParamError where none is known."""
        if not self.p.styles:
            return None
        if self.p.adapter:
            return adapter_named(self.p.adapter.strip())
        if self.offer is None or self.offer.adapter is None:
            known = " or ".join(other.title for other in offers.OFFERS if other.adapter)
            raise ParamError(f"No IP-Adapter is known for {self.repo}: choose {known}, or leave the styles out.")
        return self.offer.adapter

    def order(self) -> Order:
        """What to assemble."""
        p = self.p
        return Order(
            self.repo,
            picture=p.content is not None,
            adapter=self.adapter(),
            lora=(str(lora_file(p.lora.strip())), p.lora_weight) if p.lora.strip() else None,
            scheduler=self.scheduler,
            checker=p.safety,
            size=frame(p),
            guided=self.guidance > 1,
        )

    def call(self, studio: Studio, seed: int, size: tuple[int, int]) -> dict[str, Any]:
        """Arguments of the pipeline for one picture; those that a kind of pipeline does not know are left out."""
        p, (width, height) = self.p, size
        arguments: dict[str, Any] = {
            "prompt": p.prompt,
            "negative_prompt": p.negative or None,
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
            "generator": torch.Generator().manual_seed(seed),  # on the CPU: the same picture on every device
        }
        if p.content is not None:
            arguments |= {"image": spread(p.content, frame(p), size), "strength": p.strength}
        if p.content is None or not studio.accepts("strength") or studio.accepts("width"):
            arguments |= {"width": width, "height": height}
        if p.styles:
            studio.pipe.set_ip_adapter_scale(p.style_strength)
            arguments["ip_adapter_image"] = [list(p.styles)] if len(p.styles) > 1 else p.styles[0]
        return {name: value for name, value in arguments.items() if studio.accepts(name)}

    def padded(self, studio: Studio) -> tuple[int, int]:
        """Width and height that are worked on: the frame's, up to what the model's layers can halve."""
        scale = int(studio.pipe.vae_scale_factor)
        multiple = max(MULTIPLE, scale) if "unet" in studio.turns.names else max(2 * MULTIPLE, 2 * scale)
        width, height = frame(self.p)
        return -(-width // multiple) * multiple, -(-height // multiple) * multiple

    def details(self, studio: Studio) -> dict[str, Any]:
        """For the record: what made a picture."""
        return {
            "model": self.repo,
            "pipeline": type(studio.pipe).__name__,
            "scheduler": type(studio.pipe.scheduler).__name__,
            "steps": self.steps,
            "guidance": self.guidance,
            "dtype": str(studio.turns.dtype).removeprefix("torch."),
        }

    def files(self) -> dict[str, Any]:
        """For the record: the files beside the model's own, with their digests."""
        order, rows = self.order(), {}
        if order.lora:
            rows["lora"] = _file(Path(order.lora[0]))
        if order.adapter:
            rows["adapter"] = _file(hub.file(order.adapter.repo, order.adapter.file))
        return rows


def _file(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hub.digest(path)}


def plans(p: ImagineParams) -> list[Plan]:
    """The run's columns: the model and scheduler chosen, and the other one that they are compared with."""
    run = columns(p)
    for plan in run:
        plan.check()
    return run


def columns(p: ImagineParams) -> list[Plan]:
    """The same, before anything is checked."""
    model, also = p.model.strip(), p.also.strip()
    plans = [Plan(p, model, p.scheduler)]
    if also == "own" or also in SCHEDULERS:
        plans.append(Plan(p, model, cast(Scheduler, also)))
    elif also:
        plans.append(Plan(p, also, p.scheduler))
    return plans


def needs(p: ImagineParams) -> list[Need]:
    """What a run reads from the disk or the hub. Raises ParamError, and WeightsError for names that can be none."""
    needs: list[Need] = []
    for plan in columns(p):
        adapter = plan.adapter()
        needs += [of_model(plan.repo), *([of_adapter(adapter)] if adapter else [])]
    return list(dict.fromkeys([*needs, *([of_lora(p.lora.strip())] if p.lora.strip() else [])]))


def spread(picture: PIL.Image.Image, frame: tuple[int, int], size: tuple[int, int]) -> PIL.Image.Image:
    """`picture` at the frame's size, its edges drawn out to `size`: nothing is stretched, and nothing is cut off."""
    small = np.asarray(picture.resize(frame, Resampling.LANCZOS))
    borders = ((0, size[1] - frame[1]), (0, size[0] - frame[0]), (0, 0))
    return PIL.Image.fromarray(np.pad(small, borders, mode="edge"))


def part_sizes(plan: Plan, dtype: torch.dtype) -> dict[str, int]:
    """Part -> bytes of its weights, from the headers of its files. Raises WeightsMissing, WeightsError."""
    order, index = plan.order(), hub.index(plan.repo)
    assembly.pipeline_class(plan.repo, index)
    names = [
        part
        for part in hub.components(index)
        if (order.checker or part != "safety_checker") and issubclass(hub.part_class(plan.repo, part), nn.Module)
    ]
    sizes = {part: hub.parameter_bytes(plan.repo, part, dtype) for part in names}
    if order.adapter:
        hub.file(order.adapter.repo, order.adapter.file)
        sizes["image_encoder"] = hub.parameter_bytes(order.adapter.repo, order.adapter.encoder, dtype)
    return sizes


def check_memory(plan: Plan, cache: ModelCache, sizes: Mapping[str, int], dtype: torch.dtype, batch: int) -> None:
    """Refuse what the machine has no memory for, where the work is done in RAM: activations, and parts not loaded yet.

    sizes: part -> bytes of its weights. Raises OutOfBudget.
    """
    if cache.device.type == "cuda":
        return
    rows = cache.snapshot()
    here = {row.name.rpartition("#")[2].partition("@")[0] for row in rows if plan.repo in row.name}
    away = [count for part, count in sizes.items() if part not in here]
    most = max(
        [cache.ram_budget - sum(row.bytes for row in rows), *away]
    )  # beyond it a part leaves for each that comes
    load = min(sum(away), most)

    def working(p: ImagineParams) -> int:
        return load + max(offers.working_bytes(part, frame(p), batch, dtype) for part in sizes)

    cost.require(plan.p, working, cache.device)


def check_room(plan: Plan, lender: Lender) -> None:
    """Refuse a picture that is too large for the device, with the size that would fit.

    A part that is too large by itself counts as streamed, layer by layer.

    Raises:
        OutOfBudget: when no part of the work may be done beside its activations.
        WeightsMissing, WeightsError, ParamError: when the model is not here, or not one of these.
    """
    cache = turns.owner(lender)
    dtype = assembly.dtype_for(cache.device)
    sizes = part_sizes(plan, dtype)
    most, batch = turns.capacity(cache), 2 if plan.guidance > 1 else 1
    width, height = frame(plan.p)
    least = {part: min(weights, LAYER) for part, weights in sizes.items()}
    ratio = min(width, height) / max(width, height)
    fits = offers.largest_size(least, ratio, batch, dtype, most, plan.p.size)
    if fits == plan.p.size:
        return check_memory(plan, cache, sizes, dtype, batch)
    need = max(least[p] + offers.working_bytes(p, (width, height), batch, dtype) for p in least)
    advice = f"choose {fits} pixels or less" if fits and fits >= 64 else "choose a smaller model"
    raise OutOfBudget(
        f"{width}x{height} pixels need {need >> 20} MiB on the device, where {max(0, most) >> 20} can be had: {advice}."
    )
