"""Opening a database: new, in use, too new, damaged, after a crash."""

from __future__ import annotations

import hashlib
import logging
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2

from storage.conversations import Conversations
from storage.database import SCHEMA, Database, open_database
from storage.errors import DatabaseCorrupt, DatabaseInUse, DatabaseTooNew, StorageError
from storage.messages import Messages
from storage.records import Writing

ROOT = Path(__file__).resolve().parents[2]


def opened(path: Path) -> Database:
    return open_database(path, path.parent / "backups")


def filled(path: Path, turns: int = 20) -> None:
    """Write some history and leave the database open-ended, as after a clean stop."""
    database = opened(path)
    conversations, messages = Conversations(database), Messages(database)
    id_, head = conversations.create(mode="dialogue", title="Kept").id, None
    for number in range(turns):
        _, reply = messages.append_turn(
            id_, expected_head=head, parent_id=head, text=f"{number} " * 400, writing=Writing()
        )
        messages.finish(reply.id, status="complete", text="a " * 400, reasoning="", reply=None, failure=None)
        head = reply.id
    database.close()


def crashed(path: Path, folder: Path) -> Path:
    """A copy of an open database's files: what a process that is killed leaves behind."""
    database = opened(path)
    try:
        Conversations(database).create(mode="dialogue", title="Last words")
        shutil.copytree(path.parent, folder)
    finally:
        database.close()
    return folder / path.name


def fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_new_database_is_made_with_its_folder_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "with 100% # and ?" / "inkglass.db"
    database = opened(path)
    id_ = Conversations(database).create(mode="dialogue", title="First").id
    database.close()
    database.close()
    database = opened(path)
    assert Conversations(database).get(id_).title == "First"
    database.close()
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(p.name for p in path.parent.iterdir()) == ["inkglass.db", "inkglass.lock"]


def test_every_connection_is_safe_against_power_loss_and_broken_references(database: Database) -> None:
    asked = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "temp_store", "user_version")
    with database.read() as session:
        connection = session.connection()
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in asked]
    assert found == ["wal", 2, 1, 3000, 2, SCHEMA]


def test_a_start_with_a_current_schema_does_not_load_alembic(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from storage.database import open_database\n"
        "p = Path(sys.argv[1]); open_database(p, p.parent / 'backups').close()\n"
        "sys.exit('alembic' in sys.modules)"
    )
    result = run(code, str(path))
    assert result.returncode == 0, result.stderr


def test_a_second_inkglass_on_the_same_folder_is_told_so(path: Path) -> None:
    database = opened(path)
    code = (
        "import sys; from pathlib import Path; from storage.database import open_database\n"
        "from storage.errors import DatabaseInUse\n"
        "p = Path(sys.argv[1])\n"
        "try: open_database(p, p.parent / 'backups')\n"
        "except DatabaseInUse as error: sys.exit(str(error))"
    )
    result = run(code, str(path))
    assert result.returncode == 1
    assert str(path.parent) in result.stderr
    with pytest.raises(DatabaseInUse):
        opened(path)
    Conversations(database).create(mode="dialogue")
    database.close()
    opened(path).close()


def test_a_newer_database_is_not_touched(path: Path) -> None:
    filled(path)
    with closing(dbapi2.connect(str(path))) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    before = fingerprint(path)
    with pytest.raises(DatabaseTooNew) as caught:
        opened(path)
    assert caught.value.params == {"path": str(path), "found": SCHEMA + 1, "known": SCHEMA}
    assert fingerprint(path) == before
    assert not (path.parent / "backups").exists()


def test_a_newer_database_after_a_crash_keeps_even_its_log(path: Path, tmp_path: Path) -> None:
    database = opened(path)
    with database.write() as session:
        session.connection().exec_driver_sql(f"PRAGMA user_version = {SCHEMA + 5}")
    shutil.copytree(path.parent, tmp_path / "crash")
    database.close()
    left = tmp_path / "crash" / path.name
    log = left.with_name(left.name + "-wal")
    before = fingerprint(left), fingerprint(log)
    assert log.stat().st_size > 0
    with pytest.raises(DatabaseTooNew):
        opened(left)
    assert (fingerprint(left), fingerprint(log)) == before


