"""The catalog: which models are on this machine, and what is known of each without loading it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.client import shown_url
from models.errors import ModelError, ModelFileInvalid, ModelFileMissing
from models.gguf import GgufHeader, read_header
from models.runtimes.llama_cpp import inspect_model, parts
from models.runtimes.transformers import inspect_folder
from models.types import ModelSpec, SamplingOptions

log = logging.getLogger(__name__)

STARTER_ID = "starter"
STARTER_FILE = Path("starter") / "SmolLM2-135M-Instruct.Q4_1.gguf"
DEEPEST = 6
"""Folders under data_dir/models are searched this deep."""


def starter(data_dir: Path) -> ModelSpec:
    """The model that comes with the app. Raises `ModelFileMissing` where it was not fetched yet."""
    path = data_dir / "models" / STARTER_FILE
    if not path.is_file():
        raise ModelFileMissing(path=str(path))
    return ModelSpec(
        id=STARTER_ID,
        name="SmolLM2-135M-Instruct Q4_1",
        runtime="llama_cpp",
        path=path,
        size_bytes=path.stat().st_size,
        parameters=134_515_008,
        quantization="Q4_1",
        context_length=8192,
        languages=("en",),
        licence="Apache-2.0",
        # Temperature and top-p are its card's. A model this small can repeat itself without end: Continue goes on.
        advice=SamplingOptions(temperature=0.2, top_p=0.9, max_tokens=1024),
        is_starter=True,
    )


def resolve(model: str, data_dir: Path) -> ModelSpec:
    """The model that a user names: an id of `available`, a .gguf file, or a folder for transformers.

    Raises `ModelFileMissing` or `ModelFileInvalid` with the reason.
    """
    known = next((spec for spec in available(data_dir) if spec.id == model), None)
    if known is not None:
        return known
    if model == STARTER_ID:
        return starter(data_dir)
    path = Path(os.path.abspath(Path(model).expanduser()))
    inside = data_dir.absolute() / "models" / model
    if not path.exists() and inside.exists():
        path = inside
    return _spec(str(path), path)


def available(data_dir: Path) -> list[ModelSpec]:
    """The models in data_dir/models, the starter first, then by name. What is no model is left out."""
    root = data_dir / "models"
    found = []
    for path in _candidates(root):
        if path == root / STARTER_FILE:
            continue
        try:
            found.append(_spec(path.relative_to(root).as_posix(), path))
        except ModelError as error:
            log.info("left out of the catalog: %s", error)
    found.sort(key=lambda spec: (spec.name.casefold(), spec.id))
    return [starter(data_dir), *found] if (root / STARTER_FILE).is_file() else found


def remote(url: str, name: str | None) -> ModelSpec:
    """A model at another address; without `name` the first one that is listed there."""
    address = url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    if "://" not in address:
        address = f"http://{address}"
    shown = name or shown_url(address)
    return ModelSpec(
        id=f"remote:{shown_url(address)}/{name or ''}",
        name=shown,
        runtime="remote",
        url=address,
        remote_name=name,
    )


def _candidates(root: Path) -> Iterator[Path]:
    """Files and folders that may be models. A split model counts once, by its first file."""
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        place, real = Path(folder), os.path.realpath(folder)
        if real in seen or len(place.relative_to(root).parts) >= DEEPEST:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "config.json" in files and any(name.endswith(".safetensors") for name in files):
            yield place
        later = {part for name in files for part in parts(Path(name))[1:]}
        for name in sorted(files):
            if name.lower().endswith(".gguf") and Path(name) not in later:
                yield place / name


def _spec(model_id: str, path: Path) -> ModelSpec:
    if path.is_dir():
        return _folder_spec(model_id, path)
    if not path.is_file():
        raise ModelFileMissing(path=str(path))
    header, size = inspect_model(path, _header)
    return ModelSpec(
        id=model_id,
        name=_gguf_name(header, path),
        runtime="llama_cpp",
        path=path,
        size_bytes=size,
        parameters=header.parameters,
        quantization=header.quantization,
        context_length=header.context_length,
        languages=header.texts("general.languages"),
        licence=header.text("general.license"),
        advice=_gguf_advice(header),
    )


def _header(path: Path) -> GgufHeader:
    """The header of one file, read again only when the file has changed: the page asks often."""
    try:
        state = path.stat()
    except OSError:
        return read_header(path)
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, _modified: int, _size: int) -> GgufHeader:
    return read_header(path)


def _gguf_name(header: GgufHeader, path: Path) -> str:
    """Its own name with the quantization, which many files leave out; the file's name where it has none."""
    own, quantization = header.text("general.name"), header.quantization
    if own is None:
        return path.stem
    return f"{own} {quantization}" if quantization and quantization.lower() not in own.lower() else own


def _gguf_advice(header: GgufHeader) -> SamplingOptions:
    top_k = header.number("general.sampling.top_k")
    return SamplingOptions(
        temperature=header.number("general.sampling.temp"),
        top_p=header.number("general.sampling.top_p"),
        top_k=None if top_k is None else int(top_k),
        min_p=header.number("general.sampling.min_p"),
        repeat_penalty=header.number("general.sampling.penalty_repeat"),
    )


def _folder_spec(model_id: str, folder: Path) -> ModelSpec:
    facts = inspect_folder(folder)
    return ModelSpec(
        id=model_id,
        name=folder.name,
        runtime="transformers",
        path=folder,
        size_bytes=facts.size_bytes,
        parameters=facts.parameters,
        quantization=facts.quantization,
        context_length=facts.context_length,
        advice=_folder_advice(folder),
    )


def _folder_advice(folder: Path) -> SamplingOptions:
    try:
        found: Any = json.loads((folder / "generation_config.json").read_bytes())
    except FileNotFoundError:
        return SamplingOptions()
    except (OSError, ValueError, RecursionError) as exc:
        raise ModelFileInvalid(path=str(folder), reason="generation_config.json is damaged") from exc
    if not isinstance(found, Mapping) or found.get("do_sample") is False:
        return SamplingOptions()
    top_k = _number(found, "top_k")
    return SamplingOptions(
        temperature=_number(found, "temperature"),
        top_p=_number(found, "top_p"),
        top_k=None if top_k is None else int(top_k),
        min_p=_number(found, "min_p"),
        repeat_penalty=_number(found, "repetition_penalty"),
    )


def _number(found: Mapping[str, Any], key: str) -> float | None:
    value = found.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
