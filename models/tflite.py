"""Read the convolutions of a TFLite file as float tensors in PyTorch's layout.

Only what models/magenta.py needs of the format: the first subgraph's CONV_2D and DEPTHWISE_CONV_2D operators, in the
order in which they run. A quantised number q stands for scale * (q - zero_point), with one scale a tensor or a channel.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
import torch
from torch import Tensor

DTYPES = {
    tflite.TensorType.FLOAT32: "<f4",
    tflite.TensorType.INT8: "<i1",
    tflite.TensorType.INT32: "<i4",
}
OPTIONS = {
    tflite.BuiltinOperator.CONV_2D: tflite.Conv2DOptions,
    tflite.BuiltinOperator.DEPTHWISE_CONV_2D: tflite.DepthwiseConv2DOptions,
}


class FileError(ValueError):
    """The file is damaged, of another format, or not the network that was asked for."""


class TFLiteError(FileError):
    """The file is not TFLite, is damaged, or holds something that is not handled here."""


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
    """Return the convolutions of the file in running order.

    Raises TFLiteError if the file is not TFLite, is cut short, or holds a kind of number that is not handled here.
    """
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise TFLiteError(f"{path.name} is not a TFLite file: bytes 4 to 7 are not TFL3. Download it again.")
    try:
        return list(_convolutions(tflite.Model.GetRootAsModel(data, 0)))
    except TFLiteError as error:
        raise TFLiteError(f"{path.name}: {error}") from error
    except (struct.error, IndexError, TypeError, AttributeError, ValueError) as error:  # what flatbuffers runs into
        raise TFLiteError(f"{path.name} is damaged ({error}). Delete it and download it again.") from error


def _convolutions(model: Any) -> Iterator[Convolution]:
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
            raise TFLiteError(f"operator {i} is a dilated convolution, which is not handled.")
        depthwise = kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D
        source, kernel, offset = operator.InputsAsNumpy().tolist()
        target = int(operator.Outputs(0))
        weight = _read(model, graph.Tensors(kernel))
        # Stored as (out, kh, kw, in), and depthwise as (1, kh, kw, out).
        weight = weight.permute(3, 0, 1, 2) if depthwise else weight.permute(0, 3, 1, 2)
        yield Convolution(
            name=graph.Tensors(target).Name().decode(),
            weight=weight.contiguous(),
            bias=_read(model, graph.Tensors(offset)),
            stride=(options.StrideH(), options.StrideW()),
            input=source,
            output=target,
        )


def _read(model: Any, tensor: Any) -> Tensor:
    """Return a constant tensor of the file as float32, dequantised, in the file's own layout."""
    name, kind = tensor.Name().decode(), tensor.Type()
    if kind not in DTYPES:
        raise TFLiteError(f"{name} has element type {kind}, but only float32, int8 and int32 are handled.")
    shape = tensor.ShapeAsNumpy().tolist()
    data = model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
    values = np.frombuffer(data, DTYPES[kind])
    if values.size != math.prod(shape):
        raise TFLiteError(f"{name} holds {values.size} numbers, but its shape {shape} needs {math.prod(shape)}.")
    values = values.reshape(shape).astype(np.float64)
    quantization = tensor.Quantization()
    if kind == tflite.TensorType.FLOAT32:
        return torch.from_numpy(values.astype(np.float32))
    if quantization is None or quantization.ScaleLength() == 0:
        raise TFLiteError(f"{name} is made of integers, but says no scale.")
    along = [1] * len(shape)
    if quantization.ScaleLength() > 1:
        along[quantization.QuantizedDimension()] = quantization.ScaleLength()
    scale = quantization.ScaleAsNumpy().astype(np.float64).reshape(along)
    zero = quantization.ZeroPointAsNumpy().astype(np.float64).reshape(along)
    return torch.from_numpy((scale * (values - zero)).astype(np.float32))
