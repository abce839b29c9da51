"""kill -9 of a writing process at any moment: the database opens, is whole, and holds all that was acknowledged."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.conversations import Conversations
from storage.database import open_database
from storage.messages import Messages
from tests.storage.killable import answer, context, question, started, write_history

KILLS = int(os.environ.get("INKGLASS_KILLS", "50"))


def wait_for(fact: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.002)


def lines(journal: Path) -> list[str]:
    """The whole lines of the journal: a process may have been killed in the middle of one."""
    return journal.read_text().splitlines() if journal.exists() else []


def check(messages: Messages, conversations: Conversations, acknowledged: list[str]) -> None:
    """Everything acknowledged is there, and what was growing has at least its last checkpoint."""
    for line in acknowledged:
        kind, *words = line.split()
        if kind == "conversation":
            assert conversations.get(words[0]).mode == "dialogue"
        elif kind == "turn":
            asked, reply, number = words[0], words[1], int(words[2])
            assert messages.get(asked).text == question(number)
            assert messages.get(reply).parent_id == asked
        elif kind in ("growing", "finished"):
            message, number, length = messages.get(words[0]), int(words[1]), int(words[2])
            assert message.text.startswith(answer(number, length))
            assert message.text == answer(number, len(message.text))
            assert kind == "growing" or message.status == "complete"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(path: Path, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    chance, processes = random.Random(seed), context()
    total = 0
    for kill in range(KILLS):
        journal = tmp_path / f"journal-{kill}"
        process = started(processes, write_history, path, journal)
        after = chance.randrange(0, 40)
        wait_for(lambda j=journal, n=after: len(lines(j)) >= n, "the writer's progress")  # type: ignore[misc]
        time.sleep(chance.random() * 0.01)
        process.kill()
        process.join()
        database = open_database(path, path.parent / "backups")
        messages = Messages(database)
        interrupted = messages.interrupt_streaming()
        assert interrupted <= 1
        check(messages, Conversations(database), lines(journal))
        total += len(lines(journal))
        database.close()
    database = open_database(path, path.parent / "backups")
    for kill in range(KILLS):
        check(Messages(database), Conversations(database), lines(tmp_path / f"journal-{kill}"))
    with database.read() as session:
        connection = session.connection()
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []
        heads = "SELECT count(*) FROM conversations c WHERE head_id NOT IN (SELECT id FROM messages)"
        assert connection.exec_driver_sql(heads).scalar_one() == 0
    database.close()
    assert total > KILLS, f"hardly anything was written; seed {seed}"
