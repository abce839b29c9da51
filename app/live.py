"""One live turn: what it sends, and the reply that is being written, in memory, with whoever waits for its words."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.views import LiveSnapshot, Phase
from models.cancellation import Cancellation
from models.types import ChatMessage, Chunk, SamplingOptions, TokenLogprob
from storage.records import Message, ReplyDetails

WAKE_SECONDS = 0.04
"""Followers see a growing reply at most this often, so that a fast model does not flood the page."""


@dataclass(frozen=True)
class Request:
    """What one turn sends: the fitted messages, the options, and the details that are known before the reply.

    `exact`: the tokens were counted by the endpoint itself, so that its refusal would leave nothing to try.
    """

    messages: Sequence[ChatMessage]
    options: SamplingOptions
    details: ReplyDetails
    continue_last: bool = False
    exact: bool = True


@dataclass(eq=False)
class LiveTurn:
    """Written by one worker thread, read by any. `version` grows when followers should look again.

    The worker appends without a lock; the condition guards the version and the end only, about 25 times a second.
    """

    reply: Message
    cancellation: Cancellation = field(default_factory=Cancellation)
    phase: Phase = "waiting_for_model"
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    progress: tuple[int, int] | None = None
    tokens: int = 0
    version: int = 0
    ended: bool = False
    last: Chunk = field(default_factory=Chunk)
    details: ReplyDetails | None = None
    saved: tuple[int, int] = (0, 0)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _first_at: float | None = None
    _fresh: bool = False
    _due: float = 0.0

    # ---- the worker's side -------------------------------------------------------------------------------------

    def take(self, chunk: Chunk) -> None:
        """Add what came. The first text and the last wake followers at once, others when their next look is due."""
        first = False
        if chunk.text or chunk.reasoning or chunk.logprobs:
            first = self.phase != "writing"
            if first:
                self._first_at, self.phase = time.monotonic(), "writing"
            self.tokens += max(1, len(chunk.logprobs))
            if chunk.text:
                self.texts.append(chunk.text)
            if chunk.reasoning:
                self.thoughts.append(chunk.reasoning)
            self.logprobs.extend(chunk.logprobs)
        elif chunk.progress is not None:
            self.progress = (chunk.progress.cached + chunk.progress.processed, chunk.progress.total)
        if chunk.finish_reason is not None:
            self.last = chunk
        self._fresh = True
        # What was said last is shown before it is saved: the disk may take its time.
        if first or chunk.finish_reason is not None or time.monotonic() >= self._due:
            self.publish()

    def move(self, phase: Phase) -> None:
        """Enter another phase; followers see it at once."""
        if self.phase != phase:
            self.phase = phase
            self.publish()

    def publish(self) -> None:
        """Wake who waits."""
        with self._changed:
            self._tick()
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing comes any more."""
        with self._changed:
            self.ended = True
            self._tick()
            self._changed.notify_all()

    def _tick(self) -> None:
        self.version += 1
        self._fresh = False
        self._due = time.monotonic() + WAKE_SECONDS

    # ---- the readers' side -------------------------------------------------------------------------------------

    def wait(self, version: int, timeout: float) -> None:
        """Until there is something newer than `version`, the end, or `timeout` seconds have passed."""
        until = time.monotonic() + timeout
        with self._changed:
            while self.version <= version and not self.ended:
                now = time.monotonic()
                if self._fresh and now >= self._due:
                    # The model pauses after text that came too early to be published: nobody else will do it.
                    self._tick()
                elif now >= until:
                    return
                else:
                    self._changed.wait(min(until - now, WAKE_SECONDS))

    def text(self) -> str:
        """All of the reply, an earlier part that is being continued included."""
        return "".join(self.texts)

    def reasoning(self) -> str:
        return "".join(self.thoughts)

    def length(self) -> tuple[int, int]:
        """A cheap measure that changes whenever text or reasoning do."""
        return len(self.texts), len(self.thoughts)

    def speed(self) -> float | None:
        """Tokens a second since the first; None before there are two."""
        if self._first_at is None or self.tokens < 2:
            return None
        return (self.tokens - 1) / max(1e-3, time.monotonic() - self._first_at)

    def snapshot(self) -> LiveSnapshot:
        """The reply as it stands now."""
        return LiveSnapshot(
            message_id=self.reply.id,
            conversation_id=self.reply.conversation_id,
            version=self.version,
            phase=self.phase,
            text=self.text(),
            reasoning=self.reasoning(),
            progress=self.progress,
            tokens=self.tokens,
            tokens_per_second=self.speed(),
        )
