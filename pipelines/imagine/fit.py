"""Whether a picture can be made on this device, found out before anything is loaded."""

from __future__ import annotations

import torch
from torch import nn

from models import hub
from models.cache import Lender, OutOfBudget
from models.hub import assembly, memory, turns
from pipelines.imagine.params import frame
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
    room, batch = turns.capacity(cache), 2 if plan.guidance > 1 else 1
    width, height = frame(plan.p)
    least = {part: min(weights, LAYER) for part, weights in sizes.items()}
    ratio = min(width, height) / max(width, height)
    fits = memory.largest_size(least, ratio, batch, dtype, room, plan.p.size)
    if fits == plan.p.size:
        return
    need = max(least[p] + memory.working_bytes(p, (width, height), batch, dtype) for p in least)
    advice = f"choose {fits} pixels or less" if fits and fits >= 64 else "choose a smaller model"
    raise OutOfBudget(
        f"{width}x{height} pixels need {need >> 20} MiB on the device, where {max(0, room) >> 20} can be had: {advice}."
    )
