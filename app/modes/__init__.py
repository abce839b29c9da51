"""Writing modes as data: one TOML file a mode, checked when it is read."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path(__file__).parent


class Mode(BaseModel):
    """One way of writing: its names and examples by language, and what the model is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    order: int = 100
    name: dict[str, str]
    description: dict[str, str]
    system: str = ""
    examples: dict[str, tuple[str, ...]]


def load_modes(folder: Path = FOLDER) -> tuple[Mode, ...]:
    """Every mode in `folder`, in their order."""
    modes = [Mode.model_validate(tomllib.loads(path.read_text("utf-8"))) for path in folder.glob("*.toml")]
    return tuple(sorted(modes, key=lambda mode: (mode.order, mode.key)))
