"""Drafts: what stands in the composer and was not sent."""

from __future__ import annotations

from storage.database import Database
from storage.rows import now
from storage.tables import DraftRow
from storage.text import kept


class Drafts:
    """Unsent texts by conversation id, or by "new"."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> str:
        """The draft, "" where there is none."""
        with self._database.read() as session:
            row = session.get(DraftRow, key)
            return row.text if row else ""

    def save(self, key: str, text: str) -> None:
        """Keep the draft; an empty one goes away."""
        if not text:
            self.delete(key)
            return
        with self._database.write() as session:
            session.merge(DraftRow(key=key, text=kept(text), updated_at=now()))

    def delete(self, key: str) -> None:
        """Forget the draft."""
        with self._database.write() as session:
            row = session.get(DraftRow, key)
            if row is not None:
                session.delete(row)
