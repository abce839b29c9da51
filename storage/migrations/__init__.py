"""Alembic migrations, applied at start-up by `run.migrate`."""
