"""What fits in the context window and what does not: pure decisions over exact token counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.errors import ContextOverflow
from models.types import ChatMessage

KEEP_SHARE = 0.6
"""When something must be left out, the prompt shrinks to this share of the window: then its beginning stays the
same for many turns, and the engine reads only what is new."""

Count = Callable[[Sequence[ChatMessage]], int]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The messages to send, the ids of the history among them, how many of the history are left out, token count."""

    messages: tuple[ChatMessage, ...]
    ids: tuple[str, ...]
    left_out: int
    prompt_tokens: int


def reserve_for(limit: int, max_tokens: int | None) -> int:
    """Tokens to keep free for the reply: what the user asked for, else a quarter of the window, at most 1,024."""
    sensible = min(1024, limit // 4)
    return sensible if max_tokens is None else min(max_tokens, limit // 2)


def fit(
    system: ChatMessage | None,
    history: Sequence[tuple[str, ChatMessage]],
    *,
    limit: int,
    reserve: int,
    count: Count,
    start_hint: str | None = None,
) -> Fitted:
    """Choose how much of `history` (oldest first, the message to answer last) fits `limit` - `reserve` tokens.

    `start_hint` is the id at which the previous prompt began: if all from there still fits, the prompt begins there
    again. Otherwise whole turns go, oldest first, until the prompt fills `KEEP_SHARE` of the window. Raises
    ContextOverflow if the last message alone does not fit.
    """
    head = [] if system is None else [system]
    room = limit - reserve

    def tokens(start: int) -> int:
        return count([*head, *(message for _, message in history[start:])])

    def fitted(start: int, used: int) -> Fitted:
        kept = history[start:]
        return Fitted((*head, *(m for _, m in kept)), tuple(i for i, _ in kept), start, used)

    starts = _turn_starts(history)
    first = next((i for i, (key, _) in enumerate(history) if key == start_hint), 0)
    used = tokens(first)
    if used <= room:
        return fitted(first, used)
    goal = int(limit * KEEP_SHARE)
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high) // 2
        if tokens(starts[middle]) <= min(goal, room):
            high = middle
        else:
            low = middle + 1
    used = tokens(starts[low])
    if used > room:
        raise ContextOverflow(over=used + reserve - limit, needed=used + reserve, limit=limit)
    return fitted(starts[low], used)


def _turn_starts(history: Sequence[tuple[str, ChatMessage]]) -> list[int]:
    """Where a prompt may begin: at each user message; the last one is the last resort."""
    starts = [i for i, (_, message) in enumerate(history) if message.role == "user"]
    return starts or [max(0, len(history) - 1)]


def estimate(messages: Sequence[ChatMessage]) -> int:
    """Tokens where nobody can count them: one for three bytes of UTF-8, and a few for each message's frame."""
    return sum(len(m.content.encode("utf-8", "replace")) // 3 + 6 for m in messages)
