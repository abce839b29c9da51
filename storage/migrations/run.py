"""Brings a database to the newest schema; imported only when there is something to do: Alembic loads slowly."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine


def migrate(engine: Engine, schema: int) -> None:
    """Apply all migrations and note the schema's number, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with (
        engine.connect().execution_options(inkglass_begin="BEGIN IMMEDIATE") as connection,
        connection.begin(),
    ):
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.exec_driver_sql(f"PRAGMA user_version = {int(schema)}")
