"""Live turns: replies that are being written on the server, followed by any number of tabs."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

from app.live import LiveTurn
from app.views import LiveSnapshot
from app.writers import Writer
from models.errors import ModelError
from storage.errors import NotFound, StorageError
from storage.messages import Messages
from storage.records import Failure, Message, MessageStatus, ReplyDetails, TokenProbability

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 0.3
"""A growing reply is written to the database this often: at most half a second of it is ever at risk."""
SAVE_AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
LAST_ATTEMPTS = 2
"""How often a reply is tried to be saved once the app is closing."""


class Turns:
    """The turns that run now, at most one for a conversation, and the thread that checkpoints them."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._lock = threading.Lock()
        self._live: dict[str, LiveTurn] = {}
        self._threads: set[threading.Thread] = set()
        self._closing = threading.Event()
        self._some_live = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="checkpoints", daemon=True)
        self._keeper.start()

    def start(self, reply: Message, writer: Writer) -> None:
        """Let `writer` write `reply` (a streaming message, its text so far kept) in the background.

        The database has seen to it that the conversation's turn before has ended; if that one's thread has not
        noticed yet, the new turn takes its place.
        """
        turn = LiveTurn(reply, texts=[reply.text], thoughts=[reply.reasoning])
        if reply.reasoning and not reply.text.strip():
            turn.thoughts.append("\n\n")  # it was stopped while thinking, and thinks again from the start
        thread = threading.Thread(target=self._run, args=(turn, writer), name=f"turn {reply.id}", daemon=True)
        if self._closing.is_set():
            turn.cancellation.cancel()
        try:
            with self._lock:
                # Started inside the lock: `close` joins only threads that run. The new one waits for it, if at all.
                thread.start()
                self._live[reply.conversation_id] = turn
                self._threads.add(thread)
                self._some_live.set()
        except RuntimeError as error:  # the system has no thread left
            failed = ModelError(detail=str(error))
            self._messages.finish(
                reply.id,
                status="failed",
                text=turn.text(),
                reasoning=reply.reasoning,
                reply=reply.reply,
                failure=Failure(failed.code, dict(failed.params), str(failed)),
                probabilities=[],
                keep_probabilities=True,
            )
            raise failed from error

    def live(self, conversation_id: str) -> LiveSnapshot | None:
        """The reply that is being written in a conversation, as it stands now."""
        turn = self._turn(conversation_id)
        return turn.snapshot() if turn else None

    def wait(self, conversation_id: str, version: int, timeout: float) -> LiveSnapshot | None:
        """Wait at most `timeout` seconds for something newer than `version`; None once the turn has ended.

        The first text and the end come at once, what lies between about 25 times a second.
        """
        turn = self._turn(conversation_id)
        if turn is None:
            return None
        turn.wait(version, timeout)
        return None if turn.ended else turn.snapshot()

    def stop(self, conversation_id: str) -> None:
        """Stop the reply of a conversation; its text is kept. Returns at once."""
        turn = self._turn(conversation_id)
        if turn is not None:
            turn.cancellation.cancel()

    def close(self, timeout: float = 5.0) -> None:
        """End all turns, their texts kept as interrupted; at most `timeout` seconds."""
        self._closing.set()
        self._some_live.set()
        with self._lock:
            turns, threads = list(self._live.values()), list(self._threads)
        for turn in turns:
            turn.cancellation.cancel()
        until = time.monotonic() + timeout
        for thread in [*threads, self._keeper]:
            thread.join(max(0.0, until - time.monotonic()))

    def _turn(self, conversation_id: str) -> LiveTurn | None:
        with self._lock:
            return self._live.get(conversation_id)

    # ---- the worker ------------------------------------------------------------------------------------------

    def _run(self, turn: LiveTurn, writer: Writer) -> None:
        failure: Failure | None = None
        try:
            writer(turn)
        except (ModelError, StorageError) as error:
            failure = Failure(error.code, dict(error.params), str(error))
        except Exception as error:  # a worker's loop: whatever failed, the text must be kept
            log.exception("unexpected failure while writing a reply")
            unforeseen = ModelError(detail=str(error) or type(error).__name__)
            failure = Failure(unforeseen.code, dict(unforeseen.params), str(unforeseen))
        status = self._status(turn, failure)
        if status != "failed":
            failure = None
        elif failure is not None:
            log.warning("a reply failed: %s", failure.sentence)
        try:
            self._save(turn, status, _told(turn), failure)
        finally:
            self._forget(turn)

    def _status(self, turn: LiveTurn, failure: Failure | None) -> MessageStatus:
        if turn.last.finish_reason in ("stop", "length"):
            return "complete"
        if turn.cancellation.cancelled:
            return "interrupted" if self._closing.is_set() else "stopped"
        return "failed" if failure is not None else "complete"

    def _save(
        self, turn: LiveTurn, status: MessageStatus, details: ReplyDetails | None, failure: Failure | None
    ) -> None:
        """Save the end of the reply, again and again: until then it lives on in memory and on the page."""
        attempt = 0
        while True:
            attempt += 1
            try:
                self._messages.finish(
                    turn.reply.id,
                    status=status,
                    text=turn.text(),
                    reasoning=turn.reasoning(),
                    reply=details,
                    failure=failure,
                    probabilities=[TokenProbability(t.token, t.logprob, t.alternatives) for t in turn.logprobs],
                    keep_probabilities=bool(turn.reply.text or turn.reply.reasoning),
                )
                return
            except NotFound:
                log.warning("reply %s was deleted before it could be saved", turn.reply.id)
                return
            except Exception as error:  # noqa: BLE001  # a worker's loop: no failure may lose the text
                log.warning("the reply cannot be saved yet: %s", error)
            turn.move("saving")
            pause = SAVE_AGAIN_SECONDS[min(attempt, len(SAVE_AGAIN_SECONDS)) - 1]
            if self._closing.wait(pause):
                if attempt >= LAST_ATTEMPTS:
                    log.error("closing without having saved the end of reply %s", turn.reply.id)
                    return
                time.sleep(SAVE_AGAIN_SECONDS[0])

    def _forget(self, turn: LiveTurn) -> None:
        with self._lock:
            if self._live.get(turn.reply.conversation_id) is turn:
                del self._live[turn.reply.conversation_id]
            self._threads.discard(threading.current_thread())
            if not self._live and not self._closing.is_set():
                self._some_live.clear()
        turn.end()

    # ---- the checkpoints' thread -----------------------------------------------------------------------------

    def _keep(self) -> None:
        while self._some_live.wait() and not self._closing.wait(CHECKPOINT_SECONDS):
            with self._lock:
                turns = list(self._live.values())
            for turn in turns:
                if turn.phase == "writing":
                    self._checkpoint(turn)

    def _checkpoint(self, turn: LiveTurn) -> None:
        """Never in the worker's own thread: a slow disk must not slow the stream."""
        length = turn.length()
        if length == turn.saved:
            return
        try:
            self._messages.checkpoint(turn.reply.id, turn.text(), turn.reasoning())
        except Exception as error:  # noqa: BLE001  # a worker's loop: the next checkpoint may succeed
            log.warning("a checkpoint had to wait: %s", error)
        else:
            turn.saved = length


