"""The real engine: its tokens/s through our client beside the same engine driven directly, and how fast Stop is.

`direct` reads the same stream off a bare socket and parses nothing. `ratio` is the median of pairs that ran one
after the other. `stop_ms` is the time from Stop until the engine itself says that its slot is free.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bench.scene import report
from models.catalog import starter
from models.client import ALTERNATIVES, Cancellation, Client
from models.completion import request_body
from models.runtimes.child import ChildEngine
from models.runtimes.llama_cpp import LlamaCppRuntime
from models.types import ChatMessage, SamplingOptions

STORY = (ChatMessage("user", "Write a long story about a lighthouse keeper and the sea."),)
LONG = (ChatMessage("user", "".join(f"Line {n} tells of the keeper and the sea. " for n in range(500))),)


def direct(engine: ChildEngine, options: SamplingOptions) -> float:
    """Tokens/s between the first and the last token, off the socket."""
    body = request_body(engine.endpoint, STORY, options, False, ALTERNATIVES)
    connection = http.client.HTTPConnection(urlsplit(engine.endpoint.url).netloc, timeout=600)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {engine.endpoint.api_key}"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    moments = [time.perf_counter() for line in connection.getresponse() if b'"content":"' in line]
    connection.close()
    return (len(moments) - 1) / (moments[-1] - moments[0])


def through_client(client: Client, options: SamplingOptions) -> float:
    """The same through the client."""
    moments = [time.perf_counter() for chunk in client.stream(STORY, options) if chunk.text]
    return (len(moments) - 1) / (moments[-1] - moments[0])


def stop(engine: ChildEngine, client: Client, messages: tuple[ChatMessage, ...], after: float) -> float:
    """Milliseconds from Stop to a free slot, with Stop coming `after` seconds of work."""
    cancellation, begun = Cancellation(), threading.Event()

    def follow() -> None:
        for chunk in client.stream(messages, SamplingOptions(max_tokens=2000), cancellation=cancellation):
            if chunk.text or chunk.progress:
                begun.set()

    thread = threading.Thread(target=follow)
    thread.start()
    begun.wait()
    time.sleep(after)
    headers = {"Authorization": f"Bearer {engine.endpoint.api_key}"}
    with httpx.Client(base_url=engine.endpoint.url, headers=headers, timeout=60) as http_client:
        began = time.perf_counter()
        cancellation.cancel()
        while any(slot["is_processing"] for slot in http_client.get("/slots").json()):
            time.sleep(0.005)
        freed = time.perf_counter()
    thread.join()
    return (freed - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--data-dir", type=Path, required=True, help="a data folder that holds the starter model")
    wanted = parser.parse_args()
    options = SamplingOptions(temperature=0.0, max_tokens=wanted.tokens, seed=1)
    with tempfile.TemporaryDirectory(prefix="inkglass-bench-") as folder:
        runtime = LlamaCppRuntime(Path(folder) / "logs", Path(folder) / "slots")
        engine = runtime.start(starter(wanted.data_dir), lambda _: None)
        client = Client(engine.endpoint)
        try:
            through_client(client, options)
            pairs = [(direct(engine, options), through_client(client, options)) for _ in range(wanted.runs)]
            writing = [stop(engine, client, STORY, 0.3) for _ in range(wanted.runs)]
            reading = [stop(engine, client, LONG, 0.1 + 0.13 * run) for run in range(wanted.runs)]
        finally:
            client.close()
            engine.stop()
    report(
        {
            "direct_tokens_per_second": round(statistics.median(pair[0] for pair in pairs), 2),
            "client_tokens_per_second": round(statistics.median(pair[1] for pair in pairs), 2),
            "ratio": round(statistics.median(ours / theirs for theirs, ours in pairs), 4),
            "stop_ms_while_writing": round(statistics.median(writing), 1),
            "stop_ms_while_writing_worst": round(max(writing), 1),
            "stop_ms_while_reading": round(statistics.median(reading), 1),
            "stop_ms_while_reading_worst": round(max(reading), 1),
        }
    )


if __name__ == "__main__":
    main()
