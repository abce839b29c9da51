"""The child process of the transformers runtime: loads one model and serves it on a loopback port.

Started as `python -m models.workers.transformers_worker`. The line of JSON on its stdin (see `lifeline`)
holds `path`, `name` and `api_key`, and may hold `quantization` and `context_length`.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

import psutil

from models.workers.lifeline import Lifeline

IMPORT_SECONDS = 4.0
READ_BYTES_PER_SECOND = 400e6
"""Guesses that split the progress between the import of torch and the reading of the weights."""
LOADED = 0.95
"""The fraction reached with the weights in place; the first forward pass is left."""
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # torch's threads on Linux spin while they wait for each other, and with another program on the same cores
    # take the time of the one waited for: 0.7 to 4 tokens/s, 11 with this (20 and 19 on a free machine).
    "GOMP_SPINCOUNT": "3000",
}


def main() -> None:
    """Load and serve until the app goes."""
    lifeline = Lifeline()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.environ.update(ENVIRONMENT)  # before the libraries are imported, which read it once
    _serve(lifeline, lifeline.parameters())


def _serve(lifeline: Lifeline, parameters: dict[str, Any]) -> None:
    folder = Path(parameters["path"])
    imported = _share_of_import(folder)
    lifeline.progress(0.0)
    # Imported here: only now is the environment offline, and the app is to hear of progress before.
    import torch

    torch.set_num_threads(_cores())

    from models.workers.transformers_loading import CannotLoad, load

    lifeline.progress(imported)
    try:
        model = load(
            folder,
            parameters.get("quantization", "auto"),
            parameters.get("context_length"),
            lambda fraction: lifeline.progress(imported + (LOADED - imported) * fraction),
        )
    except CannotLoad as exc:
        lifeline.failed(exc.kind, str(exc), **exc.numbers)
        return
    import uvicorn

    from models.workers.transformers_server import make_app

    app = make_app(parameters["name"], model, parameters["api_key"])
    gc.freeze()  # the model's many objects live as long as the process: no collection need look at them
    # Named as TCP, or asyncio leaves Nagle's algorithm on and a token may wait for a delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    lifeline.ready(url=f"http://127.0.0.1:{listener.getsockname()[1]}", context_length=model.context_length)
    server.run(sockets=[listener])


def _share_of_import(folder: Path) -> float:
    """About how much of the loading time goes into importing torch and transformers."""
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return LOADED * IMPORT_SECONDS / (IMPORT_SECONDS + weights / READ_BYTES_PER_SECOND)


def _cores() -> int:
    """Physical cores that this process may use: a second thread on one core slows matrix products down."""
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return max(1, min(physical, len(os.sched_getaffinity(0))))
    return physical


if __name__ == "__main__":
    main()
