"""The conversation manager: send, stop, retry, edit, branch, continue, title."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.errors import EmptyMessage
from app.live import Request
from app.modes import Mode, Shelf, checked_values, instructions_for, language_of, usable_values
from app.prompting import Prompting
from app.sampling import checked_sampling
from app.titles import title_from, title_given
from app.transcript import read_window
from app.turns import Turns
from app.views import Sent, TranscriptWindow
from app.writers import ModelWriter
from models.client import Client
from models.context import estimate, reserve_for
from models.errors import ContextOverflow, ModelError
from models.types import ChatMessage, EngineState
from storage.conversations import Conversations
from storage.drafts import Drafts
from storage.errors import NotFound, StillStreaming
from storage.messages import Messages
from storage.records import Conversation, Message, Role, Writing
from storage.text import clean

log = logging.getLogger(__name__)
COUNTED_AT_MOST = 200_000
"""Characters of a draft that are counted exactly; a longer one is far beyond most windows, and counting takes long."""
ANSWERING = (EngineState.READY, EngineState.BUSY)


@dataclass(frozen=True)
class ConversationManager:
    """Joins history and model: every act commits first, then the reply is written in the background."""

    stored: Conversations
    messages: Messages
    drafts: Drafts
    turns: Turns
    prompting: Prompting
    modes: Shelf

    # ---- acts that write a reply -------------------------------------------------------------------------------

    def send(
        self,
        conversation_id: str | None,
        text: str,
        *,
        expected_head: str | None,
        mode: str = "dialogue",
        fields: Mapping[str, object] | None = None,
        system_prompt: str | None = None,
        sampling: Mapping[str, float | int] | None = None,
    ) -> Sent:
        """Commit the message and start its reply. None as conversation makes a new one with the given settings.

        `fields` are the values of the mode's fields; those that are missing have their defaults.

        Raises EmptyMessage, FieldEmpty and its like, ContextOverflow (nothing is committed), StaleHead, StillStreaming,
        StorageError.
        """
        text, replaced = self._text(text)
        writing = self._writing(mode, fields or {}, text)
        if conversation_id is None:
            return self._send_first(text, replaced, writing, system_prompt or "", sampling or {})
        self._still(conversation_id)
        system = self._system(self.stored.get(conversation_id).system_prompt, writing)
        self._refuse_too_long(system, writing.sent or text)
        asked, reply = self.messages.append_turn(
            conversation_id, expected_head=expected_head, parent_id=expected_head, text=text, writing=writing
        )
        self._begin(reply)
        return Sent(self.stored.get(conversation_id), asked.id, reply.id, replaced)

    def _send_first(
        self, text: str, replaced: int, writing: Writing, system_prompt: str, sampling: Mapping[str, float | int]
    ) -> Sent:
        options = checked_sampling(sampling)
        system_prompt, more = clean(system_prompt)
        self._refuse_too_long(self._system(system_prompt, writing), writing.sent or text)
        asked, reply = self.messages.append_first_turn(
            text=text, title=title_from(text), writing=writing, system_prompt=system_prompt, sampling=options
        )
        self._begin(reply)
        return Sent(self.stored.get(asked.conversation_id), asked.id, reply.id, replaced + more)

    def retry(self, message_id: str, *, expected_head: str | None) -> Sent:
        """Another reply beside this one (or to this message, if it is the user's)."""
        message = self.messages.get(message_id)
        self._still(message.conversation_id)
        parent = message.id if message.role == "user" else message.parent_id
        if parent is None:
            raise NotFound(noun="message")
        asked = message if message.role == "user" else self.messages.get(parent)
        writing = replace(self._again(asked, asked.text), sent=asked.sent)
        reply = self.messages.append_reply(parent, expected_head=expected_head, writing=writing)
        self._begin(reply)
        return Sent(self.stored.get(reply.conversation_id), None, reply.id)

    def edit(self, message_id: str, text: str, *, expected_head: str | None) -> Sent:
        """The message rewritten as a new branch: a user's gets a new reply, a model's stands as it is."""
        text, replaced = self._text(text)
        old = self.messages.get(message_id)
        self._still(old.conversation_id)
        if old.role != "user":
            new = self.messages.append_edited_reply(message_id, text, expected_head=expected_head)
            return Sent(self.stored.get(old.conversation_id), None, new.id, replaced)
        conversation = self.stored.get(old.conversation_id)
        writing = self._again(old, text)
        self._refuse_too_long(self._system(conversation.system_prompt, writing), writing.sent or text)
        asked, reply = self.messages.append_turn(
            old.conversation_id,
            expected_head=expected_head,
            parent_id=old.parent_id,
            text=text,
            writing=writing,
            edited_from=old.id,
        )
        self._begin(reply)
        return Sent(self.stored.get(old.conversation_id), asked.id, reply.id, replaced)

    def continue_reply(self, message_id: str, *, expected_head: str | None) -> Sent:
        """Let a stopped, cut or interrupted reply go on from its last word."""
        reply = self.messages.resume(message_id, expected_head=expected_head)
        self._begin(reply)
        return Sent(self.stored.get(reply.conversation_id), None, reply.id)

    def stop(self, conversation_id: str) -> None:
        """Stop the reply that is being written; its text is kept."""
        self.turns.stop(conversation_id)

    def _begin(self, reply: Message) -> None:
        def plan(client: Client, refused: tuple[Request, ContextOverflow] | None) -> Request:
            conversation = self.stored.get(reply.conversation_id)
            mode = self.mode(reply.mode)
            system = self._system(conversation.system_prompt, Writing(reply.mode, reply.fields))
            return self.prompting.plan(client, conversation, system, reply, refused, mode.temperature)

        self.turns.start(reply, ModelWriter(self.prompting.supervisor, plan))

    def _text(self, text: str) -> tuple[str, int]:
        cleaned, replaced = clean(text)
        if not cleaned.strip():
            raise EmptyMessage()
        return cleaned, replaced

    def _writing(self, mode_key: str, fields: Mapping[str, object], text: str) -> Writing:
        """The mode with its fields' values and what it makes of `text`. Raises FieldEmpty and its like."""
        mode = self.mode(mode_key)
        language = language_of(text)
        values = checked_values(mode.fields, fields, language)
        told = instructions_for(mode, text, values, language)
        model = self.prompting.supervisor.status().model
        # Many servers answer a beginning with a whole new reply; our own engines go on from it.
        opening = "" if model is None or model.runtime == "remote" else told.opening
        return Writing(mode.key, values, told.user if told.user != text else None, opening)

    def _again(self, asked: Message, text: str) -> Writing:
        """As the message was written; what its mode does not know any more has the default."""
        mode = self.mode(asked.mode)
        return self._writing(mode.key, usable_values(mode.fields, asked.fields), text)

    def _system(self, own: str, writing: Writing) -> str:
        if own.strip():
            return own
        mode = self.mode(writing.mode)
        values = {**mode.defaults(), **writing.fields}
        return instructions_for(mode, "", values, "en").system

    def mode(self, key: str) -> Mode:
        """The mode of that key; the first one where it is not there (any more)."""
        return self.modes.get(key)

    def _refuse_too_long(self, system: str, text: str) -> None:
        """Say that a message cannot fit before it is committed, when the model is there to count."""
        status = self.prompting.supervisor.status()
        limit = status.context_length
        if status.state not in ANSWERING or limit is None:
            return
        if len(text.encode("utf-8")) + len(system.encode("utf-8")) < limit // 2:
            return
        alone = [ChatMessage("user", text)]
        if system.strip():
            alone.insert(0, ChatMessage("system", system))
        used = self._count(alone)
        if used is None:
            return
        needed = used + reserve_for(limit, None)
        if needed > limit:
            raise ContextOverflow(over=needed - limit, needed=needed, limit=limit)

    def _count(self, messages: Sequence[ChatMessage]) -> int | None:
        """Tokens by the model's own count; None where it cannot count, or not now."""
        try:
            with self.prompting.supervisor.use() as client:
                return client.count_tokens(messages)
        except ModelError as error:
            log.info("tokens cannot be counted now: %s", error)
            return None

    # ---- acts on the tree --------------------------------------------------------------------------------------

    def select_variant(self, message_id: str) -> None:
        """Show the newest branch through this message."""
        message = self.messages.get(message_id)
        self._still(message.conversation_id)
        self.stored.select_head(message.conversation_id, self.messages.leaf_under(message_id))

    def branch(self, message_id: str) -> Conversation:
        """A new conversation that holds everything up to this message."""
        message = self.messages.get(message_id)
        return self.stored.copy_branch(message_id, self.stored.get(message.conversation_id).title)

    def trash_message(self, message_id: str) -> None:
        """Hide the message and what followed it."""
        self._still(self.messages.get(message_id).conversation_id)
        self.messages.trash(message_id)

    def restore_message(self, message_id: str) -> None:
        """Undo of `trash_message`."""
        self._still(self.messages.get(message_id).conversation_id)
        self.messages.restore(message_id)

    def _still(self, conversation_id: str) -> None:
        if self.turns.live(conversation_id) is not None:
            raise StillStreaming()

    # ---- conversations -----------------------------------------------------------------------------------------

    def conversation(self, conversation_id: str) -> Conversation:
        """The conversation; NotFound where there is none."""
        return self.stored.get(conversation_id)

    def message(self, message_id: str) -> Message:
        """The message; NotFound where there is none."""
        return self.messages.get(message_id)

    def conversations(
        self, *, before: int | None = None, limit: int = 50, title_query: str = "", trashed: bool = False
    ) -> list[Conversation]:
        """A page of the list, newest activity first."""
        return self.stored.page(before=before, limit=limit, title_query=title_query, trashed=trashed)

    def list_version(self) -> int:
        """Grows with every change of the list."""
        return self.stored.version()

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a title; it is never replaced by an automatic one."""
        given = title_given(clean(title)[0])
        if not given:
            raise EmptyMessage()
        self.stored.rename(conversation_id, given, "user")

    def change_settings(self, conversation_id: str, **settings: Any) -> None:
        """Set the given ones of system_prompt, sampling, mode, model_id. Raises UnusableSetting."""
        if "system_prompt" in settings:
            settings["system_prompt"] = clean(settings["system_prompt"])[0]
        if "sampling" in settings:
            settings["sampling"] = checked_sampling(settings["sampling"])
        if "mode" in settings:
            settings["mode"] = self.mode(settings["mode"]).key
        self.stored.change_settings(conversation_id, **settings)

    def trash_conversation(self, conversation_id: str) -> None:
        """Put the conversation in the trash; a reply that is being written there is stopped and kept."""
        self.turns.stop(conversation_id)
        self.stored.trash(conversation_id)

    def restore_conversation(self, conversation_id: str) -> None:
        """Undo of `trash_conversation`."""
        self.stored.restore(conversation_id)

    # ---- what a tab shows --------------------------------------------------------------------------------------

    def window(self, conversation_id: str, *, limit: int = 60, before: str | None = None) -> TranscriptWindow:
        """The last `limit` messages of the shown branch, or those above message `before`."""
        return read_window(self.stored, self.messages, self.turns, conversation_id, limit, before)

    def exact_prompt(self, message_id: str) -> list[tuple[Role, str]]:
        """The messages that were sent for a reply."""
        return self.messages.prompt(message_id)

    def draft(self, key: str) -> str:
        """What stands unsent: key is a conversation's id or "new"."""
        return self.drafts.get(key)

    def save_draft(self, key: str, text: str) -> None:
        """Keep what stands unsent."""
        self.drafts.save(key, clean(text)[0])

    def count_draft(self, conversation_id: str | None, text: str) -> tuple[int | None, int | None]:
        """Tokens that the conversation so far and `text` take of the window; None where nobody can count now."""
        status = self.prompting.supervisor.status()
        if status.state not in ANSWERING:
            return None, status.context_length
        used = self.window(conversation_id, limit=4).context_used if conversation_id else None
        if not text:
            return used or 0, status.context_length
        message = [ChatMessage("user", text)]
        own = self._count(message) if len(text) <= COUNTED_AT_MOST else None
        return (used or 0) + (estimate(message) if own is None else own), status.context_length
