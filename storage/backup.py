"""Copies of the database by SQLite's own backup interface: whole, consistent, a number kept."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from sqlcipher3 import dbapi2

KEPT = 10


def back_up(database_path: Path, folder: Path, reason: str, keep: int = KEPT) -> Path:
    """Copy the database into `folder` (written beside, synced, renamed) and keep the newest `keep` copies."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = folder / f"{database_path.stem}-{stamp}-{reason}.db"
    beside = target.with_suffix(".part")
    source = dbapi2.connect(str(database_path))
    copy = dbapi2.connect(str(beside))
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.rename(target)
    for old in backups(folder)[keep:]:
        old.unlink(missing_ok=True)
    return target


def backups(folder: Path) -> list[Path]:
    """The copies in `folder`, newest first."""
    return sorted(folder.glob("*.db"), key=lambda path: path.name, reverse=True)
