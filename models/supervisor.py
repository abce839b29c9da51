"""The supervisor: owns the one engine that runs; loads, swaps and restarts it, and knows how it stands."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from models.client import Cancellation, Client
from models.errors import (
    EndpointFailed,
    EndpointUnreachable,
    EngineCrashed,
    EngineStartFailed,
    ModelError,
    NoModel,
    StreamBroken,
)
from models.runtimes.child import log_tail
from models.runtimes.protocol import Engine, Runtime
from models.types import EngineState, ModelSpec, RuntimeName

log = logging.getLogger(__name__)

BACK_OFF = (0.0, 1.0, 2.0, 4.0)
"""Seconds before the first, second … restart in a row; one crash more and the engine counts as failed."""
STEADY = 60.0
"""An engine that ran for so many seconds has not crashed in a row with the one before."""
SEEN_DEAD = 1.0
"""How long a broken connection waits for the word that the engine's process has ended."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How the engine stands. `progress` is the fraction loaded, `active` the requests that run."""

    state: EngineState = EngineState.NONE
    model: ModelSpec | None = None
    progress: float | None = None
    context_length: int | None = None
    error: ModelError | None = None
    active: int = 0
    pid: int | None = None


class _Superseded(Exception):
    """Another model was chosen while this one was loading."""


@dataclass(frozen=True, slots=True)
class _Running:
    engine: Engine
    client: Client


