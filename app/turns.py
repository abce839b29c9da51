"""Live turns: a reply that is being written on the server, followed by any number of tabs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from app.views import LiveSnapshot, Phase
from models.client import Cancellation, Client
from models.errors import ModelError
from models.supervisor import Supervisor
from models.types import ChatMessage, Chunk, SamplingOptions, TokenLogprob
from storage.errors import StillStreaming, StorageError
from storage.messages import Messages
from storage.records import Failure, Message, MessageStatus, ReplyDetails, TokenProbability

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 0.3
"""A growing reply is written to the database this often: at most half a second of it is ever at risk."""
WAKE_SECONDS = 0.04
"""Followers see a growing reply at most this often, so that a fast model does not flood the page."""
SAVE_AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Request:
    """What one turn sends: the fitted messages, the options, and the details that are known before the reply."""

    messages: Sequence[ChatMessage]
    options: SamplingOptions
    details: ReplyDetails
    continue_last: bool = False


class Plan(Protocol):
    """Decides, once the model answers, what to send. Raises ModelError, ContextOverflow among them."""

    def __call__(self, client: Client) -> Request: ...


@dataclass
class _Turn:
    reply: Message
    cancellation: Cancellation
    changed: threading.Condition = field(default_factory=threading.Condition)
    phase: Phase = "waiting_for_model"
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    progress: tuple[int, int] | None = None
    tokens: int = 0
    first_at: float | None = None
    version: int = 0
    saved_version: int = 0
    ended: bool = False
    last: Chunk = field(default_factory=Chunk)

    def take(self, chunk: Chunk) -> None:
        """Add what came. Followers wake by themselves; only the first text and the end wake them at once."""
        first = False
        if chunk.text or chunk.reasoning:
            first = self.first_at is None
            self.first_at = self.first_at or time.monotonic()
            self.phase = "writing"
            self.tokens += max(1, len(chunk.logprobs))
            if chunk.text:
                self.texts.append(chunk.text)
            if chunk.reasoning:
                self.thoughts.append(chunk.reasoning)
            self.logprobs.extend(chunk.logprobs)
        elif chunk.progress is not None:
            self.phase = "reading"
            self.progress = (chunk.progress.cached + chunk.progress.processed, chunk.progress.total)
        if chunk.finish_reason is not None:
            self.last = chunk
        self.version += 1
        if first:
            self.wake()

    def move(self, phase: Phase) -> None:
        self.phase = phase
        self.version += 1
        self.wake()

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def text(self) -> str:
        return "".join(self.texts)

    def reasoning(self) -> str:
        return "".join(self.thoughts)

    def speed(self) -> float | None:
        if self.first_at is None or self.tokens < 2:
            return None
        return (self.tokens - 1) / max(1e-6, time.monotonic() - self.first_at)

    def snapshot(self) -> LiveSnapshot:
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


class Turns:
    """The turns that run now, one for a conversation, and the thread that checkpoints them."""

    def __init__(self, messages: Messages, supervisor: Supervisor) -> None:
        self._messages = messages
        self._supervisor = supervisor
        self._lock = threading.Lock()
        self._live: dict[str, _Turn] = {}
        self._closing = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._keeper = threading.Thread(target=self._keep, name="checkpoints", daemon=True)
        self._keeper.start()

    def start(self, reply: Message, plan: Plan) -> None:
        """Write `reply` (a streaming message, its text so far kept) in the background."""
        turn = _Turn(reply, Cancellation(), texts=[reply.text], thoughts=[reply.reasoning])
        thread = threading.Thread(target=self._run, args=(turn, plan), name=f"turn {reply.id}", daemon=True)
        with self._lock:
            if reply.conversation_id in self._live:
                raise StillStreaming()
            self._live[reply.conversation_id] = turn
            self._threads.add(thread)
        thread.start()

    def live(self, conversation_id: str) -> LiveSnapshot | None:
        """The reply that is being written in a conversation, as it stands now."""
        with self._lock:
            turn = self._live.get(conversation_id)
        return turn.snapshot() if turn else None

    def wait(self, conversation_id: str, version: int, timeout: float) -> LiveSnapshot | None:
        """Wait at most `timeout` seconds for something newer than `version`; None once the turn has ended."""
        with self._lock:
            turn = self._live.get(conversation_id)
        if turn is None:
            return None
        until = time.monotonic() + timeout
        with turn.changed:
            while turn.version <= version and not turn.ended:
                left = until - time.monotonic()
                if left <= 0:
                    break
                turn.changed.wait(min(left, WAKE_SECONDS))
        return None if turn.ended else turn.snapshot()

    def stop(self, conversation_id: str) -> None:
        """Stop the reply of a conversation; its text is kept."""
        with self._lock:
            turn = self._live.get(conversation_id)
        if turn is not None:
            turn.cancellation.cancel()

    def close(self, timeout: float = 5.0) -> None:
        """End all turns, their texts kept as interrupted; at most `timeout` seconds."""
        self._closing.set()
        with self._lock:
            turns, threads = list(self._live.values()), list(self._threads)
        for turn in turns:
            turn.cancellation.cancel()
        until = time.monotonic() + timeout
        for thread in [*threads, self._keeper]:
            thread.join(max(0.0, until - time.monotonic()))

    # ---- the worker ------------------------------------------------------------------------------------------

    def _run(self, turn: _Turn, plan: Plan) -> None:
        details: list[ReplyDetails] = []
        failure: Failure | None = None
        try:
            self._write(turn, plan, details.append)
        except (ModelError, StorageError) as error:
            log.warning("the reply failed: %s", error)
            failure = Failure(error.code, dict(error.params), str(error))
        except Exception as error:  # a worker's loop: whatever failed, the text must be kept
            log.exception("unexpected failure while writing a reply")
            sentence = ModelError(detail=str(error) or type(error).__name__)
            failure = Failure(sentence.code, dict(sentence.params), str(sentence))
        status: MessageStatus = "complete"
        if turn.cancellation.cancelled:
            status, failure = ("interrupted" if self._closing.is_set() else "stopped"), None
        elif failure is not None:
            status = "failed"
        try:
            self._save(turn, status, _finished(turn, details), failure)
        finally:
            self._forget(turn)

    def _write(self, turn: _Turn, plan: Plan, keep: Callable[[ReplyDetails], None]) -> None:
        with self._supervisor.use(turn.cancellation) as client:
            turn.move("reading")
            request = plan(client)
            keep(request.details)
            chunks = client.stream(
                request.messages,
                request.options,
                continue_last=request.continue_last,
                cancellation=turn.cancellation,
            )
            for chunk in chunks:
                turn.take(chunk)

    def _save(self, turn: _Turn, status: MessageStatus, details: ReplyDetails | None, failure: Failure | None) -> None:
        tokens = [TokenProbability(t.token, t.logprob, t.alternatives) for t in turn.logprobs]
        attempt = 0
        while True:
            try:
                self._messages.finish(
                    turn.reply.id,
                    status=status,
                    text=turn.text(),
                    reasoning=turn.reasoning(),
                    reply=details,
                    failure=failure,
                    probabilities=tokens,
                    keep_probabilities=bool(turn.reply.text),
                )
                return
            except StorageError as error:
                # The text lives on in memory and on the page until the disk or the database takes it.
                log.warning("the reply cannot be saved yet: %s", error)
                turn.move("saving")
                wait = SAVE_AGAIN_SECONDS[min(attempt, len(SAVE_AGAIN_SECONDS) - 1)]
                attempt += 1
                if self._closing.wait(wait) and attempt > 3:
                    log.error("closing without having saved the end of reply %s", turn.reply.id)
                    return

    def _forget(self, turn: _Turn) -> None:
        with self._lock:
            self._live.pop(turn.reply.conversation_id, None)
            self._threads.discard(threading.current_thread())
        turn.ended = True
        turn.wake()

    def _keep(self) -> None:
        while not self._closing.wait(CHECKPOINT_SECONDS):
            with self._lock:
                turns = list(self._live.values())
            for turn in turns:
                version = turn.version
                if turn.phase != "writing" or version == turn.saved_version:
                    continue
                try:
                    self._messages.checkpoint(turn.reply.id, turn.text(), turn.reasoning())
                    turn.saved_version = version
                except StorageError as error:
                    log.warning("a checkpoint had to wait: %s", error)


def _finished(turn: _Turn, details: list[ReplyDetails]) -> ReplyDetails | None:
    """The details with what only the end of the stream tells; on Continue the tokens of both parts count."""
    if not details:
        return turn.reply.reply
    usage, timings = turn.last.usage, turn.last.timings
    earlier = turn.reply.reply.completion_tokens if turn.reply.reply and turn.reply.text else None
    written = usage.completion_tokens if usage else turn.tokens
    return replace(
        details[0],
        finish_reason=turn.last.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else details[0].prompt_tokens,
        completion_tokens=written + (earlier or 0),
        cached_tokens=usage.cached_tokens if usage else None,
        first_token_ms=timings.first_token_ms if timings else None,
        total_ms=timings.total_ms if timings else None,
        tokens_per_second=(timings.tokens_per_second if timings else None) or turn.speed(),
    )
