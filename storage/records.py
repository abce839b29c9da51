"""The frozen values that callers of the storage get: rows without a session behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Role = Literal["system", "user", "assistant"]
MessageStatus = Literal["streaming", "complete", "stopped", "failed", "interrupted"]
TitleSource = Literal["none", "auto", "user"]
FieldValue = str | int | float | bool
JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation. `activity` orders the list (an integer sequence, never the clock); times are UTC.

    `head_id` is the leaf of the branch that is shown. `fields` are the values last chosen for the fields of `mode`.
    `revision` grows with each change of the row. `sampling` holds only what the user set for this conversation.
    """

    id: str
    title: str
    title_source: TitleSource
    head_id: str | None
    mode: str
    model_id: str | None
    system_prompt: str
    sampling: Mapping[str, float | int]
    revision: int
    activity: int
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None = None
    fields: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Writing:
    """In which mode a message is written: the mode's key, its fields' values, and what the mode makes of the message.

    `sent` None: the text goes as it was written. `opening` is how the reply begins.
    """

    mode: str = "dialogue"
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    sent: str | None = None
    opening: str = ""


@dataclass(frozen=True, slots=True)
class PromptPart:
    """One message as it was sent: literally (`content`), or by the id of the stored message whose text it was.

    A referenced message is append-only, except that Continue lengthens it: `length` is the number of
    characters that were sent of its text, or of what its mode made of it (`Message.sent`).
    """

    role: Role
    content: str | None = None
    message_id: str | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class ReplyDetails:
    """How a reply came about: what was sent to which model, and what it cost. Milliseconds and tokens/s."""

    model_id: str
    model_name: str
    sampling: Mapping[str, float | int] = field(default_factory=dict)
    prompt: tuple[PromptPart, ...] = ()
    left_out: int = 0
    context_length: int | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    first_token_ms: float | None = None
    total_ms: float | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a reply failed: a code the page has words for, its parameters, and the English sentence."""

    code: str
    params: Mapping[str, str | int | float]
    sentence: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the tree. `depth` counts from 0 at the root; `seq` orders all messages ever written.

    `fields` are the values that its mode's fields had. `sent` is what the mode made of a person's text; None: the text.
    """

    id: str
    seq: int
    conversation_id: str
    parent_id: str | None
    depth: int
    role: Role
    text: str
    reasoning: str
    status: MessageStatus
    mode: str
    created_at: datetime
    updated_at: datetime
    reply: ReplyDetails | None = None
    failure: Failure | None = None
    edited_from: str | None = None
    trashed_at: datetime | None = None
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    sent: str | None = None


@dataclass(frozen=True, slots=True)
class PathItem:
    """A message on the shown branch with the ids of all its visible variants (itself included), oldest first."""

    message: Message
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokenProbability:
    """One generated token as kept: text, natural-log probability (None: not told), likeliest alternatives."""

    token: str
    logprob: float | None
    alternatives: tuple[tuple[str, float], ...] = ()
