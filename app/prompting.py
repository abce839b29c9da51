"""Builds what one turn sends: system text, as much history as fits, the options, and the record of it all."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from app.turns import Request
from models.client import Client
from models.context import Count, estimate, fit, reserve_for
from models.errors import NoModel
from models.supervisor import Supervisor
from models.types import ChatMessage, ModelSpec, SamplingOptions
from storage.messages import Messages
from storage.records import Conversation, Message, PathItem, PromptPart, ReplyDetails

BYTES_PER_TOKEN = 8
"""More text than this for each token of the window cannot fit: how much of a long history is read at all."""
CONTEXT_UNKNOWN = 4096
"""The window assumed for a remote model that tells none; its own refusal is translated if that is wrong."""


@dataclass(frozen=True)
class Prompting:
    """Plans turns from the stored branch and the loaded model."""

    messages: Messages
    supervisor: Supervisor

    def plan(self, client: Client, conversation: Conversation, system_text: str, reply: Message) -> Request:
        """The request for `reply` (its text so far is continued). Raises ContextOverflow, NoModel."""
        spec, limit = self.model()
        options = SamplingOptions(**conversation.sampling).over(spec.advice)  # type: ignore[arg-type]
        items = self.branch(reply.parent_id, limit)
        history = [(i.message.id, ChatMessage(i.message.role, i.message.text)) for i in items]
        if reply.text:
            history.append((reply.id, ChatMessage("assistant", reply.text)))
        system = ChatMessage("system", system_text) if system_text.strip() else None
        fitted = fit(
            system,
            history,
            limit=limit,
            reserve=reserve_for(limit, options.max_tokens),
            count=counter(client),
            start_hint=_previous_start(items),
        )
        seed = secrets.randbelow(2**31) if options.seed is None else options.seed
        room = max(1, limit - fitted.prompt_tokens - 1)
        most = room if options.max_tokens is None else min(options.max_tokens, room)
        options = replace(options, seed=seed, max_tokens=most)
        lengths = {key: len(message.content) for key, message in history}
        parts = [PromptPart(role="system", content=system.content)] if system else []
        parts += [
            PromptPart(role=message.role, message_id=key, length=lengths[key])
            for key, message in history
            if key in set(fitted.ids)
        ]
        above = items[0].message.depth if items else 0
        details = ReplyDetails(
            model_id=spec.id,
            model_name=spec.name,
            sampling={k: v for k, v in asdict(options).items() if v is not None},
            prompt=tuple(parts),
            left_out=above + fitted.left_out,
            context_length=limit,
            prompt_tokens=fitted.prompt_tokens,
        )
        return Request(fitted.messages, options, details, continue_last=bool(reply.text))

    def model(self) -> tuple[ModelSpec, int]:
        """The loaded model and the tokens its window holds."""
        status = self.supervisor.status()
        if status.model is None:
            raise NoModel()
        return status.model, status.context_length or status.model.context_length or CONTEXT_UNKNOWN

    def branch(self, leaf_id: str | None, limit: int) -> list[PathItem]:
        """As much of the branch above (and with) `leaf_id` as could possibly fit `limit` tokens, oldest first."""
        if leaf_id is None:
            return []
        wanted = 64
        while True:
            items = self.messages.path(leaf_id, limit=wanted)
            size = sum(len(item.message.text.encode("utf-8", "replace")) for item in items)
            if size > limit * BYTES_PER_TOKEN or len(items) < wanted:
                break
            wanted *= 4
        while items and items[0].message.role != "user":
            items = items[1:]
        return items


def counter(client: Client) -> Count:
    """Exact counts by the endpoint's own tokenizer; an estimate where it offers none."""

    def count(messages: Sequence[ChatMessage]) -> int:
        exact = client.count_tokens(messages)
        return estimate(messages) if exact is None else exact

    return count


def _previous_start(items: Sequence[PathItem]) -> str | None:
    """The first message that the last reply's prompt held, if it left something out."""
    for item in reversed(items):
        reply = item.message.reply
        if reply is not None:
            if reply.left_out == 0:
                return None
            return next((part.message_id for part in reply.prompt if part.message_id), None)
    return None
