"""The convolutions of a TFLite or ONNX file as float tensors in PyTorch's layout.

Only what models/magenta.py needs of the formats: the convolutions of the first graph, in the order in which they run.
A quantised number q stands for scale * (q - zero point), with one scale a tensor or a channel.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
import torch
from torch import Tensor

DTYPES = {tflite.TensorType.FLOAT32: "<f4", tflite.TensorType.INT8: "<i1", tflite.TensorType.INT32: "<i4"}
OPTIONS = {
    tflite.BuiltinOperator.CONV_2D: tflite.Conv2DOptions,
    tflite.BuiltinOperator.DEPTHWISE_CONV_2D: tflite.DepthwiseConv2DOptions,
}


class FileError(ValueError):
    """The file is damaged, of another format, or not the network that was asked for."""


@dataclass(frozen=True)
class Convolution:
    """One convolution of the file.

    `weight` is (out, in, kh, kw), or (out, 1, kh, kw) for a depthwise one, and `bias` is (out,): both are float32 and
    dequantised. `input` and `output` are its tensors in the file: in TFLite their indices, the same as in LiteRT's
    interpreter, in ONNX their names.
    """

    name: str
    weight: Tensor
    bias: Tensor
    stride: tuple[int, int]
    input: int | str
    output: int | str


def read_convolutions(path: Path) -> list[Convolution]:
    """The convolutions of a file in running order, by its suffix .tflite or .onnx.

    Raises FileError for any other, and where it is cut short or holds a kind of number that is not handled here.
    """
    readers = {".tflite": _of_tflite, ".onnx": _of_onnx}
    if path.suffix not in readers:
        raise FileError(f"{path.name} is neither TFLite nor ONNX: give a file that ends in {' or '.join(readers)}.")
    try:
        return list(readers[path.suffix](path.read_bytes()))
    except FileError as error:
        raise FileError(f"{path.name}: {error}") from error
    except (struct.error, LookupError, TypeError, AttributeError, ValueError) as error:  # what cut files run into
        kind = path.suffix.removeprefix(".")
        raise FileError(
            f"{path.name} is no {kind} file, or damaged ({error!r}). Install or download it again."
        ) from error


def dequantised(q: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int) -> Tensor:
    """scale * (q - zero), float32, with scales along `axis` where there are several."""
    shape = [1] * q.ndim
    if scale.size > 1:
        shape[axis] = -1
    values = scale.astype(np.float64).reshape(shape) * (q.astype(np.float64) - zero.astype(np.float64).reshape(shape))
    return torch.from_numpy(values.astype(np.float32))


def _of_onnx(data: bytes) -> Iterator[Convolution]:
    import onnx  # half a second: only where such a file is read
    from google.protobuf.message import DecodeError

    try:
        graph: Any = onnx.load_model_from_string(data).graph
    except DecodeError as error:
        raise ValueError(str(error)) from error
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    packed = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}

    def options(node: Any) -> dict[str, Any]:
        return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}

    def value(name: str) -> Tensor:
        if name not in packed:
            return torch.from_numpy(constants[name].astype(np.float32))
        q, scale, zero = (constants[part] for part in packed[name].input)
        return dequantised(q, scale, zero, options(packed[name]).get("axis", 1))  # 1 is the format's own default

    for node in graph.node:
        if node.op_type != "Conv":
            continue
        if set(options(node).get("dilations", [1])) != {1}:
            raise FileError(f"{node.output[0]} is a dilated convolution, which is not handled.")
        source, kernel, offset = node.input
        height, width = options(node).get("strides", [1, 1])
        yield Convolution(kernel, value(kernel), value(offset), (height, width), source, node.output[0])


def _of_tflite(data: bytes) -> Iterator[Convolution]:
    if data[4:8] != b"TFL3":
        raise ValueError("bytes 4 to 7 are not TFL3")
    model: Any = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Files older than schema 3a keep the operator in the deprecated field and leave the other at 0.
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if kind not in OPTIONS:
            continue
        options = OPTIONS[kind]()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise FileError(f"operator {i} is a dilated convolution, which is not handled.")
        depthwise = kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D
        source, kernel, offset = operator.InputsAsNumpy().tolist()
        target = int(operator.Outputs(0))
        weight = _tensor(model, graph.Tensors(kernel))
        # Stored as (out, kh, kw, in), and depthwise as (1, kh, kw, out).
        weight = weight.permute(3, 0, 1, 2) if depthwise else weight.permute(0, 3, 1, 2)
        bias, stride = _tensor(model, graph.Tensors(offset)), (options.StrideH(), options.StrideW())
        yield Convolution(graph.Tensors(target).Name().decode(), weight.contiguous(), bias, stride, source, target)


def _tensor(model: Any, tensor: Any) -> Tensor:
    """A constant tensor of a TFLite file as float32, dequantised, in the file's own layout."""
    name, kind, quantisation = tensor.Name().decode(), tensor.Type(), tensor.Quantization()
    if kind not in DTYPES:
        raise FileError(f"{name} has element type {kind}, but only float32, int8 and int32 are handled.")
    values = np.frombuffer(model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes(), DTYPES[kind])
    values = values.reshape(tensor.ShapeAsNumpy().tolist())
    if kind == tflite.TensorType.FLOAT32:
        return torch.from_numpy(values.copy())
    if quantisation is None or quantisation.ScaleLength() == 0:
        raise FileError(f"{name} is made of integers, but says no scale.")
    scale, zero = quantisation.ScaleAsNumpy(), quantisation.ZeroPointAsNumpy()
    return dequantised(values, scale, zero, quantisation.QuantizedDimension())
