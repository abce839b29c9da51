"""Migrations: complete, lossless, after a backup, and safe against a kill in the middle."""

from __future__ import annotations

import json
import random
import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine
from sqlcipher3 import dbapi2

from storage.backup import backups
from storage.conversations import Conversations
from storage.database import SCHEMA, Database, open_database
from storage.messages import Messages
from storage.migrations.run import migrate
from storage.records import PromptPart
from storage.tables import Base
from tests.storage.killable import context, open_and_close, started

TURNS = 300


@pytest.fixture(scope="module")
def of_schema_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as the first schema kept it, with a conversation of some length."""
    path = tmp_path_factory.mktemp("schema-1") / "inkglass.db"
    engine = create_engine(URL.create("sqlite", database=str(path)), module=dbapi2)
    migrate(engine, 1)
    engine.dispose()
    moment = "2026-01-02 03:04:05.000006"
    with closing(dbapi2.connect(str(path))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "INSERT INTO conversations (id, title, title_source, head_id, mode, system_prompt, sampling, revision, "
            "activity, created_at, updated_at) VALUES ('c', 'Über 长城', 'user', ?, 'dialogue', 'Be kind', '{}', 1, 1, "
            "?, ?)",
            (f"a{TURNS - 1}", moment, moment),
        )
        for turn in range(TURNS):
            parts = [{"role": "system", "content": "Be kind"}]
            parts += [{"role": "user", "message_id": f"u{n}", "length": 6} for n in range(turn + 1)]
            reply = {"model_id": "m", "model_name": "M", "sampling": {}, "prompt": parts, "completion_tokens": 5}
            for id_, parent, depth, role, text, details in (
                (f"u{turn}", f"a{turn - 1}" if turn else None, 2 * turn, "user", f"Frage {turn}", None),
                (f"a{turn}", f"u{turn}", 2 * turn + 1, "assistant", f"Antwort {turn}", json.dumps(reply)),
            ):
                connection.execute(
                    "INSERT INTO messages (id, conversation_id, parent_id, depth, role, text, reasoning, status, mode, "
                    "reply, created_at, updated_at) VALUES (?, 'c', ?, ?, ?, ?, '', 'complete', 'dialogue', ?, ?, ?)",
                    (id_, parent, depth, role, text, details, moment, moment),
                )
        connection.commit()
    return path


@pytest.fixture
def old(of_schema_1: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(of_schema_1, tmp_path / "inkglass.db"))


def assert_whole(database: Database) -> None:
    """What the first schema held is there, and works as if it had been written today."""
    conversations, messages = Conversations(database), Messages(database)
    (found,) = conversations.page(title_query="über 长")
    assert found.head_id == f"a{TURNS - 1}"
    path = messages.path(found.head_id)
    assert [item.message.text for item in path[-2:]] == [f"Frage {TURNS - 1}", f"Antwort {TURNS - 1}"]
    assert len(path) == 2 * TURNS
    reply = messages.get("a2").reply
    assert reply is not None
    assert reply.completion_tokens == 5
    assert reply.prompt == (
        PromptPart("system", content="Be kind"),
        *(PromptPart("user", message_id=f"u{n}", length=6) for n in range(3)),
    )
    assert messages.prompt("a1") == [("system", "Be kind"), ("user", "Frage "), ("user", "Frage ")]


def schema_of(path: Path) -> int:
    with closing(dbapi2.connect(str(path))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_old_database_is_backed_up_and_migrated_by_itself(old: Path) -> None:
    database = open_database(old, old.parent / "backups")
    assert_whole(database)
    database.close()
    (copy,) = backups(old.parent / "backups")
    assert (schema_of(copy), schema_of(old)) == (1, SCHEMA)
    open_and_close(old)
    assert backups(old.parent / "backups") == [copy]


def test_a_backup_can_be_put_back_and_opened(old: Path, tmp_path: Path) -> None:
    open_and_close(old)
    (copy,) = backups(old.parent / "backups")
    back = tmp_path / "back" / "inkglass.db"
    back.parent.mkdir()
    shutil.copy(copy, back)
    database = open_database(back, back.parent / "backups")
    assert_whole(database)
    database.close()


def test_the_migrated_schema_is_the_one_of_the_tables(path: Path) -> None:
    engine = create_engine(URL.create("sqlite", database=str(path)), module=dbapi2)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_a_migration_killed_at_any_moment_leaves_a_backup_and_a_database_that_opens(
    of_schema_1: Path, tmp_path: Path
) -> None:
    chance, processes, cut = random.Random(), context(), 0
    for attempt in range(10):
        path = tmp_path / str(attempt) / "inkglass.db"
        path.parent.mkdir()
        shutil.copy(of_schema_1, path)
        folder = path.parent / "backups"
        process = started(processes, open_and_close, path)
        deadline = time.monotonic() + 60
        while not backups(folder) and process.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(chance.random() * 0.06 if attempt % 2 else 0)
        process.kill()
        process.join()
        assert backups(folder), "the migration began without a backup"
        assert all(schema_of(copy) == 1 for copy in backups(folder))
        left = schema_of(path)
        assert left in (1, SCHEMA)
        cut += left == 1
        database = open_database(path, folder)
        assert_whole(database)
        database.close()
    assert cut, "no kill came before the migration's end"
