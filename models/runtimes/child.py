"""A child process that serves a model: started, listened to while it loads, watched and ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from models.errors import EngineStartFailed, ModelError, ModelFileInvalid, ModelTooLarge
from models.runtimes.protocol import ProgressCallback
from models.types import Endpoint, ModelSpec

ROOT = Path(__file__).resolve().parents[2]
TICK = 0.1
"""Seconds between two calls of `on_progress` at most, so that whoever waits can end the start by raising."""

LONGEST_REPORT = 64 * 1024
LOG_TAIL = 4096
_SECRETS = "INKGLASS_"


class ChildEngine:
    """An engine in a child process. It ends with `stop()`, by itself, or when this process does."""

    def __init__(self, process: subprocess.Popen[bytes], endpoint: Endpoint, context: int | None, log: Path):
        self._process = process
        self.endpoint = endpoint
        self.context_length = context
        self.log_path: Path | None = log

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        """Block until the process has ended and return its exit code (negative: the signal, on POSIX)."""
        return self._process.wait()

    def stop(self) -> None:
        end_process(self._process)


def start_child(
    module: str,
    parameters: Mapping[str, Any],
    *,
    spec: ModelSpec,
    api_key: str,
    log: Path,
    on_progress: ProgressCallback,
    measure: Callable[[int], float] | None = None,
    environment: Mapping[str, str] | None = None,
) -> ChildEngine:
    """Run `python -m module`, hand it `parameters` over its stdin, return once it reports that it is ready.

    The worker speaks the protocol of `models.workers.lifeline`. `parameters` must hold the key itself if the
    worker needs it: the key never appears on the command line. `on_progress` is called at least every `TICK`
    seconds; what it raises ends the child and passes on. Paths in `parameters` must be absolute. `measure`
    tells from outside, by the process id, how far a worker is that cannot report while it loads.
    `environment` is added to this process's own.

    Raises `EngineStartFailed`, `ModelFileInvalid` or `ModelTooLarge`.
    """
    process = _launch(module, log, environment or {})
    try:
        ready = _until_ready(process, parameters, spec, log, on_progress, measure)
    except BaseException:
        end_process(process)
        raise
    endpoint = Endpoint(url=str(ready["url"]), model=spec.id, api_key=api_key)
    return ChildEngine(process, endpoint, ready.get("context_length"), log)


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Close the child's pipe, which ends it; kill it if it does not hear that at once. Leaves no zombie."""
    if process.stdin:
        with contextlib.suppress(OSError):  # it is dead already and its pipe broken
            process.stdin.close()
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def log_tail(log: Path, lines: int = 3) -> str:
    """The last lines of an engine's log, in one line."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LOG_TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:])


def _launch(module: str, log: Path, added: Mapping[str, str]) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    environment |= added
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    environment["PYTHONUTF8"] = "1"
    with log.open("wb") as errors:
        try:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module, no shell
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment,
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as exc:
            raise EngineStartFailed(name=module, detail=str(exc)) from exc


def _until_ready(
    process: subprocess.Popen[bytes],
    parameters: Mapping[str, Any],
    spec: ModelSpec,
    log: Path,
    on_progress: ProgressCallback,
    measure: Callable[[int], float] | None,
) -> dict[str, Any]:
    reports = _listen(process)
    _send(process, parameters)
    fraction, last_call = 0.0, time.monotonic()
    on_progress(fraction)
    while True:
        try:
            report = reports.get(timeout=TICK)
        except queue.Empty:
            report = {}
        if report is None:
            raise _died(process, spec, log)
        if "failed" in report:
            raise _failure(report["failed"], spec)
        if "ready" in report:
            on_progress(1.0)
            ready: dict[str, Any] = report["ready"]
            return ready
        measured = measure(process.pid) if measure else 0.0
        fraction = max(fraction, measured, float(report.get("progress", 0.0)))
        if report or time.monotonic() - last_call >= TICK:
            on_progress(fraction)
            last_call = time.monotonic()


def _send(process: subprocess.Popen[bytes], parameters: Mapping[str, Any]) -> None:
    if process.stdin:
        with contextlib.suppress(OSError):  # it died at once: the listener tells why
            process.stdin.write(json.dumps(parameters).encode() + b"\n")
            process.stdin.flush()


def _listen(process: subprocess.Popen[bytes]) -> queue.Queue[dict[str, Any] | None]:
    """The child's reports as they come, `None` at its end."""
    reports: queue.Queue[dict[str, Any] | None] = queue.Queue()
    arguments = (process.stdout, reports)
    threading.Thread(target=_read_reports, args=arguments, name="engine-reports", daemon=True).start()
    return reports


def _read_reports(pipe: BinaryIO, reports: queue.Queue[dict[str, Any] | None]) -> None:
    with pipe:
        while line := pipe.readline(LONGEST_REPORT):
            try:
                report = json.loads(line)
            except ValueError:
                continue  # not of ours: some library printed before the worker took its stdout
            if isinstance(report, dict):
                reports.put(report)
    reports.put(None)


def _failure(failed: Mapping[str, Any], spec: ModelSpec) -> ModelError:
    kind, detail = failed.get("kind", "other"), failed.get("detail", "no reason given")
    if kind == "invalid_file":
        return ModelFileInvalid(path=str(spec.path), reason=detail)
    if kind == "too_large":
        needed = failed.get("needed_bytes") or spec.size_bytes or 0
        return too_large(spec, needed, failed.get("available_bytes"))
    return EngineStartFailed(name=spec.name, detail=detail)


def too_large(spec: ModelSpec, needed_bytes: int, available_bytes: int | None = None) -> ModelTooLarge:
    """The error for a model that needs more memory than is free now, in GB with one decimal.

    `available_bytes` is the free memory of the device that the model was for; by default main memory's.
    """
    free = psutil.virtual_memory().available if available_bytes is None else available_bytes
    return ModelTooLarge(name=spec.name, needed_gb=round(needed_bytes / 1e9, 1), available_gb=round(free / 1e9, 1))


def _died(process: subprocess.Popen[bytes], spec: ModelSpec, log: Path) -> ModelError:
    code = process.wait()
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return EngineStartFailed(name=spec.name, detail=f"{how}. {log_tail(log)}".strip())
