"""The PyTorch port of Magenta's networks, held against LiteRT running Google's own files.

LiteRT rounds activations to 8 bits and the port does not. That this is all that separates them is shown operator by
operator: fed with LiteRT's own tensors, each operator of the all-int8 files agrees to half a step of its output's grid,
and each of the float file agrees to float precision once its input is rounded the way LiteRT rounds it.
"""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tflite
import torch
import torch.nn.functional as F
from pairs import PAIRS, picture, psnr
from torch import Tensor, nn

from models.convolutions import read_convolutions
from models.magenta import StylePredictor, StyleTransformer, load_predictor, load_transformer

FOLDER = Path(__file__).parents[4] / "shared" / "magenta"
PREDICTIONS = ("arbitrary-image-stylization-v1-256_int8_prediction_1.tflite", "style_predict_quantized_256.tflite")
INT8_TRANSFER = "arbitrary-image-stylization-v1-256_int8_transfer_1.tflite"  # activations in int8 throughout
FLOAT_TRANSFER = "style_transfer_quantized_dynamic.tflite"  # float activations, rounded in front of convolutions
Convert = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(before)


def official(name: str) -> Path:
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"needs Google's {name} in ../shared/magenta")
    return path


class LiteRT:
    """One of Google's files under LiteRT with its default kernels; tensors go in and out as (N, C, H, W)."""

    def __init__(self, name: str, size: tuple[int, int] | None = None, keep: bool = False) -> None:
        path = official(name)
        litert = pytest.importorskip("ai_edge_litert.interpreter", reason="needs ai-edge-litert")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about the memory that keeping all tensors takes
            self.net = litert.Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=keep)
        if size:
            self.net.resize_tensor_input(self.net.get_input_details()[0]["index"], (1, *size, 3))
        self.net.allocate_tensors()
        details = self.net.get_tensor_details()
        self.grids: dict[int, tuple[float, int]] = {d["index"]: d["quantization"] for d in details}

    def __call__(self, *inputs: Tensor) -> Tensor:
        for detail, x in zip(self.net.get_input_details(), inputs, strict=True):
            x = x[:, :, None, None] if x.ndim == 2 else x
            self.net.set_tensor(detail["index"], x.permute(0, 2, 3, 1).contiguous().numpy())
        self.net.invoke()
        return self.tensor(self.net.get_output_details()[0]["index"])

    def tensor(self, index: int) -> Tensor:
        x = torch.from_numpy(np.asarray(self.net.get_tensor(index), np.float32))
        step, zero = self.grids[index]  # step 0 means that it is float
        x = (x - zero) * step if step else x
        return x.permute(0, 3, 1, 2) if x.ndim == 4 else x

    def error(self, got: Tensor, index: int) -> float:
        """Largest difference from a tensor: in steps of its grid, or if float relative to its largest value."""
        want, (step, zero) = self.tensor(index), self.grids[index]
        got = got.clamp((-128 - zero) * step, (127 - zero) * step) if step else got
        return float((got - want).abs().max() / (step or want.abs().max()))


def symmetric(x: Tensor) -> Tensor:
    """Round as LiteRT's own hybrid kernels round the input of a convolution."""
    step = x.abs().max() / 127
    return (x / step).round() * step


def asymmetric(x: Tensor) -> Tensor:
    """Round as XNNPACK rounds it; the reciprocal is taken first, as there, or ties fall the other way."""
    low, high = x.min().clamp(max=0), x.max().clamp(min=0)
    inverse = 255 / (high - low)
    zero = (-128 - low * inverse).round().clamp(-128, 127)
    return ((x * inverse).round().add(zero).clamp(-128, 127) - zero) * ((high - low) / 255)


def layer_errors(net: LiteRT, model: StylePredictor | StyleTransformer, path: Path, convert: Convert) -> Tensor:
    """Feed every layer of the port with LiteRT's own input of that layer, and compare what comes out."""
    errors = []
    found = sorted(read_convolutions(path), key=lambda c: c.name.startswith("style_params/"))
    for (_, layer), c in zip(model.layers(), found, strict=True):
        x = net.tensor(c.input)
        if isinstance(layer, nn.Conv2d):
            pad = int(layer.padding[0])  # what LiteRT feeds is mirrored already
            y = layer(convert(x[:, :, pad:-pad, pad:-pad] if pad else x))
        else:
            y = layer(convert(x.flatten(1)))[:, :, None, None]
        errors.append(net.error(activated(y, c.name), c.output))
    return torch.tensor(errors)


def activated(y: Tensor, name: str) -> Tensor:
    return F.relu6(y) if "Relu6" in name else F.relu(y) if "Relu" in name else y


def mirrored(x: Tensor, like: Tensor) -> Tensor:
    pad = (like.shape[-1] - x.shape[-1]) // 2
    return F.pad(x, [pad] * 4, mode="reflect")


