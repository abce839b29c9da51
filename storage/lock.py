"""One app at a time on one data folder: a lock that ends with its process."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path

from storage.errors import DatabaseInUse

log = logging.getLogger(__name__)
HELD = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class FolderLock:
    """Holds an operating-system lock on a file beside the database until `release()` or the process ends.

    Raises DatabaseInUse while another process (or another FolderLock of this one) holds it.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(self._fd)
        except OSError as error:
            if error.errno in WITHOUT_LOCKS:
                # Some network drives know no locks. Refusing to start there would help nobody.
                log.warning("%s cannot be locked (%s): do not start a second Inkglass on it", path, error)
                return
            os.close(self._fd)
            if error.errno in HELD:
                raise DatabaseInUse(path=str(path.parent)) from error
            raise

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes lock two files of one name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _take(fd: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
