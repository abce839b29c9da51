"""A whole app without its page: real history, real turns, a scripted engine at the other end."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import Parts, build
from app.settings import Settings
from app.views import LiveSnapshot, Sent, TranscriptWindow
from models.types import EngineState
from storage.database import open_database
from storage.records import Message
from tests.engine.scripted import ScriptedEngine

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


def until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "the condition") -> Any:
    """Wait until `condition()` is truthy; its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError(f"{what} did not come true within {seconds} s")


@dataclass
class Scene:
    """A running app with a person's steps through it."""

    parts: Parts
    engine: ScriptedEngine

    def ready(self) -> Scene:
        until(lambda: self.parts.supervisor.status().state in (EngineState.READY, EngineState.BUSY), what="ready")
        return self

    def send(self, text: str, after: Sent | None = None, **settings: Any) -> Sent:
        """Send in a new conversation, or below what `after` gave."""
        if after is None:
            return self.parts.manager.send(None, text, expected_head=None, **settings)
        conversation = self.parts.manager.conversation(after.conversation.id)
        return self.parts.manager.send(conversation.id, text, expected_head=conversation.head_id, **settings)

    def say(self, text: str, after: Sent | None = None, **settings: Any) -> Sent:
        """Send, and wait for the end of the reply."""
        sent = self.send(text, after, **settings)
        self.ended(sent)
        return sent

    def ended(self, sent: Sent, seconds: float = 30.0) -> Message:
        """Wait for the end of the reply; the message as it was kept."""
        until(lambda: self.parts.turns.live(sent.conversation.id) is None, seconds, "the end of the reply")
        return self.parts.manager.message(sent.reply_id)

    def growing(self, sent: Sent, tokens: int = 1) -> LiveSnapshot:
        """Wait until the reply has so many tokens."""

        def grown() -> LiveSnapshot | None:
            live = self.parts.turns.live(sent.conversation.id)
            assert live is not None, "the reply has ended"
            return live if live.tokens >= tokens else None

        found: LiveSnapshot = until(grown, what=f"{tokens} tokens")
        return found

    def head(self, sent: Sent) -> str | None:
        return self.parts.manager.conversation(sent.conversation.id).head_id

    def window(self, sent: Sent) -> TranscriptWindow:
        return self.parts.manager.window(sent.conversation.id)

    def texts(self, sent: Sent) -> list[str]:
        return [item.message.text for item in self.window(sent).items]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that was made once; copying it is faster than making one for each test."""
    folder = tmp_path_factory.mktemp("empty")
    open_database(folder / "inkglass.db", folder / "backups").close()
    return folder / "inkglass.db"


@pytest.fixture
def data_dir(tmp_path: Path, empty_database: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copyfile(empty_database, folder / "inkglass.db")
    return folder


@pytest.fixture
def start(data_dir: Path, scripted_engine: Callable[..., ScriptedEngine]) -> Iterator[Callable[..., Scene]]:
    """Starts the app on a scripted engine with the fields of a `Script`, or (again) on a given one."""
    running: list[Parts] = []

    def start_one(engine: ScriptedEngine | None = None, **script: Any) -> Scene:
        engine = engine or scripted_engine(**script)
        parts = build(Settings(data_dir=data_dir, remote=engine.url))
        running.append(parts)
        return Scene(parts, engine)

    yield start_one
    for parts in running:
        parts.close()


@pytest.fixture
def other_program(data_dir: Path) -> Iterator[Callable[[], Callable[[], None]]]:
    """Another program that holds the database; calling what it gives lets go."""
    running: list[subprocess.Popen[str]] = []

    def hold() -> Callable[[], None]:
        command = [sys.executable, "-c", HOLD, str(data_dir / "inkglass.db")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"

        def let_go() -> None:
            process.communicate("\n", timeout=10)

        return let_go

    yield hold
    for process in running:
        process.kill()
        process.communicate()
