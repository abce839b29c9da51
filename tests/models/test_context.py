"""What fits the window: pure decisions, checked with a tokenizer that counts words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from models.context import KEEP_SHARE, Fitted, estimate, fit, reserve_for
from models.errors import ContextOverflow
from models.types import ChatMessage

SYSTEM = ChatMessage("system", "be kind")
FRAME = 4


class Words:
    """Counts words and a frame for each message, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, messages: Sequence[ChatMessage]) -> int:
        self.asked += 1
        return sum(len(m.content.split()) + FRAME for m in messages)


def turns(count: int, words: int = 46) -> list[tuple[str, ChatMessage]]:
    """`count` turns of a question and an answer with `words` words each."""
    history = []
    for n in range(count):
        history.append((f"u{n}", ChatMessage("user", "question " * words)))
        history.append((f"a{n}", ChatMessage("assistant", "answer " * words)))
    return history


def fit_question(
    history: list[tuple[str, ChatMessage]], *, limit: int = 4096, hint: str | None = None, words: Words | None = None
) -> Fitted:
    asked = [*history, ("last", ChatMessage("user", "and now"))]
    return fit(SYSTEM, asked, limit=limit, reserve=reserve_for(limit, None), count=words or Words(), start_hint=hint)


def test_everything_is_sent_while_it_fits_and_counted_once() -> None:
    words = Words()
    fitted = fit_question(turns(10), words=words)
    assert fitted.left_out == 0
    assert fitted.messages[0] == SYSTEM
    assert fitted.ids == (*(key for key, _ in turns(10)), "last")
    assert fitted.prompt_tokens == Words()(fitted.messages)
    assert words.asked == 1


def test_what_does_not_fit_goes_in_whole_turns_down_to_a_share_of_the_window() -> None:
    fitted = fit_question(turns(100))
    assert fitted.left_out > 0
    assert fitted.messages[1].role == "user"
    assert 0.45 * 4096 < fitted.prompt_tokens <= KEEP_SHARE * 4096


@pytest.mark.parametrize("count", [40, 400, 4000])
def test_few_counts_find_what_fits(count: int) -> None:
    words = Words()
    fit_question(turns(count), words=words)
    assert words.asked <= 4


def test_texts_whose_bytes_say_nothing_about_their_tokens_are_still_fitted_exactly() -> None:
    heavy = [(f"u{n}", ChatMessage("user", "a " * 300)) for n in range(30)]
    light = [(f"v{n}", ChatMessage("user", "a" * 6000)) for n in range(30)]
    for history in ([*heavy, *light], [*light, *heavy]):
        words = Words()
        fitted = fit_question(history, words=words)
        assert fitted.prompt_tokens <= KEEP_SHARE * 4096
        assert words.asked <= 12


def test_the_prompt_begins_where_it_began_before_while_that_fits() -> None:
    history = turns(40)
    first = fit_question(history)
    start = first.ids[0]
    grown = [*history, ("last", ChatMessage("user", "and now")), ("reply", ChatMessage("assistant", "so " * 50))]
    second = fit_question(grown, hint=start)
    assert second.ids[0] == start
    assert second.messages[: len(first.messages)] == first.messages


def test_over_thirty_turns_the_prefix_changes_rarely() -> None:
    history: list[tuple[str, ChatMessage]] = []
    hint, starts = None, []
    for n in range(60):
        history.append((f"u{n}", ChatMessage("user", "question " * 60)))
        fitted = fit(SYSTEM, history, limit=2048, reserve=512, count=Words(), start_hint=hint)
        starts.append(fitted.ids[0])
        hint = fitted.ids[0] if fitted.left_out else None
        history.append((f"a{n}", ChatMessage("assistant", "answer " * 60)))
    changes = sum(before != after for before, after in pairwise(starts[30:]))
    assert changes <= 12
    assert starts[-1] != starts[30]


def test_a_last_message_that_cannot_fit_says_by_how_many_tokens() -> None:
    long = [("u", ChatMessage("user", "word " * 5000))]
    with pytest.raises(ContextOverflow) as caught:
        fit(None, long, limit=4096, reserve=1024, count=Words())
    assert caught.value.params == {"over": 5000 + FRAME + 1024 - 4096, "needed": 5000 + FRAME + 1024, "limit": 4096}


def test_the_last_message_alone_may_fill_all_the_room() -> None:
    room = 4096 - 1024 - FRAME
    history = [*turns(20), ("last", ChatMessage("user", "word " * room))]
    fitted = fit(None, history, limit=4096, reserve=1024, count=Words())
    assert fitted.ids == ("last",)


def test_a_reply_to_be_continued_stays_with_its_question() -> None:
    history = [*turns(60), ("u", ChatMessage("user", "tell me")), ("a", ChatMessage("assistant", "once " * 2000))]
    fitted = fit(None, history, limit=4096, reserve=1024, count=Words())
    assert fitted.ids[-2:] == ("u", "a")
    assert fitted.messages[0].role == "user"


def test_an_unknown_hint_counts_as_none() -> None:
    assert fit_question(turns(3), hint="gone").left_out == 0


@pytest.mark.parametrize(
    ("limit", "wanted", "kept"), [(8192, None, 1024), (2048, None, 512), (8192, 300, 300), (2048, 9999, 1024)]
)
def test_room_for_the_reply(limit: int, wanted: int | None, kept: int) -> None:
    assert reserve_for(limit, wanted) == kept


def test_an_estimate_is_rather_too_high() -> None:
    assert estimate([ChatMessage("user", "The quick brown fox jumps over the lazy dog.")]) >= 10
    assert estimate([ChatMessage("user", "你好世界")]) >= 4
    assert estimate([ChatMessage("user", "\ud800")]) >= 1
