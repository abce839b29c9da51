"""The writing modes as the page's script needs them: names, hints, fields and examples in one language."""

from __future__ import annotations

from app.modes import Contents, in_language
from app.modes.fields import Choice, Language, ModeField, Number
from app.ui.view import Json


def modes_json(contents: Contents, language: str) -> Json:
    """All modes in their order, and what is wrong with files that cannot be used."""
    return {"all": _modes(contents, language), "problems": list(contents.problems)}


def _modes(contents: Contents, language: str) -> list[Json]:
    return [
        {
            "key": mode.key,
            "own": mode.key in contents.own,
            "icon": mode.icon,
            "name": in_language(mode.name, language),
            "description": in_language(mode.description, language),
            "hint": mode.hint.get(language, ""),
            "examples": list(mode.examples.get(language, ())),
            "fields": [_field(field, language) for field in mode.fields],
        }
        for mode in contents.modes
    ]


def _field(field: ModeField, language: str) -> Json:
    told: Json = {
        "key": field.key,
        "type": field.type,
        "label": in_language(field.label, language),
        "hint": field.hint.get(language, ""),
        "default": field.initial(),
        "when": {name: list(values) for name, values in field.when.items()},
    }
    if isinstance(field, Choice):
        told["options"] = [{"value": o.value, "name": in_language(o.name, language)} for o in field.options]
    elif isinstance(field, Number):
        told |= {"minimum": field.minimum, "maximum": field.maximum, "step": 1 if field.whole else "any"}
    elif isinstance(field, Language):
        told["auto"] = field.auto
    return told
