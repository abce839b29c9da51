"""Text out of tokens, and its end at a stop string."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from models.workers.transformers_text import Detokenizer, StopStrings


class Bytes:
    """A tokenizer whose tokens are bytes."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        return bytes(token_ids).decode("utf-8", "replace")


def pieces(data: bytes, prompt: bytes = b"") -> list[str]:
    text = Detokenizer(Bytes(), prompt)
    return [*(text.push(token) for token in data), text.finish()]


def test_a_character_of_several_tokens_comes_whole() -> None:
    assert pieces("é你👩".encode()) == ["", "é", "", "", "你", "", "", "", "👩", ""]


def test_an_unfinished_character_shows_at_the_end() -> None:
    assert pieces("a👩".encode()[:-1]) == ["a", "", "", "", "\ufffd"]


def test_endless_invalid_bytes_are_let_out() -> None:
    assert "".join(pieces(b"\x80" * 500)[:-1]).count("\ufffd") > 400


@given(st.text(), st.text())
def test_all_pieces_are_the_text(text: str, prompt: str) -> None:
    assert "".join(pieces(text.encode("utf-8", "replace"), prompt.encode("utf-8", "replace"))) == (
        text.encode("utf-8", "replace").decode()
    )


def stopped(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    watch = StopStrings(stops)
    shown = ""
    for letter in text:
        more, met = watch.push(letter)
        shown += more
        if met:
            return shown, True
    return shown + watch.finish(), False


def test_nothing_of_a_stop_string_is_shown() -> None:
    watch = StopStrings(["END"])
    assert watch.push("one E") == ("one ", False)
    assert watch.push("N") == ("", False)
    assert watch.push("D two") == ("", True)


def test_what_only_began_like_a_stop_string_is_shown() -> None:
    assert stopped("ENE END", ["END!"]) == ("ENE END", False)


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_a_text_is_cut_where_the_first_stop_string_is_complete(text: str, stops: list[str]) -> None:
    shown, met = stopped(text, stops)
    assert met == any(stop in text for stop in stops)
    assert text.startswith(shown)
    assert not any(stop in shown for stop in stops)
