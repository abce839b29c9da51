"""What the page is told, as plain JSON: the transcript's window, the status line, notices."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.ui.i18n import Strings
from app.ui.render import GrowingMarkdown, plain_html, render_markdown
from app.views import LiveSnapshot, MessageView, TranscriptWindow
from storage.records import Conversation, Message

Json = dict[str, Any]
PLAIN_MODE = "dialogue"
LONGEST_SHOWN = 20_000
"""Characters of one message shown at once; the rest is one click away, so that a huge paste opens at once."""


class RenderedMessages:
    """HTML of finished messages, kept for the most recent ones: a message's text never changes in place."""

    def __init__(self, capacity: int = 2_000) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._html: OrderedDict[tuple[str, int, bool], str] = OrderedDict()

    def html(self, message: Message, *, whole: bool) -> str:
        """The message as HTML; not `whole`: at most `LONGEST_SHOWN` characters of it."""
        key = (message.id, len(message.text), whole)
        with self._lock:
            if key in self._html:
                self._html.move_to_end(key)
                return self._html[key]
        text = message.text if whole else message.text[:LONGEST_SHOWN]
        html = render_markdown(text)
        with self._lock:
            self._html[key] = html
            while len(self._html) > self._capacity:
                self._html.popitem(last=False)
        return html


class GrowingReplies:
    """The incremental HTML of replies that are being written, shared by all tabs that follow them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_message: OrderedDict[str, GrowingMarkdown] = OrderedDict()

    def blocks(self, live: LiveSnapshot, known: int) -> Json:
        """The blocks from the first one that a tab which holds `known` stable blocks does not have yet."""
        with self._lock:
            markdown = self._by_message.setdefault(live.message_id, GrowingMarkdown())
            stable, blocks = markdown.update(live.text)
            while len(self._by_message) > 8:
                self._by_message.popitem(last=False)
        first = known if 0 <= known <= stable else 0
        return {"from": first, "stable": stable, "blocks": blocks[first:]}


def conversation_json(conversation: Conversation) -> Json:
    """A conversation as the sidebar and the title line need it."""
    return {
        "id": conversation.id,
        "title": conversation.title,
        "head": conversation.head_id,
        "activity": conversation.activity,
        "updated": conversation.updated_at.isoformat(),
        "trashed": conversation.trashed_at is not None,
    }


def live_json(live: LiveSnapshot, growing: GrowingReplies, known: int = 0) -> Json:
    """A growing reply: the changed blocks and where it stands."""
    return {
        "id": live.message_id,
        "version": live.version,
        "phase": live.phase,
        "progress": live.progress,
        "tokens": live.tokens,
        "speed": live.tokens_per_second,
        "reasoning": plain_html(live.reasoning) if live.reasoning else "",
        **growing.blocks(live, known),
    }


def cost_json(message: Message) -> Json | None:
    """What stands under a reply: model, tokens, tokens/s, seconds to the first token."""
    reply = message.reply
    if reply is None:
        return None
    return {
        "model": reply.model_name,
        "tokens": reply.completion_tokens,
        "speed": reply.tokens_per_second,
        "first": reply.first_token_ms,
        "cut": reply.finish_reason == "length",
    }


def message_json(view: MessageView, rendered: RenderedMessages, growing: GrowingReplies, words: Words) -> Json:
    """One message of the transcript."""
    message = view.message
    failure = message.failure
    return {
        "id": message.id,
        "role": message.role,
        "status": message.status,
        "variants": list(view.variants),
        "html": "" if view.live else rendered.html(message, whole=False),
        "clipped": len(message.text) if len(message.text) > LONGEST_SHOWN else 0,
        "empty": not message.text,
        "reasoning": plain_html(message.reasoning) if message.reasoning else "",
        "failure": words.failure(failure.code, failure.params, failure.sentence) if failure else None,
        "edited": message.edited_from is not None,
        # A reply's mode is that of the message above it, which already says so.
        "mode": message.mode if message.role == "user" and message.mode != PLAIN_MODE else None,
        "fields": dict(message.fields),
        "checked": message.role == "assistant" and message.mode != PLAIN_MODE and not view.live,
        "cost": cost_json(message),
        "live": live_json(view.live, growing) if view.live else None,
    }


@dataclass(frozen=True)
class Words:
    """The strings in one language."""

    strings: Strings
    language: str

    def __call__(self, key: str, **params: str | int | float) -> str:
        return self.strings.text(self.language, key, **params)

    def failure(self, code: str, params: Mapping[str, str | int | float], sentence: str) -> str:
        """The words for a stored failure."""
        return self.strings.error(self.language, code, params, sentence)


def window_json(window: TranscriptWindow, rendered: RenderedMessages, growing: GrowingReplies, words: Words) -> Json:
    """The transcript's window of a conversation."""
    return {
        "conversation": conversation_json(window.conversation),
        "items": [message_json(item, rendered, growing, words) for item in window.items],
        "earlier": window.earlier,
        "left_out_above": window.left_out_above,
        "context": {"used": window.context_used, "limit": window.context_length},
    }


def status_json(status: Any, words: Words) -> Json:
    """The status line: which model, where its engine stands, how large its window is."""
    model = status.model
    return {
        "state": str(status.state),
        "model": model.name if model else None,
        "model_id": model.id if model else None,
        "progress": status.progress,
        "limit": status.context_length,
        "error": words.failure(status.error.code, status.error.params, str(status.error)) if status.error else None,
        "active": status.active,
    }
