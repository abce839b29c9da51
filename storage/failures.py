"""Failures: what the driver's and the system's errors mean for a person. The only place that reads their codes."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from storage.errors import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseReadOnly,
    DiskFull,
    StorageError,
)

BUSY_SECONDS = 3
"""How long a write waits for another program that holds the database."""
BUSY, LOCKED, PERM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, AUTH, NOTADB = 5, 6, 3, 8, 10, 11, 13, 14, 23, 26
"""SQLite's primary result codes; the upper bits of an extended code only say where it happened."""
SIGNS = {
    "locked": BUSY,
    "readonly": READONLY,
    "I/O error": IOERR,
    "malformed": CORRUPT,
    "is full": FULL,
    "unable to open": CANTOPEN,
    "not a database": NOTADB,
}
LITTLE_SPACE = 1 << 20


def translate(error: Exception, path: Path, backups: Path) -> StorageError:
    """The storage's error for one of the driver (wrapped by SQLAlchemy or bare) or of the operating system."""
    if isinstance(error, OSError):
        return _system(error, path)
    original = error.orig if isinstance(error, DBAPIError) else error
    words = str(original)
    code = int(getattr(original, "sqlite_errorcode", 0) or _code_by_words(words)) & 0xFF
    if code in (BUSY, LOCKED):
        return DatabaseBusy(seconds=BUSY_SECONDS)
    if code == FULL or (code == IOERR and _little_space(path)):
        return DiskFull(path=str(path))
    if code in (PERM, READONLY, CANTOPEN, AUTH):
        return DatabaseReadOnly(path=str(path))
    if code in (CORRUPT, NOTADB):
        return DatabaseCorrupt(path=str(path), detail=words, backups=str(backups))
    if code == IOERR:
        words = f"the disk did not take it ({words}): a quota, a limit on file sizes, or a fault of the disk"
    return StorageError(detail=words)


def _code_by_words(words: str) -> int:
    # The driver's backup interface raises its errors without their codes.
    return next((code for sign, code in SIGNS.items() if sign in words), 0)


def _system(error: OSError, path: Path) -> StorageError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG):
        return DiskFull(path=str(path))
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DatabaseReadOnly(path=str(path))
    return StorageError(detail=str(error))


def _little_space(path: Path) -> bool:
    # SQLite reports some full disks as an I/O error: where it syncs, or enlarges its shared memory.
    try:
        return shutil.disk_usage(path.parent).free < LITTLE_SPACE
    except OSError:
        return False
