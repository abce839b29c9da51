"""Turns rows into the frozen values that callers get."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Row

from storage.records import (
    Conversation,
    Failure,
    Message,
    MessageStatus,
    PromptPart,
    ReplyDetails,
    Role,
    TitleSource,
)
from storage.tables import ConversationRow, MessageRow


def now() -> datetime:
    """The time in UTC, as kept: without a zone, since every stored time is UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def conversation_record(row: ConversationRow) -> Conversation:
    """A conversation's frozen value."""
    return Conversation(
        id=row.id,
        title=row.title,
        title_source=cast(TitleSource, row.title_source),
        head_id=row.head_id,
        mode=row.mode,
        model_id=row.model_id,
        system_prompt=row.system_prompt,
        sampling=dict(row.sampling or {}),
        revision=row.revision,
        activity=row.activity,
        created_at=row.created_at.replace(tzinfo=UTC),
        updated_at=row.updated_at.replace(tzinfo=UTC),
        trashed_at=row.trashed_at.replace(tzinfo=UTC) if row.trashed_at else None,
        fields=dict(row.fields or {}),
    )


def message_record(row: MessageRow | Row[Any], prompt: tuple[PromptPart, ...] = ()) -> Message:
    """A message's frozen value; `prompt` is kept apart (see `packed`) and given where it was loaded."""
    return Message(
        id=row.id,
        seq=row.seq,
        conversation_id=row.conversation_id,
        parent_id=row.parent_id,
        depth=row.depth,
        role=cast(Role, row.role),
        text=row.text,
        reasoning=row.reasoning,
        status=cast(MessageStatus, row.status),
        mode=row.mode,
        created_at=row.created_at.replace(tzinfo=UTC),
        updated_at=row.updated_at.replace(tzinfo=UTC),
        reply=_reply(row.reply, prompt),
        failure=_failure(row.failure),
        edited_from=row.edited_from,
        trashed_at=row.trashed_at.replace(tzinfo=UTC) if row.trashed_at else None,
        fields=dict(row.fields or {}),
        sent=row.sent,
    )


def title_key(title: str) -> str:
    """A title as it is searched: without difference of case, in any script, or of width."""
    return unicodedata.normalize("NFKC", title).casefold()


def reply_json(reply: ReplyDetails) -> dict[str, Any]:
    """What is kept of a reply's details in its row; the prompt is kept apart."""
    data = {field.name: getattr(reply, field.name) for field in fields(reply) if field.name != "prompt"}
    return data | {"sampling": dict(reply.sampling)}


def failure_json(failure: Failure) -> dict[str, Any]:
    """What is kept of a failure."""
    return {"code": failure.code, "params": dict(failure.params), "sentence": failure.sentence}


def _reply(data: Mapping[str, Any] | None, prompt: tuple[PromptPart, ...]) -> ReplyDetails | None:
    # Unknown names come from another version: they never hide the message.
    if not isinstance(data, Mapping):
        return None
    names = ReplyDetails.__dataclass_fields__.keys() - {"prompt"}
    known = {name: data[name] for name in names if name in data}
    return ReplyDetails(**{"model_id": "", "model_name": "", **known}, prompt=prompt)


def _failure(data: Mapping[str, Any] | None) -> Failure | None:
    if not isinstance(data, Mapping):
        return None
    return Failure(str(data.get("code", "")), dict(data.get("params") or {}), str(data.get("sentence", "")))
