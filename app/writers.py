"""Who writes a reply into a live turn: here the model, from a plan; repair and translation are writers too."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Protocol

from app.live import LiveTurn, Request
from models.client import Client
from models.errors import ContextOverflow
from models.supervisor import Supervisor
from storage.errors import DatabaseBusy

log = logging.getLogger(__name__)
PLAN_AGAIN_SECONDS = 60.0
"""A database that another program holds keeps a turn waiting so long before the reply fails."""


class Writer(Protocol):
    """Writes one reply: text through `turn.take` (it only grows), what it cost into `turn.details`, until it is done
    or `turn.cancellation` says so. Raises ModelError and StorageError; what was taken until then is kept."""

    def __call__(self, turn: LiveTurn) -> None: ...


class Plan(Protocol):
    """Decides, once the model answers, what to send; `refused` is what the endpoint found too long.

    Raises ModelError (ContextOverflow among them) and StorageError.
    """

    def __call__(self, client: Client, refused: tuple[Request, ContextOverflow] | None) -> Request: ...


@dataclass(frozen=True)
class ModelWriter:
    """The loaded model writes what the plan asks for."""

    supervisor: Supervisor
    plan: Plan

    def __call__(self, turn: LiveTurn) -> None:
        with self.supervisor.use(turn.cancellation) as client:
            turn.move("reading")
            request = self._planned(turn, client, None)
            turn.details = request.details
            try:
                stream(turn, client, request)
            except ContextOverflow as overflow:
                if request.exact or turn.phase == "writing":
                    raise
                # The length was only estimated. Now the endpoint has told its window: once more, with less.
                request = self._planned(turn, client, (request, overflow))
                turn.details = request.details
                stream(turn, client, request)

    def _planned(self, turn: LiveTurn, client: Client, refused: tuple[Request, ContextOverflow] | None) -> Request:
        """The plan, with patience for a database that another program holds."""
        until = time.monotonic() + PLAN_AGAIN_SECONDS
        while True:
            try:
                return self.plan(client, refused)
            except DatabaseBusy:
                if turn.cancellation.cancelled or time.monotonic() > until:
                    raise
                log.warning("the database is held by another program; the reply waits")


def stream(turn: LiveTurn, client: Client, request: Request) -> None:
    """Send one request; what comes goes into the turn."""
    chunks = client.stream(
        request.messages,
        request.options,
        continue_last=request.continue_last,
        cancellation=turn.cancellation,
    )
    for chunk in chunks:
        turn.take(chunk)
