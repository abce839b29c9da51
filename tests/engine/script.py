"""What a scripted engine is to do: its replies, its pace and its failures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Message = dict[str, Any]
Reply = str | Sequence[str] | Callable[[list[Message]], str]
"""One text for every request, one text after the other (the last one again and again), or a function."""

WORDS = ("the", "old", "bridge", "stood", "where", "it", "had", "always", "stood", "and", "the", "river", "ran")
_TOKEN = re.compile(r"<\|\w+\|>|[^\S\n]?\w{1,8}|[^\S\n]?[^\w\s]|\s")


@dataclass(frozen=True)
class Failure:
    """How a request goes wrong.

    "status": answered with `status`, `headers` and `body` instead of a stream. After `after` tokens: "cut" closes
    the connection, "garbage" sends a line that is no event, "error" an event that holds an error, "stall" sends
    nothing more. "silent" never answers at all.
    """

    kind: Literal["status", "cut", "garbage", "error", "stall", "silent"]
    after: int = 0
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True)
class Script:
    """How requests are answered. `rate` in tokens/s (0: at once), `delay` in seconds before the first token.

    `prompt_rate` in tokens/s makes reading the prompt take its time, with progress. `tokens` makes every reply that
    long. `sizes` splits the reply into pieces of so many characters instead of tokens. `dialect` other than
    "llama_cpp" leaves out what only llama.cpp's server offers.
    """

    reply: Reply = "A scripted reply."
    reasoning: str = ""
    rate: float = 0.0
    delay: float = 0.0
    prompt_rate: float = 0.0
    tokens: int | None = None
    sizes: int | None = None
    failure: Failure | None = None
    context_length: int = 4096
    api_key: str | None = None
    dialect: Literal["llama_cpp", "vllm", "openai"] = "llama_cpp"
    model: str = "scripted"
    with_usage: bool = True

    def text(self, number: int, messages: list[Message]) -> str:
        """The reply to the request with this `number`."""
        if callable(self.reply):
            found = self.reply(messages)
        elif isinstance(self.reply, str):
            found = self.reply
        else:
            found = self.reply[min(number, len(self.reply) - 1)]
        if self.tokens is None:
            return found
        return "".join(f" {WORDS[n % len(WORDS)]}" if n else "The" for n in range(self.tokens))

    def pieces(self, text: str) -> list[str]:
        """The text as it is sent, one piece after the other."""
        if self.sizes is None:
            return tokenize(text)
        return [text[at : at + self.sizes] for at in range(0, len(text), self.sizes)]


def tokenize(text: str) -> list[str]:
    """The engine's tokens: words with their space, marks, line breaks. Joined they are the text."""
    return _TOKEN.findall(text)


def template(messages: list[Message], add_generation_prompt: bool) -> str:
    """The engine's chat template; a last assistant message stays open to be continued."""
    parts = [f"<|start|>{message['role']}\n{message['content']}<|end|>\n" for message in messages]
    if messages and messages[-1]["role"] == "assistant":
        return "".join(parts)[: -len("<|end|>\n")]
    return "".join(parts) + ("<|start|>assistant\n" if add_generation_prompt else "")
