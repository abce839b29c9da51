"""What a person can do on the page: each act is one call of the conversation manager and one view back."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from app.bootstrap import Parts
from app.ui.i18n import Strings, error_words
from app.ui.mode_acts import ModeActs
from app.ui.place import Outcome, Place
from app.ui.view import GrowingReplies, Json, RenderedMessages, Words, status_json, window_json
from models.errors import ModelError
from models.types import SamplingOptions
from storage.errors import NotFound, StorageError

log = logging.getLogger(__name__)
SAMPLING_NAMES = tuple(f.name for f in fields(SamplingOptions))
WINDOW = 60


@dataclass
class Actions:
    """Acts over the app's parts. Errors end as a notice in the view: the page stays alive, the text is kept."""

    parts: Parts
    strings: Strings
    rendered: RenderedMessages = field(default_factory=RenderedMessages)
    growing: GrowingReplies = field(default_factory=GrowingReplies)
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def words(self, place: Place) -> Words:
        return Words(self.strings, place.language)

    def modes(self) -> ModeActs:
        return ModeActs(self.parts, self.strings, self.view)

    # ---- views -------------------------------------------------------------------------------------------

    def view(self, place: Place, conversation_id: str | None, notice: Json | None = None) -> Json:
        """The whole page for a conversation (or the empty page)."""
        words = self.words(place)
        base: Json = {
            "conversation": None,
            "items": [],
            "earlier": 0,
            "context": {"used": None, "limit": None},
        }
        if conversation_id is not None:
            window = self.parts.manager.window(conversation_id, limit=WINDOW)
            base = window_json(window, self.rendered, self.growing, words)
        return {
            **base,
            "kind": "page",
            "stamp": next(self._count),
            "status": status_json(self.parts.supervisor.status(), words),
            "list_version": self.parts.manager.list_version(),
            "notice": notice,
        }

    def failed(self, place: Place, error: Exception) -> Json:
        """The view after a refused act: the page as it is now, and the sentence."""
        notice = {"tone": "error", "text": error_words(self.strings, place.language, error)}
        try:
            return {**self.view(place, place.conversation, notice), "refused": True}
        except NotFound:
            return {**self.view(place, None, notice), "refused": True}
        except (StorageError, ModelError):
            # Not even reading works now (a locked or full database): the tab keeps what it shows.
            return {"kind": "notice", "stamp": next(self._count), "notice": notice, "refused": True}

    def attempt(self, place: Place, act: Callable[[], Outcome]) -> Outcome:
        """Run `act`; a failure that a user can be told about becomes a notice."""
        try:
            return act()
        except (ModelError, StorageError) as error:
            log.warning("refused: %s", error)
            return Outcome(self.failed(place, error))
        except Exception as error:
            if getattr(error, "code", None) is None:
                log.exception("unexpected failure of an act")
            return Outcome(self.failed(place, error))

    # ---- acts ----------------------------------------------------------------------------------------------

    def send(self, place: Place, text: str, mode: str, details: Mapping[str, Any]) -> Outcome:
        """Commit the message and start the reply; the composer is emptied only then."""

        def act() -> Outcome:
            fresh = place.conversation is None
            sent = self.parts.manager.send(
                place.conversation,
                text,
                expected_head=place.head,
                mode=mode,
                fields=place.fields,
                system_prompt=str(details.get("system_prompt") or "") if fresh else None,
                sampling=self.own_sampling(details) if fresh else None,
            )
            self._forget_draft(place.conversation or "new")
            return Outcome(self.view(place, sent.conversation.id, self.replaced(place, sent.replaced)), composer="")

        return self.attempt(place, act)

    def _forget_draft(self, key: str) -> None:
        """The message is committed: a draft that cannot be removed now must not make it look refused."""
        try:
            self.parts.manager.save_draft(key, "")
        except StorageError as error:
            log.warning("a draft that was sent could not be removed: %s", error)

    def replaced(self, place: Place, count: int) -> Json | None:
        if not count:
            return None
        return {"tone": "info", "text": self.words(place)("replaced", count=count)}

    def own_sampling(self, details: Mapping[str, Any]) -> dict[str, float | int]:
        """The sampling values that differ from the model's advice: only those are the user's own."""
        advice = self.advice()
        return {
            name: details[name]
            for name in SAMPLING_NAMES
            if details.get(name) is not None and details[name] != getattr(advice, name)
        }

    def advice(self) -> SamplingOptions:
        """The loaded model's own advice over the engine's defaults."""
        model = self.parts.supervisor.status().model
        return (model.advice if model else SamplingOptions()).over(ENGINE_DEFAULTS)

    def open(self, place: Place, conversation_id: str | None) -> Outcome:
        """Show a conversation (or the empty page) with its settings and its unsent draft."""

        def act() -> Outcome:
            key = conversation_id or "new"
            view = self.view(place, conversation_id)
            mode = None
            if conversation_id is not None:
                conversation = self.parts.manager.conversation(conversation_id)
                mode = self.parts.manager.mode(conversation.mode).key
                view["mode"] = {"key": mode, "fields": dict(conversation.fields)}
            return Outcome(view, self.parts.manager.draft(key), self.details(conversation_id), mode)

        outcome = self.attempt(Place(None, None, place.language), act)
        if outcome.view.get("refused"):
            return Outcome(outcome.view, composer=None, details=self.details(None))
        return outcome

    def details(self, conversation_id: str | None) -> Json:
        """What the details panel shows: the conversation's own settings over the model's advice."""
        advice = {name: getattr(self.advice(), name) for name in SAMPLING_NAMES}
        if conversation_id is None:
            return {"system_prompt": "", **advice}
        conversation = self.parts.manager.conversation(conversation_id)
        return {"system_prompt": conversation.system_prompt, **advice, **conversation.sampling}

    def change(self, place: Place, name: str, value: object) -> Outcome:
        """Keep one setting of the conversation; None returns to the model's advice."""

        def act() -> Outcome:
            if place.conversation is None:
                return Outcome(self.view(place, None))
            manager = self.parts.manager
            if name == "system_prompt":
                manager.change_settings(place.conversation, system_prompt=str(value or ""))
            else:
                own = dict(manager.conversation(place.conversation).sampling)
                own.pop(name, None)
                if isinstance(value, (int, float)):
                    own[name] = value
                manager.change_settings(place.conversation, sampling=own)
            return Outcome(self.view(place, place.conversation))

        return self.attempt(place, act)

    def use_advice(self, place: Place) -> Outcome:
        """Forget the conversation's own sampling."""

        def act() -> Outcome:
            if place.conversation is not None:
                self.parts.manager.change_settings(place.conversation, sampling={})
            return Outcome(self.view(place, place.conversation), details=self.details(place.conversation))

        return self.attempt(place, act)

    def choose_model(self, place: Place, model_id: str) -> Outcome:
        """Load another model; the status line shows how far it is."""

        def act() -> Outcome:
            self.parts.choose_model(model_id)
            return Outcome(self.view(place, place.conversation), details=self.details(place.conversation))

        return self.attempt(place, act)

    def choose_theme(self, place: Place, theme: str) -> Outcome:
        """Keep the appearance: light, dark, or like the system."""

        def act() -> Outcome:
            self.parts.preferences.set("theme", theme)
            return Outcome({**self.view(place, place.conversation), "theme": theme})

        return self.attempt(place, act)

    def stop(self, place: Place) -> Outcome:
        """Stop the reply of the shown conversation."""

        def act() -> Outcome:
            if place.conversation is not None:
                self.parts.manager.stop(place.conversation)
            return Outcome(self.view(place, place.conversation))

        return self.attempt(place, act)

    def act(self, place: Place, data: object) -> Outcome:
        """An act on a message or a conversation that the page's own elements asked for by name."""
        request = data if isinstance(data, Mapping) else {}
        name, target = str(request.get("name")), str(request.get("id") or "")
        if name == "open":
            return self.open(place, target or None)
        acts: Mapping[str, Callable[[], Outcome]] = {
            "stop": lambda: self.stop(place),
            "mode": lambda: self.modes().choose(place, target, typed=bool(request.get("typed"))),
            "save_mode": lambda: self.modes().save(place, str(request.get("text") or "")),
            "delete_mode": lambda: self.modes().delete(place, target),
            "restore_mode": lambda: self.modes().restore(place, target),
            "retry": lambda: self._sent(place, self.parts.manager.retry(target, expected_head=place.head)),
            "repair": lambda: self._sent(place, self.parts.checking.repair(target, expected_head=place.head)),
            "continue": lambda: self._sent(place, self.parts.manager.continue_reply(target, expected_head=place.head)),
            "edit": lambda: self._edit(place, target, str(request.get("text") or "")),
            "variant": lambda: self._done(place, self.parts.manager.select_variant, target),
            "branch": lambda: self._branch(place, target),
            "trash_message": lambda: self._trash_message(place, target),
            "restore_message": lambda: self._done(place, self.parts.manager.restore_message, target),
            "trash_conversation": lambda: self._trash_conversation(place, target),
            "restore_conversation": lambda: self._restore_conversation(place, target),
            "rename": lambda: self._done(place, self.parts.manager.rename, target, str(request.get("text") or "")),
        }
        if name not in acts:
            return Outcome(self.failed(place, NotFound(noun="action")))
        return self.attempt(place, acts[name])

    def _sent(self, place: Place, sent: Any) -> Outcome:
        return Outcome(self.view(place, sent.conversation.id, self.replaced(place, sent.replaced)))

    def _edit(self, place: Place, message_id: str, text: str) -> Outcome:
        """Only this answer closes the editor: a view for another reason may come before a refusal."""
        outcome = self._sent(place, self.parts.manager.edit(message_id, text, expected_head=place.head))
        return Outcome({**outcome.view, "edited": message_id})

    def _done(self, place: Place, call: Callable[..., object], *arguments: str) -> Outcome:
        call(*arguments)
        return Outcome(self.view(place, place.conversation))

    def _branch(self, place: Place, message_id: str) -> Outcome:
        conversation = self.parts.manager.branch(message_id)
        notice = {"tone": "info", "text": self.words(place)("branched")}
        view = self.view(place, conversation.id, notice)
        return Outcome(view, composer="", details=self.details(conversation.id))

    def _trash_message(self, place: Place, message_id: str) -> Outcome:
        self.parts.manager.trash_message(message_id)
        undo = {"name": "restore_message", "id": message_id}
        notice = {"tone": "info", "text": self.words(place)("message_deleted"), "undo": undo}
        return Outcome(self.view(place, place.conversation, notice))

    def _trash_conversation(self, place: Place, conversation_id: str) -> Outcome:
        conversation = self.parts.manager.conversation(conversation_id)
        self.parts.manager.trash_conversation(conversation_id)
        words = self.words(place)
        undo = {"name": "restore_conversation", "id": conversation_id}
        text = words("conversation_deleted", title=conversation.title or words("untitled"))
        notice = {"tone": "info", "text": text, "undo": undo}
        if conversation_id != place.conversation:
            return Outcome(self.view(place, place.conversation, notice))
        outcome = self.open(place, None)
        return Outcome({**outcome.view, "notice": notice}, outcome.composer, outcome.details)

    def _restore_conversation(self, place: Place, conversation_id: str) -> Outcome:
        self.parts.manager.restore_conversation(conversation_id)
        outcome = self.open(place, conversation_id)
        notice = {"tone": "info", "text": self.words(place)("restored")}
        return Outcome({**outcome.view, "notice": notice}, outcome.composer, outcome.details)


ENGINE_DEFAULTS = SamplingOptions(
    temperature=0.8, top_p=0.95, top_k=40, min_p=0.05, repeat_penalty=1.0, max_tokens=None, seed=None
)
"""What llama.cpp's server does when a model gives no advice (its documented defaults)."""
