"""The forms of a poem: lines, syllables, rhyme schemes; for Chinese forms characters, rhyme and 平仄."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from app.checks import chinese_verse, english_verse
from app.checks.findings import CheckRequest, Finding, written_lines

Lines = Sequence[tuple[int, str]]
HAIKU = (5, 7, 5)
LIMERICK = (range(6, 12), range(6, 12), range(4, 8), range(4, 8), range(6, 12))
SONNET = range(9, 12)
"""Ten syllables; eleven with a feminine ending, nine where the first is left out."""
SONNET_SCHEMES = {
    "Shakespeare": "ABABCDCDEFEFGG",
    "Petrarca (CDE)": "ABBAABBACDECDE",
    "Petrarca (CDC)": "ABBAABBACDCDCD",
    "Spenser": "ABABBCBCCDCDEE",
}
LONGEST_LINE = 300
CHINESE_LINES = {"jueju": 4, "lushi": 8}


def check_poem(request: CheckRequest) -> Iterator[Finding]:
    """What the form that was asked for demands; free verse only wants lines."""
    form = request.value("form", "free verse")
    if form in CHINESE_LINES:
        yield from _chinese(request, CHINESE_LINES[form], int(request.value("characters", "5")))
    elif form in _FORMS and chinese_verse.HAN.search(request.text):
        yield from _chinese_in_western_form(request, form)
    elif form in _FORMS:
        yield from _FORMS[form](_verses(request.text))
    else:
        verses = [(place, line) for place, line in written_lines(request.text) if re.search(r"\w", line)]
        long = tuple(place for place, line in verses if len(line) > LONGEST_LINE // (3 if _is_chinese(line) else 1))
        yield Finding("poem.verse", len(verses) >= 3 and not long, {"lines": len(verses)}, long)


def _is_chinese(line: str) -> bool:
    return bool(chinese_verse.HAN.search(line))


def _verses(text: str) -> Lines:
    """The lines of the poem: not a title, which stands before an empty line or is marked as one."""
    lines = written_lines(text)
    marked = [(place, line) for place, line in lines if not line.startswith(("#", "**"))]
    if (
        len(marked) > 1
        and marked[1][0] - marked[0][0] > 1
        and not marked[0][1].endswith((",", ".", ";", ":", "!", "?"))
    ):
        return marked[1:]
    return marked


def _count(verses: Lines, wanted: int) -> Finding:
    surplus = tuple(place for place, _ in verses[wanted:])
    params = {"lines": len(verses), "wanted": wanted}
    return Finding("poem.lines", len(verses) == wanted, params, surplus=surplus, missing=max(0, wanted - len(verses)))


def _haiku(verses: Lines) -> Iterator[Finding]:
    yield _count(verses, 3)
    yield _syllables(verses, [range(n, n + 1) for n in HAIKU], "5, 7, 5")


def _limerick(verses: Lines) -> Iterator[Finding]:
    yield _count(verses, 5)
    yield _syllables(verses, LIMERICK, "6–11, 6–11, 4–7, 4–7, 6–11")
    yield _scheme(verses, {"AABBA": "AABBA"})


def _sonnet(verses: Lines) -> Iterator[Finding]:
    yield _count(verses, 14)
    yield _syllables(verses, [SONNET] * 14, "9–11")
    yield _scheme(verses, SONNET_SCHEMES)


_FORMS: dict[str, Callable[[Lines], Iterator[Finding]]] = {
    "haiku": _haiku,
    "limerick": _limerick,
    "sonnet": _sonnet,
}


def _syllables(verses: Lines, wanted: Sequence[range], told: str) -> Finding:
    """Whether some reading of each line has as many syllables as its place wants; `counts` says what they have."""
    counts, failing = [], []
    for (place, line), allowed in zip(verses, wanted, strict=False):
        possible = english_verse.syllables_of_line(line)
        counts.append(_nearest(possible, allowed))
        if not possible & set(allowed):
            failing.append(place)
    told_counts = ", ".join(str(count) for count in counts)
    return Finding("poem.syllables", not failing, {"counts": told_counts, "wanted": told}, tuple(failing))


def _nearest(possible: frozenset[int], allowed: range) -> int:
    middle = (allowed.start + allowed.stop - 1) / 2
    return min(possible, key=lambda count: abs(count - middle))


def _scheme(verses: Lines, schemes: dict[str, str]) -> Finding:
    """The scheme that the lines fit best, and the lines that do not rhyme where it wants it.

    Of two lines that should rhyme the later one fails; one that rhymes with any earlier of its letter passes.
    """
    best: tuple[str, tuple[int, ...]] | None = None
    for name, scheme in schemes.items():
        failing = _unrhymed(verses, scheme)
        if best is None or len(failing) < len(best[1]):
            best = (name, failing)
    name, failing = best if best else ("", ())
    shown = schemes.get(name, "")
    enough = len(verses) >= len(shown)
    numbers = ", ".join(str(number) for number in _numbers(verses, failing))
    return Finding("poem.rhyme", enough and not failing, {"scheme": shown, "which": numbers or "–"}, failing)


def _unrhymed(verses: Lines, scheme: str) -> tuple[int, ...]:
    failing, heard = [], dict[str, list[str]]()
    for (place, line), letter in zip(verses, scheme, strict=False):
        before = heard.setdefault(letter, [])
        if before and not any(english_verse.rhymes(earlier, line) for earlier in before):
            failing.append(place)
        before.append(line)
    return tuple(failing)


def _numbers(verses: Lines, places: Sequence[int]) -> list[int]:
    """Lines as a reader counts them: from 1, without the empty ones."""
    return [number for number, (place, _) in enumerate(verses, 1) if place in places]


# ---- Chinese ---------------------------------------------------------------------------------------------------


def _chinese_in_western_form(request: CheckRequest, form: str) -> Iterator[Finding]:
    """A haiku in Chinese counts characters; of the others only the lines are counted."""
    verses = chinese_verse.verses_of(request.text)
    yield _count(verses, {"haiku": 3, "limerick": 5, "sonnet": 14}[form])
    if form == "haiku":
        yield _characters(verses, HAIKU, "5, 7, 5")


def _chinese(request: CheckRequest, count: int, characters: int) -> Iterator[Finding]:
    verses = chinese_verse.verses_of(request.text)
    yield _count(verses, count)
    yield _characters(verses, [characters] * len(verses), str(characters))
    if verses:
        yield _chinese_rhyme(verses)
        yield _tones(verses)


def _characters(verses: Lines, wanted: Sequence[int], told: str) -> Finding:
    counts = [len(chinese_verse.characters_of(verse)) for _, verse in verses]
    failing = tuple(place for (place, _), count, number in zip(verses, counts, wanted, strict=False) if count != number)
    shown = ", ".join(str(count) for count in counts)
    return Finding("poem.characters", not failing, {"counts": shown or "0", "wanted": told}, _once(failing))


def _chinese_rhyme(verses: Lines) -> Finding:
    """The even verses rhyme with the second, on a level tone; the first may."""
    ends = [(place, (chinese_verse.characters_of(verse) or ["？"])[-1]) for place, verse in verses]
    rhyming = ends[1::2]
    failing = []
    for number, (place, end) in enumerate(rhyming):
        if number and not chinese_verse.rhyme(rhyming[0][1], end):
            failing.append(place)
    shown = " ".join(end for _, end in rhyming)
    return Finding("poem.chinese_rhyme", len(rhyming) > 1 and not failing, {"ends": shown or "–"}, _once(failing))


def _tones(verses: Lines) -> Finding:
    """平仄 at the second, fourth and sixth character, in the verse and from verse to verse (对, 粘), and at the end.

    Odd characters are free (一三五不论). Source: 王力,《诗词格律》, 1962.
    """
    fits = [_failing_tones(verses, start) for start in (chinese_verse.LEVEL, chinese_verse.OBLIQUE)]
    failing = min(fits, key=len)
    numbers = [str(number) for number in failing]
    places = _once(verses[number - 1][0] for number in failing)
    return Finding("poem.tones", not failing, {"which": ", ".join(numbers) or "–"}, places)


def _failing_tones(verses: Lines, start: str) -> list[int]:
    """The verses (from 1) that break the rule if the first one has `start` at its second character."""
    failing = []
    for number, (_, verse) in enumerate(verses):
        characters = chinese_verse.characters_of(verse)
        # 对 turns the tone within a couplet, 粘 keeps it from one couplet to the next: s, not s, not s, s, s ...
        tone = start if number % 4 in (0, 3) else _other(start)
        if not _alternates(characters, tone) or not _ends_well(characters, number):
            failing.append(number + 1)
    return failing


def _alternates(characters: Sequence[str], tone: str) -> bool:
    for character in characters[1:-1:2] if len(characters) % 2 else characters[1::2]:
        known = chinese_verse.tones_of(character)
        if known and tone not in known:
            return False
        tone = _other(tone)
    return True


def _ends_well(characters: Sequence[str], number: int) -> bool:
    """Even verses end level, odd ones oblique; the first may rhyme, and then ends level."""
    if not characters or number == 0:
        return bool(characters)
    known = chinese_verse.tones_of(characters[-1])
    return not known or (chinese_verse.LEVEL if number % 2 else chinese_verse.OBLIQUE) in known


def _other(tone: str) -> str:
    return chinese_verse.OBLIQUE if tone == chinese_verse.LEVEL else chinese_verse.LEVEL


def _once(places: Iterator[int] | Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(set(places)))
