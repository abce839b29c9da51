"""Models in the GGUF format, run by llama.cpp in a child process."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from models.errors import EngineStartFailed, ModelFileInvalid, ModelFileMissing
from models.gguf import GgufHeader, read_header
from models.runtimes.child import ChildEngine, start_child
from models.runtimes.protocol import ProgressCallback
from models.types import ModelSpec

WORKER = "models.workers.llama_cpp_worker"
CONTEXT_UNKNOWN = 4096
ENVIRONMENT = {"GOMP_SPINCOUNT": "300"}
"""How long llama.cpp's threads spin while they wait for each other, before they sleep. With the default of OpenMP an
engine beside one other busy program falls to a tenth of its speed."""
_PART = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$")
NOT_LANGUAGE = {"clip": "it is the image part of a model", "t5encoder": "it is an encoder"}


@dataclass(frozen=True, slots=True)
class LlamaCppSettings:
    """How the engine runs; the defaults are measured, see docs/decisions.

    `most_context`: tokens of one slot at most, where the model and the memory allow. `slots`: requests at
    once. `batch`: tokens of a prompt that a CPU reads in one step; a step cannot be interrupted, so it bounds
    how long Stop takes, and it must hold the drafts of all slots. `speculation`: llama.cpp's kinds that need
    no draft model, tried in this order; they guess on after `match` tokens that stood so before.
    """

    most_context: int = 32_768
    slots: int = 2
    threads: int | None = None
    batch: int = 16
    flash_attention: Literal["auto", "on", "off"] = "auto"
    speculation: tuple[str, ...] = ("ngram_simple",)
    match: int = 6


class LlamaCppRuntime:
    """Starts GGUF files. `logs` and `slots` are the folders for the engine's log and for saved KV caches."""

    def __init__(self, logs: Path, slots: Path, settings: LlamaCppSettings | None = None) -> None:
        self._logs = logs
        self._slots = slots
        self._settings = settings or LlamaCppSettings()

    def start(self, spec: ModelSpec, on_progress: ProgressCallback) -> ChildEngine:
        """Start `spec` and return once it answers.

        Raises `ModelFileMissing` or `ModelFileInvalid`, both before anything is loaded where the header
        tells, `ModelTooLarge` or `EngineStartFailed`.
        """
        if spec.path is None:
            raise ModelFileMissing(path=spec.name)
        header, weights = inspect_model(spec.path)
        wanted = self._settings
        key = secrets.token_urlsafe(32)
        log = self._logs / "llama_cpp.log"
        trained = header.context_length or CONTEXT_UNKNOWN
        parameters = {
            "path": str(spec.path.absolute()),
            "api_key": key,
            "log": str(log.absolute()),
            "slot_folder": self._slot_folder(spec),
            "weights_bytes": weights,
            "cache_bytes_per_token": header.cache_bytes(),
            "most_context": min(trained, wanted.most_context),
            "slots": wanted.slots,
            "threads": wanted.threads or physical_cores(),
            "batch": wanted.batch,
            "flash_attention": wanted.flash_attention,
            "speculation": list(wanted.speculation),
            "match": wanted.match,
        }
        return start_child(
            WORKER,
            parameters,
            spec=spec,
            api_key=key,
            log=log,
            on_progress=on_progress,
            measure=resident_share(weights),
            environment=ENVIRONMENT,
        )

    def _slot_folder(self, spec: ModelSpec) -> str:
        """Made for the user only, since saved caches hold conversations; llama.cpp wants the last slash."""
        try:
            self._slots.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise EngineStartFailed(name=spec.name, detail=str(exc)) from exc
        return str(self._slots.absolute()) + os.sep


def inspect_model(path: Path, read: Callable[[Path], GgufHeader] = read_header) -> tuple[GgufHeader, int]:
    """The header of a model and the bytes of its weights; all files of a split one are checked.

    Raises `ModelFileMissing`, or `ModelFileInvalid` with the reason.
    """
    headers = [read(part) for part in parts(path)]
    reason = NOT_LANGUAGE.get(headers[0].architecture)
    if reason is not None:
        raise ModelFileInvalid(path=str(path), reason=reason)
    return headers[0], sum(header.size_bytes for header in headers)


def parts(path: Path) -> list[Path]:
    """The files of a model: one, or those that `…-00001-of-00003.gguf` begins."""
    found = _PART.match(path.name)
    if found is None or found["number"] != "00001":
        return [path]
    count = min(int(found["count"]), 1000)
    return [path.with_name(f"{found['stem']}-{n:05}-of-{found['count']}.gguf") for n in range(1, count + 1)]


def physical_cores() -> int:
    """Cores that this process may use; two threads on one core only get in each other's way."""
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else physical
    return max(1, min(physical, allowed))


def resident_share(weights: int) -> Callable[[int], float]:
    """How far a model is loaded, by the share of its bytes that the process holds in memory.

    llama.cpp tells nothing while it loads, and its weights become resident as they are read.
    """

    def share(pid: int) -> float:
        try:
            resident: int = psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return 0.0
        return min(0.99, resident / max(1, weights))

    return share
