"""A conversation's title from its first message: at once, and the same on every machine."""

from __future__ import annotations

import re

LONGEST = 48
MARKS = re.compile(r"^\s*(?:[#>*+-]+|\d+[.)])\s+|[*_`~]{1,3}")
SENTENCE_END = re.compile(r"(?<=[.!?])\s|(?<=[。！？])")


def title_from(text: str) -> str:
    """The first sentence of the first line that says something, without Markdown, at most 48 characters."""
    for line in text.splitlines():
        words = " ".join(MARKS.sub("", line).split())
        if not any(character.isalnum() for character in words):
            continue
        sentence = SENTENCE_END.split(words, maxsplit=1)[0].strip()
        return _shorten(sentence)
    return ""


def _shorten(sentence: str) -> str:
    if len(sentence) <= LONGEST:
        return sentence
    cut = sentence[: LONGEST - 1]
    space = cut.rfind(" ")
    # A text without spaces (Chinese, Japanese) is cut at a character.
    return (cut[:space] if space > LONGEST // 2 else cut).rstrip(" ,;:，、；：") + "…"
