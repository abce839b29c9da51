"""Drawing the next token from a model's logits, with the same options and order as llama.cpp's server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

GREEDY_BELOW = 1e-5
"""A temperature under this means: always the likeliest token."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. `top_k` 0, `top_p` 1, `min_p` 0 and `repeat_penalty` 1 turn a filter off.

    The penalty looks at the last `repeat_last_n` tokens, prompt included (-1: all of them, 0: none).
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Natural-log probability of a token, before any filter, and of the likeliest tokens at that place."""

    logprob: float
    top: tuple[tuple[int, float], ...]


class Sampler:
    """Draws the tokens of one request. Owns its random generator, so requests beside it change nothing."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._generator = torch.Generator(device="cpu")
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)

    def draw(self, logits: torch.Tensor, tokens: Sequence[int]) -> int:
        """The next token after `tokens`. `logits` is a float32 vector [vocabulary] on the CPU."""
        s = self._sampling
        logits = _penalise(logits, _recent(tokens, s.repeat_last_n), s.repeat_penalty)
        if s.temperature < GREEDY_BELOW:
            return int(logits.argmax())
        values, ids = _top_k(logits, s.top_k)
        values = _keep(values, _within_top_p(values, s.top_p))
        values = _keep(values, _within_min_p(values, s.min_p))
        weights = torch.softmax(values / s.temperature, dim=-1)
        return int(ids[torch.multinomial(weights, 1, generator=self._generator)])


def likelihood(logits: torch.Tensor, token: int, count: int) -> Likelihood:
    """How likely the model held `token` and the `count` likeliest ones; `logits` as in `Sampler.draw`."""
    logprobs = torch.log_softmax(logits, dim=-1)
    values, ids = logprobs.topk(min(count, logprobs.numel()))
    top = tuple(zip(ids.tolist(), values.tolist(), strict=True))
    return Likelihood(float(logprobs[token]), top)


def _recent(tokens: Sequence[int], last: int) -> Sequence[int]:
    if last < 0:
        return tokens
    return tokens[-last:] if last else ()


def _penalise(logits: torch.Tensor, seen: Sequence[int], penalty: float) -> torch.Tensor:
    if penalty == 1.0 or not seen:
        return logits
    ids = torch.tensor(sorted(set(seen)))
    values = logits[ids]
    return logits.index_copy(0, ids, torch.where(values > 0, values / penalty, values * penalty))


def _top_k(logits: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `k` largest logits, descending, and their token ids; all of them for `k` below 1."""
    count = logits.numel()
    values, ids = logits.topk(k) if 0 < k < count else torch.sort(logits, descending=True)
    return values, ids


def _within_top_p(values: torch.Tensor, top_p: float) -> torch.Tensor:
    """The shortest head of descending `values` whose probability reaches `top_p`; always the first."""
    if top_p >= 1.0:
        return torch.ones_like(values, dtype=torch.bool)
    probabilities = torch.softmax(values, dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    keep = before < top_p
    keep[0] = True
    return keep


def _within_min_p(values: torch.Tensor, min_p: float) -> torch.Tensor:
    """Those at least `min_p` times as likely as the likeliest; always the first."""
    if min_p <= 0.0:
        return torch.ones_like(values, dtype=torch.bool)
    keep = values >= values[0] + math.log(min_p)
    keep[0] = True
    return keep


def _keep(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return values.masked_fill(~mask, -math.inf)
