"""What the measurements share: a scripted engine, a data folder with a long conversation, a browser."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from storage.conversations import Conversations
from storage.database import open_database
from storage.messages import Messages
from storage.records import Writing
from tests.browser.conftest import CHROMIUM_ARGUMENTS

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"


@contextmanager
def scripted_engine(*arguments: str) -> Iterator[str]:
    """A scripted engine in a process of its own; gives its address."""
    command = [sys.executable, "-m", "tests.engine.scripted", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.kill()


@contextmanager
def data_folder() -> Iterator[Path]:
    """An empty data folder that goes away afterwards."""
    with tempfile.TemporaryDirectory(prefix="inkglass-bench-") as folder:
        yield Path(folder)


def long_conversation(data_dir: Path, messages: int) -> str:
    """Write a conversation of `messages` messages through the storage's own interface; its id."""
    database = open_database(data_dir / "inkglass.db", data_dir / "backups")
    try:
        conversation = Conversations(database).create(mode="dialogue", title=f"{messages} messages")
        history, head = Messages(database), None
        for turn in range(messages // 2):
            text = f"Question {turn}: what of the **river** and the `bridge`? " + "It went on for a while. " * 6
            _, reply = history.append_turn(
                conversation.id, expected_head=head, parent_id=head, text=text, writing=Writing()
            )
            answer = f"Answer {turn}.\n\n- one\n- two\n\n" + "The old bridge stood where it had always stood. " * 8
            history.finish(reply.id, status="complete", text=answer, reasoning="", reply=None, failure=None)
            head = reply.id
        return conversation.id
    finally:
        database.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def report(figures: dict[str, object]) -> None:
    """Print the figures as one JSON object."""
    print(json.dumps(figures, indent=2, ensure_ascii=False))
