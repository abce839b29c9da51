"""Checks of what is said against what was given: news from notes, and a text rewritten."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from app.checks.facts import digits_of, lacking, links_of, names_of, names_word, numbers_of, placeholders_of
from app.checks.findings import CheckRequest, Finding, lines_of, listed
from app.checks.prose import size_of

WHEN = re.compile(
    r"\b(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|may|june|july|august"
    r"|september|october|november|december|today|yesterday|tomorrow|tonight|morning|afternoon|evening|night|noon"
    r"|midnight|week|month|year|\d{4}|\d{1,2}(?::\d{2})? ?[ap]\.?m\.?|\d{1,2}:\d{2})\b"
    r"|[年月日周号]|星期|今天|昨天|明天|凌晨|早上|上午|中午|下午|晚上|[点时]",
    re.IGNORECASE,
)
WHERE = re.compile(
    r"\b(?:in|at|near|on|from|outside|inside|to)\s+(?:the\s+)?((?:[A-ZÀ-Þ][\w'’-]*)(?:\s+[A-ZÀ-Þ][\w'’-]*)*)"
)
CHINESE_WHERE = re.compile(
    r"(?:在|于|位于)([\u4e00-\u9fff]{2,6})|([\u4e00-\u9fff]{1,6}(?:市|省|县|区|镇|村|街|路|大学|中学|图书馆|公园))"
)
CONTENT = re.compile(r"[^\W\d_]{4,}")
CALENDAR = re.compile(
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|june|july|august|september|october|november|december",
    re.I,
)


def check_news(request: CheckRequest) -> Iterator[Finding]:
    """Who, what, when and where, as far as the notes tell; and no number or name that they do not have."""
    yield from _four_questions(request)
    notes = set(numbers_of(request.source, request.language)) | set(digits_of(request.source))
    invented = [number for number in numbers_of(request.text, request.language) if number not in notes]
    places = _lines_with_numbers(request.text, invented, request.language)
    yield Finding("news.numbers", not invented, {"which": listed(invented)}, places)
    names = [name for name in names_of(request.text, request.language) if not names_word(name, request.source)]
    yield Finding("news.names", not names, {"which": listed(names)}, _lines_with(request.text, names))


def _four_questions(request: CheckRequest) -> Iterator[Finding]:
    notes, text, language = request.source, request.text, request.language
    who = names_of(notes, language)
    if who:
        yield Finding("news.who", any(names_word(name, text) for name in who), {"which": listed(who)})
    yield Finding("news.what", _tells(notes, text, language))
    if WHEN.search(notes):
        yield Finding("news.when", bool(WHEN.search(text)))
    where = _places(notes, language)
    if where:
        yield Finding("news.where", any(names_word(place, text) for place in where), {"which": listed(where)})


def _places(notes: str, language: str) -> list[str]:
    if language == "zh":
        return ["".join(found) for found in CHINESE_WHERE.findall(notes)]
    return [place for place in WHERE.findall(notes) if not CALENDAR.search(place)]


def _tells(notes: str, text: str, language: str) -> bool:
    """Whether a third of the notes' words of content (in Chinese: of pairs of characters) come back."""
    if language == "zh":
        said = re.findall(r"[\u4e00-\u9fff]", notes)
        pairs = {"".join(pair) for pair in itertools.pairwise(said)}
    else:
        pairs = {word.lower()[:5] for word in CONTENT.findall(notes)}
    told = {pair for pair in pairs if pair in text.lower()}
    return not pairs or len(told) >= len(pairs) / 3


def check_rewrite(request: CheckRequest) -> Iterator[Finding]:
    """The numbers, names, links and placeholders of the text are all there, no number is new, and the size is right."""
    had, has = numbers_of(request.source, request.language), numbers_of(request.text, request.language)
    lost = lacking(had, has + digits_of(request.text))
    yield Finding("rewrite.numbers", not lost, {"which": listed(lost)})
    known = had + digits_of(request.source)
    new = [number for number in digits_of(request.text) if number not in known]
    places = _lines_with_numbers(request.text, new, request.language)
    yield Finding("rewrite.new_numbers", not new, {"which": listed(new)}, places)
    names = [name for name in names_of(request.source, request.language) if not names_word(name, request.text)]
    yield Finding("rewrite.names", not names, {"which": listed(names)})
    links = lacking(links_of(request.source), links_of(request.text))
    yield Finding("rewrite.links", not links, {"which": listed(links)})
    slots = lacking(placeholders_of(request.source), placeholders_of(request.text))
    if slots or placeholders_of(request.source):
        yield Finding("rewrite.placeholders", not slots, {"which": listed(slots)})
    yield from _size(request)


def _size(request: CheckRequest) -> Iterator[Finding]:
    size, before = size_of(request.text, "words"), size_of(request.source, "words")
    wanted = request.value("size")
    good = {"shorter": size < before, "longer": size > before, "same": 0.7 * before <= size <= 1.3 * before}
    if wanted in good and before:
        yield Finding(f"rewrite.{wanted}", good[wanted], {"size": size, "before": before})


def _lines_with(text: str, things: Iterable[str]) -> tuple[int, ...]:
    sought = list(things)
    return tuple(place for place, line in enumerate(lines_of(text)) if any(thing in line for thing in sought))


def _lines_with_numbers(text: str, numbers: Iterable[str], language: str) -> tuple[int, ...]:
    sought = set(numbers)
    if not sought:
        return ()
    return tuple(place for place, line in enumerate(lines_of(text)) if sought & set(numbers_of(line, language)))
