"""One chat completion on the wire: the request's JSON, the events of the stream, the chunks they become."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from models.reasoning import ReasoningSplitter
from models.types import (
    ChatMessage,
    Chunk,
    Endpoint,
    FinishReason,
    PromptProgress,
    SamplingOptions,
    Timings,
    TokenLogprob,
    Usage,
)

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of one event at most. A real one has a few hundred."""
LOWEST_LOGPROB = -1e4
"""Stands for a probability of zero, which JSON cannot hold."""

Json = dict[str, Any]


class NotTheProtocol(ValueError):
    """What came is not a stream of chat-completion events."""


def request_body(
    endpoint: Endpoint,
    messages: Sequence[ChatMessage],
    options: SamplingOptions,
    continue_last: bool,
    alternatives: int | None,
) -> Json:
    """The JSON of a streaming request in the endpoint's dialect. What is None is left to the endpoint."""
    body: Json = {
        "model": endpoint.model,
        "messages": [{"role": m.role, "content": well_formed(m.content)} for m in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    penalty = "repetition_penalty" if endpoint.dialect == "vllm" else "repeat_penalty"
    wanted = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "min_p": options.min_p,
        penalty: options.repeat_penalty,
        "max_tokens": options.max_tokens,
        "seed": options.seed,
    }
    body |= {name: value for name, value in wanted.items() if value is not None}
    if alternatives is not None:
        body |= {"logprobs": True, "top_logprobs": alternatives}
    if endpoint.dialect == "llama_cpp":
        body |= {"return_progress": True, "cache_prompt": True}
    if continue_last and endpoint.dialect == "vllm":
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    return body


def events(pieces: Iterable[bytes]) -> Iterator[Json | None]:
    """The JSON events in a body of server-sent events, None for the closing `[DONE]`.

    Raises `NotTheProtocol` for anything else.
    """
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            event = _event(line)
            if event is not _NOTHING:
                yield event
                if event is None:
                    return
        if len(rest) > LONGEST_LINE:
            raise NotTheProtocol("an endless line")
    event = _event(rest)
    if event is not _NOTHING:
        yield event


_NOTHING: Json = {}


def _event(line: bytes) -> Json | None:
    line = line.strip()
    if line.startswith(b"data:"):
        data = line[5:].lstrip()
        return None if data == b"[DONE]" else _object(data)
    if line.startswith(b"error:"):  # how older llama.cpp servers say that generating failed
        return {"error": _object(line[6:])}
    if not line or line.startswith((b":", b"event:", b"id:", b"retry:")):
        return _NOTHING
    if line.startswith(b"{"):  # an error in place of a stream
        return _object(line)
    raise NotTheProtocol("no server-sent event")


def _object(data: bytes) -> Json:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise NotTheProtocol("an event that is no JSON") from exc
    if not isinstance(found, dict):
        raise NotTheProtocol("an event that is no object")
    return found


class Completion:
    """Turns the events of one stream into chunks and keeps the time, from its making on."""

    def __init__(self, *, begins: bool = True) -> None:
        self._began = time.perf_counter()
        self._first: float | None = None
        self._last: float | None = None
        self._pieces = 0
        self._splitter = ReasoningSplitter(begins=begins)
        self._reason: FinishReason | None = None
        self._usage: Json = {}
        self._timings: Json = {}
        self._progress: PromptProgress | None = None
        self._tells_logprobs = False

    @property
    def finished(self) -> bool:
        """The model has ended its reply."""
        return self._reason is not None

    def take(self, event: Json | None) -> Chunk | None:
        """The chunk of an event, None where it holds nothing new to a reader."""
        if event is None:
            self._reason = self._reason or "stop"
            return None
        self._usage = _part(event, "usage") or self._usage
        self._timings = _part(event, "timings") or self._timings
        progress = _progress(_part(event, "prompt_progress"))
        self._progress = progress or self._progress
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        # A server that does not stream sends the whole message at once.
        text, reasoning = self._text(_part(choice, "delta") or _part(choice, "message"))
        reason = choice.get("finish_reason")
        if reason is not None:
            self._reason = "length" if reason == "length" else "stop"
        probabilities = self._probabilities(choice)
        if text or reasoning or probabilities or progress:
            return Chunk(text=text, reasoning=reasoning, logprobs=probabilities, progress=progress)
        return None

    def _probabilities(self, choice: Json) -> tuple[TokenLogprob, ...]:
        """One for each token. llama.cpp leaves them out for tokens of a draft that it accepted."""
        found = _logprobs(choice.get("logprobs"))
        self._tells_logprobs = self._tells_logprobs or bool(found)
        content = _part(choice, "delta").get("content")
        if found or not self._tells_logprobs or not isinstance(content, str) or not content:
            return found
        return (TokenLogprob(well_formed(content), None),)

    def end(self) -> Chunk:
        """The last chunk of a finished stream."""
        return self._closing(self._reason or "stop", self._whole_usage())

    def cancelled(self) -> Chunk:
        """The last chunk of a stream that was cancelled: it counts what came."""
        usage = None
        if self._progress is not None:
            usage = Usage(self._progress.total, self._pieces, self._progress.cached)
        return self._closing("cancelled", usage)

    def held(self) -> Chunk:
        """What was held back as the possible beginning of a tag, when the stream breaks: it is text after all."""
        text, reasoning = self._splitter.finish()
        return Chunk(text=text, reasoning=reasoning)

    def _text(self, delta: Json) -> tuple[str, str]:
        content, thought = delta.get("content"), delta.get("reasoning_content") or delta.get("reasoning")
        text = well_formed(content) if isinstance(content, str) else ""
        reasoning = well_formed(thought) if isinstance(thought, str) else ""
        if text or reasoning:
            self._last = time.perf_counter()
            self._first = self._first or self._last
            self._pieces += 1
        if text:
            text, more = self._splitter.push(text)
            reasoning += more
        return text, reasoning

    def _closing(self, reason: FinishReason, usage: Usage | None) -> Chunk:
        text, reasoning = self._splitter.finish()
        timings = self._whole_timings(usage.completion_tokens if usage else self._pieces)
        return Chunk(text=text, reasoning=reasoning, finish_reason=reason, usage=usage, timings=timings)

    def _whole_usage(self) -> Usage | None:
        usage, timings = self._usage, self._timings
        prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        cached = _count(_part(usage, "prompt_tokens_details"), "cached_tokens")
        if cached is None:
            cached = _count(timings, "cache_n") or 0
        if prompt is None and (read := _count(timings, "prompt_n")) is not None:
            prompt = read + cached
        if completion is None:
            completion = _count(timings, "predicted_n")
        if prompt is None or completion is None:
            return None
        return Usage(prompt, completion, cached)

    def _whole_timings(self, tokens: int) -> Timings:
        speed = _number(self._timings, "predicted_per_second") if tokens > 1 else None
        if not speed and tokens > 1 and self._first and self._last and self._last > self._first:
            speed = (tokens - 1) / (self._last - self._first)
        return Timings(
            first_token_ms=None if self._first is None else (self._first - self._began) * 1000,
            total_ms=(time.perf_counter() - self._began) * 1000,
            prompt_ms=_number(self._timings, "prompt_ms"),
            predicted_ms=_number(self._timings, "predicted_ms"),
            tokens_per_second=speed or None,
        )


def well_formed(text: str) -> str:
    """`text` as UTF-8 can hold it: half a surrogate pair becomes U+FFFD, a whole pair its character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _logprobs(found: object) -> tuple[TokenLogprob, ...]:
    entries = found.get("content") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        return ()
    tokens = []
    for entry in entries:
        token = _token(entry)
        if token is not None:
            others = entry.get("top_logprobs")
            listed = [_token(o) for o in others] if isinstance(others, list) else []
            alternatives = tuple((o.token, o.logprob) for o in listed if o and o.logprob is not None)
            tokens.append(replace(token, alternatives=alternatives) if alternatives else token)
    return tuple(tokens)


def _token(entry: object) -> TokenLogprob | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        return None
    logprob = _number(entry, "logprob")
    return TokenLogprob(
        well_formed(entry["token"]), LOWEST_LOGPROB if logprob is None else max(logprob, LOWEST_LOGPROB)
    )


def _progress(found: Json) -> PromptProgress | None:
    total, cached, read = _count(found, "total"), _count(found, "cache"), _count(found, "processed")
    if total is None or read is None:
        return None
    cached = cached or 0
    return PromptProgress(total=total, cached=cached, processed=max(0, read - cached))


def _part(found: Json, name: str) -> Json:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _number(found: Json, name: str) -> float | None:
    value = found.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(found: Json, name: str) -> int | None:
    value = _number(found, name)
    return int(value) if value is not None and 0 <= value < 1e12 else None
