"""The one table of words: every string of the page in every language it speaks."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.errors import all_app_errors
from models.errors import ModelError, all_model_errors
from storage.errors import StorageError, all_storage_errors

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "简体中文"}
TABLE = Path(__file__).with_name("strings.toml")


@dataclass(frozen=True)
class Strings:
    """Words by language and key. `words["zh"]["send"]` is the label of the send button in Chinese."""

    words: Mapping[str, Mapping[str, str]]

    def text(self, language: str, key: str, **params: str | int | float) -> str:
        """The string under `key`, its `{names}` filled. A missing key is a defect: KeyError."""
        return self.words[language][key].format(**params)

    def error(self, language: str, code: str, params: Mapping[str, str | int | float], sentence: str) -> str:
        """The sentence for an error's `code`; the English `sentence` it came with where nobody knows the code."""
        template = self.words[language].get(f"error.{code}")
        if template is None:
            return sentence
        try:
            return template.format(**params)
        except (KeyError, IndexError):
            # A reply stored by another version may carry other parameters: its own sentence still stands.
            return sentence


def load_strings(path: Path = TABLE) -> Strings:
    """Read the table; the English of an error is its class's own template, so it stands in one place."""
    with path.open("rb") as file:
        table: dict[str, dict[str, str]] = tomllib.load(file)
    words: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    errors: tuple[type[Exception], ...] = (*all_model_errors(), *all_storage_errors(), *all_app_errors())
    for cls in errors:
        words["en"][f"error.{cls.code}"] = cls.template  # type: ignore[attr-defined]  # all three trees carry both
    for key, by_language in table.items():
        for language, text in by_language.items():
            words[language][key] = text
    return Strings(words)


def choose_language(preference: object, accept_language: str | None) -> str:
    """The user's choice, else the first language of the browser that we speak, else English."""
    if isinstance(preference, str) and preference in LANGUAGES:
        return preference
    for part in (accept_language or "").split(","):
        code = part.split(";")[0].strip().lower()
        for language in LANGUAGES:
            if code == language or code.startswith(f"{language}-"):
                return language
    return "en"


def error_words(strings: Strings, language: str, error: Exception) -> str:
    """What the page says about `error`."""
    code = getattr(error, "code", None)
    params = getattr(error, "params", {})
    if isinstance(error, (ModelError, StorageError)) or code is not None:
        return strings.error(language, str(code), params, str(error))
    return strings.text(language, "unexpected", detail=str(error) or type(error).__name__)
