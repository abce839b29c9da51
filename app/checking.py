"""Checks on the replies of a conversation, and their repair."""

from __future__ import annotations

from dataclasses import dataclass

from app.checks import Finding
from app.errors import NothingToRepair
from app.modes import Shelf, check_reply, language_of
from app.prompting import Prompting
from app.repair import RepairWriter
from app.sampling import chosen_options
from app.turns import Turns
from app.views import Sent
from storage.conversations import Conversations
from storage.errors import StillStreaming
from storage.messages import Messages
from storage.records import Writing


@dataclass(frozen=True)
class Checking:
    """What the modes' checks say of stored replies. Findings follow from text and fields: they are not stored."""

    stored: Conversations
    messages: Messages
    turns: Turns
    prompting: Prompting
    modes: Shelf

    def findings(self, message_id: str) -> tuple[Finding, ...]:
        """What the checks of its mode find in a reply; nothing in one that is still being written."""
        reply = self.messages.get(message_id)
        if reply.role != "assistant" or reply.status == "streaming" or not reply.text.strip():
            return ()
        asked = self.messages.get(reply.parent_id) if reply.parent_id else None
        return check_reply(self.modes.get(reply.mode), reply.fields, reply.text, asked.text if asked else "")

    def repair(self, message_id: str, *, expected_head: str | None) -> Sent:
        """A variant of the reply in which the lines that fail their checks are written anew. Raises NothingToRepair."""
        old = self.messages.get(message_id)
        if self.turns.live(old.conversation_id) is not None:
            raise StillStreaming()
        if old.parent_id is None or not any(finding.repairable for finding in self.findings(message_id)):
            raise NothingToRepair()
        asked, mode = self.messages.get(old.parent_id), self.modes.get(old.mode)
        conversation = self.stored.get(old.conversation_id)
        writer = RepairWriter(
            self.prompting.supervisor,
            asked.text if asked.sent is None else asked.sent,
            old.text,
            language_of(old.text),
            lambda text: check_reply(mode, old.fields, text, asked.text),
            lambda spec: chosen_options(conversation.sampling, spec, mode.temperature),
        )
        writing = Writing(old.mode, old.fields)
        reply = self.messages.append_reply(asked.id, expected_head=expected_head, writing=writing, edited_from=old.id)
        self.turns.start(reply, writer)
        return Sent(conversation, None, reply.id)
