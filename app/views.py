"""The frozen values that the page gets from the conversation manager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.records import Conversation, Message

Phase = Literal["waiting_for_model", "reading", "writing", "saving"]


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """A reply that is being written, as it stood when asked. `progress` is (done, total) tokens of the prompt."""

    message_id: str
    conversation_id: str
    version: int
    phase: Phase
    text: str
    reasoning: str
    progress: tuple[int, int] | None
    tokens: int
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message of the transcript, its variants, and its growing text while it is being written."""

    message: Message
    variants: tuple[str, ...]
    live: LiveSnapshot | None


@dataclass(frozen=True, slots=True)
class TranscriptWindow:
    """The last messages of a branch. `earlier` counts those above; tokens as of the last reply."""

    conversation: Conversation
    items: tuple[MessageView, ...]
    earlier: int
    left_out_above: str | None
    context_used: int | None
    context_length: int | None


@dataclass(frozen=True, slots=True)
class Sent:
    """What an act that writes gave: `replaced` counts characters that no text can hold."""

    conversation: Conversation
    user_id: str | None
    reply_id: str
    replaced: int = 0
