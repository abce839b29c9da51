"""A real database file for each test, made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.conversations import Conversations
from storage.database import Database, open_database
from storage.messages import Messages


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the newest schema, closed."""
    folder = tmp_path_factory.mktemp("empty")
    open_database(folder / "inkglass.db", folder / "backups").close()
    return folder / "inkglass.db"


@pytest.fixture
def path(empty_file: Path, tmp_path: Path) -> Path:
    """The path of this test's database."""
    return Path(shutil.copy(empty_file, tmp_path / "inkglass.db"))


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """This test's database, open."""
    opened = open_database(path, path.parent / "backups")
    yield opened
    opened.close()


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database)


@pytest.fixture
def messages(database: Database) -> Messages:
    return Messages(database)
