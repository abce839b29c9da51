"""Puts the app together: the only place that picks concrete classes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.checking import Checking
from app.conversation import ConversationManager
from app.modes import Shelf
from app.prompting import Prompting
from app.settings import Settings
from app.turns import Turns
from models import catalog
from models.errors import ModelError, ModelFileMissing
from models.runtimes.llama_cpp import LlamaCppRuntime
from models.runtimes.protocol import Runtime
from models.runtimes.remote import RemoteRuntime
from models.runtimes.transformers import TransformersRuntime
from models.supervisor import Supervisor
from models.types import ModelSpec, RuntimeName
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
    checking: Checking
    modes: Shelf
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
        with ExitStack() as parts:  # each is closed, whatever becomes of the one before
            parts.callback(self.database.close)
            parts.callback(self.supervisor.close)
            parts.callback(self.turns.close)


def build(settings: Settings, engines: Mapping[RuntimeName, Runtime] | None = None) -> Parts:
    """Open everything and begin to load the model. Raises StorageError; a model's failure ends in its status.

    `engines` are the ways to get an engine, by default `runtimes(settings)`.
    """
    data = settings.data_dir
    database = open_database(data / "inkglass.db", data / "backups")
    try:
        return _build(settings, database, runtimes(settings) if engines is None else engines)
    except BaseException:
        database.close()
        raise


def _build(settings: Settings, database: Database, engines: Mapping[RuntimeName, Runtime]) -> Parts:
    messages, preferences = Messages(database), Preferences(database)
    interrupted = messages.interrupt_streaming()
    if interrupted:
        log.warning("replies that were being written when Inkglass last ended, kept: %d", interrupted)
    modes = Shelf(settings.data_dir / "modes")
    supervisor = Supervisor(engines)
    chosen = _choose(settings, preferences, supervisor)
    turns = Turns(messages)
    conversations, prompting = Conversations(database), Prompting(messages, supervisor)
    manager = ConversationManager(conversations, messages, Drafts(database), turns, prompting, modes)
    checking = Checking(conversations, messages, turns, prompting, modes)
    return Parts(settings, database, preferences, supervisor, turns, manager, checking, modes, chosen)


def runtimes(settings: Settings) -> Mapping[RuntimeName, Runtime]:
    """Every way to get an engine."""
    logs = settings.data_dir / "logs"
    key = settings.remote_key.get_secret_value() if settings.remote_key else None
    return {
        "llama_cpp": LlamaCppRuntime(logs, settings.data_dir / "slots"),
        "transformers": TransformersRuntime(logs),
        "remote": RemoteRuntime(key),
    }


def _choose(settings: Settings, preferences: Preferences, supervisor: Supervisor) -> ModelSpec | None:
    """Begin to load the first model; what stands in the way becomes the supervisor's status."""
    try:
        spec = first_model(settings, preferences.get("model"))
    except ModelError as error:
        log.warning("%s", error)
        supervisor.fail(error)
        return None
    except OSError as error:
        log.warning("the models cannot be read: %s", error)
        supervisor.fail(ModelError(detail=str(error)))
        return None
    supervisor.load(spec)
    return spec


def first_model(settings: Settings, remembered: object) -> ModelSpec:
    """The model to begin with: the one named at the start, the last choice, the starter, any other.

    Raises ModelError: the reason why the one named at the start cannot be used, or that there is none at all.
    """
    if settings.remote:
        return catalog.remote(settings.remote, settings.remote_model)
    if settings.model:
        return catalog.resolve(settings.model, settings.data_dir)
    available = catalog.available(settings.data_dir) if remembered else []
    for spec in available:
        if spec.id == remembered:
            return spec
    try:
        return catalog.starter(settings.data_dir)
    except ModelFileMissing:
        others = available or catalog.available(settings.data_dir)
        if others:
            return others[0]
        raise
