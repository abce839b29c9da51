"""The reasoning in a streamed reply: told apart from the answer where a model writes both into one text."""

from __future__ import annotations

from typing import Literal

OPEN, CLOSE = "<think>", "</think>"


class ReasoningSplitter:
    """Takes a reply piece by piece and gives (answer, reasoning) pieces; a tag may be split over any of them.

    Only a tag that opens the reply counts, so that an answer about `<think>` stays whole. Line breaks around
    the tags belong to neither part. `begins` False: the text goes on with one that has begun already.
    """

    def __init__(self, *, begins: bool = True) -> None:
        self._place: Literal["start", "reasoning", "gap", "answer"] = "start" if begins else "answer"
        self._held = ""

    def push(self, text: str) -> tuple[str, str]:
        """What is certain now."""
        if self._place == "answer":
            return text, ""
        self._held += text
        reasoning = ""
        if self._place == "start":
            self._start()
        if self._place == "reasoning":
            reasoning = self._reason()
        if self._place == "gap":
            self._held = self._held.lstrip("\r\n")
            self._place = "answer" if self._held else "gap"
        return (self._release() if self._place == "answer" else ""), reasoning

    def finish(self) -> tuple[str, str]:
        """What was held back and became no tag."""
        held = self._release()
        return ("", held) if self._place == "reasoning" else (held, "")

    def _start(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(OPEN):
            self._held = begun[len(OPEN) :]
            self._place = "reasoning"
        elif not OPEN.startswith(begun):
            self._place = "answer"

    def _reason(self) -> str:
        """Reasoning up to the closing tag, without what may be the beginning of one."""
        end = self._held.find(CLOSE)
        if end >= 0:
            found, self._held = self._held[:end], self._held[end + len(CLOSE) :]
            self._place = "gap"
            return found
        keep = next((n for n in range(len(CLOSE) - 1, 0, -1) if self._held.endswith(CLOSE[:n])), 0)
        cut = len(self._held) - keep
        found, self._held = self._held[:cut], self._held[cut:]
        return found

    def _release(self) -> str:
        held, self._held = self._held, ""
        return held
