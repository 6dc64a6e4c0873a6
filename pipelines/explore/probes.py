"""What can be read off a picture and its features: statistics, fields of view, Grad-CAM, edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.vgg import Pool

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; right and bottom are outside


@dataclass(frozen=True)
class Field:
    """Which pixels an activation sees: position (i, j) sees `side` of them from `start + jump * (i, j)` on."""

    side: int = 1
    jump: int = 1
    start: int = 0

    def through(self, kernel: int, stride: int, padding: int) -> Field:
        """The field after one more layer (Araujo et al. 2019, Computing Receptive Fields, equations 2 to 4)."""
        return Field(self.side + (kernel - 1) * self.jump, self.jump * stride, self.start - padding * self.jump)

    def box(self, row: int, column: int, height: int, width: int) -> Box:
        """The pixels that the activation at (row, column) sees of a picture of `height` x `width`."""
        top, left = self.start + self.jump * row, self.start + self.jump * column
        return max(0, left), max(0, top), min(width, left + self.side), min(height, top + self.side)


def field_of(steps: Iterable[tuple[str, nn.Module]], layer: str) -> Field:
    """The field of view of `layer` in a network that is a sequence of named steps.

    Raises ValueError when there is no such step.
    """
    field = Field()
    for name, step in steps:
        field = _through(field, step)
        if name == layer:
            return field
    raise ValueError(f"There is no layer {layer}.")


def _through(field: Field, step: nn.Module) -> Field:
    if isinstance(step, Pool):
        return field.through(step.kernel, 2, 0)
    if isinstance(step, nn.MaxPool2d):
        return field.through(_side(step.kernel_size), _side(step.stride), _side(step.padding))
    if isinstance(step, nn.Conv2d):
        padding = step.padding if isinstance(step.padding, tuple) else (0,)
        return field.through(step.kernel_size[0], step.stride[0], int(padding[0]))
    parts = dict(step.named_children())
    if "expand1x1" in parts:  # SqueezeNet's fire module: side by side, and the larger one sees more
        return _through(_through(field, parts["squeeze"]), parts["expand3x3"])
    for part in parts.values():
        field = _through(field, part)
    return field


def _side(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]


def statistics(x: Tensor) -> dict[str, float]:
    """Minimum, maximum and mean of a layer's activations, and the share of them that are above zero."""
    x = x.float()
    return {
        "minimum": float(x.min()),
        "maximum": float(x.max()),
        "mean": float(x.mean()),
        "active": float((x > 0).float().mean()),
    }


def grad_cam(activations: Tensor, rest: Callable[[Tensor], Tensor], label: int) -> Tensor:
    """Where a layer speaks for a class: Selvaraju et al. 2017 (arXiv:1610.02391), equations 1 and 2.

    Args:
        activations: (1, C, H, W) of the layer.
        rest: what of the network follows it: activations to logits (1, classes).
        label: the class.

    Returns:
        (H, W), not negative: the channels, each weighed by the mean gradient of the class's logit, added up.
    """
    with torch.enable_grad():
        a = activations.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(rest(a)[0, label], a)
    return (gradient.mean((2, 3), keepdim=True) * a.detach()).sum((0, 1)).relu()


def sobel(x: Tensor) -> Tensor:
    """Strength of the edges of (N, C, H, W): (N, C, H, W), the length of Sobel's two slopes, 0 on flat ground.

    Each slope is scaled so that a ramp of 1 a pixel has slope 1; borders are repeated.
    """
    slope = x.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    channels = x.shape[1]
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    kernels = [k.expand(channels, 1, 3, 3) for k in (slope, slope.T)]
    across, down = (F.conv2d(padded, kernel, groups=channels) for kernel in kernels)
    return torch.hypot(across, down)
