"""Where a tab stands, and what an act gives it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.ui.i18n import LANGUAGES
from app.ui.view import Json


@dataclass(frozen=True)
class Place:
    """Where a tab stands: which conversation, which head it shows, in which language; and the mode's chosen fields."""

    conversation: str | None
    head: str | None
    language: str
    fields: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def parse(cls, value: object) -> Place:
        """From what the browser sent; anything unexpected counts as a new conversation in English."""
        data = value if isinstance(value, Mapping) else {}
        conversation, head = data.get("conversation"), data.get("head")
        language, fields = data.get("language"), data.get("fields")
        return cls(
            conversation if isinstance(conversation, str) and conversation else None,
            head if isinstance(head, str) and head else None,
            language if isinstance(language, str) and language in LANGUAGES else "en",
            fields if isinstance(fields, Mapping) else {},
        )


@dataclass(frozen=True)
class Outcome:
    """What an act gives the page: a view, and (where not None) new contents of composer, details and mode picker."""

    view: Json
    composer: str | None = None
    details: Json | None = None
    mode: str | None = None
    mode_names: list[tuple[str, str]] | None = None
