"""What every runtime offers: start a model, get an engine that answers at an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from models.types import Endpoint, ModelSpec

ProgressCallback = Callable[[float], None]
"""Called often, with the fraction of loading done, 0.0 to 1.0, never going back.

What it raises ends the start and passes on: so a start is abandoned."""


class Engine(Protocol):
    """A started engine. It ends with `stop()`, with its own failure, or with the process that started it."""

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def context_length(self) -> int | None:
        """Tokens that one request may hold, prompt and reply together; `None` where nobody says."""

    @property
    def pid(self) -> int | None:
        """The process id of a local engine; `None` for a remote one."""

    @property
    def log_path(self) -> Path | None: ...

    def alive(self) -> bool: ...

    def wait(self) -> object:
        """Block until the engine has ended, by itself or by `stop()`."""

    def stop(self) -> None:
        """End the engine and free its memory. Safe to call twice."""


class Runtime(Protocol):
    """One way to get an endpoint."""

    def start(self, spec: ModelSpec, on_progress: ProgressCallback) -> Engine:
        """Start `spec` and return once it answers. Raises `models.errors.ModelError`."""
