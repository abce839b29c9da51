"""The JSON that the worker takes and gives: chat completions as OpenAI and llama.cpp's server speak them."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from models.workers.transformers_decoding import Finished, Generation, PromptRead, TokenDrawn
from models.workers.transformers_loading import LoadedModel
from models.workers.transformers_sampling import Likelihood, Sampling

MAX_TOP_LOGPROBS = 100
MAX_STOPS = 32
LOWEST_LOGPROB = -1e4
"""Stands for a probability of zero, whose logarithm JSON cannot hold."""
Json = dict[str, Any]


class _Accepting(BaseModel):
    """Fields that this worker does not know are accepted and ignored, as servers of this protocol do."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Part(_Accepting):
    """A piece of a message's content; only text can be read here."""

    type: Literal["text"]
    text: str


class Message(_Accepting):
    """One message. Content in parts is joined."""

    role: Literal["system", "user", "assistant"]
    content: str

    @field_validator("content", mode="before")
    @classmethod
    def _joined(cls, content: Any) -> Any:
        if not isinstance(content, list):
            return content
        return "".join(Part.model_validate(part).text for part in content)


class Prompt(_Accepting):
    """The part of a request that decides the prompt.

    A last assistant message is continued, unless `continue_final_message` is false.
    """

    messages: Annotated[list[Message], Field(min_length=1)]
    add_generation_prompt: bool = True
    continue_final_message: bool | None = None

    @property
    def continues(self) -> bool:
        return self.messages[-1].role == "assistant" and self.continue_final_message is not False


class StreamOptions(_Accepting):
    include_usage: bool = False


class ChatRequest(Prompt):
    """A request for a completion. What is left out (or None) comes from the model's generation config."""

    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    return_progress: bool = False
    temperature: Annotated[float | None, Field(ge=0, le=100)] = None
    top_p: Annotated[float | None, Field(ge=0, le=1)] = None
    top_k: int | None = None
    min_p: Annotated[float | None, Field(ge=0, le=1)] = None
    repeat_penalty: Annotated[float | None, Field(gt=0, le=100)] = None
    repetition_penalty: Annotated[float | None, Field(gt=0, le=100)] = None
    repeat_last_n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    seed: int | None = None
    stop: Annotated[list[str], Field(max_length=MAX_STOPS)] = []
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] = 0
    cache_prompt: bool = True

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_many(cls, stop: Any) -> Any:
        if stop is None:
            return []
        return [stop] if isinstance(stop, str) else stop

    def generation(self, prompt: tuple[int, ...], model: LoadedModel) -> Generation:
        """What to generate after `prompt`."""
        limit = self.max_tokens if self.max_tokens is not None else self.max_completion_tokens
        return Generation(
            prompt=prompt,
            sampling=self._sampling(model),
            max_tokens=None if limit is None or limit < 0 else limit,
            stop=tuple(self.stop),
            top_logprobs=self.top_logprobs if self.logprobs else None,
            reuse_prefix=self.cache_prompt,
        )

    def _sampling(self, model: LoadedModel) -> Sampling:
        advice, plain = model.generation, Sampling()
        penalty = self.repeat_penalty if self.repeat_penalty is not None else self.repetition_penalty
        return Sampling(
            temperature=_first(self.temperature, advice.temperature, plain.temperature),
            top_k=_first(self.top_k, advice.top_k, plain.top_k),
            top_p=_first(self.top_p, advice.top_p, plain.top_p),
            min_p=_first(self.min_p, advice.min_p, plain.min_p),
            repeat_penalty=_first(penalty, advice.repetition_penalty, plain.repeat_penalty),
            repeat_last_n=_first(self.repeat_last_n, plain.repeat_last_n),
            seed=None if self.seed is None or self.seed < 0 else self.seed,
        )


class TokenizeRequest(_Accepting):
    """Text to cut into tokens.

    `add_special` is ignored: here a chat template writes every special token of a prompt itself, and a prompt
    from /apply-template is to count as many tokens as its completion does.
    """

    content: str
    parse_special: bool = True


