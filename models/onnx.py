"""Read the convolutions of an ONNX file as float tensors in PyTorch's layout, without the onnx package.

Only what models/magenta.py needs of the format: Conv operators whose weights and biases are constants, plain or behind
a DequantizeLinear, in the order in which they run. The file is one protocol buffer message; field numbers are those of
onnx.proto3 (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.tflite import Convolution, FileError

DTYPES = {1: "<f4", 2: "<u1", 3: "<i1", 6: "<i4"}  # TensorProto.DataType: FLOAT, UINT8, INT8, INT32
Fields = dict[int, list[int | bytes]]


class OnnxError(FileError):
    """The file is not ONNX, is damaged, or holds something that is not handled here."""


@dataclass(frozen=True)
class Node:
    """An operator: its kind, the names of its tensors, and its attributes that are whole numbers, alone or in lists."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, list[int]]


def read_convolutions(path: Path) -> list[Convolution]:
    """Return the convolutions of the file in running order, named like their weights.

    Raises OnnxError if the file is not ONNX, is cut short, or holds a kind of number that is not handled here.
    """
    try:
        graph = _message(_one(_message(path.read_bytes()), 7))
        nodes = [_node(_message(field)) for field in graph.get(1, [])]
        constants = {_text(_one(fields, 8)): fields for fields in map(_message, graph.get(5, []))}
        return list(_convolutions(nodes, constants))
    except OnnxError as error:
        raise OnnxError(f"{path.name}: {error}") from error
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:  # what a cut or foreign file runs into
        raise OnnxError(f"{path.name} is not ONNX, or damaged ({error!r}). Install or download it again.") from error


def _convolutions(nodes: list[Node], constants: dict[str, Fields]) -> Iterator[Convolution]:
    dequantised = {node.outputs[0]: node for node in nodes if node.kind == "DequantizeLinear"}

    def value(name: str) -> Tensor:
        node = dequantised.get(name)
        if node is None:
            return _constant(name, constants[name]).float()
        q, scale, zero = (_constant(part, constants[part]).double() for part in node.inputs)
        along = [1] * q.ndim
        if scale.ndim:
            along[node.attributes.get("axis", [1])[0]] = -1  # the format's own default is 1
        return (scale.reshape(along) * (q - zero.reshape(along))).float()

    for node in nodes:
        if node.kind != "Conv":
            continue
        if set(node.attributes.get("dilations", [1])) != {1}:
            raise OnnxError(f"{node.outputs[0]} is a dilated convolution, which is not handled.")
        source, kernel, offset = node.inputs
        height, width = node.attributes.get("strides", [1, 1])
        yield Convolution(kernel, value(kernel), value(offset), (height, width), source, node.outputs[0])


def _node(fields: Fields) -> Node:
    attributes = {}
    for field in fields.get(5, []):
        attribute = _message(field)
        attributes[_text(_one(attribute, 1))] = _integers(attribute, 3) + _integers(attribute, 8)
    inputs, outputs = ([_text(name) for name in fields.get(i, [])] for i in (1, 2))
    return Node(_text(_one(fields, 4)), inputs, outputs, attributes)


def _constant(name: str, fields: Fields) -> Tensor:
    """A TensorProto in its own type; the numbers of our files lie in `raw_data`."""
    kind, shape, data = _one(fields, 2), _integers(fields, 1), fields.get(9, [b""])[-1]
    if kind not in DTYPES or not isinstance(data, bytes):
        raise OnnxError(f"{name} has element type {kind!r}, but only float32, int8, uint8 and int32 are handled.")
    values = np.frombuffer(data, DTYPES[int(kind)])
    if values.size != math.prod(shape):
        raise OnnxError(f"{name} holds {values.size} numbers, but its shape {shape} needs {math.prod(shape)}.")
    return torch.from_numpy(values.reshape(shape).copy())


# The wire format of protocol buffers: https://protobuf.dev/programming-guides/encoding/


def _message(data: int | bytes) -> Fields:
    """A message's fields by number: numbers as int, everything with a length as bytes."""
    if isinstance(data, int):
        raise TypeError("a number where a message belongs")
    fields: Fields = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value: int | bytes
        if key & 7 == 0:
            value, at = _varint(data, at)
        else:
            length, at = _varint(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at)
            value, at = data[at : at + length], at + length
            if at > len(data):
                raise IndexError("it ends within a field")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, seven bits a byte, lowest first; and where the next thing begins."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def _integers(fields: Fields, number: int) -> list[int]:
    """A repeated whole number, packed or one by one; none of ours is negative."""
    numbers: list[int] = []
    for value in fields.get(number, []):
        if isinstance(value, int):
            numbers.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = _varint(value, at)
            numbers.append(one)
    return numbers


def _one(fields: Fields, number: int) -> int | bytes:
    return fields[number][-1]


def _text(value: int | bytes) -> str:
    if isinstance(value, int):
        raise TypeError("a number where a name belongs")
    return value.decode()
