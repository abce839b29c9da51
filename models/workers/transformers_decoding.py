"""One generation: the prompt is read in pieces, then token follows token, each step may be the last."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import torch

from models.workers.transformers_loading import LoadedModel
from models.workers.transformers_prefix import PrefixCaches
from models.workers.transformers_sampling import Likelihood, Sampler, Sampling, likelihood
from models.workers.transformers_text import Detokenizer, StopStrings

Reason = Literal["stop", "length"]

PROMPT_PIECE = 256
"""Tokens of the prompt read in one step. Between steps other requests run and a cancellation is seen."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What is to be generated. `top_logprobs` None: no probabilities are wanted."""

    prompt: tuple[int, ...]
    sampling: Sampling
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    reuse_prefix: bool = True


@dataclass(frozen=True, slots=True)
class PromptRead:
    """`processed` of `total` prompt tokens are read, `cached` of them were known from before."""

    total: int
    cached: int
    processed: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class TokenDrawn:
    """One token, the text that may be shown because of it, and its likelihood where wanted."""

    token: int
    text: str
    likelihood: Likelihood | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a generation: the last text, the reason, counts in tokens and durations in milliseconds."""

    text: str
    reason: Reason
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    prompt_ms: float
    predicted_ms: float


Step = PromptRead | TokenDrawn | Finished


class _Reading:
    """The tokens of one generation and how far the model has read them."""

    def __init__(self, model: LoadedModel, cache: Any, tokens: list[int], read: int) -> None:
        self.model = model
        self.cache = cache
        self.tokens = tokens
        self.read = read
        self.whole = True

    def forward(self, end: int) -> torch.Tensor:
        """Read the tokens up to `end`; the logits after the last one, float32 [vocabulary] on the CPU."""
        self.whole = False
        logits = self.model.forward(self.tokens[self.read : end], self.cache)
        self.read, self.whole = end, True
        return logits


def generate(model: LoadedModel, caches: PrefixCaches, wanted: Generation) -> Generator[Step, None, None]:
    """Generate in steps of at most one forward pass; ends with `Finished`, or earlier when it is closed.

    One thread at a time for one model. `wanted.prompt` holds 1 to `model.context_length - 1` tokens.
    """
    began = time.perf_counter()
    cached, cache = caches.take(wanted.prompt) if wanted.reuse_prefix else (0, caches.empty())
    reading = _Reading(model, cache, list(wanted.prompt), cached)
    try:
        logits = yield from _read_prompt(reading, cached, began)
        prompt_ms = _milliseconds_since(began)
        began = time.perf_counter()
        last, reason, drawn = yield from _write(reading, wanted, logits)
        yield Finished(
            text=last,
            reason=reason,
            prompt_tokens=len(wanted.prompt),
            cached_tokens=cached,
            completion_tokens=drawn,
            prompt_ms=prompt_ms,
            predicted_ms=_milliseconds_since(began),
        )
    finally:
        if wanted.reuse_prefix and reading.whole:
            caches.give(reading.tokens[: reading.read], reading.cache)


def _read_prompt(reading: _Reading, cached: int, began: float) -> Generator[Step, None, torch.Tensor]:
    """Read the rest of the prompt in pieces; returns the logits after its last token."""
    total = len(reading.tokens)
    yield PromptRead(total, cached, cached, 0.0)
    while True:
        logits = reading.forward(min(reading.read + PROMPT_PIECE, total))
        yield PromptRead(total, cached, reading.read, _milliseconds_since(began))
        if reading.read == total:
            return logits


def _write(
    reading: _Reading, wanted: Generation, logits: torch.Tensor
) -> Generator[Step, None, tuple[str, Reason, int]]:
    """Draw token after token; returns the text not yet shown, why it ended and how many tokens were drawn."""
    model, sampler = reading.model, Sampler(wanted.sampling)
    text, stops = Detokenizer(model.tokenizer, wanted.prompt), StopStrings(wanted.stop)
    room = model.context_length - len(wanted.prompt)
    limit = room if wanted.max_tokens is None else min(wanted.max_tokens, room)
    reason: Reason = "length"
    drawn = 0
    while drawn < limit:
        if drawn:
            logits = reading.forward(len(reading.tokens))
        token = sampler.draw(logits, reading.tokens)
        drawn += 1
        if token in model.end_tokens:
            reason = "stop"
            break
        reading.tokens.append(token)
        shown, stopped = stops.push(text.push(token))
        asked = wanted.top_logprobs
        yield TokenDrawn(token, shown, None if asked is None else likelihood(logits, token, asked))
        if stopped:
            return "", "stop", drawn
    last, stopped = stops.push(text.finish())
    return (last, "stop", drawn) if stopped else (last + stops.finish(), reason, drawn)


def _milliseconds_since(moment: float) -> float:
    return (time.perf_counter() - moment) * 1000
