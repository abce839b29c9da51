"""The prompt of a conversation: the model's own chat template, rendered in a sandbox, and its tokens."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from models.workers.transformers_protocol import Message, Prompt

NO_TEMPLATE = (
    "This model has no chat template, so it cannot hold a conversation. "
    "Choose the instruct or chat version of it, or add a chat_template.jinja to its folder."
)


class CannotRender(Exception):
    """The messages make no prompt for this model; `str()` says why."""


class Prompts:
    """Renders and counts prompts. A lock, because a tokenizer may not be used by two threads at once."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._special = tuple(token.content for token in tokenizer.added_tokens_decoder.values() if token.special)

    def text(self, prompt: Prompt) -> str:
        """The prompt as text."""
        text: str = self._apply(prompt, tokenize=False)
        return text

    def tokens(self, prompt: Prompt) -> tuple[int, ...]:
        """The prompt as tokens. Control tokens that somebody wrote or pasted are read as plain text."""
        return tuple(self._apply(prompt, tokenize=True))

    def tokenize(self, text: str, parse_special: bool) -> list[int]:
        """The tokens of a text. `parse_special`: what looks like a control token is one."""
        with self._lock:
            tokens: list[int] = self._tokenizer.encode(
                text, add_special_tokens=False, split_special_tokens=not parse_special
            )
        return tokens

    def _apply(self, prompt: Prompt, tokenize: bool) -> Any:
        """The prompt as text, or as a list of tokens."""
        if not self._tokenizer.chat_template:
            raise CannotRender(NO_TEMPLATE)
        try:
            return self._render(prompt, tokenize)
        except TemplateError as exc:
            merged = _system_into_user(prompt)
            if merged is None:
                raise CannotRender(f"The model's chat template refuses these messages: {exc}") from exc
            return self._apply(merged, tokenize)
        except (ValueError, TypeError, KeyError, IndexError) as exc:
            raise CannotRender(f"The model's chat template failed: {exc}") from exc

    def _render(self, prompt: Prompt, tokenize: bool) -> Any:
        with self._lock:
            return self._tokenizer.apply_chat_template(
                [{"role": message.role, "content": message.content} for message in prompt.messages],
                tokenize=tokenize,
                return_dict=False,
                continue_final_message=prompt.continues,
                add_generation_prompt=prompt.add_generation_prompt and not prompt.continues,
                sanitize_control_tokens=tokenize and self._quotes_control_tokens(prompt.messages),
            )

    def _quotes_control_tokens(self, messages: Sequence[Message]) -> bool:
        """Whether somebody wrote a control token; the model's own replies may carry its own."""
        return any(
            token in message.content for message in messages if message.role != "assistant" for token in self._special
        )


def _system_into_user(prompt: Prompt) -> Prompt | None:
    """The same with the system text at the head of the user's, for models without a system role."""
    messages = prompt.messages
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return None
    joined = Message(role="user", content=f"{messages[0].content}\n\n{messages[1].content}")
    return prompt.model_copy(update={"messages": [joined, *messages[2:]]})
