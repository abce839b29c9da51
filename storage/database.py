"""The database file: opened once, checked after an unclean stop, migrated by itself, closed with a mark."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlcipher3 import dbapi2

from storage.backup import back_up, sync_folder
from storage.errors import DatabaseBusy, DatabaseCorrupt, DatabaseTooNew, StorageError
from storage.failures import BUSY_SECONDS, translate
from storage.lock import FolderLock

log = logging.getLogger(__name__)
SCHEMA = 3
"""The schema this code knows; `PRAGMA user_version` of a file says which one it has."""
SMALLEST = 512
"""Bytes of the smallest database there is."""
PRAGMAS = (
    f"busy_timeout = {BUSY_SECONDS * 1000}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "fullfsync = ON",  # macOS: a plain fsync leaves the data in the drive's cache
    "checkpoint_fullfsync = ON",
    "foreign_keys = ON",
    "temp_store = MEMORY",  # no copies of what was written in a temporary folder
    "trusted_schema = OFF",  # a file from elsewhere runs nothing
    "journal_size_limit = 67108864",
)


class Database:
    """An open database. Threads may share it; every block of `read` or `write` is one transaction."""

    def __init__(self, path: Path, backups: Path, engine: Engine, lock: FolderLock, mark: Path) -> None:
        self.path = path
        self._backups = backups
        self._engine = engine
        self._lock = lock
        self._mark = mark
        # SQLite lets waiting writers poll, in no order: threads of one process queue here instead.
        self._writing = threading.Lock()
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session over one consistent snapshot. Raises StorageError's kinds, like `write`."""
        with self._session("BEGIN") as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that holds the write lock from its start; committed, and on the disk, at the block's end.

        Raises DatabaseBusy, DiskFull, DatabaseReadOnly, DatabaseCorrupt: then nothing of the block was written.
        """
        if not self._writing.acquire(timeout=2 * BUSY_SECONDS):
            raise DatabaseBusy(seconds=2 * BUSY_SECONDS)
        try:
            with self._session("BEGIN IMMEDIATE") as session:
                yield session
        finally:
            self._writing.release()

    @contextmanager
    def _session(self, begin: str) -> Iterator[Session]:
        if self._closed:
            raise StorageError(detail="Inkglass is closing")
        try:
            with (
                self._engine.connect().execution_options(inkglass_begin=begin) as connection,
                # The connection's transaction is the one that counts: the session only joins it.
                connection.begin(),
                Session(connection, expire_on_commit=False) as session,
            ):
                yield session
                session.flush()
        except DBAPIError as error:
            raise translate(error, self.path, self._backups) from error

    def back_up(self, reason: str) -> Path:
        """Copy the database, which may be in use, into the folder of backups."""
        return back_up(self.path, self._backups, reason)

    def close(self) -> None:
        """Let a running write end, close, and mark the stop as clean. Twice does no harm."""
        finished = self._writing.acquire(timeout=2 * BUSY_SECONDS)
        try:
            if self._closed:
                return
            self._closed = True
            self._engine.dispose()
            if finished:
                with suppress(OSError):
                    self._mark.unlink(missing_ok=True)
            self._lock.release()
        finally:
            if finished:
                self._writing.release()


def open_database(path: Path, backups: Path) -> Database:
    """Open (or make) the database at `path`; `backups` receives a copy before each migration.

    Raises DatabaseInUse, DatabaseTooNew, DatabaseCorrupt, DatabaseReadOnly, DatabaseBusy, DiskFull. A file that is
    too new or damaged is not touched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FolderLock(path.with_suffix(".lock"))
    except OSError as error:
        raise translate(error, path, backups) from error
    mark = path.with_suffix(".running")
    try:
        found = _inspect(path, backups, unclean=mark.exists())
        path.touch(mode=0o600)
        mark.touch()
        sync_folder(path.parent)
        engine = _engine(path)
        try:
            _bring_up_to_date(engine, path, backups, found)
        except BaseException:
            engine.dispose()
            raise
    except (DBAPIError, dbapi2.Error, OSError) as error:
        lock.release()
        raise translate(error, path, backups) from error
    except BaseException:
        lock.release()
        raise
    return Database(path, backups, engine, lock, mark)


def _inspect(path: Path, backups: Path, *, unclean: bool) -> int:
    """The schema's number (0 for a new file), read without changing a byte; raises for what must not be opened."""
    journal = path.with_name(path.name + "-wal")
    left_over = journal.exists() and journal.stat().st_size > 0
    size = path.stat().st_size if path.exists() else 0
    if size < SMALLEST:
        # SQLite would take this for a new database and delete the log that belongs to it.
        if size or left_over or (path.exists() and any(backups.glob("*.db"))):
            raise DatabaseCorrupt(path=str(path), detail="the file is cut off", backups=str(backups))
        return 0
    with closing(dbapi2.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > SCHEMA:
            raise DatabaseTooNew(path=str(path), found=found, known=SCHEMA)
        if unclean or left_over:
            log.warning("the last stop was not clean: checking %s", path)
            if problems := _problems(connection):
                raise DatabaseCorrupt(path=str(path), detail="; ".join(problems[:3]), backups=str(backups))
    return found


def _problems(connection: Any) -> list[str]:
    lines = [str(row[0]).strip() for row in connection.execute("PRAGMA quick_check(5)")]
    broken = [f"broken reference in {row[0]}" for row in connection.execute("PRAGMA foreign_key_check")]
    return [line for line in lines if line != "ok"] + broken


def _bring_up_to_date(engine: Engine, path: Path, backups: Path, found: int) -> None:
    if found == SCHEMA:
        with engine.connect().execution_options(inkglass_begin="BEGIN IMMEDIATE") as connection:
            connection.begin().rollback()  # a file that cannot be written is known now, not at the first message
        return
    with engine.connect() as connection:
        used = connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar_one() > 0
    if used:
        log.info("a copy before the migration: %s", back_up(path, backups, reason="migration"))
    # Alembic is slow to import: only a start that migrates pays for it.
    from storage.migrations.run import migrate

    migrate(engine, SCHEMA)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        module=dbapi2,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=8,
        max_overflow=-1,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transaction control is off: it would begin none for reads and schema changes.
        connection.isolation_level = None
        with closing(connection.cursor()) as cursor:
            for pragma in PRAGMAS:
                cursor.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("inkglass_begin", "BEGIN"))

    return engine
