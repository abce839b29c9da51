"""A writing mode as a value: names, fields, instructions, checks; validated once, when its file is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.checks import CHECKS, Target
from app.modes.fields import ModeField, Value
from app.modes.templates import Template, TemplateError

Temperature = Literal["precise", "balanced", "creative"]
Words = Annotated[dict[str, str], Field(min_length=1)]
Text = Annotated[str, Field(max_length=20_000)]
BUILT_IN_NAMES = frozenset({"text", "language"})
"""Names that every template knows: what the user wrote, and the language of the instructions."""


class LengthTarget(BaseModel):
    """About how long a reply should be: a number, or the field that holds it, `times` a factor (minutes into words).

    `tolerance` is a share of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["words", "lines", "sentences", "paragraphs"] = "words"
    number: int | None = Field(default=None, ge=1, le=100_000)
    field: str | None = None
    times: float = Field(default=1.0, gt=0.0, le=1_000.0)
    tolerance: float = Field(default=0.25, ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.number is None) == (self.field is None):
            raise ValueError("a length target has either a number or a field")
        return self

    def target(self, values: Mapping[str, Value]) -> Target | None:
        """The number that is meant, with the fields' values; None where the field holds none."""
        number = self.number if self.field is None else values.get(self.field)
        if not isinstance(number, (int, float)) or isinstance(number, bool):
            return None
        return Target(max(1, round(number * self.times)), self.unit, self.tolerance)


class Mode(BaseModel):
    """One way of writing, as its file says it.

    Instructions are templates by language ("en", "zh"; one text alone stands under "en"). `system` empty: the model
    keeps its own default. `user` makes of what the person wrote (`{{ text }}`) what is sent; `opening` is how the reply
    begins. `examples` are texts to begin with, by the language in which they are written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    order: int = Field(default=100, ge=0, le=1_000_000)
    icon: str = Field(default="✎", min_length=1, max_length=8)
    name: Words
    description: Words
    hint: dict[str, str] = {}
    fields: tuple[ModeField, ...] = Field(default=(), max_length=12)
    system: dict[str, Text] = {}
    user: dict[str, Text] = {}
    opening: dict[str, Text] = {}
    length: LengthTarget | None = None
    temperature: Temperature | None = None
    checks: tuple[str, ...] = ()
    examples: dict[str, tuple[str, ...]] = {}

    @field_validator("system", "user", "opening", mode="before")
    @classmethod
    def _by_language(cls, value: object) -> object:
        return {"en": value} if isinstance(value, str) else value

    @field_validator("system", "user", "opening")
    @classmethod
    def _readable(cls, value: dict[str, str]) -> dict[str, str]:
        for language, source in value.items():
            try:
                Template(source)
            except TemplateError as error:
                raise ValueError(f"{language}: {error}") from error
        return value

    @field_validator("checks")
    @classmethod
    def _known_checks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if name not in CHECKS]:
            known = ", ".join(sorted(CHECKS))
            raise ValueError(f"there is no check called {', '.join(unknown)}; there are {known}")
        return value

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        names = [field.key for field in self.fields]
        if len(set(names)) < len(names):
            raise ValueError("two fields have the same key")
        if taken := BUILT_IN_NAMES & set(names):
            raise ValueError(f"a field may not be called {', '.join(sorted(taken))}")
        if lost := {name for field in self.fields for name in field.when} - set(names):
            raise ValueError(f"a field is shown by {', '.join(sorted(lost))}, which is not there")
        if self.length and self.length.field and self.length.field not in names:
            raise ValueError(f"the length target names the field {self.length.field}, which is not there")
        known = BUILT_IN_NAMES | set(names) | {f"{name}_name" for name in names}
        for part in ("system", "user", "opening"):
            for language, source in getattr(self, part).items():
                if unknown := Template(source).names - known:
                    raise ValueError(f"{part}, {language}: nothing is called {', '.join(sorted(unknown))}")
        return self

    def defaults(self) -> Mapping[str, str | int | float | bool]:
        """The field values to begin with."""
        return {field.key: field.initial() for field in self.fields}


def in_language(words: Mapping[str, str], language: str) -> str:
    """The words in a language, or in the first that is there: a user's own mode may have but one."""
    return words.get(language) or words.get("en") or next(iter(words.values()))
