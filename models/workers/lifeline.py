"""A worker's line to the app that started it: parameters in, reports out, and both end together.

The app writes one line of JSON to the worker's stdin and keeps the pipe open. The worker answers with lines
of JSON on stdout, one object each:

    {"progress": 0.25}                             loading, a fraction from 0.0 to 1.0
    {"ready": {"url": "http://127.0.0.1:41003", "context_length": 8192}}
    {"failed": {"kind": "invalid_file", "detail": "..."}}     kinds: see `FailureKind`

When stdin ends, however the app died, the worker ends at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any, Literal

FailureKind = Literal["invalid_file", "too_large", "other"]


class Lifeline:
    """The worker's end of the pipe. Made once, first thing in the worker's `main`.

    It takes the real stdin and stdout for itself: whatever else in the process prints goes to stderr, the
    engine's log, and whatever else reads stdin finds it empty.
    """

    def __init__(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the app's business: it ends the worker in its time
        self._commands = os.dup(0)
        self._reports = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        sys.stdout.flush()
        os.dup2(2, 1)
        self._writing = threading.Lock()

    def parameters(self) -> dict[str, Any]:
        """Read the one line of parameters, then watch the pipe on a thread of its own. Call it once."""
        line = bytearray()
        while not line.endswith(b"\n"):
            piece = os.read(self._commands, 1)
            if not piece:
                os._exit(0)
            line += piece
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()
        _end_by_signal_too(self._commands)
        values: dict[str, Any] = json.loads(line)
        return values

    def progress(self, fraction: float) -> None:
        """Report how much of the loading is done, 0.0 to 1.0."""
        self._report({"progress": round(min(max(fraction, 0.0), 1.0), 4)})

    def ready(self, *, url: str, context_length: int | None) -> None:
        """Report that the engine answers at `url` (ends before `/v1`), with tokens per request."""
        self._report({"ready": {"url": url, "context_length": context_length}})

    def failed(self, kind: FailureKind, detail: str, **numbers: int) -> None:
        """Report why the engine will not start, in a short English phrase. The worker should end then.

        A worker that knows the `needed_bytes` and `available_bytes` of a model that is `too_large` says them.
        """
        self._report({"failed": {"kind": kind, "detail": detail, **numbers}})

    def wait(self) -> None:
        """Sleep for as long as the app keeps the pipe open."""
        threading.Event().wait()

    def _report(self, values: dict[str, Any]) -> None:
        line = json.dumps(values).encode() + b"\n"
        with self._writing:
            try:
                while line:
                    line = line[os.write(self._reports, line) :]
            except OSError:
                os._exit(0)

    def _watch(self) -> None:
        try:
            while os.read(self._commands, 4096):
                pass
        finally:
            os._exit(0)


def _end_by_signal_too(pipe: int) -> None:
    """On Linux let the kernel end this process when the pipe closes.

    Native code that loads a model may keep Python from running for long, and so the thread that watches the
    pipe. Elsewhere the process ends as soon as that thread can run again. The default act of SIGIO is to end.
    """
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
