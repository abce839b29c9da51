"""Brings a database to the newest schema; imported only when there is something to do: Alembic loads slowly."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

log = logging.getLogger(__name__)


def migrate(engine: Engine, schema: int) -> None:
    """Apply all migrations up to number `schema` and note it, in one transaction: all of them or none."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with (
        engine.connect().execution_options(inkglass_begin="BEGIN IMMEDIATE") as connection,
        connection.begin(),
    ):
        config.attributes["connection"] = connection
        command.upgrade(config, f"{schema:04d}")
        connection.exec_driver_sql(f"PRAGMA user_version = {int(schema)}")
    log.info("the database has schema %d now", schema)
