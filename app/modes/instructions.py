"""What a mode makes of a message: the system text, the text that is sent, and how the reply begins. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.modes.fields import Choice, ModeField, Value
from app.modes.mode import Mode
from app.modes.templates import Template


@dataclass(frozen=True, slots=True)
class Instructions:
    """Empty where the mode says nothing: `system` then is the model's own, `user` what the person wrote."""

    system: str
    user: str
    opening: str
    language: str


def instructions_for(mode: Mode, text: str, values: Mapping[str, Value], language: str) -> Instructions:
    """The mode's templates with what was written and the fields' values (see `checked_values`) in them.

    `language` is the one in which the model is to be told, by its code; where the mode has nothing in it, English
    stands in. Raises TemplateError.
    """

    def rendered(templates: Mapping[str, str]) -> str:
        told = language if language in templates else "en"
        source = templates.get(told, "")
        known = {"text": text, "language": told, **values, **_names(mode.fields, values, told)}
        return Template(source).render(known) if source else ""

    return Instructions(rendered(mode.system), rendered(mode.user) or text, rendered(mode.opening), language)


def _names(fields: tuple[ModeField, ...], values: Mapping[str, Value], language: str) -> dict[str, str]:
    """For each field also `<key>_name`: an option by its name in the language of the instructions."""
    names = {}
    for field in fields:
        value = str(values.get(field.key, field.default))
        if isinstance(field, Choice):
            option = next((option for option in field.options if option.value == value), None)
            value = (option.name.get(language) or option.value) if option else value
        names[f"{field.key}_name"] = value
    return names


def language_of(text: str) -> str:
    """In which language to tell the model about `text`: "zh" where it has Chinese characters and no kana, else "en"."""
    if re.search(r"[\u3040-\u30ff]", text):
        return "en"
    return "zh" if re.search(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]", text) else "en"


def needs_other_model(language: str, model_languages: tuple[str, ...]) -> bool:
    """Whether `language` is beyond a model that knows `model_languages` (empty: nobody knows which)."""
    return bool(model_languages) and not any(known.split("-")[0] == language for known in model_languages)
