"""What is kept compressed beside a reply: the messages that were sent for it, and its tokens' probabilities.

A prompt names stored messages by their short `seq`, so that a long conversation does not hold its ids again in
every reply: `[role, text]` is a literal message, `[role, seq, length]` a stored one (an id in place of `seq` where
no such message is stored).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.records import PromptPart, TokenProbability
from storage.tables import MessageRow, ProbabilityRow, PromptRow


def keep_prompt(session: Session, message_id: str, prompt: Sequence[PromptPart]) -> None:
    """Keep what was sent for a reply, in place of what was kept before."""
    ids = [part.message_id for part in prompt if part.message_id is not None]
    seqs = dict(session.execute(select(MessageRow.id, MessageRow.seq).where(MessageRow.id.in_(ids))).all())
    entries = [
        [part.role, seqs.get(part.message_id, part.message_id), part.length]
        if part.message_id is not None
        else [part.role, part.content or ""]
        for part in prompt
    ]
    session.merge(PromptRow(message_id=message_id, data=pack(entries)))


def load_prompt(session: Session, message_id: str) -> tuple[PromptPart, ...]:
    """What was sent for a reply; empty where nothing is known."""
    data = session.scalar(select(PromptRow.data).where(PromptRow.message_id == message_id))
    if data is None:
        return ()
    entries = unpack(data)
    seqs = [entry[1] for entry in entries if len(entry) == 3]
    ids = dict(session.execute(select(MessageRow.seq, MessageRow.id).where(MessageRow.seq.in_(seqs))).all())
    return tuple(
        PromptPart(role=entry[0], content=entry[1])
        if len(entry) == 2
        else PromptPart(role=entry[0], message_id=ids.get(entry[1], str(entry[1])), length=entry[2])
        for entry in entries
    )


def sent_texts(session: Session, message_id: str) -> list[tuple[str, str]]:
    """The exact messages that were sent for a reply: roles and texts."""
    parts = load_prompt(session, message_id)
    ids = [part.message_id for part in parts if part.message_id is not None]
    sent = func.coalesce(MessageRow.sent, MessageRow.text)
    texts = dict(session.execute(select(MessageRow.id, sent).where(MessageRow.id.in_(ids))).all())
    return [
        (part.role, part.content or "" if part.message_id is None else texts.get(part.message_id, "")[: part.length])
        for part in parts
    ]


def renumbered(data: bytes, new_seqs: Mapping[int, int]) -> bytes:
    """A kept prompt that names the copies of messages instead of the messages that were copied."""
    entries = unpack(data)
    return pack([[e[0], new_seqs.get(e[1], e[1]), e[2]] if len(e) == 3 else e for e in entries])


def pack_probabilities(tokens: Sequence[TokenProbability]) -> bytes:
    """Tokens as they are kept; the packed tokens of a continued reply simply follow each other."""
    return pack([[t.token, t.logprob, [list(other) for other in t.alternatives]] for t in tokens])


def keep_probabilities(session: Session, message_id: str, packed: bytes, *, append: bool) -> None:
    """Keep a reply's packed tokens, after the earlier ones or in their place."""
    row = session.get(ProbabilityRow, message_id)
    if row is None:
        if packed:
            session.add(ProbabilityRow(message_id=message_id, data=packed))
    else:
        row.data = row.data + packed if append else packed


def load_probabilities(session: Session, message_id: str) -> list[TokenProbability]:
    """A reply's tokens; empty where none were kept."""
    row = session.get(ProbabilityRow, message_id)
    return [
        TokenProbability(token, logprob, tuple((other, p) for other, p in alternatives))
        for token, logprob, alternatives in (unpack(row.data) if row else [])
    ]


def pack(entries: Sequence[Any]) -> bytes:
    """A list as compressed JSON."""
    return zlib.compress(json.dumps(entries, separators=(",", ":")).encode("ascii")) if entries else b""


def unpack(data: bytes) -> list[Any]:
    """The entries of one or more packed lists that follow each other."""
    entries: list[Any] = []
    while data:
        stream = zlib.decompressobj()
        entries += json.loads(stream.decompress(data))
        data = stream.unused_data
    return entries
