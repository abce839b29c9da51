"""One app at a time on one data folder: a lock that ends with its process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from storage.errors import DatabaseInUse


class FolderLock:
    """Holds an operating-system lock on a file beside the database until `release()` or the process ends."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._take()
        except OSError as error:
            os.close(self._fd)
            raise DatabaseInUse(path=str(path.parent)) from error

    def _take(self) -> None:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(self._fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._fd)
