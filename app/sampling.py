"""Sampling as a person sets it: checked where it enters, and laid over the model's own advice."""

from __future__ import annotations

import math
from collections.abc import Mapping

from app.errors import UnusableSetting
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


def chosen_options(sampling: Mapping[str, float | int], spec: ModelSpec) -> SamplingOptions:
    """The conversation's own options over the model's advice. Names that this version does not know are ignored."""
    own = {name: value for name, value in sampling.items() if name in RANGES}
    return SamplingOptions(**own).over(spec.advice)  # type: ignore[arg-type]  # whole ones were checked on entry


def _checked(name: str, value: object) -> float | int:
    low, high = RANGES.get(name, (math.inf, -math.inf))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise UnusableSetting(name=name, value=str(value)[:40])
    if name not in WHOLE:
        return value
    if value != int(value):
        raise UnusableSetting(name=name, value=value)
    return int(value)
