"""Preferences: small JSON values by key."""

from __future__ import annotations

from storage.database import Database
from storage.records import JsonValue
from storage.tables import PreferenceRow


class Preferences:
    """The user's choices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str, default: JsonValue = None) -> JsonValue:
        """The value under `key`, or `default`."""
        with self._database.read() as session:
            row = session.get(PreferenceRow, key)
            return default if row is None else row.value

    def set(self, key: str, value: JsonValue) -> None:
        """Keep `value` under `key`."""
        with self._database.write() as session:
            session.merge(PreferenceRow(key=key, value=value))
