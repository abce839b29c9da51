"""The few refusals of the app itself, built like those of `models.errors` and `storage.errors`."""

from __future__ import annotations

from typing import ClassVar


class AppError(Exception):
    """A refusal. `str()` is a whole English sentence with the next step."""

    code: ClassVar[str] = "app"
    template: ClassVar[str] = "This cannot be done: {detail}."

    def __init__(self, **params: str | int | float) -> None:
        self.params = params
        super().__init__(self.template.format(**params))


class EmptyMessage(AppError):
    code = "empty_message"
    template = "There is nothing to send yet. Write something first."


class UnusableSetting(AppError):
    code = "unusable_setting"
    template = "{value} cannot be used as {name}. Choose another value."


class FieldEmpty(AppError):
    code = "field_empty"
    template = "{field} is empty. Fill it in first."


class FieldNotAnOption(AppError):
    code = "field_not_an_option"
    template = "{value} is none of the options of {field}. Choose one of the list."


class FieldOutOfRange(AppError):
    code = "field_out_of_range"
    template = "{field} needs a number from {minimum} to {maximum}."


class FieldTooLong(AppError):
    code = "field_too_long"
    template = "{field} takes at most {limit} characters. Shorten it."


class ModeNotFound(AppError):
    code = "mode_not_found"
    template = "There is no mode {name} (any more)."


class ModeUnusable(AppError):
    code = "mode_unusable"
    template = "This mode cannot be used: {reason}."


class NothingToRepair(AppError):
    code = "nothing_to_repair"
    template = "No line of this reply fails a check, so there is nothing to repair."


def all_app_errors() -> tuple[type[AppError], ...]:
    """Every class of this module, for the page's table of words and its test."""
    return (AppError, *AppError.__subclasses__())
