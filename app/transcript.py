"""The transcript's window: the part of a branch that a tab shows, with the reply that is growing in it."""

from __future__ import annotations

from collections.abc import Sequence

from app.turns import Turns
from app.views import LiveSnapshot, MessageView, TranscriptWindow
from models.context import estimate
from models.types import ChatMessage
from storage.conversations import Conversations
from storage.messages import Messages
from storage.records import PathItem, ReplyDetails

NEWEST = 4
"""Messages at the end of a branch among which its last reply is found."""


def read_window(
    stored: Conversations, messages: Messages, turns: Turns, conversation_id: str, limit: int, before: str | None
) -> TranscriptWindow:
    """The last `limit` messages of the shown branch, or those above message `before`."""
    conversation = stored.get(conversation_id)
    leaf = conversation.head_id if before is None else messages.get(before).parent_id
    # The live reply first: if it ends in between, the message is found finished.
    live = turns.live(conversation_id)
    items = messages.path(leaf, limit=limit) if leaf else []
    if live is None and any(item.message.status == "streaming" for item in items):
        # It began in between; it may even have ended since, so that the message is read once more.
        live = turns.live(conversation_id)
        items = messages.path(leaf, limit=limit) if leaf else []
    newest: Sequence[PathItem] = items
    if before is not None:
        newest = messages.path(conversation.head_id, limit=NEWEST) if conversation.head_id else []
    last = _last_reply(newest)
    left_out = last.left_out if last else 0
    return TranscriptWindow(
        conversation=conversation,
        items=tuple(_view(item, live) for item in items),
        earlier=items[0].message.depth if items else 0,
        left_out_above=next((i.message.id for i in items if left_out and i.message.depth == left_out), None),
        context_used=_used(newest),
        context_length=last.context_length if last else None,
    )


def _view(item: PathItem, live: LiveSnapshot | None) -> MessageView:
    grows = live is not None and live.message_id == item.message.id and item.message.status == "streaming"
    return MessageView(item.message, item.variants, live if grows else None)


def _last_reply(items: Sequence[PathItem]) -> ReplyDetails | None:
    return next((item.message.reply for item in reversed(items) if item.message.reply), None)


def _used(items: Sequence[PathItem]) -> int | None:
    """Tokens of the branch: as the engine counted them at the last reply, what came after it estimated."""
    after: list[ChatMessage] = []
    for item in reversed(items):
        message, reply = item.message, item.message.reply
        if reply is not None and reply.prompt_tokens is not None:
            return reply.prompt_tokens + (reply.completion_tokens or 0) + (estimate(after) if after else 0)
        after.append(ChatMessage(message.role, message.text if message.sent is None else message.sent))
    return estimate(after) if after else None
