"""Refusals: what an endpoint's error answer means to a user."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from models.errors import (
    ContextOverflow,
    EndpointFailed,
    EndpointRateLimited,
    EndpointUnauthorised,
    ModelError,
)

LONGEST_DETAIL = 300
WAIT_UNKNOWN = 10
"""Seconds to wait after a 429 that names no time."""
_CONTEXT = re.compile(r"context[ _](?:length|window|size)|n_ctx", re.IGNORECASE)
_LIMIT = re.compile(
    r"(?:context (?:length|window|size)|n_ctx)[^\d.]{0,40}?(\d{2,9})|(\d{2,9})[- ]token context",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(\d[\d,]{0,11})(?= (?:input |prompt |total )?tokens?\b)", re.IGNORECASE)


def refusal(url: str, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """The error for an answer other than 200. `url` is shown to the user."""
    return refusal_of(url, status, headers, _error_in(body), body.decode("utf-8", "replace"))


def refusal_of(
    url: str, status: int, headers: Mapping[str, str], error: Mapping[str, Any], plain: str = ""
) -> ModelError:
    """The same for the `error` object of an answer or of an event in a stream."""
    if status in (401, 403):
        return EndpointUnauthorised(url=url)
    if status == 429:
        return EndpointRateLimited(url=url, seconds=_retry_after(headers.get("retry-after", "")))
    message = error.get("message")
    detail = message if isinstance(message, str) and message.strip() else plain
    if status in (400, 413, 422, 500):
        overflow = _overflow(error, detail)
        if overflow is not None:
            return overflow
    return EndpointFailed(url=url, status=status, detail=_one_line(detail) or "no reason given")


def status_of(error: Mapping[str, Any]) -> int:
    """The HTTP status that an error object in a stream names; 500 where it names none."""
    code = error.get("code")
    text = str(code)
    return int(text) if text.isdigit() and 400 <= int(text) < 600 else 500


def _error_in(body: bytes) -> Mapping[str, Any]:
    """The `error` object of the common forms: `{"error": {…}}`, `{"error": "…"}`, `{"message": …}`."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    error = found.get("error", found)
    if isinstance(error, dict):
        return error
    return {"message": str(error)}


def _overflow(error: Mapping[str, Any], message: str) -> ContextOverflow | None:
    needed, limit = error.get("n_prompt_tokens"), error.get("n_ctx")
    if not (isinstance(needed, int) and isinstance(limit, int)):
        known = "context_length_exceeded" in (error.get("code"), error.get("type"))
        if not known and not _CONTEXT.search(message):
            return None
        needed, limit = _numbers(message)
        if needed is None or limit is None:
            return None
    needed = max(needed, limit + 1)
    return ContextOverflow(over=needed - limit, needed=needed, limit=limit)


def _numbers(message: str) -> tuple[int | None, int | None]:
    """(tokens wanted, tokens of the window) out of a sentence such as OpenAI's or vLLM's."""
    found = _LIMIT.search(message)
    if found is None:
        return None, None
    limit = int(found.group(1) or found.group(2))
    counts = [int(number.replace(",", "")) for number in _COUNTED.findall(message)]
    more = [count for count in counts if count != limit]
    parts = sum(more)
    whole = [count for count in more if count > limit]
    return (max(whole) if whole else parts if parts > limit else None), limit


def _retry_after(value: str) -> int:
    """Seconds, from a `Retry-After` header in either form."""
    if value.strip().isdigit():
        return min(int(value), 86_400)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return WAIT_UNKNOWN
    return max(1, min(int(moment.timestamp() - time.time()), 86_400))


def _one_line(text: str) -> str:
    """`text` for a sentence: one line, no markup, not long."""
    text = re.sub(r"<[^>]{0,200}>", " ", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "…"