def _told(turn: LiveTurn) -> ReplyDetails | None:
    """The details of the end; none where they cannot be put together: what they tell is less than the text."""
    try:
        return _finished(turn, turn.details)
    except Exception:  # a worker's loop: no failure may lose the text
        log.exception("the details of reply %s cannot be put together", turn.reply.id)
        return turn.reply.reply


def _finished(turn: LiveTurn, details: ReplyDetails | None) -> ReplyDetails | None:
    """The details with what only the end of the stream tells; those of before, where Continue brought nothing new."""
    before = turn.reply.reply
    if details is None or (before is not None and not turn.tokens):
        return before
    usage, timings = turn.last.usage, turn.last.timings
    written = replace(
        details,
        finish_reason=turn.last.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else details.prompt_tokens,
        completion_tokens=usage.completion_tokens if usage else turn.tokens,
        cached_tokens=usage.cached_tokens if usage else None,
        first_token_ms=timings.first_token_ms if timings else None,
        total_ms=timings.total_ms if timings else None,
        tokens_per_second=(timings.tokens_per_second if timings else None) or turn.speed(),
    )
    return _added(before, written) if before is not None and turn.reply.text.strip() else written


def _added(before: ReplyDetails, written: ReplyDetails) -> ReplyDetails:
    """After Continue: the tokens and the time of all parts; the prompt's tokens are those above the reply."""
    earlier = before.completion_tokens or 0
    prompt = written.prompt_tokens
    return replace(
        written,
        prompt_tokens=None if prompt is None else max(0, prompt - earlier),
        completion_tokens=(written.completion_tokens or 0) + earlier,
        first_token_ms=before.first_token_ms,
        total_ms=None if written.total_ms is None else written.total_ms + (before.total_ms or 0.0),
    )
