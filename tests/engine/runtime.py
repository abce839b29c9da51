"""A runtime whose engines are scripted ones, each in a child process of its own, as a real runtime's are."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.runtimes.child import ChildEngine, start_child
from models.runtimes.protocol import ProgressCallback
from models.types import ModelSpec


@dataclass
class ScriptedRuntime:
    """Change the fields at any time: they count from the next start on. `script` holds fields of a `Script`."""

    logs: Path
    script: dict[str, Any] = field(default_factory=dict)
    loading_seconds: float = 0.0
    failed: str | None = None
    dies_loading: bool = False
    dies_after: float | None = None
    started: list[ChildEngine] = field(default_factory=list)
    attempts: int = 0

    def start(self, spec: ModelSpec, on_progress: ProgressCallback) -> ChildEngine:
        self.attempts += 1
        key = secrets.token_urlsafe(8)
        parameters = {
            "api_key": key,
            "script": {**self.script, "model": spec.id},
            "loading_seconds": self.loading_seconds,
            "failed": self.failed,
            "dies_loading": self.dies_loading,
            "dies_after": self.dies_after,
        }
        engine = start_child(
            "tests.engine.worker",
            parameters,
            spec=spec,
            api_key=key,
            log=self.logs / "scripted.log",
            on_progress=on_progress,
        )
        self.started.append(engine)
        return engine
