"""Launch settings: read once, from the command line, the environment and a private file of keys."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
KEYS_FILE = "keys.env"


class Settings(BaseSettings):
    """What a start was told. Environment variables carry the prefix INKGLASS_; the command line goes before them."""

    model_config = SettingsConfigDict(env_prefix="INKGLASS_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=0, le=65535)
    data_dir: Path = Field(default_factory=lambda: user_data_path("Inkglass", appauthor=False))
    model: str | None = None
    remote: str | None = None
    remote_model: str | None = None
    remote_key: SecretStr | None = None
    password: SecretStr | None = None
    browser: bool = True
    desktop: bool = False

    @field_validator("remote")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        """An address that ends before /v1, so that both ways of writing it work."""
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("the address must begin with http:// or https://")
        return value.rstrip("/").removesuffix("/v1")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        return self.host in LOOPBACK


class UnsafeKeys(Exception):
    """The file of keys can be read by others."""


def read_settings(given: dict[str, Any]) -> Settings:
    """Settings from the command line (`given`), the environment, and `keys.env` in the data folder.

    Raises `pydantic.ValidationError` for a value that cannot be meant, `UnsafeKeys` for a file that others can read.
    """
    settings = Settings(**given)
    keys = settings.data_dir / KEYS_FILE
    if not keys.exists():
        return settings
    if os.name == "posix" and keys.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UnsafeKeys(f"{keys} can be read by other users. Run: chmod 600 {keys}")
    return Settings(_env_file=keys, **given)  # type: ignore[call-arg]  # pydantic-settings' own name for it
