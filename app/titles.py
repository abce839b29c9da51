"""A conversation's title: from its first message at once, the same on every machine, or as a person gave it."""

from __future__ import annotations

import re

LONGEST = 48
LONGEST_GIVEN = 200
LOOKED_AT = 2_000
"""Characters of a line that are looked at: a title is far shorter."""
FENCE = re.compile(r"^\s*(?:```|~~~)")
BLOCK_MARKS = re.compile(r"^\s*(?:(?:[#>*+-]+|\d+[.)])\s+)+")
LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
EMPHASIS = re.compile(r"`+|(?<!\w)(?:\*{1,3}|_{1,3}|~~)(?=\S)|(?<=\S)(?:\*{1,3}|_{1,3}|~~)(?!\w)")
SENTENCE_END = re.compile(r"(?<=[.!?])\s|(?<=[。！？])")
INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Controls, and marks that turn the direction of what stands around a title; joiners inside words stay."""


def title_from(text: str) -> str:
    """The first sentence of the first line that says something, without Markdown, at most 48 characters."""
    for line in text.splitlines():
        if FENCE.match(line):
            continue
        plain = EMPHASIS.sub("", LINK.sub(r"\1", BLOCK_MARKS.sub("", line[:LOOKED_AT])))
        words = _one_line(plain)
        if any(character.isalnum() for character in words):
            return _shorten(SENTENCE_END.split(words, maxsplit=1)[0].strip())
    return ""


def title_given(text: str) -> str:
    """A title as a person typed it, on one line."""
    return _one_line(text)[:LONGEST_GIVEN].strip()


def _one_line(text: str) -> str:
    return " ".join(INVISIBLE.sub("", text).split())


def _shorten(sentence: str) -> str:
    if len(sentence) <= LONGEST:
        return sentence
    cut = sentence[: LONGEST - 1]
    space = cut.rfind(" ")
    # A text without spaces (Chinese, Japanese) is cut at a character.
    return (cut[:space] if space > LONGEST // 2 else cut).rstrip(" ,;:，、；：") + "…"
