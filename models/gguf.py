"""The header of a GGUF file: read within its bounds, without loading the model.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from models.errors import ModelFileInvalid, ModelFileMissing

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_ENTRIES = 1 << 16
MOST_TENSORS = 1 << 20
LONGEST_KEY = 1 << 16
KEPT_ARRAY = 1024
"""Longer arrays (vocabularies) are skipped: only their length is kept."""

Scalar = int | float | bool | str
Value = Scalar | tuple[Scalar, ...]

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9

_TENSOR_TYPES = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
}  # fmt: skip
"""ggml's types of tensors: (elements in a block, bytes of a block)."""

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
    19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL",
    26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0",
    37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
"""llama.cpp's `general.file_type`."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says of its model. `size_bytes` is the file's, `parameters` counts all weights."""

    metadata: Mapping[str, Value]
    parameters: int
    size_bytes: int

    @property
    def architecture(self) -> str:
        return self.text("general.architecture") or ""

    @property
    def quantization(self) -> str | None:
        found = self.metadata.get("general.file_type")
        return _FILE_TYPES.get(found) if isinstance(found, int) else None

    @property
    def context_length(self) -> int | None:
        """Tokens the model was trained to hold."""
        return self._largest("context_length")

    def text(self, key: str) -> str | None:
        found = self.metadata.get(key)
        return found if isinstance(found, str) and found else None

    def texts(self, key: str) -> tuple[str, ...]:
        found = self.metadata.get(key)
        return tuple(v for v in found if isinstance(v, str)) if isinstance(found, tuple) else ()

    def number(self, key: str) -> float | None:
        found = self.metadata.get(key)
        return found if isinstance(found, int | float) and not isinstance(found, bool) else None

    def cache_bytes(self) -> int:
        """Bytes of KV cache for each token of context at 16 bits; an upper bound where layers differ."""
        layers = self._largest("block_count") or 0
        heads = self._largest("attention.head_count") or 1
        width = self._largest("embedding_length") or 0
        own = self.metadata.get(f"{self.architecture}.attention.head_count_kv")
        key_value_heads = sum(v for v in own if isinstance(v, int)) if isinstance(own, tuple) else None
        if key_value_heads is None:
            key_value_heads = layers * (own if isinstance(own, int) else heads)
        key = self._largest("attention.key_length") or width // max(1, heads)
        value = self._largest("attention.value_length") or width // max(1, heads)
        return key_value_heads * (key + value) * 2

    def _largest(self, key: str) -> int | None:
        found = self.metadata.get(f"{self.architecture}.{key}")
        if isinstance(found, tuple):
            found = max((v for v in found if isinstance(v, int)), default=None)
        return found if isinstance(found, int) and found > 0 else None


def read_header(path: Path) -> GgufHeader:
    """Read the header of `path` and check that every tensor lies inside the file.

    Raises `ModelFileMissing`, or `ModelFileInvalid` with the reason.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < 24:
                raise _Invalid(f"it has only {size} bytes")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data, size).header()
    except (FileNotFoundError, IsADirectoryError) as exc:
        raise ModelFileMissing(path=str(path)) from exc
    except OSError as exc:
        raise ModelFileInvalid(path=str(path), reason=exc.strerror or str(exc)) from exc
    except _Invalid as exc:
        raise ModelFileInvalid(path=str(path), reason=str(exc)) from exc


class _Invalid(Exception):
    """Why the file is no GGUF that can be read."""


class _Reader:
    """Reads values one after the other; never outside of the file."""

    def __init__(self, data: mmap.mmap, size: int) -> None:
        self._data = data
        self._size = size
        self._at = 0

    def header(self) -> GgufHeader:
        if self._bytes(4) != MAGIC:
            raise _Invalid("it is no GGUF file")
        version = self._number("<I")
        if version not in VERSIONS:
            raise _Invalid(f"GGUF version {version} is not supported")
        tensors, entries = self._number("<Q"), self._number("<Q")
        if tensors > MOST_TENSORS or entries > MOST_ENTRIES:
            raise _Invalid("its header is damaged")
        metadata = {}
        for _ in range(entries):
            key = self._string(LONGEST_KEY)
            metadata[key] = self._value(self._number("<I"))
        if not isinstance(metadata.get("general.architecture"), str):
            raise _Invalid("it names no architecture")
        return GgufHeader(metadata, self._tensors(tensors, metadata), self._size)

    def _tensors(self, count: int, metadata: Mapping[str, Value]) -> int:
        """Check where the tensors lie and return how many weights they hold."""
        if count == 0:
            raise _Invalid("it holds no weights")
        parameters, end = 0, 0
        for _ in range(count):
            self._string(LONGEST_KEY)
            dimensions = self._number("<I")
            if not 0 < dimensions <= 8:
                raise _Invalid("its header is damaged")
            elements = prod(self._number("<Q") for _ in range(dimensions))
            block, size = _TENSOR_TYPES.get(self._number("<I"), (1, 0))
            offset = self._number("<Q")
            parameters += elements
            end = max(end, offset + -(-elements // block) * size)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            raise _Invalid("its header is damaged")
        start = -(-self._at // alignment) * alignment
        if start + end > self._size:
            raise _Invalid(f"it is cut off: {start + end:,} bytes are needed and {self._size:,} are there")
        return parameters

    def _value(self, kind: int) -> Value:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind == _STRING:
            return self._string(self._size)
        if kind == _ARRAY:
            return self._array(self._number("<I"), self._number("<Q"))
        raise _Invalid("its header is damaged")

    def _array(self, kind: int, count: int) -> tuple[Scalar, ...]:
        """The values of a short array; a long one is skipped and gives ()."""
        if kind in _SCALARS:
            width = struct.calcsize(_SCALARS[kind])
            if count <= KEPT_ARRAY:
                return tuple(self._number(_SCALARS[kind]) for _ in range(count))
            self._skip(count * width)
            return ()
        if kind != _STRING:
            raise _Invalid("its header is damaged")
        if count <= KEPT_ARRAY:
            return tuple(self._string(self._size) for _ in range(count))
        for _ in range(count):
            self._skip(self._number("<Q"))
        return ()

    def _number(self, form: str) -> int:
        width = struct.calcsize(form)
        at = self._at
        self._skip(width)
        found: int = struct.unpack_from(form, self._data, at)[0]
        return found

    def _string(self, longest: int) -> str:
        length = self._number("<Q")
        if length > longest:
            raise _Invalid("its header is damaged")
        return self._bytes(length).decode("utf-8", "replace")

    def _bytes(self, length: int) -> bytes:
        at = self._at
        self._skip(length)
        return self._data[at : self._at]

    def _skip(self, length: int) -> None:
        if length > self._size - self._at:
            raise _Invalid("it is cut off inside its header")
        self._at += length
