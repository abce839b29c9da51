"""Writing modes as data: one TOML file a mode, checked when it is read."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

FOLDER = Path(__file__).parent
LARGEST_FILE = 256 * 1024
LANGUAGES = frozenset({"en", "zh"})


class UnreadableMode(ValueError):
    """A mode's file that cannot be used, and why."""


class Mode(BaseModel):
    """One way of writing: its names and examples by language, and what the model is told.

    `system` empty: the model keeps its own default system text. `examples` are texts to begin with, in the language
    under which they stand: those that the loaded model does not know need another model (see `needs_other_model`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    order: int = 100
    name: dict[str, str]
    description: dict[str, str]
    system: str = ""
    examples: dict[str, tuple[str, ...]]

    @field_validator("name", "description", "examples")
    @classmethod
    def _complete(cls, value: dict[str, object]) -> dict[str, object]:
        missing = LANGUAGES - value.keys()
        if missing:
            raise ValueError(f"there is nothing in {', '.join(sorted(missing))}")
        return value


def needs_other_model(language: str, model_languages: tuple[str, ...]) -> bool:
    """Whether examples in `language` are beyond a model that knows `model_languages` (empty: nobody knows which)."""
    return bool(model_languages) and not any(known.split("-")[0] == language for known in model_languages)


def load_mode(path: Path) -> Mode:
    """The mode in one file. Raises UnreadableMode with the file's name and the reason."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UnreadableMode(f"{path.name} is larger than {LARGEST_FILE // 1024} KB")
        return Mode.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnreadableMode(f"{path.name}: {place}: {first['msg']}") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableMode(f"{path.name}: {error}") from error


def load_modes(folder: Path = FOLDER) -> tuple[Mode, ...]:
    """Every mode in `folder`, in their order. Raises UnreadableMode, also for a key that two files use."""
    modes: dict[str, Mode] = {}
    for path in sorted(folder.glob("*.toml")):
        mode = load_mode(path)
        if mode.key in modes:
            raise UnreadableMode(f"{path.name}: another file has the key {mode.key} already")
        modes[mode.key] = mode
    return tuple(sorted(modes.values(), key=lambda mode: (mode.order, mode.key)))
