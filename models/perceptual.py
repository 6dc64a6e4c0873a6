"""LPIPS (Zhang et al. 2018, arXiv:1801.03924): torchmetrics' module over official weights from this machine."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from models import weights


def lpips_squeeze(path: Path) -> nn.Module:
    """LPIPS over SqueezeNet 1.1: torchmetrics' module and heads, the network's own weights from the file at `path`.

    torchmetrics would download them itself, unasked; so its network starts random and is filled from our file.
    The module takes two pictures (1, 3, H, W) in [-1, 1] and gives (1, 1, 1, 1), 0 for equal ones.
    """
    from torchmetrics.functional.image.lpips import _LPIPS  # heavy: torchvision and transformers come with it

    module: nn.Module = _LPIPS(pretrained=True, net="squeeze", pnet_rand=True)
    tensors = weights.read_pickle(path)
    own = module.net.state_dict()  # type: ignore[union-attr]
    found = {name: tensors["features." + name.split(".", 2)[2]] for name in own}  # slices.K.INDEX.rest
    module.net.load_state_dict(found, strict=True)  # type: ignore[union-attr]
    return module
