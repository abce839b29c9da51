"""Sampling as a person sets it: checked where it enters, and laid over the model's own advice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from app.errors import UnusableSetting
from app.modes.mode import Temperature
from models.types import ModelSpec, SamplingOptions

RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 10.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1_000_000),
    "min_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 10.0),
    "max_tokens": (1, 10_000_000),
    "seed": (0, 2**32 - 1),
}
WHOLE = frozenset({"top_k", "max_tokens", "seed"})


def checked_sampling(given: Mapping[str, object]) -> dict[str, float | int]:
    """What can be kept of `given`: only set values of known options. Raises UnusableSetting for any other value."""
    kept: dict[str, float | int] = {}
    for name, value in given.items():
        if value is not None:
            kept[name] = _checked(name, value)
    return kept


def chosen_options(
    sampling: Mapping[str, float | int], spec: ModelSpec, hint: Temperature | None = None
) -> SamplingOptions:
    """The conversation's own options over the mode's hint over the model's advice.

    Names that this version does not know are ignored.
    """
    own = {name: value for name, value in sampling.items() if name in RANGES}
    advice = replace(spec.advice, temperature=hinted_temperature(hint, spec.advice.temperature))
    return SamplingOptions(**own).over(advice)  # type: ignore[arg-type]  # whole ones were checked on entry


def hinted_temperature(hint: Temperature | None, advice: float | None) -> float | None:
    """A mode's word as a number for a model that advises `advice` (None: nobody knows; 0.8 is llama.cpp's default).

    Precise is half of it. Creative is half as much again, and at least 0.4 more: models that are told to be cool repeat
    themselves when they write freely.
    """
    if hint is None or hint == "balanced":
        return advice
    usual = 0.8 if advice is None else advice
    return round(usual / 2, 3) if hint == "precise" else round(min(max(usual * 1.5, usual + 0.4), 1.5), 3)


def _checked(name: str, value: object) -> float | int:
    low, high = RANGES.get(name, (math.inf, -math.inf))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise UnusableSetting(name=name, value=str(value)[:40])
    if name not in WHOLE:
        return value
    if value != int(value):
        raise UnusableSetting(name=name, value=value)
    return int(value)
