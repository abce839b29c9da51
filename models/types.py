"""The frozen values that describe a language model, a request to it and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

Role = Literal["system", "user", "assistant"]
RuntimeName = Literal["llama_cpp", "transformers", "remote"]
FinishReason = Literal["stop", "length", "cancelled"]
Dialect = Literal["llama_cpp", "vllm", "openai"]
"""What an endpoint knows beyond the plain protocol. Our own engines all speak as llama.cpp's server does."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as the model reads it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How the next token is drawn. `None` leaves it to the layer below (conversation, model, engine)."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None

    def over(self, base: SamplingOptions) -> SamplingOptions:
        """These options where they are set, those of `base` elsewhere."""
        names = self.__dataclass_fields__
        return SamplingOptions(**{n: getattr(base, n) if getattr(self, n) is None else getattr(self, n) for n in names})


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that can be run, and what a user should know before running it.

    `size_bytes` is the size of the weights on disk, `parameters` a count, `context_length` in tokens;
    `None` where nobody can know before the model is loaded. `languages` are BCP 47 codes.
    """

    id: str
    name: str
    runtime: RuntimeName
    path: Path | None = None
    url: str | None = None
    remote_name: str | None = None
    size_bytes: int | None = None
    parameters: int | None = None
    quantization: str | None = None
    context_length: int | None = None
    languages: tuple[str, ...] = ()
    licence: str | None = None
    advice: SamplingOptions = field(default_factory=SamplingOptions)
    is_starter: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that speaks the OpenAI chat-completions protocol. `url` ends before `/v1`."""

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    dialect: Dialect = "llama_cpp"


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token: its text, its natural-log probability, and the likeliest alternatives.

    `logprob` is `None` where the engine guessed the token ahead, as part of a passage it had seen before, and
    does not say how probable it was.
    """

    token: str
    logprob: float | None
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """How much of the prompt the engine has read: `cached` + newly `processed` tokens of `total`."""

    total: int
    cached: int
    processed: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request. `cached_tokens` of the prompt were not read again."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations of one request in milliseconds and the decoding speed in tokens/s.

    `first_token_ms` and `total_ms` are measured by the client from sending the request; `prompt_ms` and
    `predicted_ms` are what the engine reports, `None` where it reports nothing.
    """

    first_token_ms: float | None
    total_ms: float
    prompt_ms: float | None = None
    predicted_ms: float | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One step of a streamed reply. The last one carries `finish_reason`, `usage` and `timings`."""

    text: str = ""
    reasoning: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    progress: PromptProgress | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    timings: Timings | None = None


class EngineState(StrEnum):
    """Where the engine stands; `BUSY` is `READY` with at least one request running."""

    NONE = "none"
    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    RESTARTING = "restarting"
    FAILED = "failed"
