"""The shelf of modes: those built in and the user's own files in the data folder, read again when they change."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from app.errors import ModeNotFound, ModeUnusable
from app.modes.files import FOLDER, LARGEST_FILE, UnreadableMode, load_mode, load_modes, read_mode
from app.modes.mode import Mode

log = logging.getLogger(__name__)
MOST_OWN = 500
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What the shelf held at one time. `problems` are sentences about files that cannot be used."""

    modes: tuple[Mode, ...]
    own: frozenset[str]
    problems: tuple[str, ...]


class Shelf:
    """Built-in modes and the user's own. A broken file is told and never hides the others. Safe for any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built_in = load_modes()
        self._lock = threading.Lock()
        self._stamp: Stamp | None = None
        self._contents = Contents(self._built_in, frozenset(), ())

    def contents(self) -> Contents:
        """What there is now; files are read again only after one has changed."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._contents, self._stamp = self._read(stamp), stamp
            return self._contents

    def all(self) -> tuple[Mode, ...]:
        """Every mode that can be used, in their order."""
        return self.contents().modes

    def get(self, key: str) -> Mode:
        """The mode of that key; the first one where it is not there (any more)."""
        modes = self.all()
        return next((mode for mode in modes if mode.key == key), modes[0])

    def source(self, key: str) -> str:
        """The file of a mode, to read, export or copy from. Raises ModeNotFound."""
        for path in (self._file(key), FOLDER / f"{key}.toml"):
            with contextlib.suppress(OSError):
                return path.read_text("utf-8")
        raise ModeNotFound(name=key)

    def save(self, text: str) -> Mode:
        """Keep a mode of the user's own, new or in place of an older one. Raises ModeUnusable, OSError."""
        if len(text.encode("utf-8", "replace")) > LARGEST_FILE:
            raise ModeUnusable(reason=f"the file is larger than {LARGEST_FILE // 1024} KB")
        try:
            mode = read_mode(text, "mode")
        except UnreadableMode as error:
            raise ModeUnusable(reason=str(error)) from error
        if any(mode.key == other.key for other in self._built_in):
            raise ModeUnusable(reason=f"{mode.key} is the key of a built-in mode; give yours another")
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = self._folder / f".{mode.key}.part"
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._file(mode.key))
        return mode

    def delete(self, key: str) -> None:
        """Put a mode of the user's own aside; `restore` brings it back. Raises ModeNotFound, OSError."""
        aside = self._aside(key)
        aside.parent.mkdir(parents=True, exist_ok=True)
        self._move(self._file(key), aside, key)

    def restore(self, key: str) -> None:
        """Undo of `delete`. Raises ModeNotFound, also where another mode has taken the key meanwhile."""
        if self._file(key).exists():
            raise ModeNotFound(name=key)
        self._move(self._aside(key), self._file(key), key)

    # ---- files -------------------------------------------------------------------------------------------------

    def _move(self, source: Path, target: Path, key: str) -> None:
        try:
            source.replace(target)
        except FileNotFoundError as error:
            raise ModeNotFound(name=key) from error

    def _file(self, key: str) -> Path:
        """Where an own mode lies; a key that could leave the folder names nothing."""
        if not key.replace("-", "").replace("_", "").isalnum():
            raise ModeNotFound(name=key[:60])
        return self._folder / f"{key}.toml"

    def _aside(self, key: str) -> Path:
        return self._file(key).parent / "trash" / f"{key}.toml"

    def _look(self) -> Stamp:
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".toml"):
                    with contextlib.suppress(FileNotFoundError):
                        about = entry.stat()
                        found.append((entry.name, about.st_mtime_ns, about.st_size))
        return tuple(sorted(found))

    def _read(self, stamp: Stamp) -> Contents:
        modes = {mode.key: mode for mode in self._built_in}
        own: set[str] = set()
        problems: list[str] = []
        for name, _, _ in stamp[:MOST_OWN]:
            try:
                mode = load_mode(self._folder / name)
                if mode.key in modes:
                    raise UnreadableMode(f"{name}: another mode has the key {mode.key} already")
            except UnreadableMode as error:
                log.warning("a mode cannot be used: %s", error)
                problems.append(str(error))
                continue
            modes[mode.key] = mode
            own.add(mode.key)
        if len(stamp) > MOST_OWN:
            problems.append(f"only the first {MOST_OWN} files are read")
        ordered = tuple(sorted(modes.values(), key=lambda mode: (mode.order, mode.key)))
        return Contents(ordered, frozenset(own), tuple(problems))
