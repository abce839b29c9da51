"""The one thread that runs the model, and the turns that the running requests take on it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Generator

import torch

from models.workers.transformers_decoding import Step

log = logging.getLogger(__name__)

Deliver = Callable[[Step | Exception | None], None]
"""Takes each step of a request, then None when it is over, or the exception that ended it."""


class Job:
    """A request on the model's thread."""

    def __init__(self, steps: Generator[Step, None, None], deliver: Deliver) -> None:
        self.steps = steps
        self.deliver = deliver
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End the request before its next step. Safe from any thread, and after its end."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()


class Scheduler:
    """Gives every running request one step in turn, for as long as the process lives.

    One thread for all: two threads in torch would fight for the same cores, and a lock would not be fair.
    """

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._running: set[Job] = set()
        self._some = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def submit(self, steps: Generator[Step, None, None], deliver: Deliver) -> Job:
        """Run `steps` on the model's thread, handing each to `deliver` there."""
        job = Job(steps, deliver)
        with self._some:
            self._jobs.append(job)
            self._running.add(job)
            self._some.notify()
        return job

    @property
    def running(self) -> int:
        """How many requests are running or waiting for their turn."""
        with self._some:
            return len(self._running)

    def _run(self) -> None:
        with torch.inference_mode():
            while True:
                job = self._next()
                goes_on = self._step(job)
                with self._some:
                    if goes_on:
                        self._jobs.append(job)
                    else:
                        self._running.discard(job)

    def _next(self) -> Job:
        with self._some:
            while not self._jobs:
                self._some.wait()
            return self._jobs.popleft()

    def _step(self, job: Job) -> bool:
        """Run one step of `job`; whether there may be another."""
        end: Exception | None = None
        try:
            if not job.cancelled:
                job.deliver(next(job.steps))
                return True
            job.steps.close()
        except StopIteration:
            pass
        except Exception as failure:  # one request's failure must not end the others
            log.exception("A request failed")
            end = failure
        job.deliver(end)
        return False