def _first(*values: Any) -> Any:
    """The first value that is set."""
    return next(value for value in values if value is not None)


class Replies:
    """The JSON of one completion's answers."""

    def __init__(self, identifier: str, name: str, model: LoadedModel) -> None:
        self._common = {"id": identifier, "created": int(time.time()), "model": name}
        self._model = model

    def beginning(self, read: PromptRead | None = None) -> Json:
        """The first chunk, or one that says how much of the prompt is read."""
        chunk = self._chunk({"role": "assistant", "content": None}, None)
        if read is not None:
            chunk["prompt_progress"] = {
                "total": read.total,
                "cache": read.cached,
                "processed": read.processed,
                "time_ms": round(read.milliseconds),
            }
        return chunk

    def token(self, drawn: TokenDrawn) -> Json:
        chunk = self._chunk({"content": drawn.text}, None)
        if drawn.likelihood is not None:
            chunk["choices"][0]["logprobs"] = {"content": [self.logprob(drawn.token, drawn.likelihood)]}
        return chunk

    def ending(self, end: Finished, with_usage: bool) -> list[Json]:
        """The last chunks: the rest of the text, the reason, then usage and timings."""
        chunks = [self._chunk({"content": end.text}, None)] if end.text else []
        chunks.append(self._chunk({}, end.reason))
        if with_usage:
            chunks.append({**self._chunk({}, None), "choices": [], "usage": _usage(end)})
        chunks[-1]["timings"] = _timings(end)
        return chunks

    def whole(self, text: str, logprobs: list[Json] | None, end: Finished) -> Json:
        """The answer in one piece."""
        choice: Json = {
            "finish_reason": end.reason,
            "index": 0,
            "message": {"role": "assistant", "content": text},
        }
        if logprobs is not None:
            choice["logprobs"] = {"content": logprobs}
        object_ = {"object": "chat.completion", "choices": [choice]}
        return {**self._common, **object_, "usage": _usage(end), "timings": _timings(end)}

    def logprob(self, token: int, likelihood: Likelihood) -> Json:
        """One token's entry in the list of log-probabilities."""
        top = [self._entry(*alternative) for alternative in likelihood.top]
        return {**self._entry(token, likelihood.logprob), "top_logprobs": top}

    def _entry(self, token: int, logprob: float) -> Json:
        text = self._model.tokenizer.decode([token])
        return {
            "id": token,
            "token": text,
            "bytes": list(text.encode()),
            "logprob": max(logprob, LOWEST_LOGPROB),
        }

    def _chunk(self, delta: Json, reason: str | None) -> Json:
        choice = {"finish_reason": reason, "index": 0, "delta": delta}
        return {**self._common, "object": "chat.completion.chunk", "choices": [choice]}


def error(status: int, kind: str, message: str, **more: int) -> Json:
    """The body of an error answer."""
    return {"error": {"code": status, "message": message, "type": kind, **more}}


def context_exceeded(tokens: int, context_length: int) -> Json:
    """The body that says by how much a prompt is too long."""
    message = f"request ({tokens} tokens) exceeds the available context size ({context_length} tokens)"
    return error(400, "exceed_context_size_error", message, n_prompt_tokens=tokens, n_ctx=context_length)


def _usage(end: Finished) -> Json:
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.completion_tokens,
        "total_tokens": end.prompt_tokens + end.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": end.cached_tokens},
    }


def _timings(end: Finished) -> Json:
    prompt = end.prompt_tokens - end.cached_tokens
    predicted = end.completion_tokens
    return {
        "cache_n": end.cached_tokens,
        "prompt_n": prompt,
        "prompt_ms": end.prompt_ms,
        "prompt_per_second": 1000 * prompt / end.prompt_ms if end.prompt_ms else 0.0,
        "predicted_n": predicted,
        "predicted_ms": end.predicted_ms,
        "predicted_per_second": 1000 * predicted / end.predicted_ms if end.predicted_ms else 0.0,
    }
