"""Puts the app together: the only place that picks concrete classes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.conversation import ConversationManager
from app.modes import Mode, load_modes
from app.prompting import Prompting
from app.settings import Settings
from app.turns import Turns
from models import catalog
from models.errors import ModelError, ModelFileMissing
from models.runtimes.llama_cpp import LlamaCppRuntime
from models.runtimes.remote import RemoteRuntime
from models.runtimes.transformers import TransformersRuntime
from models.supervisor import Supervisor
from models.types import ModelSpec
from storage.conversations import Conversations
from storage.database import Database, open_database
from storage.drafts import Drafts
from storage.messages import Messages
from storage.preferences import Preferences

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """The parts of a running app."""

    settings: Settings
    database: Database
    preferences: Preferences
    supervisor: Supervisor
    turns: Turns
    manager: ConversationManager
    modes: Sequence[Mode]
    chosen: ModelSpec | None

    def model_folder(self) -> Path:
        """Where a user puts models."""
        return self.settings.data_dir / "models"

    def models(self) -> list[ModelSpec]:
        """The models that can be chosen: those in the data folder, and the one named at the start."""
        found = {spec.id: spec for spec in catalog.available(self.settings.data_dir)}
        if self.chosen is not None:
            found.setdefault(self.chosen.id, self.chosen)
        return list(found.values())

    def model_id(self) -> str | None:
        """The model that is loaded or being loaded."""
        model = self.supervisor.status().model
        return model.id if model else None

    def choose_model(self, model_id: str) -> None:
        """Load a model and remember the choice. Raises ModelFileMissing for an id that nobody knows."""
        spec = next((spec for spec in self.models() if spec.id == model_id), None)
        if spec is None:
            raise ModelFileMissing(path=model_id)
        self.preferences.set("model", spec.id)
        self.supervisor.load(spec)

    def close(self) -> None:
        """End turns (their texts kept), engine and database, in that order."""
        self.turns.close()
        self.supervisor.close()
        self.database.close()


def build(settings: Settings) -> Parts:
    """Open everything and begin to load the model. Raises StorageError; a model's failure ends in its status."""
    data = settings.data_dir
    database = open_database(data / "inkglass.db", data / "backups")
    messages, preferences = Messages(database), Preferences(database)
    interrupted = messages.interrupt_streaming()
    if interrupted:
        log.warning("%d replies were being written when Inkglass last ended; their texts are kept", interrupted)
    logs = data / "logs"
    key = settings.remote_key.get_secret_value() if settings.remote_key else None
    supervisor = Supervisor(
        {
            "llama_cpp": LlamaCppRuntime(logs, data / "slots"),
            "transformers": TransformersRuntime(logs),
            "remote": RemoteRuntime(key),
        }
    )
    turns = Turns(messages, supervisor)
    modes = load_modes()
    manager = ConversationManager(
        Conversations(database), messages, Drafts(database), turns, Prompting(messages, supervisor), modes
    )
    chosen = _choose(settings, preferences, supervisor)
    return Parts(settings, database, preferences, supervisor, turns, manager, modes, chosen)


def _choose(settings: Settings, preferences: Preferences, supervisor: Supervisor) -> ModelSpec | None:
    """The model to begin with: the one named at the start, the last choice, the starter; then load it."""
    spec: ModelSpec | None
    try:
        if settings.remote:
            spec = catalog.remote(settings.remote, settings.remote_model)
        elif settings.model:
            spec = catalog.resolve(settings.model, settings.data_dir)
        else:
            spec = _remembered(settings, preferences) or catalog.starter(settings.data_dir)
    except ModelError as error:
        log.warning("%s", error)
        supervisor.fail(error)
        return None
    supervisor.load(spec)
    return spec


def _remembered(settings: Settings, preferences: Preferences) -> ModelSpec | None:
    model_id = preferences.get("model")
    return next((s for s in catalog.available(settings.data_dir) if s.id == model_id), None)
