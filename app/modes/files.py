"""Files of modes: read with the line of what is wrong, one broken file never hiding the others."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from app.modes.mode import Mode

FOLDER = Path(__file__).parent
LARGEST_FILE = 256 * 1024


class UnreadableMode(ValueError):
    """A mode's file that cannot be used, and why."""


def read_mode(text: str, name: str) -> Mode:
    """The mode in `text`; `name` is the file's, for the sentence. Raises UnreadableMode with the line."""
    try:
        return Mode.model_validate(tomllib.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        line = line_of(text, first["loc"])
        raise UnreadableMode(f"{name}, line {line}: {place}: {_reason(first['msg'])}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UnreadableMode(f"{name}: {error}") from error


def load_mode(path: Path) -> Mode:
    """The mode in one file. Raises UnreadableMode with the file's name, the line and the reason."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UnreadableMode(f"{path.name} is larger than {LARGEST_FILE // 1024} KB")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableMode(f"{path.name}: {error}") from error
    return read_mode(text, path.name)


def load_modes(folder: Path = FOLDER) -> tuple[Mode, ...]:
    """Every mode in `folder`, in their order. Raises UnreadableMode, also for a key that two files use."""
    modes: dict[str, Mode] = {}
    for path in sorted(folder.glob("*.toml")):
        mode = load_mode(path)
        if mode.key in modes:
            raise UnreadableMode(f"{path.name}: another file has the key {mode.key} already")
        modes[mode.key] = mode
    return tuple(sorted(modes.values(), key=lambda mode: (mode.order, mode.key)))


def line_of(text: str, place: Sequence[int | str]) -> int:
    """The line (from 1) of a TOML file on which `place` begins, or the nearest that was found of it.

    tomllib tells no lines of what it read, so the keys are looked up in the text.
    """
    found, begin = 1, 0
    lines = text.splitlines()
    repeated: dict[str, int] = {}
    for part in place:
        if isinstance(part, int):
            continue
        index = place.index(part)
        wanted = place[index + 1] if index + 1 < len(place) and isinstance(place[index + 1], int) else 0
        pattern = re.compile(rf"\s*(\[\[?[\w.\s\"]*\b{re.escape(part)}\b[^\]]*\]|(\"|')?{re.escape(part)}(\"|')?\s*=)")
        for number, line in enumerate(lines[begin:], begin):
            if not pattern.match(line):
                continue
            # The third of [[fields]] is the third such line.
            if line.lstrip().startswith("[["):
                repeated[part] = repeated.get(part, -1) + 1
                if repeated[part] < int(wanted):
                    continue
            found, begin = number + 1, number
            break
    return found


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")
