"""Backups: whole copies of the database, made by SQLite's own backup interface while it may be in use."""

from __future__ import annotations

import os
import re
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlcipher3 import dbapi2

from storage.failures import BUSY_SECONDS, translate

KEPT = 10


def back_up(database_path: Path, folder: Path, reason: str, keep: int = KEPT) -> Path:
    """Copy the database into `folder` and keep the newest `keep` copies of the same `reason`; the copy's path.

    The copy is written beside, synced and renamed: under its final name there is only ever a whole one.
    Raises DiskFull, DatabaseBusy, DatabaseCorrupt, DatabaseReadOnly.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = folder / f"{database_path.stem}-{stamp}-{reason}.db"
    beside = target.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for abandoned in folder.glob(f"{database_path.stem}-*.part"):
            abandoned.unlink(missing_ok=True)
        # Made by us first, so that nobody but its owner can read it.
        os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        _copy(database_path, beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.rename(target)
        sync_folder(folder)
        same = [path for path in backups(folder) if path.name.endswith(f"-{reason}.db")]
        for old in same[keep:]:
            old.unlink(missing_ok=True)
    except (dbapi2.Error, OSError) as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise translate(error, target, folder) from error
    return target


def backups(folder: Path) -> list[Path]:
    """The copies in `folder`, newest first."""
    found = [path for path in folder.glob("*.db") if _stamp(path)]
    return sorted(found, key=_stamp, reverse=True)


def sync_folder(folder: Path) -> None:
    """Make a new or renamed file's name last through a power cut, where the system lets folders be synced."""
    if sys.platform == "win32":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _copy(source_path: Path, target_path: Path) -> None:
    with (
        closing(dbapi2.connect(f"{source_path.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(dbapi2.connect(str(target_path))) as target,
    ):
        source.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        # In one step: a log of its own lets writers go on meanwhile, and between steps each write would start it anew.
        source.backup(target)
        # The copy shall be one file that can be read from anywhere, without a log beside it.
        target.execute("PRAGMA journal_mode = DELETE")


def _stamp(path: Path) -> str:
    found = re.search(r"-(\d{8}T\d{12}Z)-", path.name)
    return found[1] if found else ""
