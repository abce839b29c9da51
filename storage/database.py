"""The database file: opened once, migrated by itself, checked after an unclean stop, closed with a mark."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlcipher3 import dbapi2

from storage.backup import back_up
from storage.errors import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseReadOnly,
    DatabaseTooNew,
    DiskFull,
    StorageError,
)
from storage.lock import FolderLock

log = logging.getLogger(__name__)
BUSY_SECONDS = 3
SCHEMA = 1
"""The schema this code knows; `PRAGMA user_version` of the file says which one it has."""


class Database:
    """An open database. Threads may share it; every block of `read` or `write` is one transaction."""

    def __init__(self, path: Path, engine: Engine, lock: FolderLock, backups: Path, running: Path) -> None:
        self.path = path
        self._engine = engine
        self._lock = lock
        self._backups = backups
        self._running = running

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session over one consistent snapshot."""
        with self._session("BEGIN") as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose transaction holds the write lock from its start; committed at the end of the block."""
        with self._session("BEGIN IMMEDIATE") as session:
            yield session

    @contextmanager
    def _session(self, begin: str) -> Iterator[Session]:
        try:
            # The connection's transaction is the one that counts: the session only joins it.
            with (
                self._engine.connect().execution_options(inkglass_begin=begin) as connection,
                connection.begin(),
                Session(connection, expire_on_commit=False) as session,
            ):
                yield session
                session.flush()
        except DBAPIError as error:
            raise translate(error, self.path, self._backups) from error

    def close(self) -> None:
        """Close and mark the stop as clean."""
        self._engine.dispose()
        self._running.unlink(missing_ok=True)
        self._lock.release()


def translate(error: DBAPIError | Exception, path: Path, backups: Path) -> StorageError:
    """What a driver's error means for a user."""
    words = str(getattr(error, "orig", None) or error).lower()
    if "locked" in words or "busy" in words:
        return DatabaseBusy(seconds=BUSY_SECONDS)
    if "full" in words or "no space" in words or "disk i/o" in words:
        return DiskFull(path=str(path))
    if "readonly" in words or "read-only" in words or "unable to open" in words:
        return DatabaseReadOnly(path=str(path))
    if "malformed" in words or "not a database" in words or "corrupt" in words:
        return DatabaseCorrupt(path=str(path), detail=words, backups=str(backups))
    return StorageError(detail=words)


def open_database(path: Path, backups: Path) -> Database:
    """Open (or make) the database at `path`; `backups` receives a copy before each migration.

    Raises DatabaseInUse, DatabaseTooNew, DatabaseCorrupt, DatabaseReadOnly, DiskFull; the file is then unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(path.with_suffix(".lock"))
    running = path.with_suffix(".running")
    try:
        engine = _engine(path)
        try:
            _prepare(engine, path, backups, unclean=running.exists())
        except DBAPIError as error:
            engine.dispose()
            raise translate(error, path, backups) from error
        running.touch()
    except BaseException:
        lock.release()
        raise
    return Database(path, engine, lock, backups, running)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        module=dbapi2,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=8,
        max_overflow=32,
    )

    @event.listens_for(engine, "connect")
    def pragmas(connection: Any, _record: Any) -> None:
        # The driver's own transaction control is off: it would begin none for reads and schema changes.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_SECONDS * 1000}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("inkglass_begin", "BEGIN"))

    return engine


def _prepare(engine: Engine, path: Path, backups: Path, *, unclean: bool) -> None:
    with engine.connect() as connection:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if version > SCHEMA:
            raise DatabaseTooNew(path=str(path), found=version, known=SCHEMA)
        if unclean:
            _check(connection, path, backups)
    if version < SCHEMA:
        if version > 0:
            back_up(path, backups, reason="migration")
        # Alembic is slow to import: only a start that migrates pays for it.
        from storage.migrations.run import migrate

        migrate(engine, SCHEMA)


def _check(connection: Connection, path: Path, backups: Path) -> None:
    log.warning("the last stop was not clean: checking the database")
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(5)")]
    found += [f"broken reference in {row[0]}" for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
    problems = [line for line in found if line != "ok"]
    if problems:
        raise DatabaseCorrupt(path=str(path), detail="; ".join(problems[:3]), backups=str(backups))
