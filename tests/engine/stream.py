"""The events of one scripted reply, each with the moment at which it is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.engine.script import Script, tokenize

PROGRESS_STEPS = 4


class Gone(Exception):
    """The client has closed the connection."""


@dataclass(frozen=True)
class Event:
    """`after`: seconds since the request, on an absolute schedule, so that no delay adds up."""

    after: float
    body: dict[str, Any]
    is_token: bool = False


class Stream:
    """One reply to one request, in the form of llama.cpp's server."""

    def __init__(self, script: Script, body: dict[str, Any], prompt: list[str], cached: int, number: int) -> None:
        self._script = script
        self._body = body
        self._prompt = len(prompt)
        self._cached = cached
        pieces = [(piece, "reasoning_content") for piece in tokenize(script.reasoning)]
        pieces += [(piece, "content") for piece in script.pieces(script.text(number, body["messages"]))]
        room = script.context_length - len(prompt)
        asked = body.get("max_tokens")
        limit = room if asked is None or asked < 0 else min(asked, room)
        self._reason = "stop" if len(pieces) <= limit else "length"
        self._pieces = pieces[:limit]

    def events(self) -> Iterator[Event]:
        """Everything that is sent, in order."""
        script, reading = self._script, self._reading()
        yield Event(0.0, self._chunk({"role": "assistant", "content": None}))
        if self._body.get("return_progress") and script.dialect == "llama_cpp":
            yield from self._progress(reading)
        first = reading + script.delay
        step = 1 / script.rate if script.rate else 0.0
        for number, (piece, field) in enumerate(self._pieces):
            body = self._chunk({field: piece})
            if self._body.get("logprobs"):
                body["choices"][0]["logprobs"] = {"content": [self._logprob(piece)]}
            yield Event(first + number * step, body, is_token=True)
        last = first + max(0, len(self._pieces) - 1) * step
        yield Event(last, self._chunk({}, self._reason))
        if script.with_usage and self._body.get("stream_options", {}).get("include_usage"):
            yield Event(last, self._ending(reading, last - first))

    def _reading(self) -> float:
        """Seconds that reading the prompt takes."""
        rate = self._script.prompt_rate
        return (self._prompt - self._cached) / rate if rate else 0.0

    def _progress(self, seconds: float) -> Iterator[Event]:
        for step in range(PROGRESS_STEPS + 1):
            share = step / PROGRESS_STEPS
            read = self._cached + round((self._prompt - self._cached) * share)
            body = self._chunk({})
            body["prompt_progress"] = {
                "total": self._prompt,
                "cache": self._cached,
                "processed": read,
                "time_ms": round(seconds * share * 1000),
            }
            yield Event(seconds * share, body)

    def _logprob(self, piece: str) -> dict[str, Any]:
        likely = {"id": 1, "token": piece, "bytes": list(piece.encode("utf-8", "replace")), "logprob": -0.25}
        other = {"id": 2, "token": " maybe", "bytes": list(b" maybe"), "logprob": -1.5}
        return {**likely, "top_logprobs": [likely, other][: self._body.get("top_logprobs", 0)]}

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": self._script.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        }

    def _ending(self, reading: float, writing: float) -> dict[str, Any]:
        tokens = len(self._pieces)
        body = self._chunk({})
        body["choices"] = []
        body["usage"] = {
            "prompt_tokens": self._prompt,
            "completion_tokens": tokens,
            "total_tokens": self._prompt + tokens,
            "prompt_tokens_details": {"cached_tokens": self._cached},
        }
        if self._script.dialect == "llama_cpp":
            body["timings"] = {
                "cache_n": self._cached,
                "prompt_n": self._prompt - self._cached,
                "prompt_ms": reading * 1000,
                "predicted_n": tokens,
                "predicted_ms": writing * 1000,
                "predicted_per_second": (tokens - 1) / writing if writing else 0.0,
            }
        return body
