"""Bytes of live activations per output pixel of the networks that Imagine offers, at two bytes a number.

    python -m benchmarks.imagine_memory

The networks are built at their real width on the meta device, which holds no numbers and does no arithmetic, and every
tensor that comes and goes during one call is counted. Attention is taken as fused: its output alone. What is printed is
the growth from 512 to 1024 pixels, per pixel: the constants of models/hub/offers.py.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SMALL, LARGE = 512, 1024  # pixels
HALF = torch.float16
TURBO = {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True}
XL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
DECODER = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
}


class Live(TorchDispatchMode):
    """Counts the bytes of storages that are alive, and the most there were."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and (key := tensor.untyped_storage()._cdata) not in self.held:
                storage = tensor.untyped_storage()
                self.held[key] = storage.nbytes()
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self.free, key)
        return made

    def free(self, key: int) -> None:
        self.now -= self.held.pop(key, 0)


def empty(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device="meta", dtype=HALF)


def growth(call: Callable[[int], object]) -> float:
    """Bytes per pixel between the two sizes; `call(latent side)` runs the network once."""
    peaks = []
    for side in (SMALL, LARGE):
        with torch.no_grad(), Live() as live:
            call(side // 8)
        peaks.append(live.peak)
    return (peaks[1] - peaks[0]) / (LARGE**2 - SMALL**2)


def built(kind: Any, **config: Any) -> nn.Module:
    with torch.device("meta"):
        module: nn.Module = kind(**config).to(HALF).eval()
    return module


def main() -> None:
    """Print a line a network: parameters, and bytes per pixel."""
    from diffusers import AutoencoderKL, UNet2DConditionModel, ZImageTransformer2DModel

    torch.nn.functional.scaled_dot_product_attention = lambda query, *_, **__: torch.empty_like(query)
    step, added = torch.empty((), device="meta"), {"text_embeds": empty(1, 1280), "time_ids": empty(1, 6)}
    nets = {
        "Stable Diffusion 1.5": (built(UNet2DConditionModel, cross_attention_dim=768), 768, None),
        "SD-Turbo": (built(UNet2DConditionModel, **TURBO), 1024, None),
        "Stable Diffusion XL": (built(UNet2DConditionModel, **XL), 2048, added),
    }
    calls: dict[str, tuple[nn.Module, Callable[[int], object]]] = {}
    for name, (net, width, extra) in nets.items():

        def unet(n: int, net: nn.Module = net, width: int = width, extra: Any = extra) -> object:
            return net(empty(1, 4, n, n), step, empty(1, 77, width), added_cond_kwargs=extra)

        calls[name] = (net, unet)
    z, vae = built(ZImageTransformer2DModel), built(AutoencoderKL, **DECODER)
    calls["Z-Image"] = (z, lambda n: z([empty(16, 1, n, n)], empty(1), [empty(60, 2560)]))
    calls["decoder"] = (vae, lambda n: vae.decode(empty(1, 4, n, n)))  # type: ignore[operator]
    for name, (net, call) in calls.items():
        print(f"{name:22} {sum(p.numel() for p in net.parameters()):13,} parameters  {growth(call):6.0f} bytes a pixel")


if __name__ == "__main__":
    main()