class Supervisor:
    """One engine at a time. Every method may be called from any thread; none but `use` and `close` blocks."""

    def __init__(self, runtimes: Mapping[RuntimeName, Runtime], back_off: Sequence[float] = BACK_OFF) -> None:
        self._runtimes = runtimes
        self._back_off = tuple(back_off)
        self._changed = threading.Condition()
        self._version = 0
        self._generation = 0
        self._state = EngineState.NONE
        self._spec: ModelSpec | None = None
        self._progress: float | None = None
        self._error: ModelError | None = None
        self._running: _Running | None = None
        self._crashes = 0
        self._requests: list[Cancellation] = []
        self._keeper: threading.Thread | None = None
        self._closed = False

    # ---- how it stands ----------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Grows with every change of the status."""
        return self._version

    def status(self) -> EngineStatus:
        """The status now. Cheap."""
        with self._changed:
            running, active = self._running, len(self._requests)
            busy = self._state is EngineState.READY and active > 0
            return EngineStatus(
                state=EngineState.BUSY if busy else self._state,
                model=self._spec,
                progress=self._progress,
                context_length=running.engine.context_length if running else None,
                error=self._error,
                active=active,
                pid=running.engine.pid if running else None,
            )

    def wait(self, version: int, timeout: float) -> int:
        """Wait at most `timeout` seconds for a status newer than `version`; returns the version then."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, timeout)
            return self._version

    # ---- choosing a model -------------------------------------------------------------------------

    def load(self, spec: ModelSpec) -> None:
        """Load `spec` in the background. Another engine is ended first and its requests are cancelled."""
        self._begin(spec, EngineState.LOADING)

    def unload(self) -> None:
        """End the engine and free its memory."""
        self._begin(None, EngineState.NONE)

    def fail(self, error: ModelError) -> None:
        """Show that no model could be chosen, and why."""
        self._begin(None, EngineState.FAILED, error)

    def close(self) -> None:
        """End the engine, its requests and every thread of the supervisor; nothing can be loaded any more."""
        with self._changed:
            self._closed = True
        self._begin(None, EngineState.NONE)
        keeper = self._keeper
        if keeper is not None:
            keeper.join(10.0)

    def _begin(self, spec: ModelSpec | None, state: EngineState, error: ModelError | None = None) -> None:
        with self._changed:
            if spec is not None and self._closed:
                return
            self._generation += 1
            old, self._running = self._running, None
            self._spec, self._state, self._error, self._crashes = spec, state, error, 0
            self._progress = 0.0 if spec else None
            arguments = (self._generation, spec, old, self._keeper)
            self._keeper = threading.Thread(target=self._keep, args=arguments, name="engine", daemon=True)
            self._keeper.start()
            requests = list(self._requests)
            self._touch()
        for request in requests:
            request.cancel()

    # ---- using it ---------------------------------------------------------------------------------

    @contextmanager
    def use(self, cancellation: Cancellation | None = None) -> Iterator[Client]:
        """A client of the engine, after waiting while it loads or restarts; a failed one gets one more try.

        With a `cancellation` it counts as a request: the status is busy, and a swap cancels it. A
        cancellation while waiting raises `NoModel`. Raises `NoModel`, the error of the loading, and
        `EngineCrashed` in place of whatever a request meets when the engine's process dies under it.
        """
        with cancellation.calling(self._wake) if cancellation else nullcontext():
            running = self._enter(cancellation)
            try:
                yield running.client
                self._went_well(running)
            except (StreamBroken, EndpointUnreachable, EndpointFailed) as exc:
                if running.engine.pid is not None and _ended(running.engine, SEEN_DEAD):
                    raise EngineCrashed() from exc
                raise
            finally:
                self._leave(cancellation)

    def _enter(self, cancellation: Cancellation | None) -> _Running:
        """The running engine, once there is one; `cancellation` counts as its request from then on."""
        tried = False
        with self._changed:
            while True:
                if cancellation is not None and cancellation.cancelled:
                    raise NoModel()
                if self._running is not None:
                    break
                if self._spec is None or (self._state is EngineState.FAILED and tried):
                    raise self._error or NoModel()
                if self._state is EngineState.FAILED:
                    self._begin(self._spec, EngineState.LOADING)
                tried = True
                self._changed.wait()
            if cancellation is not None:
                self._requests.append(cancellation)
                self._touch()
            return self._running

    def _leave(self, cancellation: Cancellation | None) -> None:
        if cancellation is not None:
            with self._changed:
                self._requests.remove(cancellation)
                self._touch()

    def _went_well(self, running: _Running) -> None:
        with self._changed:
            if self._running is running:
                self._crashes = 0

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _touch(self) -> None:
        """Count a change and wake who waits. The lock is held."""
        self._version += 1
        self._changed.notify_all()

    # ---- the keeper's thread ----------------------------------------------------------------------

    def _keep(
        self, generation: int, spec: ModelSpec | None, old: _Running | None, before: threading.Thread | None
    ) -> None:
        """End what ran before, so that its memory is free, then keep `spec` running."""
        if old is not None:
            old.engine.stop()
            old.client.close()
        if before is not None:
            before.join()
        if spec is None:
            return
        while (engine := self._start(generation, spec)) is not None:
            began = time.monotonic()
            running = self._adopt(generation, engine)
            if running is None:
                engine.stop()
                return
            engine.wait()
            running.client.close()
            detail = f"it stopped unexpectedly. {log_tail(engine.log_path)}" if engine.log_path else "it stopped"
            steady = time.monotonic() - began > STEADY
            if not self._crashed(generation, EngineStartFailed(name=spec.name, detail=detail), steady):
                return

    def _start(self, generation: int, spec: ModelSpec) -> Engine | None:
        """Start until it stands; None when that is given up or no longer wanted."""
        while True:
            try:
                runtime = self._runtimes[spec.runtime]
                return runtime.start(spec, lambda fraction: self._advance(generation, fraction))
            except _Superseded:
                return None
            except ModelError as error:
                log.warning("%s", error)
                failure = error
            except Exception as exc:  # the keeper's loop: whatever a runtime raises, the status must tell
                log.exception("a runtime failed in an unforeseen way")
                failure = EngineStartFailed(name=spec.name, detail=str(exc) or type(exc).__name__)
            if not self._crashed(generation, failure, steady=False, starting=True):
                return None

    def _advance(self, generation: int, fraction: float) -> None:
        with self._changed:
            if generation != self._generation:
                raise _Superseded
            if self._progress is None or fraction - self._progress >= 0.01:
                self._progress = min(fraction, 1.0)
                self._touch()

    def _adopt(self, generation: int, engine: Engine) -> _Running | None:
        running = _Running(engine, Client(engine.endpoint))
        with self._changed:
            if generation != self._generation:
                return None
            self._running, self._state, self._progress, self._error = running, EngineState.READY, None, None
            self._touch()
        return running

    def _crashed(self, generation: int, failure: ModelError, steady: bool, starting: bool = False) -> bool:
        """Note that the engine ended or did not start; True, after a pause, when it is to start again."""
        with self._changed:
            if generation != self._generation:
                return False
            first_start = starting and self._crashes == 0
            self._running = None
            self._crashes = 1 if steady else self._crashes + 1
            if first_start or self._crashes > len(self._back_off):
                self._state, self._error, self._progress = EngineState.FAILED, failure, None
                self._touch()
                return False
            log.warning("the engine ended; start number %d in a row", self._crashes)
            self._state, self._progress = EngineState.RESTARTING, 0.0
            self._touch()
            pause = self._back_off[self._crashes - 1]
            return not self._changed.wait_for(lambda: generation != self._generation, pause)


def _ended(engine: Engine, seconds: float) -> bool:
    """Whether the engine's process ends within `seconds`: its sockets close a little before it does."""
    until = time.monotonic() + seconds
    while engine.alive():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
