"""Whose colours a picture has: changed after a run, without running again.

Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer", arXiv:1606.05897.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from models.moments import powers

Colours = Literal["style", "content", "matched"]
# ITU-R BT.601 luma and the two colour differences, as analogue television's YIQ.
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def recolour(result: Tensor, content: Tensor, colours: Colours) -> Tensor:
    """Give `result` the colours asked for.

    Args:
        result: (3, H, W) in [0, 1], as the style coloured it.
        content: (3, H, W) in [0, 1], the photograph at the same size.
        colours: "style" leaves it as it is; "content" keeps the photograph's colours and takes only luminance from
            `result` (section 3.2 of the paper); "matched" moves the mean and covariance of its colours
            to the photograph's (section 3.1, with the symmetric square root).

    Returns:
        (3, H, W) in [0, 1].
    """
    if colours == "style":
        return result
    if colours == "matched":
        return match_statistics(result, content)
    to_yiq = YIQ.to(result)
    painted = torch.einsum("ij,jhw->ihw", to_yiq, result)
    photographed = torch.einsum("ij,jhw->ihw", to_yiq, content)
    mixed = torch.cat([painted[:1], photographed[1:]])
    back: Tensor = torch.einsum("ij,jhw->ihw", torch.linalg.inv(to_yiq), mixed)
    return back.clamp(0, 1)


def match_statistics(picture: Tensor, target: Tensor) -> Tensor:
    """Linear map of `picture`'s colours (3, H, W) that gives them `target`'s mean and covariance; clamped to [0, 1]."""
    x, y = picture.flatten(1), target.flatten(1)
    # The floor keeps pictures of one colour invertible.
    root_x, root_y = (powers(torch.cov(colours), 0.5, floor=1e-6)[0] for colours in (x, y))
    moved: Tensor = root_y @ torch.linalg.inv(root_x) @ (x - x.mean(1, keepdim=True)) + y.mean(1, keepdim=True)
    return moved.view_as(picture).clamp(0, 1)
