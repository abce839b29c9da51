"""Turns rows into the frozen values that callers get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast

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
    )


def message_record(row: MessageRow) -> Message:
    """A message's frozen value; a field of an unexpected kind in its details never hides the message."""
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
        reply=_reply(row.reply),
        failure=_failure(row.failure),
        edited_from=row.edited_from,
        trashed_at=row.trashed_at.replace(tzinfo=UTC) if row.trashed_at else None,
    )


def reply_json(reply: ReplyDetails | None) -> dict[str, Any] | None:
    """What is kept of a reply's details."""
    if reply is None:
        return None
    data = asdict(reply)
    data["sampling"] = dict(reply.sampling)
    data["prompt"] = [{k: v for k, v in asdict(part).items() if v is not None} for part in reply.prompt]
    return data


def _reply(data: Mapping[str, Any] | None) -> ReplyDetails | None:
    if not isinstance(data, Mapping):
        return None
    known = {name: data[name] for name in ReplyDetails.__dataclass_fields__ if name in data}
    parts = known.pop("prompt", None) or ()
    names = PromptPart.__dataclass_fields__
    prompt = tuple(PromptPart(**{n: p[n] for n in names if n in p}) for p in parts if "role" in p)
    return ReplyDetails(**{"model_id": "", "model_name": "", **known}, prompt=prompt)


def _failure(data: Mapping[str, Any] | None) -> Failure | None:
    if not isinstance(data, Mapping):
        return None
    return Failure(str(data.get("code", "")), dict(data.get("params") or {}), str(data.get("sentence", "")))
