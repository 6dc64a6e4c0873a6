"""What a run leaves behind for the next one: its tensors, wherever in it they are; how large it is, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

import torch
from torch import Tensor

OURS = ("models.", "pipelines.")  # whose objects are looked into, beside optimisers


def tensors_in(value: Any, seen: set[int] | None = None) -> Iterator[Tensor]:
    """Every tensor in `value` once, in lists, mappings, optimisers and our own objects."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, str | bytes | int | float | None):
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for pair in list(value.items()):
            yield from tensors_in(pair, seen)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from tensors_in(item, seen)
    elif isinstance(value, torch.optim.Optimizer):
        yield from tensors_in([value.param_groups, value.state], seen)
    elif is_dataclass(value) or type(value).__module__.startswith(OURS):
        yield from tensors_in(list(getattr(value, "__dict__", {}).values()), seen)


def size(value: Any) -> int:
    """Bytes of the tensors in `value`."""
    return sum(tensor.nbytes for tensor in tensors_in(value))


def move(value: Any, where: torch.device) -> None:
    """Have the tensors in `value` on `where`, each of them the same object as before; their gradients are dropped.

    Single numbers stay where they are: optimisers want some of theirs on the CPU, and they mix with any device.
    """
    for tensor in list(tensors_in(value)):
        if tensor.ndim and tensor.device.type != where.type:
            tensor.grad = None
            tensor.data = tensor.data.to(where)
