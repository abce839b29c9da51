"""A worker process that serves a scripted engine: loads for as long as told, then answers, fails or dies."""

from __future__ import annotations

import os
import time

from models.workers.lifeline import Lifeline
from tests.engine.script import Script
from tests.engine.scripted import ScriptedEngine


def main() -> None:
    """Do as the parameters say; serve until the parent goes."""
    lifeline = Lifeline()
    wanted = lifeline.parameters()
    steps = 50
    for step in range(steps):
        lifeline.progress(step / steps)
        time.sleep(wanted["loading_seconds"] / steps)
    if wanted["failed"] is not None:
        lifeline.failed(wanted["failed"], "as told")
        return
    if wanted["dies_loading"]:
        print("scripted engine: cannot go on", flush=True)
        os.abort()
    engine = ScriptedEngine(Script(api_key=wanted["api_key"], **wanted["script"]))
    lifeline.ready(url=engine.url, context_length=engine.script.context_length)
    if wanted["dies_after"] is not None:
        time.sleep(wanted["dies_after"])
        os.abort()
    lifeline.wait()


if __name__ == "__main__":
    main()
