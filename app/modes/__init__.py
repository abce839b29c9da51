"""Writing modes as data: one TOML file a mode, checked when it is read."""

from app.modes.checking import check_reply
from app.modes.fields import Value, checked_values, usable_values
from app.modes.files import FOLDER, UnreadableMode, load_mode, load_modes, read_mode
from app.modes.instructions import Instructions, instructions_for, language_of, needs_other_model
from app.modes.mode import LengthTarget, Mode, in_language
from app.modes.shelf import Contents, Shelf
from app.modes.templates import Template, TemplateError

__all__ = [
    "FOLDER",
    "Contents",
    "Instructions",
    "LengthTarget",
    "Mode",
    "Shelf",
    "Template",
    "TemplateError",
    "UnreadableMode",
    "Value",
    "check_reply",
    "checked_values",
    "in_language",
    "instructions_for",
    "language_of",
    "load_mode",
    "load_modes",
    "needs_other_model",
    "read_mode",
    "usable_values",
]