def test_after_a_crash_the_database_is_checked_and_whole(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(path)
    left = crashed(path, tmp_path / "crash")
    with caplog.at_level(logging.WARNING):
        database = opened(left)
    assert "not clean" in caplog.text
    assert [c.title for c in Conversations(database).page()] == ["Last words", "Kept"]
    database.close()
    caplog.clear()
    opened(left).close()
    assert caplog.text == ""


def test_any_damaged_page_is_found_after_a_crash_and_nothing_is_overwritten(path: Path, tmp_path: Path) -> None:
    filled(path)
    left = crashed(path, tmp_path / "crash")
    left.with_name(left.name + "-wal").unlink()
    good = left.read_bytes()
    page = int.from_bytes(good[16:18], "big")
    pages = len(good) // page
    assert pages > 10
    for number in range(pages):
        left.write_bytes(good[: number * page] + b"\xff" * page + good[(number + 1) * page :])
        before = fingerprint(left)
        with pytest.raises(DatabaseCorrupt) as caught:
            opened(left)
        assert caught.value.params["backups"] == str(left.parent / "backups")
        assert fingerprint(left) == before, f"page {number}"
    left.write_bytes(good)
    opened(left).close()


@pytest.mark.parametrize("content", [b"This is not a database. " * 100, b"SQLite format 3\0" + b"\xff" * 5000, b"x"])
def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DatabaseCorrupt):
        opened(path)
    assert path.read_bytes() == content


def test_a_truncated_database_is_left_alone(path: Path, tmp_path: Path) -> None:
    filled(path)
    left = crashed(path, tmp_path / "crash")
    left.with_name(left.name + "-wal").unlink()
    left.write_bytes(left.read_bytes()[:-9000])
    before = fingerprint(left)
    with pytest.raises(DatabaseCorrupt):
        opened(left)
    assert fingerprint(left) == before


def test_an_emptied_database_is_not_taken_for_a_new_one(path: Path, tmp_path: Path) -> None:
    filled(path)
    left = crashed(path, tmp_path / "crash")
    left.write_bytes(b"")
    log = left.with_name(left.name + "-wal")
    before = fingerprint(log)
    with pytest.raises(DatabaseCorrupt):
        opened(left)
    assert fingerprint(log) == before
    log.unlink()
    (left.parent / "backups").mkdir()
    (left.parent / "backups" / "inkglass-20260101T000000000000Z-migration.db").write_bytes(b"x")
    with pytest.raises(DatabaseCorrupt):
        opened(left)


def test_damage_found_while_running_is_named(path: Path) -> None:
    filled(path)
    size = path.stat().st_size
    with path.open("rb+") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    database = opened(path)
    with pytest.raises(DatabaseCorrupt):
        Conversations(database).page()
    database.close()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions work otherwise there")
def test_a_file_that_may_not_be_written_is_named(path: Path) -> None:
    filled(path)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from storage.database import open_database\n"
        "from storage.errors import DatabaseReadOnly\n"
        "p = Path(sys.argv[1]); p.chmod(0o444); p.parent.chmod(0o555)\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: open_database(p, p.parent / 'backups')\n"
        "except DatabaseReadOnly as error: sys.exit('named: ' + str(error))"
    )
    # pytest's own folders are closed to the user that a test as root drops to.
    with tempfile.TemporaryDirectory() as folder:
        result = run(code, shutil.copy(path, Path(folder) / path.name))
        Path(folder).chmod(0o755)
    assert "named: " in result.stderr, result.stderr


def test_a_closed_database_says_so(path: Path) -> None:
    database = opened(path)
    database.close()
    with pytest.raises(StorageError):
        Conversations(database).page()
