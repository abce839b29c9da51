"""A database that others hold, a disk that is full, threads that write at once, backups."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2

from storage.backup import back_up, backups
from storage.conversations import Conversations
from storage.database import Database, open_database
from storage.drafts import Drafts
from storage.errors import DatabaseBusy, DiskFull, StorageError
from storage.messages import Messages
from storage.records import Writing

ROOT = Path(__file__).resolve().parents[2]
HOLD = (
    "import sys; from sqlcipher3 import dbapi2\n"
    "c = dbapi2.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE')\n"
    "print('held', flush=True); sys.stdin.read(); c.execute('ROLLBACK')"
)


@contextmanager
def held_by_another_program(path: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(timeout=30)


@pytest.mark.slow
def test_while_another_program_holds_the_database_reads_go_on_and_writes_say_so(
    database: Database, conversations: Conversations
) -> None:
    id_ = conversations.create(mode="dialogue", title="Before").id
    with held_by_another_program(database.path):
        assert conversations.get(id_).title == "Before"
        with pytest.raises(DatabaseBusy):
            conversations.rename(id_, "After", "user")
    conversations.rename(id_, "After", "user")
    assert conversations.get(id_).title == "After"


def test_many_threads_write_and_read_without_a_refusal(conversations: Conversations, messages: Messages) -> None:
    failures: list[Exception] = []

    def write(number: int) -> None:
        try:
            id_, head = conversations.create(mode="dialogue", title=str(number)).id, None
            for step in range(5):
                _, reply = messages.append_turn(
                    id_, expected_head=head, parent_id=head, text=str(step), writing=Writing()
                )
                messages.checkpoint(reply.id, "half", "")
                messages.finish(reply.id, status="complete", text="done", reasoning="", reply=None, failure=None)
                head = reply.id
                assert len(messages.path(head)) == 2 * (step + 1)
        except (StorageError, AssertionError) as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(conversations.page(limit=100)) == 12
    assert len({c.activity for c in conversations.page(limit=100)}) == 12


def test_a_failed_write_leaves_nothing_behind(database: Database, conversations: Conversations) -> None:
    before = conversations.version()

    def write(*statements: str) -> None:
        with database.write() as session:
            for statement in statements:
                session.connection().exec_driver_sql(statement)
            raise ZeroDivisionError

    grow = "UPDATE counters SET value = value + 1000"
    with pytest.raises(ZeroDivisionError):
        write(grow)
    assert conversations.version() == before
    with pytest.raises(StorageError):
        write(grow, "INSERT INTO messages (id) VALUES ('broken')")
    assert conversations.version() == before
    conversations.create(mode="dialogue")


FULL = """
import sys; from pathlib import Path
from storage.conversations import Conversations; from storage.database import open_database
from storage.drafts import Drafts; from storage.errors import DiskFull, StorageError
from storage.messages import Messages
from storage.records import Writing
path = Path(sys.argv[1])
database = open_database(path, path.parent / "backups")
conversations, messages = Conversations(database), Messages(database)
id_ = conversations.create(mode="dialogue", title="Kept").id
asked, reply = messages.append_turn(id_, expected_head=None, parent_id=None, text="Hi", writing=Writing())
{fill}
refused = 0
for number in range(200):
    try:
        messages.checkpoint(reply.id, "x" * 20000 * (number + 1), "")
    except {error} as error:
        assert "Traceback" not in str(error)
        refused += 1
        if refused > 3:
            break
assert refused, "it never became full"
{free}
messages.finish(reply.id, status="complete", text="After all", reasoning="", reply=None, failure=None)
assert messages.get(reply.id).text == "After all"
assert messages.get(asked.id).text == "Hi"
database.close()
open_database(path, path.parent / "backups").close()
print("went on")
"""


def run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    return result.stdout + result.stderr


def test_a_full_database_refuses_with_a_sentence_and_goes_on_with_space(path: Path) -> None:
    # SQLite's own limit on pages fails exactly like a full disk, on every system and without being root.
    fill = (
        "def limit(pages):\n"
        "    with database.read() as session:\n"
        "        session.connection().exec_driver_sql(f'PRAGMA max_page_count = {pages}')\n"
        "limit(60)"
    )
    assert run(FULL.format(fill=fill, free="limit(1000000)", error="DiskFull"), str(path)) == "went on\n"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a thing of Unix")
def test_a_quota_refuses_with_a_sentence_and_goes_on_with_space(path: Path) -> None:
    fill = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))"
    free = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)"
    assert run(FULL.format(fill=fill, free=free, error="StorageError"), str(path)) == "went on\n"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB, where the system lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux":
        pytest.skip("needs Linux's tmpfs")
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_refuses_with_a_sentence_and_goes_on_with_space(tiny_disk: Path) -> None:
    fill = "ballast = path.with_name('ballast'); ballast.write_bytes(b'x' * 1_000_000)"
    code = FULL.format(fill=fill, free="ballast.unlink()", error="DiskFull")
    assert run(code, str(tiny_disk / "inkglass.db")) == "went on\n"


def test_on_a_disk_that_is_full_from_the_start_the_app_can_say_so(tiny_disk: Path) -> None:
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"x" * 2 * 1024 * 1024)
    with pytest.raises(DiskFull):
        open_database(tiny_disk / "inkglass.db", tiny_disk / "backups")
    ballast.unlink()
    open_database(tiny_disk / "inkglass.db", tiny_disk / "backups").close()


def test_a_backup_is_a_whole_database_and_the_newest_are_kept(database: Database, tmp_path: Path) -> None:
    drafts, folder = Drafts(database), tmp_path / "backups"
    made = []
    for number in range(5):
        drafts.save("new", f"text {number}")
        made.append(back_up(database.path, folder, reason="test", keep=3))
    other = database.back_up("migration")
    assert backups(folder) == [other, *reversed(made[2:])]
    copy = open_database(made[3], tmp_path / "of-the-copy")
    assert Drafts(copy).get("new") == "text 3"
    copy.close()
    assert drafts.get("new") == "text 4"
    assert list(folder.glob("*.part")) == []


def test_a_backup_taken_while_threads_write_is_one_moment(
    database: Database, messages: Messages, conversations: Conversations, tmp_path: Path
) -> None:
    stop, id_ = threading.Event(), conversations.create(mode="dialogue").id

    def write() -> None:
        head = None
        while not stop.is_set():
            _, reply = messages.append_turn(id_, expected_head=head, parent_id=head, text="x", writing=Writing())
            messages.finish(reply.id, status="complete", text="y", reasoning="", reply=None, failure=None)
            head = reply.id

    writer = threading.Thread(target=write)
    writer.start()
    try:
        copies = [back_up(database.path, tmp_path / "backups", reason="busy") for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    for path in copies:
        with closing(dbapi2.connect(str(path))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            questions, replies = connection.execute(
                "SELECT sum(role = 'user'), sum(role = 'assistant') FROM messages"
            ).fetchone()
            assert questions == replies


def test_a_backup_that_fails_leaves_no_half_file_and_no_old_one_is_lost(tiny_disk: Path, path: Path) -> None:
    folder = tiny_disk / "backups"
    first = back_up(path, folder, reason="test")
    (tiny_disk / "ballast").write_bytes(b"x" * (2 * 1024 * 1024 - first.stat().st_size - 40_000))
    with pytest.raises(DiskFull):
        back_up(path, folder, reason="test")
    assert backups(folder) == [first]
    assert list(folder.iterdir()) == [first]
