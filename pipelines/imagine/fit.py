"""Whether a picture can be made on this device, found out before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from models import hub
from models.cache import Lender, ModelCache, OutOfBudget
from models.hub import assembly, offers, turns
from pipelines import cost
from pipelines.imagine.params import ImagineParams, frame
from pipelines.imagine.plan import Plan

LAYER = 256 << 20  # bytes: the largest single layer of a part that is streamed


def part_sizes(plan: Plan, dtype: torch.dtype) -> dict[str, int]:
    """Part -> bytes of its weights, from the headers of its files. Raises WeightsMissing, WeightsError."""
    order, found = plan.order(), hub.index(plan.repo)
    assembly.pipeline_class(plan.repo, found)
    names = [
        part
        for part in hub.components(found)
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
