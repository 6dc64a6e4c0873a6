"""A diffusers pipeline whose parts belong to the cache: each is on the device when it is its turn, and not before.

The pipeline gets twins of the cache's modules: modules of their own that share every parameter. What an adapter or a
tiling switch does to a twin never reaches the cache's module, and where the cache moves a parameter, both see it move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn

from models.cache import Borrower, Lender, ModelCache


def twin(module: nn.Module) -> nn.Module:
    """A structural copy of `module` that shares its parameters and buffers."""
    shared = {id(tensor): tensor for tensor in tensors_of(module)}
    return deepcopy(module, cast(Any, shared))


def tensors_of(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers in a fixed order, tied ones once."""
    return list({id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}.values())


def owner(lender: Lender) -> ModelCache:
    """The cache behind a run's view of it."""
    return lender.cache if isinstance(lender, Borrower) else cast(ModelCache, lender)


def capacity(cache: ModelCache) -> int:
    """Bytes that one part and its activations can have on the device once everything idle has left it."""
    rows = [row for row in cache.snapshot() if row.resident]
    idle = sum(row.bytes for row in rows if not row.pins)
    free = cache.free(cache.device)
    if cache.vram_budget is not None:
        free = min(free, cache.vram_budget - sum(row.bytes for row in rows))
    return free + idle


class Turns:
    """Hands a pipeline's parts out one at a time: the part at work is pinned, the others may leave when room is short.

    A part that does not fit beside its activations even alone is streamed: it stays in RAM and goes through the device
    layer by layer (diffusers' group offloading).
    """

    def __init__(self, lender: Lender, dtype: torch.dtype, working: Callable[[str], int]) -> None:
        """`dtype`: what the parts are loaded as. `working(part)`: bytes of a part's activations."""
        self._lender, self.dtype, self._working = lender, dtype, working
        self._stack, self._held = ExitStack(), ""
        self._names: dict[str, str] = {}
        self._own: dict[str, list[Tensor]] = {}
        self._twins: dict[str, nn.Module] = {}
        self._homes: list[tuple[Tensor, Tensor]] = []  # of streamed parts
        self._away: list[Tensor] = []  # of a part that was dropped and loaded again: they point at the new copy
        self.device = lender.device
        self.streamed: set[str] = set()

    def adopt(self, part: str, name: str) -> nn.Module:
        """A twin of the cache's module `name`, which comes to the device when it is called."""
        with self._lender.use(name, working=0, move=False) as (module,):
            copy = twin(module)
        self._names[part], self._own[part], self._twins[part] = name, tensors_of(module), copy
        from accelerate.hooks import add_hook_to_module

        add_hook_to_module(copy, _hook(self, part))
        return copy

    def bytes(self, part: str) -> int:
        """Size of a part in bytes."""
        return sum(tensor.nbytes for tensor in self._own[part])

    @property
    def names(self) -> Mapping[str, str]:
        """Part -> its name in the cache."""
        return self._names

    def settle(self) -> None:
        """Call when adapters are in: what they added goes to the device, and parts too large for it are streamed."""
        room = capacity(owner(self._lender))
        for part, module in self._twins.items():
            if self.bytes(part) + self._working(part) > room:
                self._stream(part, module)
                continue
            known = {id(tensor) for tensor in self._own[part]}
            for tensor in tensors_of(module):
                if id(tensor) not in known:
                    tensor.data = tensor.data.to(self.device)

    def _stream(self, part: str, module: nn.Module) -> None:
        from diffusers import hooks

        self._homes += [(tensor, tensor.data) for tensor in self._own[part]]
        self.streamed.add(part)
        cuda = self.device.type == "cuda"  # there the next layer's weights arrive while this one works
        cast(Any, hooks).apply_group_offloading(
            module, self.device, offload_type="leaf_level", use_stream=cuda, low_cpu_mem_usage=cuda
        )

    def take(self, part: str) -> None:
        """Give the part before back, and have this one on the device until the next is taken."""
        if part == self._held:
            return
        self.give_back()
        move = part not in self.streamed
        with ExitStack() as stack:
            use = self._lender.use(self._names[part], working=self._working(part), move=move)
            (module,) = stack.enter_context(use)
            fresh, own = tensors_of(module), self._own[part]
            if fresh and fresh[0] is not own[0]:
                for mine, theirs in zip(own, fresh, strict=True):
                    mine.data = theirs.data
                self._away = own
            self._stack, self._held = stack.pop_all(), part

    def give_back(self) -> None:
        """Return the part at work, if there is one."""
        for tensor in self._away:
            tensor.data = tensor.data.new_empty(0)
        self._away, self._held = [], ""
        self._stack.close()

    def close(self) -> None:
        """Return everything: call it whatever happened."""
        self.give_back()
        for tensor, home in self._homes:
            tensor.data = home


def _hook(turns: Turns, part: str) -> Any:
    """What accelerate runs before a part's `forward`, and diffusers before `encode` and `decode`."""
    from accelerate.hooks import ModelHook

    class Turn(ModelHook):  # type: ignore[misc]  # a library without types
        execution_device = turns.device  # where a pipeline makes its latents

        def pre_forward(self, _module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            turns.take(part)
            return args, kwargs

    return Turn()
