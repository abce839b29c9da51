"""Text out of tokens: whole characters only, and nothing past a stop string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

REPLACEMENT = "\ufffd"
LONGEST_CHARACTER = 4
"""Bytes of a character in UTF-8, so tokens that one can be spread over."""
TAIL = 6
"""Tokens of the prompt that are decoded along, so that a leading space comes out right."""


class Decoder(Protocol):
    """The part of a transformers tokenizer that is used here."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str: ...


class Detokenizer:
    """Turns tokens into text one by one; a character spread over several tokens comes with its last one."""

    def __init__(self, decoder: Decoder, prompt: Sequence[int]) -> None:
        self._decoder = decoder
        self._tokens = list(prompt[-TAIL:])
        self._start = 0
        self._read = len(self._tokens)

    def push(self, token: int) -> str:
        """The text that `token` completes: often one word, "" while a character is still incomplete."""
        self._tokens.append(token)
        known, text = self._decode(self._read), self._decode(len(self._tokens))
        unfinished = text.endswith(REPLACEMENT) and len(self._tokens) - self._read < LONGEST_CHARACTER
        if unfinished or len(text) <= len(known):
            return ""
        self._start, self._read = self._read, len(self._tokens)
        return text[len(known) :]

    def finish(self) -> str:
        """What is left at the end: an unfinished character as U+FFFD, mostly "" ."""
        return self._decode(len(self._tokens))[len(self._decode(self._read)) :]

    def _decode(self, end: int) -> str:
        return self._decoder.decode(self._tokens[self._start : end], skip_special_tokens=True)


class StopStrings:
    """Cuts a growing text at the first of `stops`, holding back what may become the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that may be shown, and whether a stop string was met."""
        self._held += text
        found = [at for at in (self._held.find(stop) for stop in self._stops) if at >= 0]
        if found:
            return self._release(min(found)), True
        return self._release(len(self._held) - self._could_begin()), False

    def finish(self) -> str:
        """What was held back and became no stop string."""
        return self._release(len(self._held))

    def _could_begin(self) -> int:
        """Length of the longest end of the held text with which a stop string begins."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return length
        return 0

    def _release(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        return shown
