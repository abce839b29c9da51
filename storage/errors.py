"""The few failures of the storage that a user can be told about, each with what to do next.

Built like `models.errors`: a `code` for the page's words, an English `template`, `params` that fill both.
"""

from __future__ import annotations

from typing import ClassVar


class StorageError(Exception):
    """A failure of the storage. `str()` is a whole English sentence with the next step."""

    code: ClassVar[str] = "storage"
    template: ClassVar[str] = "The history could not be written: {detail}. Nothing was changed."

    def __init__(self, **params: str | int | float) -> None:
        self.params = params
        super().__init__(self.template.format(**params))


class NotFound(StorageError):
    code = "not_found"
    template = "This {noun} is not here any more. It may have been deleted in another tab."


class StaleHead(StorageError):
    """The conversation moved on since the caller looked; `current` is its head now ('' for none)."""

    code = "stale_head"
    template = (
        "This conversation went on in another tab. The page now shows how; your text is still here: "
        "send it again to add it below."
    )


class StillStreaming(StorageError):
    code = "still_streaming"
    template = "A reply is still being written here. Stop it or wait for it; your text is kept."


class DatabaseBusy(StorageError):
    code = "database_busy"
    template = (
        "Another program has held the database for {seconds} s. Nothing is lost: close that program or wait, "
        "then try again."
    )


class DiskFull(StorageError):
    code = "disk_full"
    template = "The disk that holds {path} is full. Free some space, then try again; your text is kept."


class DatabaseInUse(StorageError):
    code = "database_in_use"
    template = "Another Inkglass is running on {path}. Use that one, or start with another --data-dir."


class DatabaseReadOnly(StorageError):
    code = "database_read_only"
    template = "{path} cannot be written. Check the permissions of the data folder."


class DatabaseTooNew(StorageError):
    code = "database_too_new"
    template = (
        "{path} was written by a newer Inkglass (schema {found}; this one knows up to {known}). "
        "Update Inkglass, or start with another --data-dir. Nothing was changed."
    )


class DatabaseCorrupt(StorageError):
    code = "database_corrupt"
    template = "{path} is damaged ({detail}). Backups are in {backups}; nothing was changed."


def all_storage_errors() -> tuple[type[StorageError], ...]:
    """Every class of this module, for the page's table of words and its test."""
    return (StorageError, *StorageError.__subclasses__())
