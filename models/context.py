"""What fits in the context window and what does not: pure decisions over token counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from models.errors import ContextOverflow
from models.types import ChatMessage

KEEP_SHARE = 0.6
"""When something must be left out, the prompt shrinks to this share of the window: then its beginning stays the
same for many turns, and the engine reads only what is new."""
NEAR_ENOUGH = 0.85
"""A prompt of this share of what was aimed at is good enough; exactly the longest one would cost more counting."""
LARGEST_RESERVE = 1024
USUAL_BYTES_PER_TOKEN = 4.0
MOST_BYTES_PER_TOKEN = 8
"""A history of more bytes than this for each token of room is not worth counting: something has to go."""

Count = Callable[[Sequence[ChatMessage]], int]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The messages to send, the ids of the history among them, how many of the history are left out, token count."""

    messages: tuple[ChatMessage, ...]
    ids: tuple[str, ...]
    left_out: int
    prompt_tokens: int


def reserve_for(limit: int, max_tokens: int | None) -> int:
    """Tokens to keep free for the reply: what the user asked for (half the window at most), else a quarter of the
    window, at most 1,024."""
    if max_tokens is None:
        return min(LARGEST_RESERVE, limit // 4)
    return min(max_tokens, limit // 2)


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
    again. Otherwise whole turns go, oldest first, until the prompt fills `KEEP_SHARE` of the window. Counts once
    where nothing has to go, else as often as a binary search over the turns takes. Raises ContextOverflow if the
    last message alone does not fit.
    """
    head = [] if system is None else [system]
    room = limit - reserve

    def tokens(start: int) -> int:
        return count([*head, *(message for _, message in history[start:])])

    def fitted(start: int, used: int) -> Fitted:
        kept = history[start:]
        return Fitted((*head, *(m for _, m in kept)), tuple(i for i, _ in kept), start, used)

    first = next((i for i, (key, _) in enumerate(history) if key == start_hint), 0)
    sizes = _bytes_from(history)
    if sizes[first] <= room * MOST_BYTES_PER_TOKEN:
        used = tokens(first)
        if used <= room:
            return fitted(first, used)
        per_byte = used / max(1, sizes[first])
    else:
        per_byte = 1 / USUAL_BYTES_PER_TOKEN
    goal = min(int(limit * KEEP_SHARE), room)
    start, used = _shorten(_turn_starts(history), first, sizes, tokens, per_byte, goal)
    if used > room:
        raise ContextOverflow(over=used - room, needed=used + reserve, limit=limit)
    return fitted(start, used)


def _shorten(
    starts: Sequence[int],
    first: int,
    sizes: Sequence[int],
    tokens: Callable[[int], int],
    per_byte: float,
    goal: int,
) -> tuple[int, int]:
    """An early one of `starts` after `first` from which at most `goal` tokens follow, and how many; else the last.

    Tokens go roughly with bytes, so a guess from the bytes is nearly always right and one count confirms it; a binary
    search stands behind the guesses for texts where it is not.
    """
    open_starts = [start for start in starts if start > first] or [starts[-1]]
    low, high = 0, len(open_starts) - 1
    best: tuple[int, int] | None = None
    guesses = 3
    while low <= high:
        middle = (low + high) // 2
        if guesses > 0:
            guesses -= 1
            fits = (n for n in range(low, high) if sizes[open_starts[n]] * per_byte <= goal)
            middle = next(fits, high)
        start = open_starts[middle]
        found = tokens(start)
        per_byte = found / max(1, sizes[start])
        if found <= goal:
            best = (start, found)
            if found >= goal * NEAR_ENOUGH:
                break
            high = middle - 1
        elif middle == len(open_starts) - 1:
            return start, found
        else:
            low = middle + 1
    assert best is not None  # noqa: S101  # the last start was counted: it fits, or it was returned
    return best


def _bytes_from(history: Sequence[tuple[str, ChatMessage]]) -> list[int]:
    """For each message the bytes of UTF-8 from it to the end."""
    sizes = [len(message.content.encode("utf-8", "replace")) for _, message in history]
    return list(accumulate(reversed(sizes)))[::-1]


def _turn_starts(history: Sequence[tuple[str, ChatMessage]]) -> list[int]:
    """Where a prompt may begin: at each user message; the last one is the last resort."""
    starts = [i for i, (_, message) in enumerate(history) if message.role == "user"]
    return starts or [max(0, len(history) - 1)]


def estimate(messages: Sequence[ChatMessage]) -> int:
    """Tokens where nobody can count them: one for three bytes of UTF-8, and a few for each message's frame.

    English has about 4.5 bytes a token and Chinese 2 to 4, so this is rather too many than too few.
    """
    return sum(len(m.content.encode("utf-8", "replace")) // 3 + 6 for m in messages)
