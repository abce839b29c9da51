"""Repair: the model writes anew the lines that fail their checks, and only those; the rest stays to the letter."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

from app.checks import Finding, lines_of
from app.live import LiveTurn
from models.cancellation import Cancellation
from models.client import Client
from models.supervisor import Supervisor
from models.types import ChatMessage, Chunk, ModelSpec, SamplingOptions, Usage
from storage.records import PromptPart, ReplyDetails

Inspect = Callable[[str], Sequence[Finding]]
TRIES = 8
"""How often the model may try one line; the check, not the model, says when it is right."""
LEAST_TEMPERATURE = 0.7
"""Below it the model would write the same line again and again."""
REASONS = {
    "en": {
        "poem.syllables": "The lines must have this many syllables: {wanted}.",
        "poem.rhyme": "The lines must rhyme in the order {scheme}.",
        "poem.verse": "The line is too long.",
        "poem.lines": "The poem must have {wanted} lines.",
        "poem.characters": "Each line must have {wanted} characters.",
        "code.parses": "The code does not parse: {what}.",
        "news.numbers": "These numbers are not in the notes: {which}. Leave them out.",
        "news.names": "These names are not in the notes: {which}. Leave them out.",
        "rewrite.new_numbers": "These numbers are not in the text: {which}. Leave them out.",
    },
    "zh": {
        "poem.characters": "每句应有这么多字：{wanted}。",
        "poem.chinese_rhyme": "双数句的最后一个字应当押韵：{ends}。",
        "poem.tones": "平仄不合。",
        "poem.verse": "这一行太长。",
        "poem.lines": "应有 {wanted} 句。",
        "news.numbers": "笔记里没有这些数字：{which}。请去掉。",
        "news.names": "笔记里没有这些名字：{which}。请去掉。",
        "rewrite.new_numbers": "原文没有这些数字：{which}。请去掉。",
    },
}
"""What the model is told about a finding, in the language of the text; where nothing stands, that the line is wrong."""
REQUESTS = {
    "en": "{text}\n\n{reasons}\nWrite line {number} anew:\n{line}\n\nAnswer with the new line only.",
    "zh": "{text}\n\n{reasons}\n请重写第 {number} 行：\n{line}\n\n只写新的这一行。",
}
PREFIX = re.compile(r"^(?:(?:new )?line(?: \d+)?|第 ?\S{1,3} ?[行句])\s*[:：.]\s*", re.IGNORECASE)


@dataclass
class RepairWriter:
    """Writes the repaired text of a reply: its good lines at once, each failing one when a better one is found.

    `asked` is what the reply answered, as it was sent; `inspect` gives the findings on a whole text. A line for which
    the model finds nothing better stays as it was, as do all that are left when it is stopped or fails.
    """

    supervisor: Supervisor
    asked: str
    text: str
    language: str
    inspect: Inspect
    sampling: Callable[[ModelSpec], SamplingOptions]
    _usage: list[Usage] = field(default_factory=list)
    _sent: list[PromptPart] = field(default_factory=list)

    def __call__(self, turn: LiveTurn) -> None:
        lines = self._without_surplus()
        lines += [""] * self._missing(lines)
        done = 0
        try:
            with self.supervisor.use(turn.cancellation) as client:
                turn.move("reading")
                for place in range(len(lines)):
                    if turn.cancellation.cancelled:
                        break
                    if self._fails(lines, place):
                        lines[place] = self._better(turn, client, lines, place)
                    _emit(turn, lines, place)
                    done = place + 1
        finally:
            for place in range(done, len(lines)):
                _emit(turn, lines, place)
        if not turn.cancellation.cancelled:
            turn.take(Chunk(finish_reason="stop", usage=self._used()))

    # ---- which lines -------------------------------------------------------------------------------------------

    def _without_surplus(self) -> list[str]:
        lines = lines_of(self.text)
        surplus = {place for finding in self.inspect(self.text) for place in finding.surplus}
        return [line for place, line in enumerate(lines) if place not in surplus]

    def _missing(self, lines: list[str]) -> int:
        return max((finding.missing for finding in self.inspect("\n".join(lines))), default=0)

    def _fails(self, lines: list[str], place: int) -> int:
        """How many findings are against a line; a line that is still to be written counts too."""
        findings = self.inspect("\n".join(lines))
        return sum(1 for finding in findings if not finding.passed and place in finding.lines) + (not lines[place]) * (
            any(finding.missing for finding in findings)
        )

    # ---- one line ----------------------------------------------------------------------------------------------

    def _better(self, turn: LiveTurn, client: Client, lines: list[str], place: int) -> str:
        """The first candidate that passes; else the one with the fewest findings; the old line if none has fewer."""
        best, fewest = lines[place], self._fails(lines, place)
        for number in range(TRIES):
            if turn.cancellation.cancelled:
                break
            candidate = self._candidate(turn, client, lines, place, number)
            if not candidate.strip() or candidate.strip() in (line.strip() for line in lines):
                continue
            against = self._fails([*lines[:place], candidate, *lines[place + 1 :]], place)
            if against < fewest:
                best, fewest = candidate, against
            if fewest == 0:
                break
        return best

    def _candidate(self, turn: LiveTurn, client: Client, lines: list[str], place: int, number: int) -> str:
        """One try. In turn: told what is wrong, and (own engines only) going on after the lines above."""
        spec = self.supervisor.status().model
        own = spec is not None and spec.runtime != "remote"
        options = self._options(spec, lines, place)
        if own and number % 2 == 0:
            above = "\n".join(lines[:place])
            messages = [ChatMessage("user", self.asked), ChatMessage("assistant", f"{above}\n" if above else "")]
            continues = bool(above.strip())
            messages = messages if continues else messages[:1]
        else:
            messages, continues = [ChatMessage("user", self._request(lines, place))], False
        self._note(turn, spec, options, messages)
        return _as_line(self._first_line(turn, client, messages, options, continues), lines[place])

    def _request(self, lines: list[str], place: int) -> str:
        text = "\n".join(lines)
        reasons = REASONS.get(self.language, REASONS["en"])
        told = [
            reasons[finding.check].format(**finding.params)
            for finding in self.inspect(text)
            if finding.repairable and finding.check in reasons and (place in finding.lines or finding.missing)
        ]
        request = REQUESTS.get(self.language, REQUESTS["en"])
        return request.format(text=text, reasons="\n".join(told), number=place + 1, line=lines[place])

    def _options(self, spec: ModelSpec | None, lines: list[str], place: int) -> SamplingOptions:
        chosen = self.sampling(spec) if spec else SamplingOptions()
        warm = max(LEAST_TEMPERATURE, chosen.temperature or 0.0)
        most = 48 + 2 * max(len(line) for line in lines[max(0, place - 1) : place + 1])
        return replace(chosen, temperature=warm, seed=secrets.randbelow(2**31), max_tokens=min(most, 1_000))

    def _first_line(
        self, turn: LiveTurn, client: Client, messages: Sequence[ChatMessage], options: SamplingOptions, continues: bool
    ) -> str:
        """What the model writes until its first line is whole; then it is stopped."""
        enough = Cancellation()
        written = ""
        with turn.cancellation.calling(enough.cancel):
            for chunk in client.stream(messages, options, continue_last=continues, cancellation=enough, alternatives=0):
                written += chunk.text
                if chunk.usage is not None:
                    self._usage.append(chunk.usage)
                if "\n" in written.lstrip("\n").lstrip():
                    enough.cancel()
        return next((line for line in written.split("\n") if line.strip() and not line.startswith("```")), "")

    # ---- what it cost ------------------------------------------------------------------------------------------

    def _note(
        self, turn: LiveTurn, spec: ModelSpec | None, options: SamplingOptions, messages: Sequence[ChatMessage]
    ) -> None:
        """The record says what was sent last and by whom the lines are."""
        if spec is None:
            return
        turn.details = ReplyDetails(
            model_id=spec.id,
            model_name=spec.name,
            sampling={name: value for name, value in asdict(options).items() if value is not None},
            prompt=tuple(PromptPart(message.role, message.content) for message in messages),
        )

    def _used(self) -> Usage:
        return Usage(
            prompt_tokens=sum(usage.prompt_tokens for usage in self._usage),
            completion_tokens=sum(usage.completion_tokens for usage in self._usage),
        )


def _emit(turn: LiveTurn, lines: Sequence[str], place: int) -> None:
    turn.take(Chunk(text=lines[place] + ("\n" if place + 1 < len(lines) else "")))


def _as_line(written: str, old: str) -> str:
    """A candidate in the old line's place: its indent, no quotation marks or number that the old one did not have."""
    line = PREFIX.sub("", written.strip())
    for opening, closing in (('"', '"'), ("“", "”"), ("`", "`"), ("**", "**")):
        if line.startswith(opening) and line.endswith(closing) and len(line) > 2 * len(opening):
            line = line[len(opening) : -len(closing)] if not old.strip().startswith(opening) else line
    indent = old[: len(old) - len(old.lstrip())]
    return indent + line.strip() if line.strip() else ""


def repairable(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Those findings that fail in lines."""
    return (finding for finding in findings if finding.repairable)
