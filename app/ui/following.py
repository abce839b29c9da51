"""What an open tab asks again and again: the growing reply, the status line, older messages, the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.modes import TemplateError, UnreadableMode, instructions_for, language_of, read_mode
from app.modes.files import LARGEST_FILE
from app.ui.actions import WINDOW, Actions
from app.ui.i18n import error_words
from app.ui.place import Place
from app.ui.render import plain_html, render_markdown
from app.ui.view import Json, conversation_json, live_json, message_json, status_json
from models.errors import ModelError
from storage.errors import StorageError

LIVE_WAIT = 0.2
"""Seconds one request waits for news of a growing reply: short, so that no thread is held for a tab that left."""
PAGE = 40
LONGEST_SAMPLE = 20_000


class Following:
    """Questions of an open tab, each answered at once or within `LIVE_WAIT`. Their names are the page's protocol."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self._parts = actions.parts

    def follow(self, data: Any) -> Json:
        """What changed since the tab's last question: reply, status, list, or that the transcript is stale."""
        request = _mapping(data)
        place = Place.parse(request)
        try:
            return self._news(place, request)
        except (StorageError, ModelError) as error:
            words = error_words(self._actions.strings, place.language, error)
            return {"trouble": words, "status": self._status(place)}

    def _status(self, place: Place) -> Json:
        return status_json(self._parts.supervisor.status(), self._actions.words(place))

    def _news(self, place: Place, request: Mapping[str, Any]) -> Json:
        known = _mapping(request.get("live"))
        news: Json = {"status": None, "list_version": None, "live": None, "item": None, "stale": False}
        live = None
        if place.conversation is not None:
            version = int(known.get("version", -1)) if known else -1
            wait = LIVE_WAIT if known else 0.0
            live = self._parts.turns.wait(place.conversation, version, wait)
        if live is not None and known and known.get("id") == live.message_id:
            news["live"] = live_json(live, self._actions.growing, int(known.get("stable", 0)))
        elif live is not None:
            # A reply that another tab started; one on a branch that this tab does not show is none of its business.
            news["stale"] = self._parts.manager.conversation(live.conversation_id).head_id == live.message_id
        elif known:
            news["item"] = self._finished(place, str(known.get("id")))
        if request.get("full") or news["item"]:
            news["status"] = self._status(place)
            news["list_version"] = self._parts.manager.list_version()
            if place.conversation is not None and not known:
                conversation = self._parts.manager.conversation(place.conversation)
                news["stale"] = news["stale"] or conversation.head_id != place.head
                news["title"] = conversation.title
        return news

    def _finished(self, place: Place, message_id: str) -> Json | None:
        """The message whose reply ended, as it now stands in the database."""
        assert place.conversation is not None  # noqa: S101  # the caller asked about its live turn
        window = self._parts.manager.window(place.conversation, limit=2)
        for item in window.items:
            if item.message.id == message_id:
                finished = message_json(item, self._actions.rendered, self._actions.growing, self._actions.words(place))
                context = {"used": window.context_used, "limit": window.context_length}
                return {**finished, "context": context, "left_out_above": window.left_out_above}
        return {"id": message_id, "gone": True}

    def window(self, data: Any) -> Json:
        """The transcript again, after another tab changed it."""
        place = Place.parse(data)
        return self._actions.open(place, place.conversation).view

    def earlier(self, data: Any) -> Json:
        """The messages above the ones a tab shows."""
        request = _mapping(data)
        place = Place.parse(request)
        if place.conversation is None:
            return {"items": [], "earlier": 0}
        window = self._parts.manager.window(place.conversation, limit=WINDOW, before=str(request.get("before")))
        words = self._actions.words(place)
        items = [message_json(m, self._actions.rendered, self._actions.growing, words) for m in window.items]
        return {"items": items, "earlier": window.earlier}

    def source(self, data: Any) -> Json:
        """A message's text as it was written, for copying and editing."""
        return {"text": self._parts.manager.message(str(_mapping(data).get("id"))).text}

    def whole(self, data: Any) -> Json:
        """A long message in full."""
        text = self._parts.manager.message(str(_mapping(data).get("id"))).text
        return {"html": render_markdown(text)}

    def prompt(self, data: Any) -> Json:
        """The exact messages that were sent for a reply."""
        sent = self._parts.manager.exact_prompt(str(_mapping(data).get("id")))
        return {"messages": [{"role": role, "html": plain_html(text)} for role, text in sent]}

    def checks(self, data: Any) -> Json:
        """What the checks of its mode find in a reply, in words; and whether a line could be written anew."""
        request = _mapping(data)
        words = self._actions.words(Place.parse(request))
        findings = self._parts.checking.findings(str(request.get("id")))
        return {
            "findings": [{"passed": found.passed, "text": words(found.key, **found.params)} for found in findings],
            "repairable": any(found.repairable for found in findings),
        }

    def count(self, data: Any) -> Json:
        """Tokens that the conversation and the text in the composer would take of the window."""
        request = _mapping(data)
        used, limit = self._parts.manager.count_draft(Place.parse(request).conversation, str(request.get("text") or ""))
        return {"used": used, "limit": limit}

    def keep_draft(self, data: Any) -> Json:
        """Keep what stands in the composer, so that closing the tab loses nothing."""
        request = _mapping(data)
        self._parts.manager.save_draft(Place.parse(request).conversation or "new", str(request.get("text") or ""))
        return {}

    def mode_source(self, data: Any) -> Json:
        """The file of a mode, to edit, copy or save."""
        return {"text": self._parts.modes.source(str(_mapping(data).get("id")))}

    def mode_preview(self, data: Any) -> Json:
        """What a mode's file would send for a sample text; or the line and the reason why it cannot be used."""
        request = _mapping(data)
        sample = str(request.get("sample") or "")[:LONGEST_SAMPLE]
        try:
            mode = read_mode(str(request.get("text") or "")[:LARGEST_FILE], "mode.toml")
            language = Place.parse(request).language
            sample = sample or next(iter(mode.examples.get(language, ())), "…")
            told = instructions_for(mode, sample, mode.defaults(), language_of(sample))
        except (UnreadableMode, TemplateError) as error:
            return {"error": str(error)}
        return {"key": mode.key, "system": told.system, "user": told.user, "opening": told.opening}

    def conversations(self, data: Any) -> Json:
        """A page of the list: newest first, titles that contain `query`, or the trash."""
        request = _mapping(data)
        before, query = request.get("before"), str(request.get("query") or "")
        found = self._parts.manager.conversations(
            before=int(before) if before is not None else None,
            limit=PAGE,
            title_query=query,
            trashed=bool(request.get("trash")),
        )
        return {
            "items": [conversation_json(conversation) for conversation in found],
            "more": len(found) == PAGE,
            "version": self._parts.manager.list_version(),
        }


def _mapping(data: Any) -> Mapping[str, Any]:
    """What the browser sent, if it is an object; it may arrive as the only element of a list."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    return data if isinstance(data, Mapping) else {}
