"""Builds what one turn sends: system text, as much history as fits, the options, and the record of it all."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from app.live import Request
from app.modes.mode import Temperature
from app.sampling import chosen_options
from models.client import Client
from models.context import estimate, fit, reserve_for
from models.errors import ContextOverflow, NoModel
from models.supervisor import Supervisor
from models.types import ChatMessage, ModelSpec, SamplingOptions
from storage.messages import Messages
from storage.records import Conversation, Message, PathItem, PromptPart, ReplyDetails

BYTES_PER_TOKEN = 6
"""Messages of more bytes than this for each token of the window are not read from a long history at all."""
NEWEST = 4
"""Messages at the end of a branch among which its last reply is found."""
LARGEST_WINDOW = 131_072
"""The window assumed where nobody tells it. Where that is too large, the server's own refusal says how large it is."""


@dataclass(frozen=True)
class Entry:
    """One message as it would be sent: its record, and the id and depth of the (first) stored message it holds."""

    message: ChatMessage
    part: PromptPart
    id: str
    depth: int


class Counter:
    """Counts tokens by the endpoint's own tokenizer, or estimates them where it offers none (`exact` is then False).

    `refused` is the endpoint's refusal of an earlier estimate, from which later ones learn.
    """

    def __init__(self, client: Client, refused: ContextOverflow | None = None, estimated: int | None = None) -> None:
        self._client = client
        self.exact = True
        self._scale = 1.0
        if refused is not None and estimated:
            self._scale = max(1.0, float(refused.params["needed"]) / estimated)

    def __call__(self, messages: Sequence[ChatMessage]) -> int:
        counted = self._client.count_tokens(messages) if self.exact else None
        if counted is None:
            self.exact = False
            return int(estimate(messages) * self._scale)
        return counted


@dataclass(frozen=True)
class Prompting:
    """Plans turns from the stored branch and the loaded model."""

    messages: Messages
    supervisor: Supervisor

    def plan(
        self,
        client: Client,
        conversation: Conversation,
        system_text: str,
        reply: Message,
        refused: tuple[Request, ContextOverflow] | None = None,
        temperature: Temperature | None = None,
    ) -> Request:
        """The request for `reply` (its text so far is continued). Raises ContextOverflow, NoModel, StorageError.

        `temperature` is the mode's hint. `refused`: the request that the endpoint found too long, and its words; the
        new one is shorter.
        """
        spec, window = self.model()
        last = self.last_reply(reply.parent_id, spec, window)
        window = window or (last.context_length if last else None)
        items = self.branch(reply.parent_id, window or LARGEST_WINDOW, last)
        count = Counter(client)
        if refused is not None:
            window = int(refused[1].params["limit"])
            count = Counter(client, refused[1], refused[0].details.prompt_tokens)
        limit = window or LARGEST_WINDOW
        options = chosen_options(conversation.sampling, spec, temperature)
        history = entries(items)
        continues = bool(reply.text.strip())
        if continues:
            history.append(_entry(reply))
        system = ChatMessage("system", system_text) if system_text.strip() else None
        fitted = fit(
            system,
            [(entry.id, entry.message) for entry in history],
            limit=limit,
            reserve=reserve_for(limit, options.max_tokens),
            count=count,
            start_hint=_start_of(last, history),
        )
        kept = history[fitted.left_out :]
        options = _bounded(options, limit - fitted.prompt_tokens, exact=count.exact)
        parts = [PromptPart(role="system", content=system.content)] if system else []
        details = ReplyDetails(
            model_id=spec.id,
            model_name=spec.name,
            sampling={k: v for k, v in asdict(options).items() if v is not None},
            prompt=(*parts, *(entry.part for entry in kept)),
            left_out=kept[0].depth,
            context_length=window,
            prompt_tokens=fitted.prompt_tokens,
        )
        return Request(fitted.messages, options, details, continues, count.exact)

    def model(self) -> tuple[ModelSpec, int | None]:
        """The loaded model and the tokens its window holds, where anybody knows."""
        status = self.supervisor.status()
        if status.model is None:
            raise NoModel()
        return status.model, status.context_length or status.model.context_length

    def last_reply(self, leaf_id: str | None, spec: ModelSpec, window: int | None) -> ReplyDetails | None:
        """The details of the branch's last reply, if the same model gave it in the same window."""
        items = self.messages.path(leaf_id, limit=NEWEST) if leaf_id else []
        last = next((item.message.reply for item in reversed(items) if item.message.reply), None)
        if last is None or last.model_id != spec.id or (window is not None and last.context_length != window):
            return None
        return last

    def branch(self, leaf_id: str | None, limit: int, last: ReplyDetails | None) -> list[PathItem]:
        """As much of the branch above (and with) `leaf_id` as could fit `limit` tokens, oldest first.

        Begins where the `last` prompt began, if something was left out of it: what was left out stays out.
        """
        if leaf_id is None:
            return []
        if last is not None and last.left_out:
            wanted = self.messages.get(leaf_id).depth - last.left_out + 1
            if wanted > 0:
                return self.messages.path(leaf_id, limit=wanted)
        wanted, room = 64, limit * BYTES_PER_TOKEN
        while True:
            items = self.messages.path(leaf_id, limit=wanted)
            size = sum(len(item.message.text.encode("utf-8", "replace")) for item in items)
            if size > room or len(items) < wanted:
                break
            wanted = min(wanted * 4, wanted * room // max(1, size) + 16)
        while items and items[0].message.role != "user":
            items = items[1:]
        return items


def entries(items: Sequence[PathItem]) -> list[Entry]:
    """The branch as a model can read it: a reply without text is left out, and what a person wrote in a row is joined.

    Many models' templates and servers refuse an empty message and two in a row from the same side. Reasoning is never
    sent back.
    """
    found: list[Entry] = []
    for item in items:
        message = item.message
        if not message.text.strip():
            continue
        if found and found[-1].message.role == message.role:
            found[-1] = _joined(found[-1], message)
        else:
            found.append(_entry(message))
    return found


def _entry(message: Message) -> Entry:
    sent = message.text if message.sent is None else message.sent
    part = PromptPart(role=message.role, message_id=message.id, length=len(sent))
    return Entry(ChatMessage(message.role, sent), part, message.id, message.depth)


def _joined(earlier: Entry, message: Message) -> Entry:
    text = f"{earlier.message.content}\n\n{message.text if message.sent is None else message.sent}"
    part = PromptPart(role=message.role, content=text)
    return replace(earlier, message=ChatMessage(message.role, text), part=part)


def _bounded(options: SamplingOptions, room: int, *, exact: bool) -> SamplingOptions:
    """With a seed that can be told afterwards, and never more tokens than the window has room for.

    Where the room is only estimated, the endpoint bounds the reply itself.
    """
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    most = options.max_tokens
    if exact or most is not None:
        most = max(1, room if most is None else min(most, room))
    return replace(options, seed=seed, max_tokens=most)


def _start_of(last: ReplyDetails | None, history: Sequence[Entry]) -> str | None:
    """The message at which the last prompt began, if something was left out of it."""
    if last is None or not last.left_out:
        return None
    return next((entry.id for entry in history if entry.depth == last.left_out), None)
