"""Writes small GGUF files for tests."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

F32 = 0
ALIGNMENT = 32
Value = str | int | float | bool | Sequence[str]


@dataclass(frozen=True)
class Tensor:
    """A tensor of zeros with its shape and ggml's number of its type."""

    name: str
    shape: tuple[int, ...]
    kind: int


def gguf(metadata: Mapping[str, Value], tensors: Sequence[Tensor]) -> bytes:
    """The bytes of a GGUF file, version 3. Only F32 tensors."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += _string(key) + _value(value)
    offset = 0
    for tensor in tensors:
        head += _string(tensor.name) + struct.pack("<I", len(tensor.shape))
        head += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape) + struct.pack("<IQ", tensor.kind, offset)
        offset += _padded(prod(tensor.shape) * 4)
    last = prod(tensors[-1].shape) * 4 if tensors else 0
    data = bytes(offset - _padded(last) + last)
    return head + bytes(_padded(len(head)) - len(head)) + data


def _padded(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_string, value))
