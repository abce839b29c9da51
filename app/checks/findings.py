"""What a check is given and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Param = str | int | float


@dataclass(frozen=True, slots=True)
class Target:
    """About how long a reply should be: `number` of `unit`, give or take `tolerance` (a share of it)."""

    number: int
    unit: str
    tolerance: float


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A reply and what it was asked for.

    `text` is the reply, `source` what the user wrote, `values` the mode's fields, `language` that of the reply ("en",
    "zh"). Lines of a reply are what `lines_of` makes of it.
    """

    text: str
    source: str = ""
    values: Mapping[str, Param | bool] = field(default_factory=dict)
    language: str = "en"
    target: Target | None = None

    def value(self, key: str, default: str = "") -> str:
        """A field's value as text."""
        return str(self.values.get(key, default))


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `check` names its words (`check.<name>`), `lines` are those that fail, counted from 0.

    `surplus` are lines too many, `missing` counts those too few. A finding that fails without any of the three speaks
    of the whole reply: there is no line that could be written anew.
    """

    check: str
    passed: bool
    params: Mapping[str, Param] = field(default_factory=dict)
    lines: tuple[int, ...] = ()
    surplus: tuple[int, ...] = ()
    missing: int = 0

    @property
    def repairable(self) -> bool:
        """Whether it fails in lines that can be written anew, left out or added."""
        return not self.passed and bool(self.lines or self.surplus or self.missing)

    @property
    def key(self) -> str:
        """The key of its sentence in the table of words."""
        return f"check.{self.check}.{'pass' if self.passed else 'fail'}"


Check = Callable[[CheckRequest], Iterable[Finding]]


def lines_of(text: str) -> list[str]:
    """The lines of a reply, with the empty ones: joined by newlines they are the text again, to the letter."""
    return text.split("\n")


def written_lines(text: str) -> list[tuple[int, str]]:
    """The lines that have something on them, with their places."""
    return [(place, line.strip()) for place, line in enumerate(lines_of(text)) if line.strip()]


def listed(things: Iterable[object], most: int = 6) -> str:
    """Some things in a sentence: the first few, and a mark that there are more."""
    every = [str(thing) for thing in things]
    return ", ".join(every[:most]) + (" …" if len(every) > most else "")
