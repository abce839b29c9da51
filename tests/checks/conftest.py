"""What the tests of checks share."""

from __future__ import annotations

import pytest

from app.modes import load_modes
from app.modes.fields import Choice


@pytest.fixture
def built_in_languages() -> list[str]:
    """The languages of code that the built-in mode offers."""
    mode = next(mode for mode in load_modes() if mode.key == "code")
    field = next(field for field in mode.fields if field.key == "language_of_code")
    assert isinstance(field, Choice)
    return [option.value for option in field.options]
