"""The log: one rotating file in the data folder and short lines on the terminal. No texts, no keys."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

QUIET = ("httpx", "httpcore", "alembic", "uvicorn.access", "asyncio", "markdown_it")


def start_logging(folder: Path) -> Path:
    """Log to `folder`/inkglass.log and, from warnings up, to the terminal; the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "inkglass.log"
    to_file = RotatingFileHandler(path, maxBytes=2_000_000, backupCount=3, encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    to_terminal = logging.StreamHandler()
    to_terminal.setLevel(logging.WARNING)
    to_terminal.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [to_file, to_terminal]
    root.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return path
