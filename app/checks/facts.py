"""The facts of a text that must not change: its numbers, names, links and placeholders."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

NUMBER = re.compile(r"\d+(?:[.,\u00a0\u202f']\d+)*")
LINK = re.compile(r"\b(?:https?://|www\.)[^\s<>\"'，。；！？、）》」]+|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
PLACEHOLDER = re.compile(
    r"\$\{[^{}\n]{1,80}\}|\{\{[^{}\n]{1,80}\}\}|\{[\w.:!\[\]-]{0,60}\}|%\([^()\n]{1,60}\)[-#0 +]*[\d.]*[a-zA-Z]"
    r"|%[-#0+]*\d*(?:\.\d+)?(?:\d+\$)?(?:hh|h|ll|l|z|j|t|L)?[sdiufFgGeExXoxcp@](?![A-Za-z])|%\d+(?:\$[a-zA-Z])?(?!\d)"
)
"""{name}, {0}, {{name}}, ${x}, %s, %(name)s, %1$s, %1. A percent sign after a number ("5 %") is none."""
CAPITALISED = re.compile(r"\b[A-ZÀ-ÖØ-Þ][\w'’-]*(?:[ \t]+[A-ZÀ-ÖØ-Þ][\w'’-]*)*")
SENTENCE_END = re.compile(r"(?:^|[.!?:\n\"“”]|^\W*)[\"'“”‘’()*#\s-]*$")
_NO_NAMES = (
    "i i'm i'll i'd i've ok tv mr mrs ms dr am pm monday tuesday wednesday thursday friday saturday sunday january "
    "february march april may june july august september october november december"
)
NO_NAMES = frozenset(_NO_NAMES.split())
"""Words that are written with a capital and name nobody."""
CHINESE_SPEAKER = re.compile(
    r"(?:^|[，。；：、！？“”\s])([\u4e00-\u9fff]{2,3})(?=(?:表示|指出|认为|介绍|强调|告诉|透露|回忆|坦言|说)[^\u4e00-\u9fff]?)"
)
CHINESE_TITLE = re.compile(r"《([^》\n]{1,40})》")
_NOT_SPEAKERS = "他们 她们 我们 你们 大家 有人 专家 记者 报道 消息 人们 官方 据说 可以 所以 同时 另外 此外 部门"
NOT_SPEAKERS = frozenset(_NOT_SPEAKERS.split())


def numbers_of(text: str, language: str = "en") -> Counter[str]:
    """The numbers of a text in one spelling: "1,250.75", "1.250,75" and "1250.75" are the same, as "twelve" is 12."""
    return Counter(_normal(number) for number in NUMBER.findall(spelled_out(text, language)))


def digits_of(text: str) -> Counter[str]:
    """The numbers that are written in figures."""
    return Counter(_normal(number) for number in NUMBER.findall(text))


@lru_cache(maxsize=64)
def spelled_out(text: str, language: str) -> str:
    """The text with number words as figures, by a library; as it is where the library finds no number in it."""
    try:
        if language == "zh":
            import cn2an

            return str(cn2an.transform(text, "cn2an"))
        from text_to_num import alpha2digit

        return str(alpha2digit(text, language if language in ("en", "fr", "es", "pt", "de", "it", "nl") else "en"))
    except (ValueError, TypeError, KeyError, IndexError):
        # Both raise on sequences of number words that are none ("三三两两"): figures alone are counted then.
        return text


def _normal(number: str) -> str:
    """One spelling: groups of three after a mark are thousands, anything else after the last mark is a fraction."""
    parts = re.split(r"[.,\u00a0\u202f']", number)
    if len(parts) == 1:
        return parts[0].lstrip("0") or "0"
    marks = re.findall(r"[.,\u00a0\u202f']", number)
    grouped = all(len(part) == 3 for part in parts[1:]) and 1 <= len(parts[0]) <= 3 and parts[0] != "0"
    if grouped and len(set(marks)) == 1:
        return "".join(parts).lstrip("0")
    if len(set(marks)) == 1 and len(parts) > 2:
        return ".".join(parts)  # a date or a version: 24.12.2025
    whole, fraction = "".join(parts[:-1]).lstrip("0") or "0", parts[-1].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def links_of(text: str) -> Counter[str]:
    """Addresses of pages and of mail, without the stop of the sentence they end."""
    return Counter(link.rstrip(".,;:!?)]}'\"") for link in LINK.findall(text))


def placeholders_of(text: str) -> Counter[str]:
    """What a program will fill in: {name}, %s, ${x} and their like."""
    return Counter(PLACEHOLDER.findall(text))


def names_of(text: str, language: str = "en") -> list[str]:
    """What a text names, in order and once. English: capitals inside a sentence, or two in a row. Chinese: titles in
    《》 and who is said to have said something (a pattern: names without a verb of saying are not found)."""
    if language == "zh":
        found = [
            *CHINESE_TITLE.findall(text),
            *(name for name in CHINESE_SPEAKER.findall(text) if name not in NOT_SPEAKERS),
        ]
        return list(dict.fromkeys(found))
    names: dict[str, None] = {}
    plain = LINK.sub(" ", text)
    for match in CAPITALISED.finditer(plain):
        words = [word for word in match.group().split() if _plain(word) not in NO_NAMES]
        if SENTENCE_END.search(plain[max(0, match.start() - 12) : match.start()]):
            # The first word of a sentence has its capital from there: it is a name only if it is so elsewhere too.
            words = words[1:]
        if words:
            names[re.sub(r"['’]s$", "", " ".join(words))] = None
    return list(names)


def names_word(name: str, text: str) -> bool:
    """Whether every word of a name is in a text, however it is written there."""
    known = {_plain(word) for word in re.findall(r"[\w'’-]+", text)}
    if re.search(r"[\u4e00-\u9fff]", name):
        return name in text
    return all(_plain(word) in known or _plain(word).rstrip("s") in known for word in re.findall(r"[\w'’-]+", name))


def _plain(word: str) -> str:
    return re.sub(r"['’](s)?$", "", word.lower().replace("’", "'"))


def lacking(wanted: Counter[str], there: Counter[str]) -> list[str]:
    """What is in one count and less often in the other."""
    return list((wanted - there).elements())
