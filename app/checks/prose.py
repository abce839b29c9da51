"""Checks on the build of a text: its length, the parts of a letter, of a scene, of a list."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.checks.findings import CheckRequest, Finding, listed, written_lines

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]")
WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
ITEM = re.compile(r"^(?:[-*•–]|\d{1,3}[.)、]|[一二三四五六七八九十]{1,3}[、.])\s*\S")
_NAME = r"[^\s:：*()（）\[\]]{1,20}"
SPEAKER = re.compile(rf"^(?:\*\*)?({_NAME}(?: {_NAME}){{0,2}})(?:\*\*)?\s*(?:[(（][^)）]{{0,80}}[)）]\s*)?[:：]")
"""Ana: …; **Ana** (laughing): …; 安娜：…"""
GREETING = re.compile(
    r"^(?:dear|hello|hi|hey|good (?:morning|afternoon|evening|day)|greetings|to whom)\b"
    r"|[，,：:]$|^(?:尊敬|亲爱|你好|您好)",
    re.IGNORECASE,
)
CLOSING = re.compile(
    r"^(?:yours|best|kind|warm|with|many|your|see you|sincerely|regards|cheers|love|thank|thanks|cordially"
    r"|respectfully)\b|^(?:此致|敬礼|祝|顺祝|谨上|敬上|你的|您的|谢谢)",
    re.IGNORECASE,
)
SUBJECT = re.compile(r"^\W*(?:subject|re|主题|标题)\W*\s*[:：]", re.IGNORECASE)


def size_of(text: str, unit: str) -> int:
    """How long a text is. A Chinese character counts as a word, as Chinese counts."""
    if unit == "lines":
        return len(written_lines(text))
    if unit == "paragraphs":
        return len([part for part in re.split(r"\n\s*\n", text) if part.strip()])
    if unit == "sentences":
        return len(sentences_of(text))
    han = len(HAN.findall(text))
    return han + len(WORD.findall(HAN.sub(" ", text)))


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, by a library that knows abbreviations."""
    import sentencex

    language = "zh" if HAN.search(text) else "en"
    return [sentence for sentence in (s.strip() for s in sentencex.segment(language, text)) if WORD.search(sentence)]


def check_length(request: CheckRequest) -> Iterator[Finding]:
    """Whether the reply is about as long as it was asked to be."""
    target = request.target
    if target is None:
        return
    size = size_of(request.text, target.unit)
    least, most = round(target.number * (1 - target.tolerance)), round(target.number * (1 + target.tolerance))
    params = {"size": size, "wanted": target.number, "least": least, "most": most}
    yield Finding(f"length.{target.unit}", least <= size <= most, params)


def check_letter(request: CheckRequest) -> Iterator[Finding]:
    """A greeting, a closing and the names; an e-mail also has a subject."""
    lines = [line for _, line in written_lines(request.text)]
    if request.value("kind") == "an e-mail":
        yield Finding("letter.subject", any(SUBJECT.search(line) for line in lines[:3]))
    body = [line for line in lines if not SUBJECT.search(line)]
    yield Finding("letter.greeting", any(GREETING.search(line) for line in body[:4]))
    yield Finding("letter.closing", any(CLOSING.search(line) for line in body[-6:]))
    for key in ("to", "from"):
        name = request.value(key).strip()
        if name:
            yield Finding(f"letter.{key}", name.lower() in request.text.lower(), {"name": name})


def check_scene(request: CheckRequest) -> Iterator[Finding]:
    """Who speaks stands before what is said; everybody speaks; about as many lines as were asked for."""
    spoken = [match.group(1).strip() for _, line in written_lines(request.text) if (match := SPEAKER.match(line))]
    wanted = int(request.value("lines", "0") or 0)
    if wanted:
        good = abs(len(spoken) - wanted) <= max(2, wanted // 4)
        yield Finding("scene.lines", good, {"lines": len(spoken), "wanted": wanted})
    people = [name.strip() for name in re.split(r",|，|、|;| and | & |和", request.value("people")) if name.strip()]
    heard = " ".join(spoken).lower()
    silent = [name for name in people if name.split()[0].lower() not in heard]
    if people:
        yield Finding("scene.people", not silent, {"names": listed(silent or people)})
    else:
        yield Finding("scene.speakers", len(set(spoken)) >= 2, {"speakers": len(set(spoken))})


def check_outline(request: CheckRequest) -> Iterator[Finding]:
    """A list with as many points as were asked for."""
    wanted = int(request.value("parts") or request.value("ideas") or 0)
    items = _items(request.text)
    good = len(items) == wanted if wanted else len(items) > 1
    yield Finding("list.items", good, {"items": len(items), "wanted": wanted or 2})


def check_summary(request: CheckRequest) -> Iterator[Finding]:
    """As many sentences or points as were asked for, and shorter than what is summed up."""
    wanted = int(request.value("points", "0") or 0)
    if request.value("form") == "points":
        yield from check_outline(CheckRequest(request.text, values={"parts": wanted}))
    elif wanted:
        count = len(sentences_of(request.text))
        yield Finding("summary.sentences", count == wanted, {"sentences": count, "wanted": wanted})
    size, whole = size_of(request.text, "words"), size_of(request.source, "words")
    yield Finding("summary.shorter", size < whole, {"size": size, "whole": whole})


def _items(text: str) -> list[str]:
    """The points of the outermost list."""
    lines = [line for line in text.split("\n") if ITEM.match(line.lstrip())]
    if not lines:
        return []
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    outer = [line for line in lines if len(line) - len(line.lstrip()) == indent]
    numbered = [line for line in outer if line.lstrip()[0] not in "-*•–"]
    return numbered if numbered and len(numbered) >= len(outer) / 3 else outer