# What every operator besides convolutions does; the last argument is LiteRT's output, for its size alone.
OPERATORS: dict[str, Callable[..., Tensor]] = {
    "ADD": lambda a, b, _: a + b,
    "SUB": lambda a, b, _: a - b,
    "MUL": lambda a, b, _: a * b,
    "SQUARED_DIFFERENCE": lambda a, b, _: (a - b).square(),
    "MEAN": lambda a, _axes, _: a.mean((2, 3), keepdim=True),
    "RSQRT": lambda a, _: a.rsqrt(),
    "LOGISTIC": lambda a, _: a.sigmoid(),
    "QUANTIZE": lambda a, _: a,
    "DEQUANTIZE": lambda a, _: a,
    "MIRROR_PAD": lambda a, _pads, like: mirrored(a, like),
    "RESIZE_NEAREST_NEIGHBOR": lambda a, _size, like: F.interpolate(a, like.shape[2:], mode="nearest"),
}


def operator_errors(net: LiteRT, path: Path) -> Tensor:
    """Repeat every operator that is no convolution on LiteRT's own inputs, and compare what comes out."""
    names = {number: name for name, number in vars(tflite.BuiltinOperator).items()}
    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    errors = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        target = int(operator.Outputs(0))
        want = net.tensor(target)
        if "CONV" in name or want.ndim != 4:  # arithmetic on sizes
            continue
        got = OPERATORS[name](*(net.tensor(int(j)) for j in operator.InputsAsNumpy()), want)
        errors.append(net.error(activated(got, graph.Tensors(target).Name().decode()), target))
    return torch.tensor(errors)


@pytest.mark.weights
def test_parity_with_litert() -> None:
    predict, transfer = LiteRT(PREDICTIONS[0]), LiteRT(FLOAT_TRANSFER)
    predictor, transformer = load_predictor(official(PREDICTIONS[0])), load_transformer(official(FLOAT_TRANSFER))
    for content, style in PAIRS:
        x, s = picture(content, 384, 384), picture(style, 256, 256)
        want, code = predict(s).flatten(1), predictor(s)
        assert F.cosine_similarity(want, code).item() >= 0.999, style
        painted = transfer(x, want)
        assert psnr(transformer(x, want), painted) >= 32, (content, style)
        assert psnr(transformer(x, code), painted) >= 28, (content, style)


@pytest.mark.weights
def test_parity_at_a_size_that_is_no_multiple_of_4() -> None:
    x, code = picture("coffee", 149, 198), torch.randn(1, 100, generator=torch.Generator().manual_seed(0)) * 0.7
    want = LiteRT(FLOAT_TRANSFER, (149, 198))(x, code)
    assert want.shape[2:] == (152, 200)  # LiteRT's grows
    assert psnr(load_transformer(official(FLOAT_TRANSFER))(x, code), want[:, :, :149, :198]) >= 32


@pytest.mark.weights
@pytest.mark.parametrize("name", [*PREDICTIONS, INT8_TRANSFER])
def test_every_operator_of_the_int8_files_agrees_to_half_a_step(name: str) -> None:
    path, net = official(name), LiteRT(name, keep=True)
    if name == INT8_TRANSFER:
        net(picture("coffee", 384, 384), load_predictor(official(PREDICTIONS[0]))(picture("gravel", 256, 256)))
        layers = layer_errors(net, load_transformer(path), path, lambda x: x)
    else:
        net(picture("gravel", 256, 256))
        layers = layer_errors(net, load_predictor(path), path, lambda x: x)
    assert layers.max() <= 0.51
    assert operator_errors(net, path).max() <= 0.51


@pytest.mark.weights
def test_every_operator_of_the_float_file_agrees_once_rounded_alike() -> None:
    path, net = official(FLOAT_TRANSFER), LiteRT(FLOAT_TRANSFER, keep=True)
    code = load_predictor(official(PREDICTIONS[0]))(picture("gravel", 256, 256))
    net(picture("coffee", 384, 384), code)
    model = load_transformer(path)
    roundings: tuple[Convert, ...] = (lambda x: x, asymmetric, symmetric)
    errors = torch.stack([layer_errors(net, model, path, rounding) for rounding in roundings])
    assert errors[0].max() <= 0.02  # as the port computes
    best, kind = errors.min(0)
    assert best.max() <= 5e-3  # a tie that fell the other way
    assert (best <= 1e-5).sum() >= 38  # of 42
    assert operator_errors(net, path).max() <= 1e-4

    # Flat pictures are the hardest: instance norm enlarges the rounding of a night sky. Rounded alike, it goes away.
    x = picture("rocket", 384, 384)
    want, plain = net(x, code), model(x, code)
    for (_, layer), i in zip(model.layers(), kind.tolist(), strict=True):
        layer.register_forward_pre_hook(lambda _, inputs, rounding=roundings[i]: (rounding(inputs[0]),))
    assert psnr(model(x, code), want) >= max(38, psnr(plain, want) + 6)
