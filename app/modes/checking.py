"""What a mode's checks find in a reply. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from app.checks import CheckRequest, Finding, run_checks
from app.modes.fields import Value
from app.modes.instructions import language_of
from app.modes.mode import Mode


def check_reply(mode: Mode, values: Mapping[str, Value], text: str, source: str) -> tuple[Finding, ...]:
    """The findings on a reply `text` to what a person wrote (`source`), with the fields' values of then."""
    values = {**mode.defaults(), **values}
    target = mode.length.target(values) if mode.length else None
    return run_checks(mode.checks, CheckRequest(text, source, values, language_of(text), target))
