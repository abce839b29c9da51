"""Models in the safetensors format, run by transformers in a child process."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from models.errors import ModelFileInvalid, ModelFileMissing
from models.runtimes.child import ChildEngine, start_child
from models.runtimes.protocol import ProgressCallback
from models.types import ModelSpec

WORKER = "models.workers.transformers_worker"
Quantization = Literal["auto", "none", "int8", "nf4"]
"""How weights are quantized while loading. "auto": NF4 for large models on CUDA, otherwise as stored."""

LARGEST_JSON = 64 * 1024 * 1024
"""Bytes of config, index or tensor list read at most: larger ones are no model's."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """What a folder says of its model without loading it. `context_length` is in tokens."""

    size_bytes: int
    parameters: int
    architecture: str | None
    context_length: int | None
    quantization: str | None


class TransformersRuntime:
    """Starts models from folders. `logs` is the folder for the engine's log."""

    def __init__(self, logs: Path, quantization: Quantization = "auto") -> None:
        self._logs = logs
        self._quantization = quantization

    def start(self, spec: ModelSpec, on_progress: ProgressCallback) -> ChildEngine:
        """Start `spec` and return once it answers.

        A `spec.quantization` of "none", "int8" or "nf4" goes before the runtime's own. Raises
        `ModelFileMissing`, `ModelFileInvalid`, `ModelTooLarge` (before anything is loaded) or
        `EngineStartFailed`.
        """
        if spec.path is None:
            raise ModelFileMissing(path=spec.name)
        inspect_folder(spec.path)
        key = secrets.token_urlsafe(32)
        parameters = {
            "path": str(spec.path.absolute()),
            "name": spec.id,
            "api_key": key,
            "quantization": self._wanted(spec),
            "context_length": spec.context_length,
        }
        log = self._logs / "transformers.log"
        return start_child(WORKER, parameters, spec=spec, api_key=key, log=log, on_progress=on_progress)

    def _wanted(self, spec: ModelSpec) -> Quantization:
        if spec.quantization in ("none", "int8", "nf4"):
            return cast(Quantization, spec.quantization)
        return self._quantization


def inspect_folder(folder: Path) -> FolderFacts:
    """Read what `folder` holds and check that the weights are whole, without loading them.

    Raises `ModelFileMissing` or `ModelFileInvalid` with the reason.
    """
    if not folder.is_dir():
        raise ModelFileMissing(path=str(folder))
    config = _json_file(folder, folder / "config.json")
    weights = [_WeightsFile.read(folder, file) for file in _weights_files(folder)]
    text = config.get("text_config")
    context = {**config, **(text if isinstance(text, dict) else {})}.get("max_position_embeddings")
    quantization = config.get("quantization_config")
    names = config.get("architectures")
    return FolderFacts(
        size_bytes=sum(file.size for file in weights),
        parameters=sum(file.parameters for file in weights),
        architecture=str(names[0]) if isinstance(names, list) and names else None,
        context_length=context if isinstance(context, int) and context > 0 else None,
        quantization=str(quantization.get("quant_method")) if isinstance(quantization, dict) else None,
    )


def _weights_files(folder: Path) -> list[Path]:
    """The files that hold the weights, all present. Names in the index are checked, not trusted as paths."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        weight_map = _json_file(folder, index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise _invalid(folder, f"{index.name} lists no weights")
        names = sorted({str(name) for name in weight_map.values()})
    else:
        names = ["model.safetensors"]
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise _invalid(folder, f"{index.name} names a file outside the folder")
        if not (folder / name).is_file():
            raise _invalid(folder, _absence(folder, name))
    return [folder / name for name in names]


def _absence(folder: Path, name: str) -> str:
    if (folder / "adapter_config.json").exists():
        return "it holds an adapter, which needs its base model"
    if any(next(folder.glob(pattern), None) for pattern in PICKLES):
        return (
            "its weights are stored as pickle, which can run any code when it is read. "
            "A version in the safetensors format is needed"
        )
    return f"{name} is missing"


@dataclass(frozen=True, slots=True)
class _WeightsFile:
    """One safetensors file: its size in bytes and the count of its parameters."""

    size: int
    parameters: int

    @classmethod
    def read(cls, folder: Path, file: Path) -> _WeightsFile:
        """Read the list of tensors at the head of `file` and check that the file holds all of them."""
        size = file.stat().st_size
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if size < 8 or not 2 <= length <= LARGEST_JSON:
                raise _invalid(folder, f"{file.name} is not a safetensors file")
            head = opened.read(length)
        if len(head) < length:
            raise _invalid(folder, f"{file.name} is cut short")
        parameters, end = _measure(folder, file.name, _json_object(folder, file.name, head))
        if size < 8 + length + end:
            raise _invalid(folder, f"{file.name} is cut short: {8 + length + end - size} bytes are missing")
        return cls(size, parameters)


def _measure(folder: Path, name: str, head: Mapping[str, Any]) -> tuple[int, int]:
    """The count of parameters that a list of tensors describes, and the bytes that they take."""
    tensors = [tensor for key, tensor in head.items() if key != "__metadata__"]
    try:
        parameters = sum(math.prod(int(length) for length in tensor["shape"]) for tensor in tensors)
        return parameters, max((int(tensor["data_offsets"][1]) for tensor in tensors), default=0)
    except (TypeError, KeyError, IndexError, ValueError) as exc:
        raise _invalid(folder, f"the list of tensors in {name} is damaged") from exc


def _json_file(folder: Path, file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise _invalid(folder, f"{file.name} is missing")
    if file.stat().st_size > LARGEST_JSON:
        raise _invalid(folder, f"{file.name} is too large")
    return _json_object(folder, file.name, file.read_bytes())


def _json_object(folder: Path, name: str, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise _invalid(folder, f"{name} is damaged") from exc
    if not isinstance(value, dict):
        raise _invalid(folder, f"{name} is damaged")
    return value


def _invalid(folder: Path, reason: str) -> ModelFileInvalid:
    return ModelFileInvalid(path=str(folder), reason=reason)
