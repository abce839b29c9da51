"""What a person can do with modes: choose one, keep, delete and bring back one of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from app.bootstrap import Parts
from app.modes import in_language
from app.ui.i18n import Strings
from app.ui.modes import modes_json
from app.ui.place import Outcome, Place
from app.ui.view import Json, Words
from app.ui.welcome import mode_choices


@dataclass(frozen=True)
class ModeActs:
    """`view` gives the page for a place with a notice. Raises what the shelf of modes raises."""

    parts: Parts
    strings: Strings
    view: Callable[[Place, str | None, Json | None], Json]

    def choose(self, place: Place, key: str, typed: bool = False) -> Outcome:
        """The mode of the next message. `typed`: chosen by `/` in the composer, which is emptied."""
        mode = self.parts.manager.mode(key)
        if place.conversation is not None:
            self.parts.manager.change_settings(place.conversation, mode=mode.key)
        return replace(self._with_modes(place, mode.key), composer="" if typed else None)

    def save(self, place: Place, text: str) -> Outcome:
        """Keep a mode of the user's own and choose it."""
        mode = self.parts.modes.save(text)
        told = self._words(place)("mode_saved", name=in_language(mode.name, place.language))
        outcome = self._with_modes(place, mode.key, {"tone": "info", "text": told})
        return replace(outcome, view={**outcome.view, "mode_saved": mode.key})

    def delete(self, place: Place, key: str) -> Outcome:
        """Put a mode of the user's own aside."""
        name = in_language(self.parts.modes.get(key).name, place.language)
        self.parts.modes.delete(key)
        undo = {"name": "restore_mode", "id": key}
        notice = {"tone": "info", "text": self._words(place)("mode_deleted", name=name), "undo": undo}
        return self._with_modes(place, self.parts.modes.all()[0].key, notice)

    def restore(self, place: Place, key: str) -> Outcome:
        """Undo of `delete`."""
        self.parts.modes.restore(key)
        return self._with_modes(place, key)

    def _words(self, place: Place) -> Words:
        return Words(self.strings, place.language)

    def _with_modes(self, place: Place, key: str, notice: Json | None = None) -> Outcome:
        """The page with all modes as they are now, `key` chosen."""
        told = {"mode": {"key": key}, "modes": modes_json(self.parts.modes.contents(), place.language)}
        view = {**self.view(place, place.conversation, notice), **told}
        return Outcome(view, mode=key, mode_names=mode_choices(self.parts, place.language))
