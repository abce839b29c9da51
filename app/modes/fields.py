"""The typed fields of a mode, and what becomes of the values that a person gives them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.errors import AppError, FieldEmpty, FieldNotAnOption, FieldOutOfRange, FieldTooLong

Value = str | int | float | bool
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Label = Annotated[dict[str, str], Field(min_length=1)]
LONGEST_TEXT = 2_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Option(_Frozen):
    """One option of a choice: the value templates see, and its names by language."""

    value: str = Field(min_length=1, max_length=100)
    name: Label


class _Named(_Frozen):
    """`when`: shown only while each of these fields has one of these values."""

    when: dict[str, tuple[str, ...]] = {}
    key: Key
    label: Label
    hint: dict[str, str] = {}
    default: Value

    def initial(self) -> Value:
        """The value to begin with."""
        return self.default


class Choice(_Named):
    """One of some options."""

    type: Literal["choice"]
    options: tuple[Option, ...] = Field(min_length=1, max_length=100)
    default: str

    @model_validator(mode="after")
    def _default_is_an_option(self) -> Self:
        if self.default not in [option.value for option in self.options]:
            raise ValueError(f"the default {self.default!r} is none of the options")
        return self


class Language(_Named):
    """A language by its code ("pt"); "auto" where `auto` is set: found out from the text."""

    type: Literal["language"]
    default: str = Field(pattern=r"^(auto|[a-z]{2,3}(-[A-Za-z]{2,8})?)$")
    auto: bool = False


class Number(_Named):
    type: Literal["number"]
    default: float
    minimum: float
    maximum: float
    whole: bool = True

    def initial(self) -> int | float:
        return round(self.default) if self.whole else self.default

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if not self.minimum <= self.default <= self.maximum:
            raise ValueError(f"the default {self.default:g} is not between {self.minimum:g} and {self.maximum:g}")
        return self


class Line(_Named):
    """A short text."""

    type: Literal["text"]
    default: str = Field(default="", max_length=LONGEST_TEXT)
    required: bool = False


class Toggle(_Named):
    type: Literal["toggle"]
    default: bool = False


ModeField = Annotated[Choice | Language | Number | Line | Toggle, Field(discriminator="type")]


def checked_values(fields: Sequence[ModeField], given: Mapping[str, object], language: str = "en") -> dict[str, Value]:
    """Every field's value: what was given if it can be, else the default. Unknown names are dropped.

    Raises FieldOutOfRange, FieldNotAnOption, FieldTooLong or FieldEmpty, with the field's label in `language`.
    """
    return {field.key: _checked(field, given.get(field.key, field.default), language) for field in fields}


def usable_values(fields: Sequence[ModeField], given: Mapping[str, object]) -> dict[str, Value]:
    """Like `checked_values`, with the default in place of what cannot be."""
    values = {field.key: field.initial() for field in fields}
    for field in fields:
        with contextlib.suppress(AppError):
            values[field.key] = _checked(field, given.get(field.key, field.default), "en")
    return values


def _checked(field: ModeField, value: object, language: str) -> Value:
    label = field.label.get(language) or next(iter(field.label.values()))
    match field:
        case Choice():
            options = [option.value for option in field.options]
            if value not in options:
                raise FieldNotAnOption(field=label, value=str(value)[:60])
            return str(value)
        case Language():
            return _language(field, value, label)
        case Number():
            return _number(field, value, label)
        case Line():
            text = "" if value is None else str(value)
            if len(text) > LONGEST_TEXT:
                raise FieldTooLong(field=label, limit=LONGEST_TEXT)
            if field.required and not text.strip():
                raise FieldEmpty(field=label)
            return text
        case Toggle():
            return bool(value)


def _language(field: Language, value: object, label: str) -> str:
    code = str(value or "")
    allowed = code.replace("-", "").isalpha() and 2 <= len(code) <= 12
    if not allowed or (code == "auto" and not field.auto):
        raise FieldNotAnOption(field=label, value=code[:60])
    return code


def _number(field: Number, value: object, label: str) -> int | float:
    if value is None or value == "":
        value = field.default
    refusal = FieldOutOfRange(field=label, minimum=f"{field.minimum:g}", maximum=f"{field.maximum:g}")
    try:
        number = float(str(value))
    except ValueError as error:
        raise refusal from error
    # What is not a number compares as false with everything, and so fails here as well.
    if not field.minimum <= number <= field.maximum:
        raise refusal
    return round(number) if field.whole else number
