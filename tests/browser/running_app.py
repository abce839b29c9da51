"""A running Inkglass as a user starts it: `launch.py` in a process of its own, with a data folder of its own."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"ready at (http://\S+)")


class RunningApp:
    """Starts the app and reads its output; `url` is where the page is served."""

    def __init__(self, data_dir: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.arguments = arguments
        self.env = {**os.environ, **(env or {})}
        self.output: list[str] = []
        self.start()

    def start(self, port: int | None = None) -> None:
        """Start (again), on `port` if given, and wait for the line that says where it is ready."""
        command = [sys.executable, str(ROOT / "launch.py"), "--no-browser", "--data-dir", str(self.data_dir)]
        command += ["--port", str(port or 0), *self.arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=self.env
        )
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()
        deadline = time.monotonic() + 90
        while True:
            line = lines.get(timeout=max(0.1, deadline - time.monotonic()))
            assert line is not None, "the app ended before it was ready:\n" + "".join(self.output)
            if found := READY.search(line):
                self.url = found.group(1).rstrip("/") + "/"
                self.port = int(self.url.rstrip("/").rsplit(":", 1)[1])
                return

    def _read(self, lines: queue.Queue[str | None]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            lines.put(line)
        lines.put(None)

    def app_process(self) -> psutil.Process:
        """The process that serves the page (launch.py may have started it as a child)."""
        own = psutil.Process(self.process.pid)
        for process in [own, *own.children(recursive=True)]:
            if any(c.laddr.port == self.port and c.status == "LISTEN" for c in process.net_connections("tcp")):
                return process
        raise AssertionError("no process serves the page")

    def engine_process(self) -> psutil.Process:
        """The engine's process."""
        for process in self.app_process().children(recursive=True):
            if any("llama_cpp_worker" in part for part in process.cmdline()):
                return process
        raise AssertionError("no engine runs")

    def kill(self) -> None:
        """kill -9 of the app, as a crash or a power cut would end it."""
        self.app_process().send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """End the app as Ctrl+C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


def until(condition, seconds: float = 20.0, what: str = "the condition"):  # type: ignore[no-untyped-def]
    """Wait until `condition()` is truthy and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds} s")
