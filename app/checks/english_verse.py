"""English verse: how many syllables a line can have, and which words rhyme.

Pronunciations are those of the CMU Pronouncing Dictionary; a word that it does not have is counted by rule and rhymes
by its spelling. A word with several pronunciations may be read in each of them, as a reader of verse would.
"""

from __future__ import annotations

import re
from functools import lru_cache

WORD = re.compile(r"[A-Za-z]+(?:['’\-][A-Za-z]+)*['’]?")
"""Also o'er and thou'rt, and the parts of a compound together."""
MOST_WORDS = 40
"""A line of verse is shorter; a longer one is prose, and its readings would multiply."""


def words_of(line: str) -> list[str]:
    """The words of a line, lower case, with a straight apostrophe."""
    return [word.lower().replace("’", "'") for word in WORD.findall(line)]


@lru_cache(maxsize=4096)
def syllables_of_word(word: str) -> frozenset[int]:
    """How many syllables a word can have."""
    import pronouncing  # a second's work: only where verse is checked

    counts = {pronouncing.syllable_count(phones) for phones in _phones(word)}
    if "-" in word:
        counts = {0}
        for part in filter(None, word.split("-")):
            counts = {a + b for a in counts for b in syllables_of_word(part)}
    return frozenset(counts) or _estimated(word)


def syllables_of_line(line: str) -> frozenset[int]:
    """How many syllables a line can have, over every reading of its words."""
    counts = {0}
    for word in words_of(line)[:MOST_WORDS]:
        counts = {a + b for a in counts for b in syllables_of_word(word)}
    return frozenset(counts)


def rhymes(first: str, second: str) -> bool:
    """Whether two lines rhyme by their last words: by sound, or to the eye (temperate, date)."""
    one, other = _last(first), _last(second)
    if not one or not other:
        return False
    if one == other:
        return True
    sounds, more = _rhyming_parts(one), _rhyming_parts(other)
    if sounds & more:
        return True
    ending = _eye(one)
    return len(ending) >= 2 and ending == _eye(other)


def _last(line: str) -> str:
    words = words_of(line)
    return words[-1].split("-")[-1] if words else ""


@lru_cache(maxsize=4096)
def _phones(word: str) -> tuple[str, ...]:
    import pronouncing

    for spelling in _spellings(word):
        if found := pronouncing.phones_for_word(spelling):
            return tuple(found)
    return ()


def _spellings(word: str) -> list[str]:
    """The word, and as it is written today: dimm'd is dimmed, wand'ring wandering."""
    plain = word.strip("'")
    return [
        plain,
        plain.replace("'d", "ed"),
        plain.replace("'st", "est"),
        plain.replace("'", "e"),
        plain.replace("'", ""),
    ]


@lru_cache(maxsize=4096)
def _rhyming_parts(word: str) -> frozenset[str]:
    """What must sound alike, without stress: from the last stressed vowel on, and the last syllable alone."""
    import pronouncing

    parts = set()
    for phones in _phones(word):
        parts.add(re.sub(r"\d", "", pronouncing.rhyming_part(phones)))
    return frozenset(parts)


def _eye(word: str) -> str:
    """The spelling from the last vowel on, a silent e left to its vowel: temperATE, dATE."""
    found = re.search(r"[aeiouy]+[^aeiouy]*e?$", re.sub(r"[^a-z]", "", word))
    return found.group() if found and len(found.group()) > 1 else ""


def _estimated(word: str) -> frozenset[int]:
    import syllables

    plain = re.sub(r"[^a-z]", "", word)
    if not plain:
        return frozenset({0})
    count = max(1, syllables.estimate(plain))
    shortened = "'" in word.strip("'")
    return frozenset({count, max(1, count - 1)} if shortened else {count})
